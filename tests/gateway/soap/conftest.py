"""A small parking service in both SOAP versions, and messages for it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
from lxml import etree

from gateway.http import Request
from gateway.schema import Schema
from gateway.security import wsse
from gateway.security.parse import Limits, parse
from gateway.soap import envelope
from gateway.soap.contract import Contract
from gateway.soap.envelope import Version
from gateway.soap.service import SoapService

CONTRACT = Path(__file__).parent / "contract" / "parking.wsdl"
NAMESPACE = "urn:example:parking"
OCCUPY = b'<OccupyRequest xmlns="urn:example:parking"><spot>A1</spot></OccupyRequest>'
TOKEN = wsse.UsernameToken("cpo", "pass")


def authenticate(username: str, password: str) -> str | None:
    """The one party there is."""
    return "party-1" if (username, password) == ("cpo", "pass") else None


def body(*spots: str) -> etree._Element:
    root = etree.Element(f"{{{NAMESPACE}}}OccupyRequest", nsmap={None: NAMESPACE})
    for spot in spots:
        etree.SubElement(root, f"{{{NAMESPACE}}}spot").text = spot
    return root


def message(
    content: Any = OCCUPY,
    version: Version = Version.SOAP_11,
    token: wsse.UsernameToken | None = TOKEN,
    headers: tuple = (),
) -> bytes:
    """A whole message with credentials."""
    security = () if token is None else (wsse.write(token, version.value),)
    return envelope.write(version, content, [*security, *headers])


def request(content: bytes, version: Version = Version.SOAP_11, **headers: str) -> Request:
    """A POST as a tidy peer sends it; ``None`` takes a header away."""
    action = "urn:do/Occupy"
    given = {"content-type": f"{version.media_type}; charset=utf-8"}
    if version is Version.SOAP_11:
        given["soapaction"] = f'"{action}"'
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(
        method="POST",
        path="/p",
        headers={name: value for name, value in given.items() if value is not None},
        body=content,
    )


def opened(response: Any) -> envelope.Envelope:
    """The envelope of a response."""
    return envelope.read(parse(response.body, Limits()))


def fault_of(response: Any) -> envelope.SoapFault:
    """The fault of a response."""
    found = envelope.read_fault(opened(response).body)
    assert found is not None, response.body
    return found


class Calls(list):
    """What arrived at the answering side; the answer may be replaced."""

    reply: Any = None

    async def answer(self, call: Any) -> Any:
        self.append(call)
        if isinstance(self.reply, BaseException):
            raise self.reply
        if callable(self.reply):
            return await self.reply(call)
        if self.reply is not None:
            return self.reply
        if call.operation == "List":
            return b'<ListResponse xmlns="urn:example:parking"/>'
        count = len(call.body.findall("{*}spot"))
        return etree.fromstring(
            f'<OccupyResponse xmlns="{NAMESPACE}"><accepted>{count}</accepted></OccupyResponse>'
        )


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture(scope="session")
def schema() -> Schema:
    return Schema(CONTRACT.parent / "types" / "parking.xsd")


@pytest.fixture
def make(calls: Calls, schema: Schema) -> Callable[..., SoapService]:
    """``make(**options) -> SoapService`` that knows the one account of ``TOKEN``."""

    def build(contract: Contract | None = None, **options: Any) -> SoapService:
        options = {
            "answer": calls.answer,
            "authenticate": authenticate,
            "public_url": "http://parking.example/p",
            **options,
        }
        return SoapService(contract or Contract(CONTRACT, "parking", "1"), schema, **options)

    return build


@pytest.fixture
def service(make: Callable[..., SoapService]) -> SoapService:
    return make()


@pytest.fixture
def logged():
    """The log entries of the test."""
    with structlog.testing.capture_logs() as entries:
        yield entries
