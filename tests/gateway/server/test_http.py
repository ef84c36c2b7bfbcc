"""The listener does what HTTP says."""

import json

import pytest
from structlog.testing import capture_logs
from twisted.internet.defer import Deferred

from gateway.http import Response

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


async def test_a_request_arrives_whole(serve, ask):
    """Method, raw path, query, headers and body reach the handler as sent."""
    _, port = serve()
    [answer] = await ask(
        port,
        b"POST /a%2Fb/c?d=%20&e HTTP/1.1\r\nHost: gw.example:8443\r\nX-Two: 1\r\nx-two:  2 \r\n"
        b"Cookie: a=1\r\nCookie: b=2\r\nX-Empty:\r\nX-Latin: \xe4\r\n"
        b"Content-Length: 5\r\nConnection: close\r\n\r\nhello",
    )
    assert answer.status == 200
    assert answer.json["method"] == "POST"
    assert answer.json["path"] == "/a%2Fb/c"
    assert answer.json["query"] == "d=%20&e"
    assert answer.json["body"] == "hello"
    headers = answer.json["headers"]
    assert headers["x-two"] == "1, 2"
    assert headers["cookie"] == "a=1; b=2"
    assert headers["x-empty"] == ""
    assert headers["x-latin"] == "\xe4"
    assert headers["host"] == "gw.example:8443"
    assert answer.headers["connection"] == "close"
    assert answer.headers["date"].endswith(" gmt")


async def test_a_connection_is_kept(serve, connect, thread):
    """Requests follow one another on one connection."""
    server, port = serve()

    def dialogue():
        client = connect(port)
        paths = []
        for number in range(3):
            client.send(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
            paths.append(client.answer().json["path"])
        return paths

    assert await thread(dialogue) == ["/0", "/1", "/2"]
    assert server.connections == 1


async def test_pipelined_answers_come_in_order(serve, ask, sleep):
    """A slow first request is answered before the quick one behind it."""
    at_once = most = 0

    async def slow_first(request):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await sleep(0.1 if request.path == "/0" else 0)
        at_once -= 1
        return Response(body=request.path.encode())

    _, port = serve(slow_first)
    first = b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(5))
    answers = await ask(port, first + LAST)
    assert [answer.body for answer in answers] == [b"/0", b"/1", b"/2", b"/3", b"/4", b"/last"]
    assert most == 1


async def test_thousands_of_pipelined_requests(serve, connect, thread):
    """All are answered, in order, and the server keeps no more of them than it reads ahead."""
    kept = []

    async def note(request):
        kept.append(max(len(one._intake) for one in server._connections))
        return Response(body=request.path.encode())

    server, port = serve(note)
    count = 20000
    data = b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(count))

    def dialogue():
        client = connect(port).send(data + LAST)
        return [client.answer().body for _ in range(count + 1)]

    bodies = await thread(dialogue)
    assert bodies == [b"/%d" % n for n in range(count)] + [b"/last"]
    assert max(kept) <= 2 * 65536


CHUNKED = (
    b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nConnection: close\r\n\r\n"
    b'5\r\nhello\r\n00A;ext="v"\r\n0123456789\r\n0\r\nTrailer: t\r\nx-y:z\r\n\r\n'
)
COUNTED = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "data", [CHUNKED, COUNTED + b"hello0123456789"], ids=["chunked", "counted"]
)
async def test_a_request_in_single_bytes(serve, connect, thread, data):
    """However a request is cut into segments, it is the same; trailers are left out."""
    _, port = serve()

    def dialogue():
        client = connect(port).send(*(data[at : at + 1] for at in range(len(data))))
        return client.answer()

    answer = await thread(dialogue)
    assert answer.json["body"] == "hello0123456789"
    assert "trailer" not in answer.json["headers"]


async def test_expect_continue(serve, connect, thread):
    """The client is told to go on when the head is fine, and not when the body is too large."""
    _, port = serve(body=10)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"

    def dialogue():
        client = connect(port).send(head % 5)
        told = client.until(b"\r\n\r\n")
        fine = client.send(b"hello").answer()
        refused = client.send(head % 11).answer()
        return told, fine, refused

    told, fine, refused = await thread(dialogue)
    assert told == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert fine.json["body"] == "hello"
    assert (refused.status, refused.json["error"]) == (413, "body-size")


async def test_body_sent_with_the_head_needs_no_continue(serve, ask):
    """A client that does not wait is not told to go on."""
    _, port = serve()
    data = COUNTED.replace(b"Host: a", b"Host: a\r\nExpect: 100-continue") + b"hello0123456789"
    [answer] = await ask(port, data)
    assert answer.status == 200


async def test_head(serve, connect, thread):
    """HEAD gets the head of GET, with its length, and no body."""
    _, port = serve()

    def dialogue():
        client = connect(port).send(GET.replace(b"GET", b"HEAD"), GET)
        return client.answer(head_only=True), client.answer()

    head, _ = await thread(dialogue)
    assert head.status == 200
    assert int(head.headers["content-length"]) > 0


@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_without_body(serve, connect, thread, status):
    """204 and 304 carry neither body nor length; the next answer follows directly."""

    async def none(request):
        return Response(status=status, body=b"not to be sent")

    _, port = serve(none)
    raw = await thread(lambda: connect(port).send(GET + LAST).rest())
    first, second, rest = raw.split(b"\r\n\r\n")
    assert rest == b""
    assert b"Length" not in first + second
    assert b"Encoding" not in first + second


async def test_http_1_0(serve, connect, thread):
    """Without Host; closed after the answer unless the client asks to keep the connection."""
    _, port = serve()

    def dialogue():
        closing = connect(port).send(b"GET / HTTP/1.0\r\n\r\n")
        first = closing.answer()
        keeping = connect(port).send(b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
        second = keeping.answer()
        third = keeping.send(GET).answer()
        return first, closing.closed(), second, third

    first, closed, second, third = await thread(dialogue)
    assert closed
    assert first.headers["connection"] == "close"
    assert second.headers["connection"] == "keep-alive"
    assert third.status == 200


async def test_offered_upgrade_is_ignored(serve, ask):
    """Java's client offers HTTP/2 in clear; it gets HTTP/1.1, and what follows is not lost."""
    _, port = serve()
    offer = (
        b"POST /one HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nContent-Length: 2\r\n\r\nhi"
    )
    one, last = await ask(port, offer + LAST)
    assert (one.json["path"], one.json["body"]) == ("/one", "hi")
    assert last.json["path"] == "/last"


async def test_half_closed_client_is_answered(serve, connect, thread, sleep):
    """A client that has said all may close its side and still reads every answer."""

    async def slow(request):
        await sleep(0.05)
        return Response(body=request.path.encode())

    _, port = serve(slow)
    raw = await thread(lambda: connect(port).send(GET + GET).end().rest())
    assert raw.count(b"HTTP/1.1 200 OK") == 2
    assert raw.count(b"Connection: close") == 1
    cut_short = await thread(lambda: connect(port).send(GET[:-2]).end().rest())
    assert cut_short == b""


@pytest.mark.parametrize(
    "answer",
    [
        Response(headers={"X": "a\r\nInjected: 1"}),
        Response(headers={"X\n": "a"}),
        Response(headers={"X": "\u20ac"}),
        Response(status=99),
        Response(body="text"),
        Response(body=iter(["text"])),
        Response(body=None),
        None,
        ValueError("secret detail"),
    ],
    ids=lambda value: repr(value)[:60],
)
async def test_wrong_answers_become_500(serve, ask, answer):
    """Whatever a handler does wrong, the client gets one plain 500, and the log says why."""

    async def wrong(request):
        if request.path == "/last":
            return Response(body=b"fine")
        if isinstance(answer, Exception):
            raise answer
        return answer

    _, port = serve(wrong)
    with capture_logs() as lines:
        first, second = await ask(port, GET + LAST)
    assert first.status == 500
    assert first.json == {
        "error": "internal",
        "reason": "the gateway failed to answer this request",
    }
    assert second.body == b"fine"
    [line] = [line for line in lines if line["event"] == "handler failed"]
    assert line["log_level"] == "error"
    assert line["method"] == "GET"
    assert line["exc_info"]


async def test_framing_belongs_to_the_listener(serve, ask):
    """A handler cannot break the framing of its answer."""

    async def meddles(request):
        headers = {"Content-Length": "999", "Transfer-Encoding": "chunked", "connection": "close"}
        return Response(headers=headers, body=b"four")

    _, port = serve(meddles)
    first, second = await ask(port, GET + LAST)
    assert first.body == second.body == b"four"
    assert "connection" not in first.headers


async def test_handlers_may_be_any_awaitable(serve, ask):
    """A Deferred is as good as a coroutine, and one that fails is a 500."""

    def handler(request):
        answer = Deferred()
        if request.path == "/last":
            answer.callback(Response(body=b"deferred"))
        else:
            answer.errback(ValueError("no"))
        return answer

    _, port = serve(handler)
    first, second = await ask(port, GET + LAST)
    assert (first.status, second.body) == (500, b"deferred")


async def test_client_gone_before_the_answer(serve, connect, thread, sleep):
    """The handler finishes its work although nobody reads the answer."""
    finished = []

    async def slow(request):
        await sleep(0.1)
        finished.append(request.path)
        return Response(body=b"late")

    server, port = serve(slow)
    await thread(lambda: connect(port).send(GET).close())
    await sleep(0.3)
    assert finished == ["/"]
    assert server.connections == 0


async def test_drain(serve, connect, thread, sleep):
    """No new clients; idle ones are closed, the request in flight is answered; then it fires."""

    async def slow(request):
        await sleep(0.2)
        return Response(body=b"done")

    server, port = serve(slow)
    idle, busy = await thread(lambda: (connect(port), connect(port).send(GET)))
    await sleep(0.1)
    done = []
    drained = server.drain().addCallback(done.append)
    idle_closed = await thread(idle.closed)
    assert idle_closed
    assert not done
    await sleep(0.05)
    with pytest.raises(ConnectionRefusedError):
        await thread(connect, port)
    answer = await thread(busy.answer)
    assert (answer.body, answer.headers["connection"]) == (b"done", "close")
    busy.close()
    await drained
    assert server.connections == 0


async def test_drain_has_an_end(serve, connect, thread, sleep):
    """A handler that never answers does not keep the process from stopping."""
    server, port = serve(lambda request: Deferred(), drain_seconds=0.2)
    await thread(lambda: connect(port).send(GET))
    await sleep(0.05)
    assert server.connections == 1
    await server.drain()
    assert server.connections == 0


async def test_errors_are_small_json(serve, ask):
    """Errors of this layer are one object with a code and a reason."""
    _, port = serve()
    [answer] = await ask(port, b"GET / HTTP/1.1\r\n\r\n")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["connection"] == "close"
    assert json.loads(answer.body) == {"error": "host", "reason": "header field host is missing"}
