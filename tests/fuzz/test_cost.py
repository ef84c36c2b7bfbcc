"""A hostile message costs less than a valid one of its size: processor time, all the way through.

The valid ones are a list of charge points and a site with as many EVSEs, from bytes to the answer;
the hostile ones are made to be slow for one of the steps on the way.
"""

import gc
import math
import time
from collections.abc import Iterator, Sequence
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


async def cost(gate: Gate, request: Request, good: bytes = b"") -> float:
    """Processor time of one, in this thread; ``good``: what stands in its answer."""
    assert gate.app is not None
    begun = time.thread_time()
    response = await gate.app.router(request)
    body = response.body if isinstance(response.body, bytes) else b"".join(response.body)
    spent = time.thread_time() - begun
    assert good in body
    return spent


async def dearer(
    gate: Gate, valid: Sequence[Request], good: bytes, hostile: dict[str, Request]
) -> dict[str, float]:
    """What costs more than a valid message of its size, and how much of it.

    What else the machine does can only add to a cost, so the least of several is compared, and both
    are measured in turns: a busy machine is slow for both. What seems dear is looked at longer.
    """
    gc.disable()
    try:
        found = {}
        for name, request in hostile.items():
            least = used = math.inf
            for number, each in enumerate(islice(cycle(valid), 40), 1):
                least = min(least, await cost(gate, each, good) / len(each.body))
                used = min(used, await cost(gate, request) / len(request.body))
                if number >= 5 and used <= least:
                    break
            else:
                found[name] = round(used / least, 2)
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


async def test_soap(gate: Gate) -> None:
    evses = list(data.ochp_evses("AT", "ALP", 40, seed=3))
    points = "".join(data.ochp_charge_point(evse) for evse in evses)
    valid = gate.signed("UpdateChargePointListRequest", points, "alpenstrom")
    hostile = {name: soap(body) for name, body in HOSTILE.items()}
    assert not await dearer(gate, [soap(valid)] * 8, b">ok<", hostile)


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
}


async def test_ocpi(gate: Gate) -> None:
    site = data.ocpi_locations("NL", "HAV", 1, seed=1)[0]
    evse = site["evses"][0]
    site["evses"] = [evse | {"uid": f"U{n}", "evse_id": f"NL*HAV*E{n}"} for n in range(130)]
    headers = {"authorization": token_header(gate.cpo.presents), "content-type": "application/json"}
    path = f"/ocpi/2.2.1/receiver/locations/NL/HAV/{site['id']}"

    def put(body: bytes) -> Request:
        return Request(method="PUT", path=path, headers=headers, body=body)

    valid = [put(write_json(site | {"name": f"name {number}"})) for number in range(8)]
    hostile = {name: put(body) for name, body in JSON.items()}
    assert not await dearer(gate, valid, b":1000", hostile)
