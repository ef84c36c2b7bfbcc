"""Simulated OCHP 1.4 partners: a clearing house that answers, and callers (CPO, EMP).

They build and read plain XML by hand and check everything they get against the contract's schema.
"""

from collections import Counter
from copy import deepcopy
from typing import Any

from lxml import etree

from gateway.demo.data import NOW, utc
from gateway.http import HttpCall, Request, Response
from gateway.schema import schema_for

NS = "http://ochp.eu/1.4"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
TEXT = (
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0"
    "#PasswordText"
)
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
OK = "<result><resultCode><resultCode>ok</resultCode></resultCode><resultDescription/></result>"


def tag(element: Any) -> str:
    """The local name."""
    return etree.QName(element).localname


def texts(element: Any, path: str) -> list[str]:
    """The texts at a path of local names."""
    way = "/".join(f"{{{NS}}}{step}" for step in path.split("/"))
    return [found.text or "" for found in element.findall(way)]


def text(element: Any, path: str) -> str:
    """The one text at a path, or nothing."""
    return next(iter(texts(element, path)), "")


def wrapped(root: str, inner: str, username: str = "", password: str = "") -> bytes:
    """A SOAP 1.1 envelope around a body, with a UsernameToken when a name is given."""
    header = ""
    if username:
        header = (
            f'<s:Header><w:Security s:mustUnderstand="1" xmlns:w="{WSSE}"><w:UsernameToken>'
            f'<w:Username>{username}</w:Username><w:Password Type="{TEXT}">{password}</w:Password>'
            "</w:UsernameToken></w:Security></s:Header>"
        )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{SOAP}">{header}'
        f'<s:Body><{root} xmlns="{NS}">{inner}</{root}></s:Body></s:Envelope>'
    ).encode()


def unwrapped(data: bytes) -> Any:
    """The body's child."""
    envelope: Any = etree.fromstring(data, _PARSER)
    return envelope.find(f"{{{SOAP}}}Body")[0]


class Invalid(Exception):
    """The gateway said something that its contract forbids."""


def check(body: Any) -> Any:
    """The body, when it is valid."""
    problems = schema_for("ochp", "1.4").check(body)
    if problems:
        raise Invalid("; ".join(map(str, problems[:3])))
    return body


class OchpCaller:
    """A CPO or EMP that calls the gateway as its clearing house."""

    def __init__(self, fetch: Any, url: str, username: str, password: str) -> None:
        self._fetch, self._url = fetch, url
        self._credentials = (username, password)
        self.calls = 0

    async def call(self, root: str, inner: str = "", *, live: bool = False) -> Any:
        """Ask; the valid answer's body. Raises Invalid for anything else."""
        self.calls += 1
        answer = await self._fetch(
            HttpCall(
                method="POST",
                url=f"{self._url}/live" if live else self._url,
                headers={"content-type": "text/xml; charset=utf-8", "soapaction": '""'},
                body=wrapped(root, inner, *self._credentials),
            )
        )
        body = unwrapped(answer.body)
        if answer.status != 200:
            raise Invalid(f"{root}: HTTP {answer.status} {body.findtext('faultstring')}")
        return check(body)

    async def said_ok(self, root: str, inner: str, *, live: bool = False) -> Any:
        """Ask, and insist on ``ok``."""
        body = await self.call(root, inner, live=live)
        code = text(body, "result/resultCode/resultCode")
        if code != "ok":
            raise Invalid(f"{root}: {code} {text(body, 'result/resultDescription')}")
        return body


class OchpHub:
    """A clearing house: keeps what it is given, answers from what it has."""

    def __init__(self, username: str, password: str) -> None:
        self._credentials = (username, password)
        self.charge_points: dict[str, Any] = {}
        self.tariffs: dict[str, Any] = {}
        self.tokens: dict[str, Any] = {}
        self.status: dict[str, tuple[str, str]] = {}
        self.cdrs: dict[str, Any] = {}
        self.own_charge_points: list[str] = []
        self.own_tokens: list[str] = []
        self.own_cdrs: dict[str, str] = {}
        self.confirmed: dict[str, str] = {}
        self.approved: set[str] = set()
        self.calls: Counter[str] = Counter()
        self.faults: list[str] = []

    async def handle(self, request: Request) -> Response:
        """Answer one HTTP request."""
        envelope: Any = etree.fromstring(request.body, _PARSER)
        names = (
            envelope.findtext(f".//{{{WSSE}}}Username"),
            envelope.findtext(f".//{{{WSSE}}}Password"),
        )
        body = envelope.find(f"{{{SOAP}}}Body")[0]
        root = tag(body)
        self.calls[root] += 1
        try:
            check(body)
        except Invalid as error:
            self.faults.append(f"{root}: {error}")
        if names != self._credentials:
            return Response(
                status=500,
                headers={"Content-Type": "text/xml"},
                body=(
                    f'<s:Envelope xmlns:s="{SOAP}"><s:Body><s:Fault><faultcode xmlns:w="{WSSE}">'
                    "w:FailedAuthentication</faultcode><faultstring>The security token could not "
                    "be authenticated or authorized</faultstring></s:Fault></s:Body></s:Envelope>"
                ).encode(),
            )
        inner = getattr(self, f"_{root}")(body)
        answer = root.replace("Request", "Response")
        return Response(
            status=200, headers={"Content-Type": "text/xml"}, body=wrapped(answer, inner)
        )

    def _keep(self, body: Any, item: str, key: str, store: dict[str, Any]) -> str:
        for element in body.findall(f"{{{NS}}}{item}"):
            store[text(element, key)] = element
        return OK

    def _SetChargePointListRequest(self, body: Any) -> str:
        return self._keep(body, "chargePointInfoArray", "evseId", self.charge_points)

    _UpdateChargePointListRequest = _SetChargePointListRequest

    def _UpdateTariffsRequest(self, body: Any) -> str:
        return self._keep(body, "TariffInfoArray", "tariffId", self.tariffs)

    def _SetRoamingAuthorisationListRequest(self, body: Any) -> str:
        return self._keep(body, "roamingAuthorisationInfoArray", "EmtId/instance", self.tokens)

    _UpdateRoamingAuthorisationListRequest = _SetRoamingAuthorisationListRequest

    def _UpdateStatusRequest(self, body: Any) -> str:
        for element in body.findall(f"{{{NS}}}evse"):
            self.status[text(element, "evseId")] = (
                element.get("major", ""),
                element.get("minor", ""),
            )
        return OK

    def _AddCDRsRequest(self, body: Any) -> str:
        return self._keep(body, "cdrInfoArray", "CdrId", self.cdrs)

    def _CheckCDRsRequest(self, body: Any) -> str:
        """Its own providers approve at once whatever was added."""
        if text(body, "cdrStatus/CdrStatusType") != "approved":
            return OK
        found = ""
        for cdr_id, cdr in self.cdrs.items():
            approved = deepcopy(cdr)
            approved.find(f"{{{NS}}}status")[0].text = "approved"
            found += etree.tostring(approved, encoding="unicode")
            self.approved.add(cdr_id)
        return OK + found

    def _ConfirmCDRsRequest(self, body: Any) -> str:
        for verdict in ("approved", "declined"):
            for cdr_id in texts(body, f"{verdict}/cdrId"):
                self.confirmed[cdr_id] = verdict
        return OK

    def _GetCDRsRequest(self, body: Any) -> str:
        return OK + "".join(
            cdr for cdr_id, cdr in self.own_cdrs.items() if cdr_id not in self.confirmed
        )

    def _GetChargePointListRequest(self, body: Any) -> str:
        return OK + "".join(self.own_charge_points)

    _GetChargePointListUpdatesRequest = _GetChargePointListRequest

    def _GetTariffUpdatesRequest(self, body: Any) -> str:
        return OK

    def _GetRoamingAuthorisationListRequest(self, body: Any) -> str:
        return OK + "".join(self.own_tokens)

    def _GetRoamingAuthorisationListUpdatesRequest(self, body: Any) -> str:
        renamed = [
            item.replace("roamingAuthorisationInfoArray", "roamingAuthorisationInfo")
            for item in self.own_tokens
        ]
        return OK + "".join(renamed)

    def _GetSingleRoamingAuthorisationRequest(self, body: Any) -> str:
        return OK.replace("ok", "invalid-id")

    def _GetStatusRequest(self, body: Any) -> str:
        ids = [
            text(etree.fromstring(f'<r xmlns="{NS}">{item}</r>')[0], "evseId")
            for item in self.own_charge_points
        ]
        return "".join(
            f'<evse major="available" minor="available" ttl="{utc(NOW)}">'
            f"<evseId>{evse_id}</evseId></evse>"
            for evse_id in ids
        )
