"""Partners that receive: an OCPI EMSP and an OCHP clearing house, and what each has seen.

Rules: like the real ones they keep a CDR once under its id; the same again has no effect.
Why: what they keep is judged at the end: one content for an id, whatever came how often.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from lxml import etree

from tests.crash.wire import Asked, Said

NS = "http://ochp.eu/1.4"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_OK = "<result><resultCode><resultCode>ok</resultCode></resultCode><resultDescription/></result>"


@dataclass(frozen=True)
class Seen:
    """An object in a request that a partner has processed."""

    correlation: str
    kind: str
    id: str
    content: str
    """All that it said, in one form."""


@dataclass
class Receiver:
    """What a partner has processed, in order."""

    party: str
    seen: list[Seen] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def contents(self, kind: str) -> dict[str, list[str]]:
        """Per id what came, each content once, in the order in which it came first."""
        found: dict[str, list[str]] = defaultdict(list)
        for each in self.seen:
            if each.kind == kind and each.content not in found[each.id]:
                found[each.id].append(each.content)
        return found

    def sequence(self, kind: str, id: str) -> list[str]:
        """What came under an id; the same again right after itself counts once."""
        told: list[str] = []
        for each in self.seen:
            if each.kind == kind and each.id == id and told[-1:] != [each.content]:
                told.append(each.content)
        return told


class Emsp(Receiver):
    """An OCPI 2.2.1 EMSP: versions, and the receiver side of all modules."""

    url = ""

    def process(self, asked: Asked) -> Said:
        steps = [unquote(step) for step in asked.path.partition("?")[0].strip("/").split("/")]
        if steps == ["versions"]:
            return _ocpi([{"version": "2.2.1", "url": f"{self.url}/2.2.1"}])
        if steps == ["2.2.1"]:
            return _ocpi({"version": "2.2.1", "endpoints": list(self._endpoints())})
        if steps[0] != "receiver":
            return _ocpi([])
        module, *rest = steps[1:]
        body: Any = json.loads(asked.body, parse_float=Decimal) if asked.body else {}
        id = body["id"] if asked.method == "POST" else rest[2]
        if asked.method == "PATCH":
            return _ocpi(None, 404, 2003)  # so that the whole object comes
        self.seen.append(Seen(asked.correlation, module, id, _one_form(body)))
        if asked.method == "POST":
            return _ocpi(None, 201, headers={"Location": f"{self.url}/receiver/cdrs/{id}"})
        return _ocpi(None)

    def _endpoints(self) -> Iterator[dict[str, str]]:
        yield {"identifier": "credentials", "role": "SENDER", "url": f"{self.url}/credentials"}
        for module in ("locations", "tariffs", "sessions", "cdrs", "tokens"):
            yield {
                "identifier": module,
                "role": "RECEIVER",
                "url": f"{self.url}/receiver/{module}",
            }


def _one_form(body: dict[str, Any]) -> str:
    return json.dumps(body, sort_keys=True, default=str)


def _ocpi(data: Any, status: int = 200, code: int = 1000, **more: Any) -> Said:
    body = {"status_code": code, "timestamp": "2026-01-01T00:00:00Z"}
    if data is not None:
        body["data"] = data
    headers = {"Content-Type": "application/json", **more.get("headers", {})}
    return Said(status, json.dumps(body).encode(), headers)


class Hub(Receiver):
    """An OCHP clearing house that is given CDRs, sites, status and tokens."""

    def process(self, asked: Asked) -> Said:
        body = body_of(asked.body)
        name = etree.QName(body).localname
        item, kind, key = _LISTS.get(name, ("", "", ""))
        if not item:
            return _soap(fault(f"{name} is not offered"), 500)
        for element in body.findall(f"{{{NS}}}{item}"):
            id = element.findtext("/".join(f"{{{NS}}}{step}" for step in key.split("/")))
            self.seen.append(Seen(asked.correlation, kind, str(id), in_one_form(element)))
        return _soap(f'<{name[:-7]}Response xmlns="{NS}">{_OK}</{name[:-7]}Response>')


_LISTS = {
    "AddCDRsRequest": ("cdrInfoArray", "cdrs", "CdrId"),
    "UpdateChargePointListRequest": ("chargePointInfoArray", "locations", "evseId"),
    "SetChargepointListRequest": ("chargePointInfoArray", "locations", "evseId"),
    "UpdateRoamingAuthorisationListRequest": (
        "roamingAuthorisationInfoArray",
        "tokens",
        "EmtId/instance",
    ),
    "UpdateStatusRequest": ("evse", "status", "evseId"),
}


def in_one_form(element: Any) -> str:
    """An element without the space between its children."""
    text: str = etree.tostring(element, method="c14n").decode()
    return re.sub(r">\s+<", "><", text).strip()


def body_of(message: bytes) -> Any:
    """The child of a SOAP body."""
    envelope: Any = etree.fromstring(message, etree.XMLParser(resolve_entities=False))
    return envelope.find(f"{{{SOAP}}}Body")[0]


def fault(text: str) -> str:
    """A SOAP fault."""
    return (
        f'<s:Fault xmlns:s="{SOAP}"><faultcode>s:Server</faultcode>'
        f"<faultstring>{text}</faultstring></s:Fault>"
    )


def _soap(inner: str, status: int = 200) -> Said:
    body = f'<s:Envelope xmlns:s="{SOAP}"><s:Body>{inner}</s:Body></s:Envelope>'
    return Said(status, body.encode(), {"Content-Type": "text/xml; charset=utf-8"})
