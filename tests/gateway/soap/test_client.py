"""The client: over real sockets, against our own service and against servers that misbehave."""

import gzip
import time

import pytest
import pytest_twisted
from hypothesis import Phase, find, settings
from lxml import etree
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol

from gateway.client import HttpClient, Limits, Timeouts
from gateway.demo.stage import free_port
from gateway.errors import (
    BadAnswer,
    ConfigError,
    Inexpressible,
    UnknownOperation,
    Unreachable,
    Untrusted,
)
from gateway.schema import contract_file, schema_for
from gateway.security import wsse
from gateway.soap import envelope
from gateway.soap.client import FaultAnswer, SoapClient
from gateway.soap.contract import Contract
from gateway.soap.envelope import Code, Version
from gateway.soap.service import SoapService
from tests.support.schema_messages import messages

from .conftest import CONTRACT, OCCUPY, TOKEN, authenticate, body, message

ANSWER = b'<OccupyResponse xmlns="urn:example:parking"><accepted>1</accepted></OccupyResponse>'
PORTS = {Version.SOAP_11: "P11", Version.SOAP_12: "P12"}


@pytest.fixture
def http():
    client = HttpClient(reactor, Timeouts(connect=2, total=5), Limits(body=1_000_000))
    yield client
    pytest_twisted.blockon(client.close())


@pytest.fixture
def partner(http, schema):
    """``partner(address, **options) -> SoapClient``."""

    def make(address, port="P11", fetch=http.fetch, **options):
        options = {"username": "cpo", "password": "pass", **options}
        return SoapClient(CONTRACT, port, address, fetch, schema, **options)

    return make


@pytest.fixture
def canned():
    """``canned(pieces, ...) -> URL``: a server that sends what it is told, whatever is asked."""
    ports = []

    def start(*pieces, close=True, received=None):
        class Canned(Protocol):
            seen = b""

            def dataReceived(self, data):
                self.seen += data
                if b"</soap:Envelope>" not in self.seen:
                    return
                if received is not None:
                    received.append(self.seen)
                for piece in pieces:
                    self.transport.write(piece)
                if close == "reset":
                    self.transport.abortConnection()
                elif close:
                    self.transport.loseConnection()

        ports.append(reactor.listenTCP(0, Factory.forProtocol(Canned), interface="127.0.0.1"))
        return f"http://127.0.0.1:{ports[-1].getHost().port}/p"

    yield start
    for port in ports:
        pytest_twisted.blockon(port.stopListening())


def http_answer(content, status="200 OK", media="text/xml; charset=utf-8"):
    head = f"HTTP/1.1 {status}\r\nContent-Type: {media}\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


GOOD = http_answer(message(ANSWER, token=None))


# ---------------------------------------------------------------- against our own service


@pytest.mark.parametrize("version", Version)
@pytest.mark.parametrize("form", ["tree", "bytes"])
async def test_call_and_answer(serve, service, partner, calls, version, form):
    """A body goes out as tree or bytes, and the answer's body comes back."""
    client = partner(serve(service.handle), PORTS[version])
    content = body("A1", "A2") if form == "tree" else etree.tostring(body("A1", "A2"))
    found = await client.call("Occupy", content, correlation_id="id-7")
    assert found.body.findtext("{*}accepted") == "2"
    assert found.body.getparent() is None
    assert (calls[0].party, calls[0].correlation_id) == ("party-1", "id-7")
    assert calls[0].deviations == []


async def test_basic_credentials(serve, make, partner, calls):
    """HTTP Basic, no token in the message."""
    url = serve(make(basic=authenticate).handle)
    await partner(url, scheme="basic").call("Occupy", OCCUPY)
    assert calls[0].party == "party-1"
    with pytest.raises(Untrusted):
        await partner(url, scheme="basic", password="wrong").call("Occupy", OCCUPY)


@pytest.mark.parametrize("version", Version)
async def test_refused_credentials(serve, service, partner, version):
    """The fault of WS-Security is Untrusted."""
    client = partner(serve(service.handle), PORTS[version], password="wrong")
    with pytest.raises(Untrusted) as caught:
        await client.call("Occupy", OCCUPY)
    assert "wrong" not in str(caught.value)


async def test_fault_of_the_partner(serve, service, partner, calls):
    """Any other fault is a bad answer that keeps what was said."""
    calls.reply = ValueError("bug")
    with pytest.raises(FaultAnswer) as caught:
        await partner(serve(service.handle)).call("Occupy", OCCUPY)
    assert caught.value.fault.codes == (f"{{{Version.SOAP_11.value}}}Server",)
    assert "could not be processed" in str(caught.value)


async def test_streamed_answer(serve, service, partner, calls):
    """An answer in pieces, without a length, is read to its end."""
    calls.reply = iter([ANSWER[:20], ANSWER[20:]])
    found = await partner(serve(service.handle)).call("Occupy", OCCUPY)
    assert found.body.findtext("{*}accepted") == "1"


async def test_big_messages(serve, service, partner, calls):
    """Megabytes both ways."""
    spots = [f"B{i % 10_000}" for i in range(30_000)]
    found = await partner(serve(service.handle)).call("Occupy", body(*spots))
    assert found.body.findtext("{*}accepted") == "30000"


FIRST = settings(phases=[Phase.generate], derandomize=True, database=None, deadline=None)
OCHP_XSD = contract_file("xsd/ochp/1.4/ochp.xsd")
OCHP = Contract(contract_file("wsdl/ochp/1.4/ochp.wsdl"), "ochp", "1.4")


@pytest.mark.parametrize("operation", OCHP.operations.values(), ids=lambda each: each.name)
async def test_all_operations_of_ochp(serve, http, operation):
    """Each of the 17: a valid request reaches the service, a valid response comes back."""
    asked, answer = (
        find(messages(root, OCHP_XSD), lambda _: True, settings=FIRST)
        for root in (operation.request_root, operation.response_root)
    )
    arrived = []

    async def reply(call):
        arrived.append(call)
        return answer

    schema = schema_for("ochp", "1.4")
    service = SoapService(
        OCHP, schema, reply, lambda username, password: username, "http://localhost/ochp/1.4"
    )
    port = next(port for port in OCHP.ports if port.port_type == operation.port_type)
    client = SoapClient(
        OCHP.path, port.name, serve(service.handle), http.fetch, schema, username="u", password="p"
    )
    found = await client.call(operation.name, asked)
    (call,) = arrived
    assert (call.operation, call.deviations) == (operation.name, [])
    assert etree.tostring(call.body, method="c14n2") == etree.tostring(asked, method="c14n2")
    assert etree.tostring(found.body, method="c14n2") == etree.tostring(answer, method="c14n2")


# ---------------------------------------------------------------- what goes out


async def test_request_on_the_wire(canned, partner):
    """A length, no chunks, quoted action, credentials in the header, nothing else asked for."""
    received = []
    await partner(canned(GOOD, received=received)).call("Occupy", OCCUPY)
    head, _, content = received[0].partition(b"\r\n\r\n")
    lines = [line.lower() for line in head.split(b"\r\n")]
    assert lines[0] == b"post /p http/1.1"
    assert b"content-length: %d" % len(content) in lines
    assert not any(line.startswith(b"transfer-encoding") for line in lines)
    assert b'soapaction: "urn:do/occupy"' in lines
    assert b"content-type: text/xml; charset=utf-8" in lines
    assert not any(line.startswith((b"expect", b"authorization", b"cookie")) for line in lines)
    found = envelope.read(etree.fromstring(content))
    assert wsse.read(found.headers).username == TOKEN.username
    assert etree.tostring(found.body, method="c14n2") == etree.tostring(
        etree.fromstring(OCCUPY), method="c14n2"
    )


async def test_invalid_body_does_not_go_out(canned, partner):
    """Emission is strict: our own mistakes stay here, with their places."""
    received = []
    client = partner(canned(GOOD, received=received))
    for content in (body("a1"), OCCUPY.replace(b"A1", b"?"), body(), OCCUPY[:-3]):
        with pytest.raises(Inexpressible):
            await client.call("Occupy", content)
    with pytest.raises(Inexpressible, match="OccupyRequest"):
        await client.call("Occupy", ANSWER)
    with pytest.raises(UnknownOperation):
        await client.call("List", OCCUPY)
    assert received == []


def test_ports_are_checked_at_start(partner, http, schema, tmp_path):
    """A wrong port or an unreadable contract is a configuration error."""
    with pytest.raises(ConfigError, match="P13"):
        partner("http://localhost/", port="P13")
    with pytest.raises(ConfigError):
        partner("http://localhost/", service="ListingService")
    with pytest.raises(ConfigError):
        SoapClient(tmp_path / "none.wsdl", "P", "http://localhost/", http.fetch, schema)


def test_contract_is_read_from_disk_only(http, schema, tmp_path):
    """A reference to the network is refused, not followed."""
    text = CONTRACT.read_text().replace("types/parking.xsd", "http://127.0.0.1:9/parking.xsd")
    path = tmp_path / "remote.wsdl"
    path.write_text(text)
    with pytest.raises(ConfigError, match="file beside it"):
        SoapClient(path, "P11", "http://localhost/", http.fetch, schema)


# ---------------------------------------------------------------- what comes back


def fault_11(code, text="no"):
    return envelope.fault(Version.SOAP_11, Code.SENDER, text, code)


DEEP = message(b"<a>" * 3000 + b"</a>" * 3000, token=None)
LAUGHS = b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'

BAD = {
    "html page": http_answer(b"<html><p>Hello</html>", media="text/html"),
    "html as xml": http_answer(b"<html><p>Hello</p></html>"),
    "json": http_answer(b"{}", media="application/json"),
    "empty": http_answer(b""),
    "404": http_answer(b"not here", "404 Not Found", "text/plain"),
    "500 without fault": http_answer(b"", "500 Internal Server Error"),
    "answer with status 500": http_answer(message(ANSWER, token=None), "500 Oops"),
    "accepted without content": b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n",
    "wrong root": http_answer(message(OCCUPY, token=None)),
    "wrong namespace": http_answer(message(ANSWER.replace(b"parking", b"x"), token=None)),
    "invalid": http_answer(message(ANSWER.replace(b">1<", b">one<"), token=None)),
    "other SOAP version": http_answer(message(ANSWER, Version.SOAP_12, token=None)),
    "bare body": http_answer(ANSWER),
    "two body children": http_answer(message(ANSWER + ANSWER, token=None)),
    "truncated XML": http_answer(message(ANSWER, token=None)[:-30]),
    "doctype": http_answer(LAUGHS),
    "too deep": http_answer(DEEP),
    "NUL": http_answer(message(ANSWER, token=None).replace(b">1<", b">\0<")),
    "unknown charset": http_answer(message(ANSWER, token=None), media="text/xml; charset=x"),
    "garbage instead of gzip": http_answer(message(ANSWER, token=None)).replace(
        b"Content-Type", b"Content-Encoding: gzip\r\nContent-Type"
    ),
    "other compression": http_answer(message(ANSWER, token=None)).replace(
        b"Content-Type", b"Content-Encoding: br\r\nContent-Type"
    ),
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "random bytes": bytes(range(256)) * 4,
    "too big": http_answer(message(ANSWER, token=None) + b" " * 1_000_000),
    "too big without length": b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n"
    + b" " * 2_000_000,
    "must understand": http_answer(
        message(
            ANSWER,
            token=None,
            headers=(
                etree.Element("{urn:h}x", {f"{{{Version.SOAP_11.value}}}mustUnderstand": "1"}),
            ),
        )
    ),
}


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD.keys())
async def test_bad_answers(canned, partner, answer):
    """BadAnswer with a reason, soon, whatever it is."""
    started = time.perf_counter()
    with pytest.raises(BadAnswer) as caught:
        await partner(canned(answer)).call("Occupy", OCCUPY)
    assert str(caught.value)
    assert len(str(caught.value)) < 1000
    assert time.perf_counter() - started < 10


UNTRUSTED = {
    "WS-Security": http_answer(fault_11(wsse.FAILED_AUTHENTICATION), "500 Error"),
    "WS-Security with 200": http_answer(fault_11(wsse.FAILED_AUTHENTICATION)),
    "401": http_answer(b"who?", "401 Unauthorized", "text/plain"),
    "403 in HTML": http_answer(b"<html/>", "403 Forbidden", "text/html"),
}


@pytest.mark.parametrize("answer", UNTRUSTED.values(), ids=UNTRUSTED.keys())
async def test_refused_by_the_partner(canned, partner, answer):
    """All the ways to say that our credentials are not accepted."""
    with pytest.raises(Untrusted):
        await partner(canned(answer)).call("Occupy", OCCUPY)


UNREACHABLE = {
    "503": ((http_answer(b"later", "503 Unavailable", "text/plain"),), True),
    "502 from something in between": ((http_answer(b"<html/>", "502 Bad", "text/html"),), True),
    "closed at once": ((), True),
    "reset": ((), "reset"),
    "closed in the head": ((GOOD[:30],), True),
    "closed in the body": ((GOOD[:-10],), True),
    "reset in the body": ((GOOD[:-10],), "reset"),
}


@pytest.mark.parametrize(("pieces", "close"), UNREACHABLE.values(), ids=UNREACHABLE.keys())
async def test_broken_connections(canned, partner, pieces, close):
    """No complete answer: worth another try later."""
    with pytest.raises(Unreachable):
        await partner(canned(*pieces, close=close)).call("Occupy", OCCUPY)


@pytest.mark.parametrize("pieces", [(), (GOOD[:40],), (GOOD[:-1],)], ids=["silent", "head", "body"])
async def test_slow_answers(canned, partner, pieces):
    """The total time counts, wherever the partner gets stuck."""
    client = partner(canned(*pieces, close=False), timeout=0.3)
    started = time.perf_counter()
    with pytest.raises(Unreachable, match=r"0\.3 s"):
        await client.call("Occupy", OCCUPY)
    assert time.perf_counter() - started < 10


async def test_nobody_there(partner):
    """Refused connections and unknown names."""
    for address in (f"http://127.0.0.1:{free_port()}/", "http://no-such-host.invalid/"):
        with pytest.raises(Unreachable):
            await partner(address).call("Occupy", OCCUPY)


async def test_reason_of_a_fault_is_bounded(canned, partner):
    """A fault text of any length is cut."""
    answer = http_answer(fault_11("{urn:x}Y", "x" * 100_000), "500 Error")
    with pytest.raises(FaultAnswer) as caught:
        await partner(canned(answer)).call("Occupy", OCCUPY)
    assert len(str(caught.value)) < 1000


async def test_mended_answer(canned, partner):
    """The adapter may put known deviations right, in root and content."""

    def mend(found):
        if found.tag.endswith("}occupyResponse"):
            found.tag = found.tag.replace("occupy", "Occupy")
            return found, ["root"]
        if found[0].text == "one":
            found[0].text = "1"
            return found, ["word"]
        return found, []

    raw = message(ANSWER.replace(b"Occupy", b"occupy").replace(b">1<", b">one<"), token=None)
    found = await partner(canned(http_answer(raw)), lenient=mend).call("Occupy", OCCUPY)
    assert found.body.findtext("{*}accepted") == "1"
    assert found.mended == ("root", "word")
    wrong = http_answer(message(OCCUPY, token=None))
    with pytest.raises(BadAnswer):
        await partner(canned(wrong), lenient=mend).call("Occupy", OCCUPY)


async def test_compressed_answer(canned, partner):
    """Nobody asked for compression; what could grow without bounds is not unpacked."""
    packed = http_answer(gzip.compress(message(ANSWER, token=None))).replace(
        b"Content-Type", b"Content-Encoding: gzip\r\nContent-Type"
    )
    with pytest.raises(BadAnswer, match="gzip"):
        await partner(canned(packed)).call("Occupy", OCCUPY)


async def test_plain_http_behind_https(serve, service, partner, http):
    """TLS towards a plain port fails at once and says so."""
    url = serve(service.handle).replace("http:", "https:")
    with pytest.raises(Unreachable, match="TLS"):
        await partner(url).call("Occupy", OCCUPY)
