"""Mutated messages to a running gateway: an answer by the protocol's rules, and nothing else.

What must hold: no fault of ours, no error in the log (but that a partner's protocol cannot say what
was taken, which is a warning and the end of that delivery), one line for each request, no more
processor time than its size allows, and the good message is served afterwards as before.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_twisted
from hypothesis import strategies as st
from twisted.internet.defer import ensureDeferred

from gateway.demo import data
from gateway.http import Request, Response
from gateway.security.json_gate import read_json, write_json
from gateway.security.parse import Limits, parse
from gateway.soap import envelope
from tests.support.budget import LONG
from tests.support.fuzz import drawn, mutated, within_budget
from tests.support.gate import Gate, logged, token_header

pytestmark = LONG
WIRE = Path(__file__).parents[1] / "wire" / "ochp" / "1.4"
SOAP_TYPES = st.sampled_from(("text/xml; charset=utf-8", "text/xml", "application/soap+xml", ""))
BESIDE = 2.0
"""Seconds: what earlier requests have to be delivered goes on in the same process."""
PATHS = st.sampled_from(("/ochp/1.4", "/ochp/1.4/live"))


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    gate = Gate(tmp_path_factory.mktemp("fuzz"))

    async def begin() -> None:
        await gate.start()
        await gate.register()
        await gate.quiet()

    pytest_twisted.blockon(ensureDeferred(begin()))
    yield gate
    pytest_twisted.blockon(ensureDeferred(gate.close()))


async def answered(gate: Gate, request: Request) -> tuple[Response, bytes]:
    """The answer, after all that must hold for any."""
    assert gate.app is not None
    with logged() as lines, within_budget(len(request.body), BESIDE, time.process_time):
        response: Response = await gate.app.router(request)
        body = response.body if isinstance(response.body, bytes) else b"".join(response.body)
    unsayable = {line["delivery"] for line in lines.all() if line.get("outcome") == "Inexpressible"}
    told = [line for line in lines.all() if line.get("delivery") not in unsayable]
    assert all(line["level"] in ("info", "debug") for line in told), lines.getvalue()
    beside = ("delivery", "delivery given up", "no soap call")
    own = [line for line in lines.of("the-id") if line["event"] not in beside]
    assert len(own) == 1, lines.getvalue()
    if own[0].get("outcome") in ("refused", "fault"):
        assert own[0]["code"], own
    return response, body


def _bodies() -> list[bytes]:
    found = []
    for path in sorted(WIRE.glob("*/*.xml")):
        text = path.read_bytes()
        if len(text) < 6000 and b"Request" in text[:400]:
            found.append(text.partition(b"?>")[2] if text.startswith(b"<?xml") else text)
    return found


def messages(gate: Gate) -> list[bytes]:
    """One signed by name and password for each operation and party."""
    found = []
    for body in _bodies():
        for who in ("alpenstrom", "nordlicht", "fahrstrom"):
            found.append(gate.signed("X", "", who).replace(
                b'<X xmlns="http://ochp.eu/1.4"></X>', body.strip()))  # fmt: skip
    return found


async def test_the_messages_are_good(gate: Gate) -> None:
    """Those that are mutated reach the operations, and most are answered as they should."""
    statuses = [(await answered(gate, soap(data)))[0].status for data in messages(gate)]
    assert len(statuses) > 30
    assert statuses.count(200) > len(statuses) * 0.6


def soap(
    content: bytes, path: str = "/ochp/1.4", media: str = "text/xml; charset=utf-8"
) -> Request:
    headers = {"content-type": media, "soapaction": '""', "x-correlation-id": "the-id"}
    return Request(method="POST", path=path, headers=headers, body=content)


async def test_soap(gate: Gate) -> None:
    good = messages(gate)
    for content, path, media in drawn(st.tuples(mutated(good, "xml"), PATHS, SOAP_TYPES), 150):
        response, body = await answered(gate, soap(content, path, media))
        assert response.status in (200, 400, 415, 500), content
        found = envelope.read(parse(body, Limits()))
        fault = envelope.read_fault(found.body)
        assert (fault is None) == (response.status == 200), content
        ours = fault is not None and fault.codes[0].endswith(("}Server", "}Receiver"))
        assert not ours, (content, body)
    assert (await answered(gate, soap(good[0])))[0].status == 200


SITE, TOKEN = data.ocpi_locations("NL", "HAV", 1, seed=1)[0], data.ocpi_token("NL", "RYS", 1)
RECEIVER, SENDER = "/ocpi/2.2.1/receiver", "/ocpi/2.2.1/sender"


_WORD = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=12)
_HEADERS = {
    "ocpi-from-country-code": st.sampled_from(("NL", "nl", "XX", "", "\xff")),
    "ocpi-from-party-id": st.sampled_from(("HAV", "hav", "XYZ", "", "H")),
    "ocpi-to-country-code": _WORD,
    "ocpi-to-party-id": _WORD,
    "content-type": st.sampled_from(("application/json", "text/xml", "application/x;a=b", "")),
    "x-request-id": _WORD,
}

CALLS = (
    ("cpo", "PUT", f"{RECEIVER}/locations/NL/HAV/{SITE['id']}", write_json(SITE)),
    ("cpo", "PATCH", f"{RECEIVER}/locations/NL/HAV/{SITE['id']}",
     b'{"name":"x","last_updated":"2031-01-01T00:00:00Z"}'),
    ("emsp", "PUT", f"{RECEIVER}/tokens/NL/RYS/{TOKEN['uid']}", write_json(TOKEN)),
    ("cpo", "GET", f"{SENDER}/tokens", b""),
    ("cpo", "POST", f"{SENDER}/tokens/{TOKEN['uid']}/authorize", b"{}"),
    ("cpo", "POST", "/ocpi/2.2.1/credentials", b'{"token":"x"}'),
    ("emsp", "GET", "/ocpi/versions", b""),
)  # fmt: skip


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, Request]:
    """A call with another body, sometimes on another path, and any routing headers."""
    who, method, path, good = draw(st.sampled_from(CALLS))
    content = draw(mutated((good,), "json"))
    if draw(st.integers(0, 3)) == 0:
        path = draw(mutated((path.encode(),), "http")).decode("latin-1")
        path = "/" + "".join(each for each in path if "!" <= each <= "~").lstrip("/")
    path, _, query = path.partition("?")
    headers = {"content-type": "application/json", "x-correlation-id": "the-id"}
    headers |= draw(st.fixed_dictionaries({}, optional=_HEADERS))
    return who, Request(method=method, path=path, query=query, headers=headers, body=content)


async def test_ocpi(gate: Gate) -> None:
    for who, request in drawn(requests(), 250):
        request.headers["authorization"] = token_header(getattr(gate, who).presents)
        response, body = await answered(gate, request)
        assert response.status < 500, (request, body)
        assert isinstance(read_json(body), dict)
