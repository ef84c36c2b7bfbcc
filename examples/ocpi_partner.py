"""An OCPI CPO's view of the gateway, with the standard library only: register, push, read back.

The partner has an HTTP server of its own, because the gateway calls back while it registers.
Run it: python examples/ocpi_partner.py http://127.0.0.1:8080/ocpi/versions TOKEN_A NL HAV
"""

import base64
import json
import sys
import threading
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Partner(BaseHTTPRequestHandler):
    """Answers the gateway's two questions: which versions, which endpoints."""

    def do_GET(self) -> None:
        """Versions, or the details of the one version."""
        base = f"http://127.0.0.1:{self.server.server_address[1]}"
        data: Any = [{"version": "2.2.1", "url": f"{base}/2.2.1"}]
        if self.path == "/2.2.1":
            modules = (("credentials", "SENDER"), ("locations", "SENDER"), ("tokens", "RECEIVER"))
            data = {
                "version": "2.2.1",
                "endpoints": [
                    {"identifier": name, "role": role, "url": f"{base}/2.2.1/{role}/{name}"}
                    for name, role in modules
                ],
            }
        body = json.dumps({"data": data, "status_code": 1000, "timestamp": "2026-06-15T08:00:00Z"})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def call(method: str, url: str, token: str, body: Any = None) -> Any:
    """One OCPI call; the ``data`` of the answer."""
    request = urllib.request.Request(  # noqa: S310 - the caller's own URL
        url,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": "Token " + base64.b64encode(token.encode()).decode(),
            "Content-Type": "application/json",
            "X-Request-ID": str(uuid.uuid4()),
            "X-Correlation-ID": str(uuid.uuid4()),
        },
    )
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
        content = json.load(answer)
    if content["status_code"] != 1000:
        raise SystemExit(f"{method} {url}: {content}")
    return content.get("data")


def main(versions_url: str, token_a: str, country: str, party: str, port: str = "0") -> None:
    """Register with token A, push a location, read it back."""
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), Partner)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    version = call("GET", versions_url, token_a)[0]
    details = call("GET", version["url"], token_a)
    urls = {(e["identifier"], e["role"]): e["url"] for e in details["endpoints"]}
    role = {"role": "CPO", "country_code": country, "party_id": party}
    mine = {
        "token": uuid.uuid4().hex,
        "url": f"http://127.0.0.1:{server.server_address[1]}/versions",
        "roles": [{**role, "business_details": {"name": "Example CPO"}}],
    }
    token = call("POST", urls["credentials", "SENDER"], token_a, mine)["token"]
    print("registered with OCPI", version["version"])
    evse = {
        "uid": "EX-1",
        "evse_id": f"{country}*{party}*EEX1",
        "status": "AVAILABLE",
        "connectors": [
            {
                "id": "1", "standard": "IEC_62196_T2", "format": "SOCKET",
                "power_type": "AC_3_PHASE", "max_voltage": 230, "max_amperage": 32,
                "last_updated": "2026-06-15T08:00:00Z",
            }
        ],
        "last_updated": "2026-06-15T08:00:00Z",
    }  # fmt: skip
    location = {
        "country_code": country, "party_id": party, "id": "EXAMPLE1", "publish": True,
        "address": "Havenkade 12", "city": "Delft", "country": "NLD",
        "coordinates": {"latitude": "52.011600", "longitude": "4.357100"},
        "evses": [evse], "time_zone": "Europe/Amsterdam", "last_updated": "2026-06-15T08:00:00Z",
    }  # fmt: skip
    place = f"{urls['locations', 'RECEIVER']}/{country}/{party}/EXAMPLE1"
    call("PUT", place, token, location)
    again = call("GET", place, token)
    print("location", again["id"], "holds", again["evses"][0]["evse_id"])
    server.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
