"""Clients that mean harm, or are just broken: a clear answer, nothing smuggled, nothing held."""

import random
import time

import pytest
from structlog.testing import capture_logs
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import globalLogPublisher

from gateway.http import Response


def eventually(holds):
    """Wait, in a thread, until something is so."""
    until = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

REFUSED = {
    # framing that two readers could understand differently
    "length and coding": (POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "coding and length": (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n", 400),
    "two lengths": (POST + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nbody", 400),
    "two different lengths": (POST + b"Content-Length: 4\r\nContent-Length: 0\r\n\r\nbody", 400),
    "list of lengths": (POST + b"Content-Length: 4, 4\r\n\r\nbody", 400),
    "signed length": (POST + b"Content-Length: +4\r\n\r\nbody", 400),
    "negative length": (POST + b"Content-Length: -4\r\n\r\nbody", 400),
    "hexadecimal length": (POST + b"Content-Length: 0x4\r\n\r\nbody", 400),
    "spaced length": (POST + b"Content-Length: 4 4\r\n\r\nbody", 400),
    "empty length": (POST + b"Content-Length:\r\n\r\n", 400),
    "length of superscripts": (POST + b"Content-Length: \xb2\r\n\r\nbo", 400),
    "endless length": (POST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n", 400),
    "coding twice": (POST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n", 400),
    "coding list": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "unknown coding": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    "identity": (POST + b"Transfer-Encoding: identity\r\n\r\n", 400),
    "coding with tab": (POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", 400),
    "coding in 1.0": (CHUNKED.replace(b"/1.1", b"/1.0") + b"0\r\n\r\n", 400),
    "space before colon": (POST + b"Content-Length : 4\r\n\r\nbody", 400),
    "underscore is another field": (POST + b"Content_Length: 4\r\n\r\nbody", None),
    # lines
    "folded field": (POST + b"X: a\r\n b\r\n\r\n", 400),
    "folded with tab": (POST + b"X: a\r\n\tb\r\n\r\n", 400),
    "folded first field": (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    "bare LF": (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    "bare LF in field": (POST + b"X: a\nContent-Length: 4\r\n\r\nbody", 400),
    "bare CR in field": (POST + b"X: a\rContent-Length: 4\r\n\r\nbody", 400),
    "NUL in value": (POST + b"X: a\0b\r\n\r\n", 400),
    "NUL in name": (POST + b"X\0: a\r\n\r\n", 400),
    "control in value": (POST + b"X: \x01\r\n\r\n", 400),
    "delete in value": (POST + b"X: \x7f\r\n\r\n", 400),
    "no colon": (POST + b"X\r\n\r\n", 400),
    "empty name": (POST + b": x\r\n\r\n", 400),
    "umlaut in name": (POST + b"\xe4: x\r\n\r\n", 400),
    # request line
    "absolute form": (b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "authority form": (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    "asterisk form": (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "no slash": (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "fragment": (b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "two spaces": (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "space at the end": (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    "space in target": (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "control in target": (b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "umlaut in target": (b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "no version": (b"GET /\r\nHost: a\r\n\r\n", 400),
    "version 0.9": (b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
    "version 1.2": (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    "version 2": (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "another protocol": (b"GET / RTSP/1.0\r\nHost: a\r\n\r\n", 400),
    "unknown method": (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    "lower-case method": (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "TLS on the plain port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    # fields that count once
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    "empty host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    "host with path": (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "host with user": (b"GET / HTTP/1.1\r\nHost: b@a\r\n\r\n", 400),
    "two authorizations": (POST + b"Authorization: a\r\nAuthorization: b\r\n\r\n", 400),
    "two SOAP actions": (POST + b"SOAPAction: a\r\nSOAPAction: b\r\n\r\n", 400),
    "unknown expectation": (POST + b"Expect: 200-ok\r\n\r\n", 417),
    # chunks
    "no chunk size": (CHUNKED + b"\r\nhello\r\n0\r\n\r\n", 400),
    "chunk size no number": (CHUNKED + b"x\r\nhello\r\n0\r\n\r\n", 400),
    "chunk size with 0x": (CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n", 400),
    "chunk size with sign": (CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n", 400),
    "chunk size with space": (CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n", 400),
    "chunk size with underscore": (CHUNKED + b"1_0\r\n" + b"x" * 16 + b"\r\n0\r\n\r\n", 400),
    "chunk size huge": (CHUNKED + b"f" * 12 + b"\r\n", 413),
    "chunk size longer": (CHUNKED + b"0" * 13 + b"\r\n\r\n", 400),
    "chunk ends late": (CHUNKED + b"3\r\nhello\r\n0\r\n\r\n", 400),
    "chunk ends early": (CHUNKED + b"6\r\nhello\r\n0\r\n\r\n", 400),
    "chunk line with LF": (CHUNKED + b"5\nhello\n0\n\n", 400),
    "extension with CR": (CHUNKED + b"5;a\rb\r\nhello\r\n0\r\n\r\n", 400),
    "extension too long": (CHUNKED + b"5;" + b"x" * 300 + b"\r\nhello\r\n0\r\n\r\n", 400),
    "extension without end": (CHUNKED + b"5;" + b"x" * 300, 400),
    "many extensions": (CHUNKED + (b"1;" + b"x" * 200 + b"\r\ny\r\n") * 400, 400),
    "trailer without colon": (CHUNKED + b"0\r\nx\r\n\r\n", 400),
    "trailer folded": (CHUNKED + b"0\r\nX: a\r\n b\r\n\r\n", 400),
    "trailers too long": (CHUNKED + b"0\r\n" + b"X: aaaaaaaa\r\n" * 1000 + b"\r\n", 431),
}


@pytest.mark.parametrize(("data", "status"), REFUSED.values(), ids=REFUSED.keys())
async def test_refused_and_closed(serve, ask, data, status):
    """One answer, then the end: what stands behind a doubtful message is never a request."""
    asked = []

    async def note(request):
        asked.append(request.path)
        return Response()

    _, port = serve(note)
    answers = await ask(port, data + SMUGGLED)
    if status is None:  # fine, and its "body" is then refused as the next request
        assert [answer.status for answer in answers] == [200, 400]
        return
    [answer] = answers
    assert answer.status == status
    assert set(answer.json) == {"error", "reason"}
    assert answer.headers["connection"] == "close"
    assert asked == []


HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"
LIMITS = {
    "request line": (b"GET /" + b"a" * 300 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "request-line"),
    "endless request line": (b"GET /" + b"a" * 300, 414, "request-line"),
    "head": (HEAD + b"X: " + b"a" * 2000 + b"\r\n\r\n", 431, "head-size"),
    "endless head": (HEAD + b"X: a\r\n" * 400, 431, "head-size"),
    "fields": (HEAD + b"X: a\r\n" * 20 + b"\r\n", 431, "header-count"),
    "body": (POST + b"Content-Length: 1001\r\n\r\n", 413, "body-size"),
    "chunked body": (CHUNKED + b"3e8\r\n" + b"x" * 1000 + b"\r\n1\r\n", 413, "body-size"),
    "route": (b"POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n", 413, "body-size"),
}


@pytest.mark.parametrize(("data", "status", "code"), LIMITS.values(), ids=LIMITS.keys())
async def test_limits(serve, ask, data, status, code):
    """Each limit has its own answer, and is noticed when it is passed, not when the rest is in."""
    limits = {"request_line": 256, "head": 2000, "fields": 10, "head_seconds": 30}
    _, port = serve(bound=lambda head: 10 if head.path == "/small" else 1000, **limits)
    [answer] = await ask(port, data)
    assert (answer.status, answer.json["error"]) == (status, code)


async def test_just_within_the_limits(serve, ask):
    """What is exactly as large as allowed is served."""
    line = b"GET /" + b"a" * (256 - 14) + b" HTTP/1.1\r\n"
    fields = b"Host: a\r\nConnection: close\r\nX: "
    body = POST + b"Content-Length: 1000\r\n\r\n" + b"x" * 1000
    _, port = serve(request_line=256, head=2000, fields=3, body=1000)
    padding = b"a" * (2000 - len(line) - len(fields) - 4)
    answers = await ask(port, body + line + fields + padding + b"\r\n\r\n")
    assert [answer.status for answer in answers] == [200, 200]


async def test_answer_to_a_large_upload_arrives(serve, connect, thread):
    """The refusal reaches a client that is still sending; no reset overtakes it."""
    _, port = serve(body=1000)

    def dialogue():
        client = connect(port)
        try:
            client.send(POST + b"Content-Length: 3000000\r\n\r\n", *[b"x" * 100000] * 30)
        except ConnectionError:
            return None
        return client.answer()

    answer = await thread(dialogue)
    assert answer is not None
    assert answer.status == 413


@pytest.mark.parametrize(
    ("pieces", "code"),
    [
        ([b"GET / HTTP/1.1\r\n"] + [b"X: a\r\n"] * 20, "head-timeout"),
        ([POST + b"Content-Length: 100\r\n\r\n"] + [b"x"] * 20, "body-timeout"),
        ([CHUNKED] + [b"1\r\nx\r\n"] * 20, "body-timeout"),
    ],
    ids=["head", "body", "chunks"],
)
async def test_slow_sender(serve, connect, thread, pieces, code):
    """A client that sends a little now and then is told 408, however long it could go on."""
    server, port = serve(head_seconds=0.3, body_seconds=0.3, linger_seconds=0.1)

    def dialogue():
        client = connect(port)
        for piece in pieces:
            try:
                client.send(piece, pause=0.1)
            except ConnectionError:
                break
            if not server.connections:
                break
        return client.answer()

    answer = await thread(dialogue)
    assert (answer.status, answer.json["error"]) == (408, code)


async def test_slow_but_steady_body(serve, connect, thread):
    """A body that keeps to the rate may take longer than the time for a small one."""
    _, port = serve(body_seconds=0.2, body_rate=10_000)

    def dialogue():
        client = connect(port).send(POST + b"Content-Length: 20000\r\n\r\n")
        return client.send(*[b"x" * 2000] * 10, pause=0.06).answer()

    answer = await thread(dialogue)
    assert answer.status == 200


async def test_silent_client(serve, connect, thread):
    """Who says nothing, at first or after an answer, is closed without a word."""
    _, port = serve(head_seconds=0.2, idle_seconds=0.2)

    def dialogue():
        fresh, used = connect(port), connect(port).send(HEAD + b"\r\n")
        used.answer()
        return fresh.closed(), used.closed()

    assert await thread(dialogue) == (True, True)


async def test_empty_lines_keep_nobody_busy(serve, connect, thread):
    """Empty lines before a request are skipped, and are no reason to wait longer than idle."""
    _, port = serve(idle_seconds=0.3)

    def dialogue():
        client = connect(port).send(b"\r\n\r\n" + HEAD + b"\r\n\r\n")
        return client.answer().status, client.closed()

    assert await thread(dialogue) == (200, True)


async def test_reader_that_does_not_read(serve, connect, thread, sleep):
    """Who asks without reading stops being served, and is cut; memory stays small."""
    served = 0

    async def large(request):
        nonlocal served
        served += 1
        return Response(body=b"x" * 60000)

    server, port = serve(large, write_seconds=0.5)
    client = await thread(lambda: connect(port).send((HEAD + b"\r\n") * 1000))
    await sleep(0.2)
    assert server.connections == 1
    assert served < 300  # what the sockets take, not what was asked
    await sleep(0.8)
    assert server.connections == 0
    await thread(client.close)


async def test_answer_timeout(serve, ask):
    """A handler that takes too long is cancelled, and the client told."""
    cancelled = []

    async def never(request):
        try:
            await Deferred()
        except CancelledError:
            cancelled.append(request.path)
            raise

    _, port = serve(never, answer_seconds=0.2)
    [answer] = await ask(port, HEAD + b"\r\n" + SMUGGLED)
    assert (answer.status, answer.json["error"]) == (504, "answer-timeout")
    assert cancelled == ["/"]


async def test_a_long_body_has_a_longer_answer(serve, ask):
    """A list of a million items takes minutes to store."""

    async def slow(request):
        await deferLater(reactor, 0.6)
        return Response(status=200)

    _, port = serve(slow, answer_seconds=0.2, answer_rate=1000)
    post = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
    for size, status in ((2000, 200), (20, 504)):
        [answer] = await ask(port, post % (size, b"x" * size))
        assert answer.status == status


async def test_too_many_connections(serve, connect, thread):
    """Over the limit a client is told why; far over it, it is closed; then there is room again."""
    server, port = serve(connections=4, linger_seconds=5)

    def cut_off():
        try:
            return connect(port).closed()
        except ConnectionResetError:
            return True  # before connecting was finished on this side

    def dialogue():
        first = [connect(port).send(HEAD + b"\r\n") for _ in range(4)]
        served = [client.answer().status for client in first]
        over = [connect(port) for _ in range(2)]
        told = [client.answer() for client in over]
        far_over = cut_off()
        for client in first + over:
            client.close()
        return served, told, far_over

    served, told, far_over = await thread(dialogue)
    assert served == [200] * 4
    assert [(one.status, one.json["error"]) for one in told] == [(503, "connections")] * 2
    assert int(told[0].headers["retry-after"]) > 0
    assert far_over
    await thread(lambda: eventually(lambda: not server.connections))
    assert (await thread(lambda: connect(port).send(HEAD + b"\r\n").answer())).status == 200


async def test_memory_for_bodies_is_shared(serve, connect, thread):
    """All bodies together have a limit; what a finished or lost request held is given back."""
    server, port = serve(held=300_000, body=250_000)
    head = POST + b"Content-Length: 200000\r\n\r\n"

    def dialogue():
        one, two = connect(port).send(head), connect(port).send(head)
        one.send(b"x" * 190_000)
        eventually(lambda: server.held >= 190_000)
        two.send(b"x" * 190_000)
        refused = two.answer()
        served = one.send(b"x" * 10_000).answer()
        lost = connect(port).send(head, b"x" * 100_000)
        lost.close()
        two.close()
        return served, refused

    served, refused = await thread(dialogue)
    assert served.status == 200
    assert (refused.status, refused.json["error"]) == (503, "memory")
    await thread(lambda: eventually(lambda: server.connections == 1))
    assert server.held == 0


async def test_tiny_chunks_let_others_through(serve, connect, thread):
    """A body of single bytes is legal, and read in turns with what other clients ask."""
    _, port = serve(body=400_000)
    body = b"1\r\nx\r\n" * 300_000 + b"0\r\n\r\n"

    def upload():
        client = connect(port, timeout=20)
        return len(client.send(CHUNKED + body).answer().json["body"])

    def others():
        client = connect(port)
        return [client.send(HEAD + b"\r\n").answer().status for _ in range(20)]

    uploading = thread(upload)
    assert await thread(others) == [200] * 20
    assert not uploading.called
    assert await uploading == 300_000


async def test_garbage(serve, connect, thread):
    """Random bytes, and requests with a few bytes changed: always an end, never an exception."""
    chance = random.Random(14)
    good = [
        HEAD + b"\r\n",
        POST + b"Content-Length: 5\r\n\r\nhello",
        CHUNKED + b"5\r\nhello\r\n0\r\n\r\n",
    ]

    def damaged():
        data = bytearray(b"".join(chance.choices(good, k=3)))
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(len(data))
            data[at : at + chance.randrange(2)] = chance.choice(
                [b"", b"\0", b"\r", b"\n", b"\xff", b":", b" ", chance.randbytes(3)]
            )
        return bytes(data)

    server, port = serve(head_seconds=0.5, body_seconds=0.5, linger_seconds=0.1)

    def dialogue():
        for number in range(300):
            data = chance.randbytes(chance.randrange(200)) if number % 3 == 0 else damaged()
            connect(port).send(data).end().closed()
        return connect(port).send(HEAD + b"\r\n").answer().status

    failures = []
    globalLogPublisher.addObserver(failures.append)
    try:
        with capture_logs() as lines:
            assert await thread(dialogue) == 200
    finally:
        globalLogPublisher.removeObserver(failures.append)
    assert {line["event"] for line in lines} <= {"request refused"}
    assert [event for event in failures if "log_failure" in event] == []
    assert server.connections == 1
    assert server.held == 0


async def test_too_many_connections_from_one_address(serve, connect, thread):
    """The others keep their places; who leaves makes room again."""
    server, port = serve(connections=100, connections_of_one=3, linger_seconds=0.3)

    def dialogue():
        first = [connect(port).send(HEAD + b"\r\n") for _ in range(3)]
        served = [client.answer().status for client in first]
        told = connect(port).answer()
        other = connect(port, source="127.0.0.2").send(HEAD + b"\r\n").answer().status
        for client in first:
            client.close()
        return served, told, other

    served, told, other = await thread(dialogue)
    assert (served, other) == ([200] * 3, 200)
    assert (told.status, told.json["error"]) == (503, "connections-of-one")
    await thread(lambda: eventually(lambda: server.connections <= 2))
    assert (await thread(lambda: connect(port).send(HEAD + b"\r\n").answer())).status == 200
    assert sum(server._of.values()) == server.connections
