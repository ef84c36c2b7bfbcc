"""A hostile message costs less than a valid one of its size: processor time, all the way through.

The valid ones are a list of charge points and a site with as many EVSEs, from bytes to the answer;
the hostile ones are made to be slow for one of the steps on the way.
"""

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice

import pytest
import pytest_twisted
from twisted.internet.defer import ensureDeferred

from gateway.demo import data
from gateway.http import Request
from gateway.security.json_gate import write_json
from tests.support.gate import Gate, token_header

SIZE = 60_000
"""Under the size from which on work goes to threads: everything is in this one."""


Clock = Callable[[], float]


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    gate = Gate(tmp_path_factory.mktemp("cost"))

    async def begin() -> None:
        await gate.start()
        await gate.register()
        await gate.quiet()

    pytest_twisted.blockon(ensureDeferred(begin()))
    yield gate
    pytest_twisted.blockon(ensureDeferred(gate.close()))


async def cost(gate: Gate, request: Request, clock: Clock, good: bytes = b"") -> float:
    """Processor time of one; ``good``: what stands in its answer."""
    assert gate.app is not None
    begun = clock()
    response = await gate.app.router(request)
    body = response.body if isinstance(response.body, bytes) else b"".join(response.body)
    spent = clock() - begun
    assert good in body
    return spent


async def dearer(
    gate: Gate,
    valid: Sequence[Request],
    good: bytes,
    hostile: dict[str, Request],
    *,
    clock: Clock = time.thread_time,
    of: Callable[[list[float]], float] = min,
) -> dict[str, float]:
    """What costs more than a valid message of its size, and how much of it.

    What else the machine does can only add to a cost, so the least of several is compared, and both
    are measured in turns: a busy machine is slow for both. What seems dear is looked at longer.
    ``clock``: of this thread, or of the process, where threads do a part of it. ``of``: which of
    the valid ones is meant, where they differ in what there is to do.
    """
    gc.disable()
    try:
        found = {}
        for name, request in hostile.items():
            used, least = list[float](), list[float]()
            for number, each in enumerate(islice(cycle(valid), 40), 1):
                least.append(await cost(gate, each, clock, good) / len(each.body))
                used.append(await cost(gate, request, clock) / len(request.body))
                if number >= 5 and min(used) <= of(least):
                    break
            else:
                found[name] = round(min(used) / of(least), 2)
    finally:
        gc.enable()
    return found


def soap(body: bytes) -> Request:
    headers = {"content-type": "text/xml; charset=utf-8", "soapaction": '""'}
    return Request(method="POST", path="/ochp/1.4", headers=headers, body=body)


def filled(unit: bytes, before: bytes = b"<a>", after: bytes = b"</a>") -> bytes:
    return before + unit * ((SIZE - len(before) - len(after)) // len(unit)) + after


def numbered(unit: str) -> bytes:
    """Units with a number each, as many as fit."""
    pieces, size = [], 0
    while size < SIZE:
        pieces.append((unit % len(pieces)).encode())
        size += len(pieces[-1])
    return b"".join(pieces)


HEAD = (
    b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header>%s</s:Header>'
    b"<s:Body>%s</s:Body></s:Envelope>"
)
HOSTILE = {
    "namespaces on one tag": b"<a " + numbered('xmlns:n%d="u" ') + b"/>",
    "namespaces everywhere": filled(b'<x:b xmlns:x="u"/>'),
    "as many prefixes in scope as allowed": filled(
        b"<b " + b" ".join(b'xmlns:n%d="u"' % n for n in range(60)) + b"><c/></b>"
    ),
    "attributes on one tag": b"<a " + numbered('n%d="" ') + b"/>",
    "as many attributes as allowed": filled(
        b"<b " + b" ".join(b'n%d=""' % n for n in range(60)) + b"/>"
    ),
    "elements": filled(b"<a/>"),
    "names": b"<a>" + numbered("<n%d/>") + b"</a>",
    "levels": b"<a>" * (SIZE // 3),
    "as many levels as allowed": filled(b"<a>" * 60 + b"</a>" * 60),
    "instructions": filled(b"<?a b?>"),
    "instructions and comments": filled(b"<?a b?><!---->"),
    "comments": filled(b"<!---->"),
    "character references": filled(b"&#65;"),
    "CDATA": filled(b"<![CDATA[]]>"),
    "entities": b"<!DOCTYPE a [" + numbered('<!ENTITY e%d "x">') + b"]><a/>",
    "open tags": b"<a>" + b"<" * SIZE,
    "an open quotation": b'<a b="' + b"<" * SIZE,
    "an attribute": b'<a b="' + b"\n" * SIZE + b'"/>',
    "white space": b" " * SIZE,
    "NUL": b"<a>" + b"\0" * SIZE,
    "UTF-16": filled(b"<a/>").decode().encode("utf-16"),
    "header blocks": HEAD % (filled(b'<h:a xmlns:h="urn:h"/>', b"", b""), b"<a/>"),
    "tokens": HEAD
    % (filled(b"<UsernameToken/>", b'<Security xmlns="urn:x">', b"</Security>"), b"<a/>"),
    "bodies": HEAD % (b"", filled(b"<a/>", b"", b"")),
    "no credentials": HEAD % (b"", filled(b"<a/>")),
}  # fmt: skip


def listed(gate: Gate, points: str) -> Request:
    """A list of charge points of a known partner."""
    return soap(gate.signed("UpdateChargePointListRequest", points, "alpenstrom"))


def valid(gate: Gate, seed: int) -> Request:
    points = map(data.ochp_charge_point, data.ochp_evses("AT", "ALP", 40, seed=seed))
    return listed(gate, "".join(points))


async def test_soap(gate: Gate) -> None:
    hostile = {name: soap(body) for name, body in HOSTILE.items()}
    assert not await dearer(gate, [valid(gate, 3)], b">ok<", hostile)


def item(inner: str, attributes: str = "") -> str:
    return f"<chargePointInfoArray {attributes}>{inner}</chargePointInfoArray>"


POINT = data.ochp_charge_point(next(data.ochp_evses("AT", "ALP", 1, seed=3)))


def crowded(count: int) -> str:
    before, connectors, after = POINT.partition("<connectors>")
    return before + "<connectors/>" * count + connectors + after


TYPED = 'xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:type="n"'
KNOWN = {
    "empty items": "<chargePointInfoArray/>" * 2500,
    "items with what is not known": item("<x/>") * 1200,
    "items of a type that is not there": item("", TYPED) * 450,
    "wrong items": POINT.replace("AT*ALP*E", "no ") * 40,
    "what is not known": "<x/>" * 14_000,
    "what is not known in an item": item("<x/>" * 14_000),
    "a crowd in an item": crowded(4000),
    "a small crowd in each item": crowded(100) * 25,
    "wrong texts": item("<evseId/><locationId/><locationName/><locationNameLang/>") * 570,
}  # fmt: skip


async def test_soap_of_a_known_partner(gate: Gate) -> None:
    """What passes the gate and breaks the schema, to a list in which all is new."""
    hostile = {name: listed(gate, points) for name, points in KNOWN.items()}
    good = [valid(gate, seed) for seed in range(8)]
    clock, of = time.process_time, statistics.median
    assert not await dearer(gate, good, b">ok<", hostile, clock=clock, of=of)


JSON = {
    "levels": b"[" * SIZE,
    "names": b"{" + numbered('"n%d":0,') + b'"":0}',
    "the same name": b"{" + b'"a":0,' * (SIZE // 6) + b'"a":0}',
    "items": b"[" + b"0," * (SIZE // 2) + b"0]",
    "digits": b"1" * SIZE,
    "exponents": b"[" + b"1e999," * (SIZE // 6) + b"0]",
    "fractions": b"[" + b"0.1," * (SIZE // 4) + b"0]",
    "quotation marks": b'"\\"' * (SIZE // 3),
    "escapes": b'"' + b"\\u0041" * (SIZE // 6) + b'"',
    "surrogates": b'"' + b"\\ud800" * (SIZE // 6) + b'"',
    "text": b'"' + b"x" * SIZE + b'"',
    "no UTF-8": b'"' + b"\xff" * SIZE + b'"',
    "white space": b" " * SIZE,
    "numbers": b"[" + b"-" * SIZE,
    "passwords without end": b'{"a":"' + b"<Password>" * (SIZE // 10) + b'"}',
}


async def test_ocpi(gate: Gate) -> None:
    site = data.ocpi_locations("NL", "HAV", 1, seed=1)[0]
    evse = site["evses"][0]
    site["evses"] = [evse | {"uid": f"U{n}", "evse_id": f"NL*HAV*E{n}"} for n in range(130)]
    headers = {"authorization": token_header(gate.cpo.presents), "content-type": "application/json"}
    path = f"/ocpi/2.2.1/receiver/locations/NL/HAV/{site['id']}"

    def put(body: bytes) -> Request:
        return Request(method="PUT", path=path, headers=headers, body=body)

    good = [put(write_json(site | {"name": f"name {number}"})) for number in range(8)]
    hostile = {name: put(body) for name, body in JSON.items()}
    assert not await dearer(gate, good, b":1000", hostile)
