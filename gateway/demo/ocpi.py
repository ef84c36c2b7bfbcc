"""Simulated OCPI 2.2.1 partners: a CPO and an EMSP, each with its own HTTP server.

They hold plain dictionaries and check that what they get has the fields that OCPI requires.
"""

import base64
import uuid
from collections import Counter
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, quote, unquote

import msgspec

from gateway.demo.data import NOW, utc
from gateway.http import HttpCall, Request, Response

_ENCODE = msgspec.json.Encoder(decimal_format="number").encode
_DECODE = msgspec.json.Decoder(float_hook=Decimal).decode
_REQUIRED = {
    "locations": ("country_code", "party_id", "id", "publish", "address", "city", "country",
                  "coordinates", "time_zone", "last_updated"),
    "tariffs": ("country_code", "party_id", "id", "currency", "elements", "last_updated"),
    "tokens": ("country_code", "party_id", "uid", "type", "contract_id", "issuer", "valid",
               "whitelist", "last_updated"),
    "sessions": ("country_code", "party_id", "id", "start_date_time", "kwh", "cdr_token",
                 "auth_method", "location_id", "evse_uid", "connector_id", "currency", "status",
                 "last_updated"),
    "cdrs": ("country_code", "party_id", "id", "start_date_time", "end_date_time", "cdr_token",
             "auth_method", "cdr_location", "currency", "charging_periods", "total_cost",
             "total_energy", "total_time", "last_updated"),
}  # fmt: skip
_RECEIVES = {
    "CPO": ("tokens",),
    "EMSP": ("locations", "tariffs", "sessions", "cdrs"),
}
_SENDS = {
    "CPO": ("locations", "tariffs", "sessions", "cdrs"),
    "EMSP": ("tokens",),
}


class Broken(Exception):
    """The gateway said something that OCPI forbids, or refused what it should take."""


class OcpiPartner:
    """One party. ``lists`` is what it owns, ``got`` what the gateway gave it."""

    def __init__(self, fetch: Any, role: str, country: str, party: str, name: str) -> None:
        self._fetch = fetch
        self.role, self.country, self.party, self.name = role, country, party, name
        self.url = ""
        self.accepts = uuid.uuid4().hex
        self.presents = ""
        self.endpoints: dict[tuple[str, str], str] = {}
        self.lists: dict[str, list[dict[str, Any]]] = {module: [] for module in _REQUIRED}
        self.got: dict[str, dict[str, dict[str, Any]]] = {module: {} for module in _REQUIRED}
        self.patches: list[dict[str, Any]] = []
        self.allowed: dict[str, str] = {}
        self.delay = 0.0
        self.calls: Counter[str] = Counter()
        self.faults: list[str] = []

    # -- what others call ------------------------------------------------------------------

    async def handle(self, request: Request) -> Response:
        """Answer one HTTP request."""
        steps = [unquote(step) for step in request.path.strip("/").split("/")]
        if not self._known(request.headers.get("authorization", "")):
            return self._answer(401, 2000, message="unknown token")
        self.calls[f"{request.method} {steps[1] if len(steps) > 1 else steps[0]}"] += 1
        body = _DECODE(request.body) if request.body else None
        if steps == ["versions"]:
            return self._answer(200, data=[{"version": "2.2.1", "url": f"{self.url}/2.2.1"}])
        if steps == ["2.2.1"]:
            return self._answer(200, data=self._details())
        if steps[1:2] == ["credentials"]:
            return self._answer(200, data=self._credentials())
        side, module, *rest = steps
        if side == "sender":
            return await self._send(module, rest, request, body)
        return self._receive(request.method, module, rest, body)

    def _known(self, header: str) -> bool:
        word, _, value = header.partition(" ")
        return word.lower() == "token" and value in (
            self.accepts,
            base64.b64encode(self.accepts.encode()).decode(),
        )

    def _details(self) -> dict[str, Any]:
        sides = (("SENDER", "sender", _SENDS), ("RECEIVER", "receiver", _RECEIVES))
        return {
            "version": "2.2.1",
            "endpoints": [
                {"identifier": "credentials", "role": "SENDER",
                 "url": f"{self.url}/2.2.1/credentials"},
                *(
                    {"identifier": module, "role": side, "url": f"{self.url}/{path}/{module}"}
                    for side, path, table in sides
                    for module in table[self.role]
                ),
            ],
        }  # fmt: skip

    def _credentials(self) -> dict[str, Any]:
        return {
            "token": self.accepts,
            "url": f"{self.url}/versions",
            "roles": [
                {
                    "role": self.role,
                    "country_code": self.country,
                    "party_id": self.party,
                    "business_details": {"name": self.name},
                }
            ],
        }

    async def _send(self, module: str, rest: list[str], request: Request, body: Any) -> Response:
        if rest[1:] == ["authorize"]:
            return await self._authorize(rest[0])
        query = parse_qs(request.query)
        offset = int(query.get("offset", ["0"])[0])
        limit = min(int(query.get("limit", ["50"])[0]), 50)
        items = self.lists[module]
        page = items[offset : offset + limit]
        headers = {"X-Total-Count": str(len(items)), "X-Limit": "50"}
        if offset + limit < len(items):
            following = f"{self.url}{request.path}?offset={offset + limit}&limit={limit}"
            headers["Link"] = f'<{following}>; rel="next"'
        return self._answer(200, data=page, headers=headers)

    async def _authorize(self, uid: str) -> Response:
        from twisted.internet import reactor
        from twisted.internet.task import deferLater

        if self.delay:
            await deferLater(reactor, self.delay)
        token = next((token for token in self.lists["tokens"] if token["uid"] == uid), None)
        if token is None:
            return self._answer(404, 2004, message="unknown token")
        answer = {"allowed": self.allowed.get(uid, "ALLOWED"), "token": token}
        return self._answer(200, data=answer)

    def _receive(self, method: str, module: str, rest: list[str], body: Any) -> Response:
        if method == "PATCH":
            self.patches.append({"path": rest, **body})
            known = self.got[module].get(rest[2])
            for evse in (known or {}).get("evses", ()):
                if len(rest) > 3 and evse["uid"] == rest[3]:
                    evse.update(body)
            return self._answer(200 if known else 404, 1000 if known else 2003)
        if method == "POST":
            self._keep(module, body["id"], body)
            place = f"{self.url}/receiver/{module}/{quote(body['id'])}"
            return self._answer(201, headers={"Location": place})
        if method == "PUT" and len(rest) == 3:
            self._keep(module, rest[2], body)
            return self._answer(200)
        if method == "DELETE":
            self.got[module].pop(rest[2], None)
            return self._answer(200)
        return self._answer(405, 2000)

    def _keep(self, module: str, key: str, body: dict[str, Any]) -> None:
        missing = [name for name in _REQUIRED[module] if body.get(name) is None]
        if missing:
            self.faults.append(f"{module} {key}: no {', '.join(missing)}")
        if module == "cdrs" and key in self.got[module]:
            self.faults.append(f"cdr {key} came twice")
        self.got[module][key] = body

    def _answer(
        self,
        status: int,
        code: int = 1000,
        *,
        data: Any = None,
        message: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        body = {"status_code": code, "timestamp": utc(NOW)}
        if data is not None:
            body["data"] = data
        if message:
            body["status_message"] = message
        return Response(
            status=status,
            headers={"Content-Type": "application/json", **(headers or {})},
            body=_ENCODE(body),
        )

    # -- what it calls ---------------------------------------------------------------------

    async def register(self, versions_url: str, token_a: str) -> None:
        """The handshake, started by this side."""
        self.presents = token_a
        versions = await self.call("GET", versions_url)
        url = next(version["url"] for version in versions if version["version"] == "2.2.1")
        details = await self.call("GET", url)
        self.endpoints = {
            (endpoint["identifier"], endpoint["role"]): endpoint["url"].rstrip("/")
            for endpoint in details["endpoints"]
        }
        credentials_url = self.endpoints["credentials", "SENDER"]
        answer = await self.call("POST", credentials_url, self._credentials())
        self.presents = answer["token"]

    async def put(self, module: str, item: dict[str, Any]) -> None:
        """Push an object that this party owns (a CDR by POST)."""
        url = self.endpoints[module, "RECEIVER"]
        if module == "cdrs":
            await self.call("POST", url, item)
            return
        key = item["uid"] if module == "tokens" else item["id"]
        path = "/".join(quote(step, safe="") for step in (self.country, self.party, key))
        await self.call("PUT", f"{url}/{path}", item)

    async def patch_evse(self, location: str, evse: str, **changes: Any) -> None:
        """Push a change of one EVSE."""
        url = self.endpoints["locations", "RECEIVER"]
        path = "/".join(quote(s, safe="") for s in (self.country, self.party, location, evse))
        await self.call("PATCH", f"{url}/{path}", changes)

    async def authorize(self, uid: str) -> str:
        """Ask the gateway, as a CPO does, whether a token may charge."""
        url = self.endpoints["tokens", "SENDER"]
        answer = await self.call("POST", f"{url}/{quote(uid, safe='')}/authorize")
        allowed: str = answer["allowed"]
        return allowed

    async def call(self, method: str, url: str, body: Any = None) -> Any:
        """One HTTP call to the gateway; the ``data`` of its answer. Raises Broken."""
        answer = await self._fetch(
            HttpCall(
                method=method,
                url=url,
                headers={
                    "authorization": f"Token {base64.b64encode(self.presents.encode()).decode()}",
                    "x-request-id": str(uuid.uuid4()),
                    "x-correlation-id": str(uuid.uuid4()),
                    **({"content-type": "application/json"} if body is not None else {}),
                },
                body=b"" if body is None else _ENCODE(body),
            )
        )
        content = _DECODE(answer.body) if answer.body else {}
        if not 200 <= answer.status < 300 or not 1000 <= content.get("status_code", 0) < 2000:
            raise Broken(
                f"{method} {url}: HTTP {answer.status} {content.get('status_code')} "
                f"{content.get('status_message')}"
            )
        return content.get("data")
