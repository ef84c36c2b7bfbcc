"""What the paths that every message takes cost, in calls and bytes: a guard against falling back.

Calls of Python and C functions are counted, which neither the machine nor its load changes. Each
bound is a quarter to a half above what was counted with 3.11 to 3.13, so that a new check fits in
and a second parsing, a table compiled for each message or a lookup in a loop does not. Who makes a
path dearer on purpose raises its bound and says why; who makes it cheaper lowers it.
"""

import gc
import logging
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
import structlog
from lxml import etree
from twisted.internet.task import Clock

from gateway import registry
from gateway.cli import long
from gateway.demo import data
from gateway.demo.ochp import NS, wrapped
from gateway.http import Request, Response
from gateway.mapping.compile import codec
from gateway.mapping.context import Context, NoFacts
from gateway.mapping.xml_items import XmlItems
from gateway.routing.runtime import run
from gateway.schema import contract_file, schema_for
from gateway.security.parse import Limits, parse
from gateway.security.signature import sign, verify
from gateway.security.timestamp import Freshness
from gateway.server.http import HttpServer
from gateway.server.http import Limits as HttpLimits
from gateway.soap import envelope
from gateway.soap.contract import Contract
from gateway.soap.desk import SoapDesk
from gateway.soap.service import SoapService
from gateway.store import Store
from tests.gateway.routing.town import Town
from tests.support import wss

NOW = datetime(2026, 6, 15, 8, 0, tzinfo=UTC)
QUESTION = (
    f'<emtId representation="plain"><instance>{data.ochp_uid(7)}</instance>'
    "<tokenType>rfid</tokenType></emtId>"
)
MESSAGE = wrapped("GetSingleRoamingAuthorisationRequest", QUESTION, "acme", "secret")
TIMES = 20
LISTED = 100
OCHP = registry.adapter_for("ochp-1.4")
FORM = OCHP.operations["GetSingleRoamingAuthorisation"]


def calls(work: Callable[[], object]) -> float:
    """Function calls of one ``work``, once it is warm."""
    for _ in range(3):
        work()
    count = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    gc.disable()
    sys.setprofile(note)
    try:
        for _ in range(TIMES):
            work()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count / TIMES


def listed(root: str, items: str) -> Any:
    return etree.fromstring(f'<{root} xmlns="{NS}">{items}</{root}>')


# -- the paths -------------------------------------------------------------------------------


def gate() -> Callable[[], object]:
    """Bytes to a tree, and the envelope taken apart."""
    limits = Limits()
    return lambda: envelope.read(parse(MESSAGE, limits))


def check() -> Callable[[], object]:
    schema, body = schema_for("ochp", "1.4"), envelope.read(parse(MESSAGE, Limits())).body
    return lambda: schema.check(body)


def decode() -> Callable[[], object]:
    body = envelope.read(parse(MESSAGE, Limits())).body
    return lambda: codec(FORM.request.record).read(body)


def encode() -> Callable[[], object]:
    token = data.ochp_token("DE", "EMP", 7, "roamingAuthorisationInfo")
    answer = etree.fromstring(
        f'<GetSingleRoamingAuthorisationResponse xmlns="{NS}"><result><resultCode><resultCode>ok'
        f"</resultCode></resultCode><resultDescription/></result>{token}"
        "</GetSingleRoamingAuthorisationResponse>"
    )
    reply = codec(FORM.reply.record).read(answer)
    return lambda: codec(FORM.reply.record).write_xml(reply, Context(NoFacts(), {}))


def charge_point() -> Callable[[], object]:
    """One record of a list, from XML to JSON."""
    point = data.ochp_charge_point(next(data.ochp_evses("AT", "ALP", 1, seed=1)))
    body = listed("SetChargePointListRequest", point)
    request = OCHP.operations["SetChargepointList"].request.record
    ocpi = registry.adapter_for("ocpi-2.2.1")

    def work() -> object:
        message = codec(request).read(body)
        form = ocpi.natural("ocpi-2.2.1", message)
        return codec(form.record).write_json(message, Context(NoFacts(), {}))

    return work


def signing() -> Callable[[], object]:
    how, fresh, limits = wss.signing(), Freshness(), Limits()
    return lambda: sign(MESSAGE, how, wss.NOW, fresh, limits)


def verifying() -> Callable[[], object]:
    """A signed message, from its bytes to what the signature covers."""
    how, limits = wss.profile(), Limits()
    data = wss.signed(MESSAGE)
    return lambda: verify(parse(data, limits), how, wss.NOW, limits)


def listed_points() -> list[str]:
    return list(map(data.ochp_charge_point, data.ochp_evses("AT", "ALP", LISTED, seed=1)))


def item_read() -> Callable[[], object]:
    """A hundred items of a list in XML."""
    record = OCHP.operations["SetChargepointList"].request.record
    text = etree.tostring(listed("SetChargePointListRequest", "".join(listed_points())))
    valid = schema_for("ochp", "1.4")
    return lambda: list(XmlItems(record, BytesIO(text), valid))


def item_translated() -> Callable[[], object]:
    """A hundred items of a list from XML to JSON, as ``roamgate translate`` does it."""
    text = etree.tostring(listed("SetChargePointListRequest", "".join(listed_points())))
    return lambda: long.translate(
        "ochp-1.4",
        "ocpi-2.2.1",
        BytesIO(text),
        BytesIO(),
        enveloped=False,
        facts=NoFacts(NOW),
        options={},
    )


class _Wire:
    """A transport that keeps what is written. (Twisted's own, when imported, gives the classes of
    ``collections.abc`` an attribute that xmlschema stumbles over when it loads a schema later.)"""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self._written.append(data)

    def value(self) -> bytes:
        return b"".join(self._written)

    def clear(self) -> None:
        self._written.clear()

    def getPeer(self) -> None: ...
    def setTcpNoDelay(self, on: bool) -> None: ...
    def registerProducer(self, producer: object, streaming: bool) -> None: ...
    def pauseProducing(self) -> None: ...
    def resumeProducing(self) -> None: ...


def http() -> Callable[[], object]:
    """A request through the listener: bytes in, bytes out, on a kept connection."""

    async def answer(request: Request) -> Response:
        return Response(headers={"Content-Type": "text/xml"}, body=b"<a/>")

    server = HttpServer(answer, HttpLimits(), Clock())
    connection, wire = server._factory(None).buildProtocol(None), _Wire()
    connection.makeConnection(wire)
    request = (
        b"POST /ochp/1.4 HTTP/1.1\r\nHost: gateway.example\r\nContent-Type: text/xml\r\n"
        b'SOAPAction: "a"\r\nContent-Length: %d\r\n\r\n%s' % (len(MESSAGE), MESSAGE)
    )

    def work() -> None:
        wire.clear()
        connection.dataReceived(request)
        server.reactor.advance(0)
        assert wire.value().startswith(b"HTTP/1.1 200")

    return work


def whole(folder: Any) -> Callable[[], object]:
    """The complete path behind the listener, answered from the store and entered in the ledger."""
    store = Store(f"sqlite:///{folder}/cost.db", lambda: NOW)
    town = Town(store, lambda: NOW)
    tokens = data.ochp_token(
        "DE", "EMP", 7, "roamingAuthorisationInfoArray", NOW + timedelta(days=9)
    )
    upload = OCHP.operations["SetRoamingAuthorisationList"].request.record
    town.ask("lists-emp", codec(upload).read(listed("SetRoamingAuthorisationListRequest", tokens)))
    partner = town.exchange.directory.parties["lists-cpo"].partner
    endpoint = OCHP.endpoints[0]
    service = SoapService(
        Contract(contract_file(endpoint.wsdl), "ochp", "1.4", endpoint.port_types),
        schema_for("ochp", "1.4"),
        SoapDesk(OCHP, town.exchange).answer,
        lambda name, password: partner,
        "http://gateway.example/ochp/1.4",
    )
    headers = {"content-type": "text/xml; charset=utf-8", "soapaction": '""'}
    request = Request(method="POST", path="/ochp/1.4", headers=headers, body=MESSAGE)

    def work() -> None:
        heard = town.exchange.heard(request)
        answer = heard.answered(run(service.handle(request, heard.served)))
        assert b">ok<" in answer.body

    return work


BOUNDS: dict[Callable[..., Callable[[], object]], int] = {
    gate: 60,  # counted: 45
    check: 8,  # 4
    decode: 30,  # 21
    encode: 100,  # 75
    charge_point: 560,  # 411
    item_read: 11_000,  # 8250
    item_translated: 39_000,  # 29200
    http: 180,  # 134
    signing: 230,  # 176
    verifying: 460,  # 359
    whole: 1450,  # 1150
}
"""A path, and how many calls one message may take on it."""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Lines of the log are not written: who serves many requests has them at ``warning``."""
    wrapper = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=wrapper)
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("path", BOUNDS, ids=lambda path: path.__name__)
def test_a_path_takes_no_more_calls_than_it_needs(path: Any, tmp_path: Any) -> None:
    """Whoever falls over this has put work into a path that every message takes."""
    work = path(tmp_path) if path is whole else path()

    assert calls(work) <= BOUNDS[path]


def test_a_list_is_read_in_memory_that_does_not_grow_with_it() -> None:
    """Ten times the items do not take twice the memory at the peak (kept whole: ten times)."""

    def peak(items: int) -> int:
        points = "".join(map(data.ochp_charge_point, data.ochp_evses("AT", "ALP", items, seed=1)))
        source = BytesIO(etree.tostring(listed("SetChargePointListRequest", points)))
        record = OCHP.operations["SetChargepointList"].request.record
        gc.collect()
        tracemalloc.start()
        try:
            seen = sum(1 for _ in XmlItems(record, source, schema_for("ochp", "1.4")))
            assert seen == items
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(400)  # what is kept once and for all

    assert peak(4000) < 2 * peak(400)
