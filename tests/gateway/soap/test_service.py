"""The service: what reaches an operation, what is refused, and how."""

import gzip
import subprocess
import sys
import time

import pytest
import spyne.const
from lxml import etree
from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import deferLater

from gateway.adapter import Served
from gateway.errors import (
    BadAnswer,
    Malformed,
    Problem,
    Refused,
    StoreUnavailable,
    Unreachable,
    Untrusted,
)
from gateway.http import Request
from gateway.security import wsse
from gateway.security.credentials import write_basic
from gateway.security.parse import Limits
from gateway.soap.contract import Contract
from gateway.soap.envelope import Version

from .conftest import (
    CONTRACT,
    NAMESPACE,
    OCCUPY,
    authenticate,
    body,
    fault_of,
    message,
    opened,
    request,
)

SOAP_11, SOAP_12 = (f"{{{version.value}}}" for version in Version)
BOTH = pytest.mark.parametrize("version", Version)


@BOTH
async def test_a_call_is_answered(service, calls, version):
    """The checked body and the party arrive; the answer goes back in the same version."""
    response = await service.handle(request(message(body("A1", "B22"), version), version))
    assert response.status == 200
    assert response.headers["Content-Type"] == f"{version.media_type}; charset=utf-8"
    found = opened(response)
    assert found.version is version
    assert found.body.findtext("{*}accepted") == "2"
    (call,) = calls
    assert (call.operation, call.party, call.deviations) == ("Occupy", "party-1", [])
    assert call.body.getparent() is None
    assert [spot.text for spot in call.body] == ["A1", "B22"]


async def test_dispatch_is_by_body_root(service, calls):
    """SOAPAction names another operation: the body decides, the difference is noted."""
    content = message(b'<ListRequest xmlns="urn:example:parking"/>')
    response = await service.handle(request(content))
    assert opened(response).body.tag == f"{{{NAMESPACE}}}ListResponse"
    assert calls[0].operation == "List"
    assert calls[0].deviations == ['SOAPAction is "urn:do/Occupy"']


@pytest.mark.parametrize("reply", ["tree", "bytes", "pieces"])
async def test_forms_of_an_answer(service, calls, reply):
    """A tree, bytes, or an iterator of bytes."""
    raw = OCCUPY.replace(b"Request", b"Response")
    calls.reply = {"tree": etree.fromstring(raw), "bytes": raw, "pieces": iter([raw[:9], raw[9:]])}[
        reply
    ]
    response = await service.handle(request(message()))
    content = response.body if isinstance(response.body, bytes) else b"".join(response.body)
    assert isinstance(response.body, bytes) is (reply != "pieces")
    assert raw in content


@BOTH
async def test_an_answer_waits_until_it_may_go_out(service, version):
    """What has to be on disk first is: the very bytes that go out; else a fault says so."""
    kept = []

    async def keep(status, answer):
        kept.append((status, answer))

    asked = request(message(body("A1"), version), version)
    response = await service.handle(asked, Served(keep=keep))
    assert kept == [(200, response.body)]

    async def full(status, answer):
        raise StoreUnavailable("the disk is full of secrets")

    served = Served(keep=full)
    response = await service.handle(asked, served)
    assert response.status == 500
    assert (
        fault_of(response).codes[0].endswith("Server" if version is Version.SOAP_11 else "Receiver")
    )
    assert b"accepted" not in response.body
    assert b"disk" not in response.body
    assert isinstance(served.error, StoreUnavailable)


# ---------------------------------------------------------------- refusals

WRONG = {
    "empty": (b"", "empty"),
    "gzip": (gzip.compress(message()), "start with"),
    "NUL": (message().replace(b"A1", b"A\0"), "NUL"),
    "truncated": (message()[:-20], ""),
    "doctype": (message().replace(b"?>", b"?><!DOCTYPE x>", 1), "document type"),
    "laughs": (
        message().replace(b"?>", b'?><!DOCTYPE x [<!ENTITY a "b">]>', 1).replace(b"A1", b"&a;"),
        "document type",
    ),
    "html": (b"<html><body>Hello</body></html>", "not a SOAP Envelope"),
    "bare body": (OCCUPY, "not a SOAP Envelope"),
    "two bodies": (message().replace(b"<soap:Body>", b"<soap:Body/><soap:Body>"), "one Body"),
    "two children": (message(OCCUPY + OCCUPY), "2 elements"),
    "header after body": (
        message(token=None).replace(b"</soap:Body>", b"</soap:Body><soap:Header/>"),
        "one Body",
    ),
    "deep": (message(b"<a>" * 5000 + b"</a>" * 5000), "levels"),
    "unknown root": (message(b'<Other xmlns="urn:example:parking"/>'), "no request"),
    "operation name as root": (message(b'<Occupy xmlns="urn:example:parking"/>'), "no request"),
    "a response as request": (message(OCCUPY.replace(b"Request", b"Response")), "no request"),
    "other namespace": (message(OCCUPY.replace(b"parking", b"parkin")), "no request"),
    "no namespace": (message(b"<OccupyRequest/>"), "no request"),
    "invalid": (message(body("a1")), "spot"),
    "an envelope in the body": (message(message(token=None).partition(b"?>")[2]), "no request"),
    "a fault": (
        message(b"<soap:Fault><faultcode>x</faultcode></soap:Fault>"),
        "no request",
    ),
}


@pytest.mark.parametrize(("content", "reason"), WRONG.values(), ids=WRONG.keys())
async def test_wrong_messages_are_faults_of_the_sender(service, calls, logged, content, reason):
    """HTTP 500, Client, the reason in words, one log line, and nobody was asked to answer."""
    response = await service.handle(request(content))
    found = fault_of(response)
    assert response.status == 500
    assert found.codes == (f"{SOAP_11}Client",)
    assert reason in found.text
    assert "Traceback" not in found.text
    assert calls == []
    (line,) = [each for each in logged if each["event"] == "soap call"]
    assert line["outcome"] == "fault"


async def test_wrong_messages_in_soap_12(service):
    """A fault of the sender is HTTP 400 there, and the media type tells the version."""
    for content in (b"<html/>", message(body("a1"), Version.SOAP_12)):
        response = await service.handle(request(content, Version.SOAP_12))
        assert response.status == 400
        assert response.headers["Content-Type"].startswith("application/soap+xml")
        assert fault_of(response).codes == (f"{SOAP_12}Sender",)


async def test_version_not_in_the_contract(make):
    """A contract without SOAP 1.2 refuses it as a version, in its own version."""
    listing = make(Contract(CONTRACT, "parking", "1", ["Listing"]))
    content = message(b'<ListRequest xmlns="urn:example:parking"/>', Version.SOAP_12)
    response = await listing.handle(request(content, Version.SOAP_12))
    assert fault_of(response).codes == (f"{SOAP_11}VersionMismatch",)
    assert response.status == 500


@BOTH
async def test_headers_that_must_be_understood(service, calls, version):
    """An unknown one is refused; SOAP 1.2 also names it in a header."""
    block = etree.Element("{urn:h}Routing", {f"{{{version.value}}}mustUnderstand": "1"})
    response = await service.handle(request(message(version=version, headers=(block,)), version))
    assert fault_of(response).codes[0].endswith("}MustUnderstand")
    assert calls == []
    assert len(opened(response).headers) == (version is Version.SOAP_12)


@pytest.mark.parametrize(
    "token",
    [None, wsse.UsernameToken("cpo", "wrong"), wsse.UsernameToken("nobody", "pass")],
    ids=["none", "wrong password", "unknown user"],
)
async def test_wrong_credentials(service, calls, logged, token):
    """The fault of WS-Security with its prefix on the faultcode; all cases look the same."""
    response = await service.handle(request(message(token=token)))
    assert response.status == 500
    found = fault_of(response)
    assert found.codes == (wsse.FAILED_AUTHENTICATION,)
    assert found.text == wsse.FAILED_AUTHENTICATION_TEXT
    assert f'<faultcode xmlns:sub="{wsse.WSSE}">sub:FailedAuthentication<'.encode() in response.body
    assert calls == []
    assert "wrong" not in str(logged)


async def test_wrong_credentials_in_soap_12(service):
    """Sender, with the WS-Security code below it."""
    content = message(token=None, version=Version.SOAP_12)
    response = await service.handle(request(content, Version.SOAP_12))
    assert fault_of(response).codes == (f"{SOAP_12}Sender", wsse.FAILED_AUTHENTICATION)
    assert response.status == 400


async def test_strangers_learn_nothing(service, calls):
    """Credentials come before the operation and the schema."""
    for content in (b"<Other/>", body("a1")):
        response = await service.handle(request(message(content, token=None)))
        assert fault_of(response).codes == (wsse.FAILED_AUTHENTICATION,)


async def test_authentication_may_take_its_time(make, calls):
    """The authenticator may answer later."""

    async def slow(username, password):
        await deferLater(reactor, 0.01)
        return username

    await make(authenticate=slow).handle(request(message()))
    assert calls[0].party == "cpo"


async def test_basic_credentials(make, calls):
    """HTTP Basic instead of a token: right, wrong, missing."""
    service = make(basic=authenticate)
    content = message(token=None)
    right = await service.handle(request(content, authorization=write_basic("cpo", "pass")))
    assert right.status == 200
    assert calls[0].party == "party-1"
    for header in (None, write_basic("cpo", "wrong"), "Basic ???"):
        wrong = await service.handle(request(content, authorization=header))
        assert wrong.status == 401
        assert wrong.headers["WWW-Authenticate"].startswith("Basic ")
        assert fault_of(wrong).codes == (wsse.FAILED_AUTHENTICATION,)
    assert len(calls) == 1


async def test_oversize(make):
    """Over the limit by one byte: a fault that says so."""
    content = message()
    assert (await make(limits=Limits(bytes=len(content))).handle(request(content))).status == 200
    response = await make(limits=Limits(bytes=len(content) - 1)).handle(request(content))
    assert f"allowed are {len(content) - 1}" in fault_of(response).text


async def test_namespace_flood(service):
    """100,000 prefixes cost a fault, not a minute."""
    flood = b" ".join(b'xmlns:n%d="urn:%d"' % (i, i) for i in range(100_000))
    started = time.process_time()
    response = await service.handle(request(message(b"<a " + flood + b"/>")))
    assert "prefixes" in fault_of(response).text
    assert time.process_time() - started < 2


# ---------------------------------------------------------------- HTTP around it


@pytest.mark.parametrize(
    ("headers", "note"),
    [
        ({"content_type": "application/xml"}, "Content-Type is application/xml"),
        ({"content_type": "application/soap+xml"}, "Content-Type is application/soap+xml"),
        ({"content_type": None}, "Content-Type is missing"),
        ({"soapaction": None}, "SOAPAction is missing"),
        ({"soapaction": "urn:do/Occupy"}, "SOAPAction is urn:do/Occupy"),
        ({"soapaction": '""'}, 'SOAPAction is ""'),
        ({"soapaction": "OccupyRequest"}, "SOAPAction is OccupyRequest"),
    ],
)
async def test_near_misses_are_tolerated_and_noted(service, calls, headers, note):
    """What peers send in the field is served, with a deviation."""
    response = await service.handle(request(message(), **headers))
    assert response.status == 200
    assert response.headers["Content-Type"].startswith("text/xml")
    assert calls[0].deviations == [note]


@pytest.mark.parametrize(
    "content_type",
    ["TEXT/XML", 'text/xml;charset="UTF-8"', "text/xml ; Charset='utf-8'", "text/xml;"],
)
async def test_spellings_of_the_content_type(service, calls, content_type):
    """Case, quotes and blanks are no deviations."""
    response = await service.handle(request(message(), content_type=content_type))
    assert (response.status, calls[0].deviations) == (200, [])


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": "application/json"},
        {"content_type": "multipart/related"},
        {"content_type": "text/html; charset=utf-8"},
        {"content_encoding": "gzip"},
    ],
)
async def test_other_media_are_refused(service, calls, headers):
    """415, with a fault all the same."""
    response = await service.handle(request(message(), **headers))
    assert response.status == 415
    assert "not supported" in fault_of(response).text
    assert calls == []


async def test_charset_of_the_header_counts(service, calls):
    """As the production system of one peer does it: Latin-1 by header only."""
    content = message(body("A1"))
    latin = content.replace(
        b"</spot>", b"</spot><until>2031-05-02T09:40:00Z</until><extra>\xe9</extra>"
    )
    response = await service.handle(request(latin, content_type="text/xml; charset=ISO-8859-1"))
    assert response.status == 200
    assert calls[0].body.findtext("{*}extra") == "\u00e9"
    response = await service.handle(request(latin, content_type="text/xml; charset=x-unknown"))
    assert "charset" in fault_of(response).text


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS", "GET", "post"])
async def test_other_methods(service, method):
    """405 with what is allowed."""
    response = await service.handle(Request(method=method, path="/p"))
    assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD, POST")


async def test_contract_is_published(service):
    """?wsdl in any case, and every document that it refers to."""

    async def get(query):
        return await service.handle(Request(method="GET", path="/p", query=query))

    for query in ("wsdl", "WSDL", "wsdl="):
        response = await get(query)
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/xml")
    head = await service.handle(Request(method="HEAD", path="/p", query="wsdl"))
    assert (head.status, head.headers) == (200, response.headers)
    root = etree.fromstring(response.body)
    (reference,) = root.xpath("//@schemaLocation")
    assert (await get(reference.partition("?")[2])).status == 200
    for query in ("xsd=../../secret", "xsd=nothing.xsd", "singleWsdl"):
        assert (await get(query)).status == 404


@pytest.mark.parametrize("sane", ["abc-123", "2f1c8f5e-0b1f-4d5e-9d0e-0c7f7a4b8d11", "a:b.c_d"])
async def test_correlation_id_is_kept(service, calls, logged, sane):
    """From the header to the operation, the log and the answer."""
    response = await service.handle(request(message(), x_correlation_id=sane))
    assert response.headers["X-Correlation-ID"] == sane == calls[0].correlation_id
    assert logged[-1]["correlation_id"] == sane


@pytest.mark.parametrize("odd", ["", "a b", "x" * 129, "a\r\nSet-Cookie: x", "<a>", "-x"])
async def test_odd_correlation_id_is_replaced(service, calls, odd):
    """What could do harm elsewhere gets a new one."""
    response = await service.handle(request(message(), x_correlation_id=odd))
    assert len(response.headers["X-Correlation-ID"]) == 36
    assert calls[0].correlation_id == response.headers["X-Correlation-ID"]


# ---------------------------------------------------------------- errors and mendings


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (Malformed("bad place"), "Client", True),
        (Refused("not your station"), "Client", True),
        (Unreachable("partner X is down"), "Server", False),
        (BadAnswer("secret detail"), "Server", False),
        (ValueError("secret bug"), "Server", False),
        (ZeroDivisionError(), "Server", False),
    ],
)
async def test_errors_of_the_answering_side(service, calls, error, code, told):
    """The sender's own mistakes are told, everything else stays inside."""
    calls.reply = error
    response = await service.handle(request(message(), x_correlation_id="id-1"))
    found = fault_of(response)
    assert response.status == 500
    assert found.codes == (f"{SOAP_11}{code}",)
    assert (str(error) in found.text) if told else (found.text.endswith("(id-1)"))
    assert b"secret" not in response.body


async def test_untrusted_while_answering(service, calls):
    """Whoever may not do this gets the fault of wrong credentials."""
    calls.reply = Untrusted("not for you")
    response = await service.handle(request(message()))
    assert fault_of(response).codes == (wsse.FAILED_AUTHENTICATION,)


@pytest.mark.parametrize("reply", [42, "text", object()])
async def test_unusable_answer_is_a_server_fault(service, calls, reply):
    """An answer that cannot be written costs a fault with status 500, never a 200."""

    async def answer(call):
        return reply

    calls.reply = answer
    response = await service.handle(request(message()))
    assert response.status == 500
    assert fault_of(response).codes == (f"{SOAP_11}Server",)


async def test_synchronous_error_of_the_answering_side(make):
    """An answer function that raises before it can be awaited is caught the same way."""

    def answer(call):
        raise Refused("at once")

    response = await make(answer=answer).handle(request(message()))
    assert fault_of(response).text == "at once"


async def test_every_problem_is_told(service):
    """All problems with their places, bounded."""
    response = await service.handle(request(message(body("a1", "A1", "b2"))))
    found = fault_of(response)
    rows = found.detail[0]
    assert [row.get("path") for row in rows] == [
        "OccupyRequest/spot[1]",
        "OccupyRequest/spot[3]",
    ]
    many = await service.handle(request(message(body(*["a1"] * 500))))
    assert len(fault_of(many).detail[0]) == 50
    assert len(fault_of(many).text) <= 500


async def test_error_in_the_protocol_s_own_words(make, calls, logged):
    """The adapter may say an error as an answer: HTTP 200, no fault."""
    asked = []

    def answer_error(call, error):
        asked.append((call.operation, type(error), call.party))
        return OCCUPY.replace(b"Request", b"Response")

    service = make(answer_error=answer_error)
    response = await service.handle(request(message(body("a1"))))
    assert response.status == 200
    assert opened(response).body.tag == f"{{{NAMESPACE}}}OccupyResponse"
    calls.reply = Refused("no")
    assert (await service.handle(request(message()))).status == 200
    assert asked == [("Occupy", Malformed, "party-1"), ("Occupy", Refused, "party-1")]
    assert [line["outcome"] for line in logged] == ["refused", "refused"]
    assert [line["error"] for line in logged] == ["Malformed", "Refused"]


async def test_error_without_own_words_is_a_fault(make):
    """The adapter has no answer for it; and it is never asked about strangers."""
    service = make(answer_error=lambda call, error: None)
    assert (await service.handle(request(message(body("a1"))))).status == 500
    service = make(answer_error=lambda call, error: 1 / 0)
    response = await service.handle(request(message(token=None)))
    assert fault_of(response).codes == (wsse.FAILED_AUTHENTICATION,)


def upper(found):
    """Mends lower-case spots and one misnamed root."""
    notes = []
    if found.tag == f"{{{NAMESPACE}}}Occupy":
        found.tag += "Request"
        notes.append("root")
    for spot in found:
        if spot.text.islower() or spot.text[0].islower():
            spot.text = spot.text.upper()
            notes.append("lower case")
    return found, notes


async def test_mended_body(make, calls):
    """An invalid body that the adapter can mend is served, and what was mended is told."""
    service = make(lenient=upper)
    assert (await service.handle(request(message(body("a1"))))).status == 200
    assert (calls[0].mended, calls[0].deviations) == (["lower case"], [])
    assert calls[0].body[0].text == "A1"
    renamed = message(OCCUPY.replace(b"Request", b""))
    assert (await service.handle(request(renamed))).status == 200
    assert calls[1].mended == ["root"]


async def test_mending_that_does_not_help(make, calls):
    """Still invalid: refused, with what is left wrong."""
    response = await make(lenient=upper).handle(request(message(body("a1", "?"))))
    rows = fault_of(response).detail[0]
    assert [row.get("path") for row in rows] == ["OccupyRequest/spot[2]"]
    assert calls == []


async def test_valid_body_is_not_mended(make, calls):
    """The lenient reader is asked only when something is wrong."""
    await make(lenient=lambda found: 1 / 0).handle(request(message()))
    assert calls[0].mended == []


async def test_mended_for_some(make, calls):
    """Who is not to be mended is read strictly, root and body."""
    service = make(lenient=upper, mends=lambda party: party != "party-1")
    response = await service.handle(request(message(body("a1"))))
    assert [row.get("path") for row in fault_of(response).detail[0]] == ["OccupyRequest/spot[1]"]
    renamed = message(OCCUPY.replace(b"Request", b""))
    assert "no request" in fault_of(await service.handle(request(renamed))).text
    assert calls == []


async def test_operations_of_another_address(make, calls):
    """A mis-addressed operation is served where the contract says so, with a deviation."""
    parking = Contract(CONTRACT, "parking", "1", ["Parking"])
    content = message(b'<ListRequest xmlns="urn:example:parking"/>')
    response = await make(parking).handle(request(content))
    assert "no request" in fault_of(response).text
    whole = make(parking, tolerated=Contract(CONTRACT, "parking", "1"))
    assert (await whole.handle(request(content, soapaction='"urn:do/List"'))).status == 200
    assert calls[0].deviations == ["List belongs to another address"]
    published = await whole.handle(Request(method="GET", path="/p", query="wsdl"))
    assert b"Listing" not in published.body


# ---------------------------------------------------------------- log, size, time


async def test_one_line_per_call(service, logged):
    """With the keys that operators rely on, and no secret among the values."""
    content = message()
    response = await service.handle(request(content))
    (line,) = logged
    assert line.pop("duration_ms") > 0
    assert line.pop("correlation_id") == response.headers["X-Correlation-ID"]
    assert line == {
        "event": "soap call",
        "log_level": "info",
        "operation": "Occupy",
        "party": "party-1",
        "outcome": "ok",
        "bytes_in": len(content),
        "bytes_out": len(response.body),
    }
    await service.handle(request(message(body("geheim"))))
    assert "geheim" not in str(logged)
    assert logged[1]["places"] == ["OccupyRequest/spot[1]"]
    assert "pass" not in str(logged)


async def test_streamed_answer_is_logged_when_it_is_out(service, calls, logged):
    """Bytes are counted as they go; an answer that nobody fetches to its end says so."""

    def pieces():
        yield b"<a>"
        yield b"</a>"

    for whole in (True, False):
        calls.reply = pieces()
        response = await service.handle(request(message()))
        before = len(logged)
        if whole:
            size = len(b"".join(response.body))
        else:
            size = len(next(response.body))
            response.body.close()
        assert len(logged) == before + 1
        assert logged[-1]["bytes_out"] == size
        assert logged[-1]["outcome"] == ("ok" if whole else "broken off")


async def test_bug_is_logged_with_its_trace(service, calls, logged):
    """The operator sees what the partner does not."""
    calls.reply = ValueError("bug")
    await service.handle(request(message()))
    assert [line["event"] for line in logged] == ["soap call failed", "soap call"]
    assert str(logged[0]["exc_info"]) == "bug"
    assert logged[1]["outcome"] == "fault"


async def test_big_message_leaves_the_reactor_free(service, calls):
    """While a big body is checked, small calls are answered; and it is checked like any other."""
    spots = [f"A{i % 10_000}" for i in range(150_000)]
    answered = []

    async def small_calls():
        while not done:
            answered.append((await service.handle(request(message()))).status)
            await deferLater(reactor, 0.002)

    done = False
    busy = ensureDeferred(small_calls())
    response = await service.handle(request(message(body(*spots))))
    invalid = await service.handle(request(message(body(*spots, "a"))))
    done = True
    await busy
    assert opened(response).body.findtext("{*}accepted") == "150000"
    assert "spot[150001]" in fault_of(invalid).text
    assert len(answered) > 5
    assert set(answered) == {200}


async def test_answers_wait_without_blocking(service, calls):
    """Calls overlap: none is answered before all ten are there."""
    answers = [Deferred() for _ in range(10)]
    came = iter(range(1, 11))

    async def slow(call):
        number = next(came)
        if number == len(answers):
            for answer in answers:
                answer.callback(None)
        await answers[number - 1]
        return OCCUPY.replace(b"Request", b"Response")

    calls.reply = slow
    waiting = [ensureDeferred(service.handle(request(message()))) for _ in answers]
    for each in waiting:
        assert (await each).status == 200


def test_spyne_never_collects():
    """spyne's own garbage collection would stop the process once a second."""
    assert float("inf") == spyne.const.MIN_GC_INTERVAL


def test_spyne_loads_without_cgi():
    """As on Python 3.13, where the module is gone."""
    code = "import sys; sys.modules['cgi'] = None; import gateway.soap.service"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


async def test_problem_without_place(service, calls):
    """A reason without a place is text only."""
    calls.reply = Malformed([Problem("", "all wrong")])
    found = fault_of(await service.handle(request(message())))
    assert (found.text, found.detail) == ("all wrong", None)
