"""The full hop as a team would write it around zeep: ``... -m benchmarks.zeep_hop PORT ADDRESS``.

A thread for each connection, a zeep client for each thread; OCPI authorize in, OCHP to the partner,
JSON back. zeep reads the answer by its types; what comes in is not checked against a schema.
"""

import sys
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from benchmarks.operations import WSDL
from gateway.demo.data import utc
from gateway.schema import contract_file

_local = threading.local()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    address = ""

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        location = msgspec.json.decode(self.rfile.read(length)) if length else None
        if self.headers.get("Authorization") != "Token bench-token":
            self.send_error(401)
            return
        uid = self.path.split("/tokens/")[1].split("/")[0]
        body = msgspec.json.encode(self.answer(uid, location))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self, uid: str, location: Any) -> dict[str, Any]:
        found = self.service().GetSingleRoamingAuthorisation(
            emtId={"instance": uid, "tokenType": "rfid", "representation": "plain"}
        )
        now, info, token = utc(datetime.now(UTC)), found.roamingAuthorisationInfo, None
        if info is not None:
            token = {
                "country_code": info.contractId[:2],
                "party_id": info.contractId[3:6],
                "uid": info.EmtId.instance,
                "type": "RFID",
                "contract_id": info.contractId,
                "visual_number": info.printedNumber,
                "issuer": "#NA",
                "valid": info.expiryDate.DateTime > now,
                "whitelist": "ALLOWED",
                "last_updated": now,
            }
        allowed = "NOT_ALLOWED" if token is None else "ALLOWED" if token["valid"] else "EXPIRED"
        data = {"allowed": allowed, "token": token, "location": location}
        return {"data": data, "status_code": 1000, "timestamp": now}

    def service(self) -> Any:
        if not hasattr(_local, "service"):
            import zeep
            from zeep.wsse.username import UsernameToken

            client = zeep.Client(
                str(contract_file(WSDL)), wsse=UsernameToken("roamgate", "bench-out")
            )
            binding = "{http://ochp.eu/1.4}eCHS-OCHP_1.4"
            _local.service = client.create_service(binding, self.address)
        return _local.service

    def log_message(self, *arguments: Any) -> None: ...


def main(port: int, address: str) -> None:
    Handler.address = address
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
