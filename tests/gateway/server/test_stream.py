"""Streamed answers: in pieces, at the pace of the client, without holding up others."""

import resource
import threading
import time

from structlog.testing import capture_logs

from gateway.http import Response

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def megabytes(count, made=None):
    """Pieces of one megabyte."""
    piece = b"x" * 1_000_000
    for number in range(count):
        if made is not None:
            made.append(number)
        yield piece


async def test_an_iterator_is_sent_chunked(serve, connect, thread):
    """Small pieces are gathered; the connection goes on after the last."""

    async def stream(request):
        return Response(body=(b"%d," % number for number in range(100_000)))

    _, port = serve(stream)

    def dialogue():
        client = connect(port).send(GET + GET)
        return client.answer(), client.answer()

    first, second = await thread(dialogue)
    assert first.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in first.headers
    assert first.body == second.body == b"".join(b"%d," % number for number in range(100_000))


async def test_empty_pieces_do_not_end_a_stream(serve, connect, thread):
    """An empty piece would be the last chunk; it is left out. A stream may also be empty."""

    async def stream(request):
        return Response(body=iter([] if request.path == "/none" else [b"", b"a", b"", b"b", b""]))

    _, port = serve(stream)

    def dialogue():
        client = connect(port).send(GET, GET.replace(b"/ ", b"/none "), GET)
        return [client.answer().body for _ in range(3)]

    assert await thread(dialogue) == [b"ab", b"", b"ab"]


async def test_http_1_0_gets_no_chunks(serve, connect, thread):
    """A stream to HTTP/1.0 ends with the connection."""

    async def stream(request):
        return Response(body=iter([b"a", b"b"]))

    _, port = serve(stream)
    request = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    answer = await thread(lambda: connect(port).send(request).answer())
    assert "transfer-encoding" not in answer.headers
    assert (answer.headers["connection"], answer.body) == ("close", b"ab")


async def test_200_megabytes_in_flat_memory(serve, connect, thread):
    """However long the stream, the process does not grow."""

    async def stream(request):
        return Response(body=megabytes(200))

    _, port = serve(stream)

    def dialogue():
        client = connect(port).send(GET.replace(b"1.1", b"1.0"))
        client.until(b"\r\n\r\n")
        read = len(client.exactly(10_000_000))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        while data := client._socket.recv(1_000_000):
            read += len(data)
        return read + len(client._read), before

    read, before = await thread(dialogue)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert read == 200_000_000
    assert grown < 20_000  # kilobytes


async def test_the_client_sets_the_pace(serve, connect, thread, sleep):
    """Nothing is made that the client has no room for; when it goes on, so does the stream."""
    made = []

    async def stream(request):
        return Response(body=megabytes(60, made))

    _, port = serve(stream)
    client = await thread(lambda: connect(port).send(GET))
    await sleep(0.3)
    waiting = len(made)
    assert waiting < 20  # what the sockets hold
    await sleep(0.1)
    assert len(made) == waiting
    answer = await thread(client.answer)
    assert len(answer.body) == 60_000_000


async def test_large_bytes_are_sent_with_their_length(serve, connect, thread, sleep):
    """Bytes in memory are written piece by piece too, so that a slow reader is no stalled one."""

    async def large(request):
        return Response(body=b"x" * 30_000_000)

    _, port = serve(large, write_seconds=0.4)

    def dialogue():
        client = connect(port).send(GET)
        client.until(b"\r\n\r\n")
        size = 0
        for _ in range(30):  # longer in all than a stalled client may take
            size += len(client.exactly(1_000_000))
            time.sleep(0.03)
        return size

    assert await thread(dialogue) == 30_000_000


async def test_stalled_reader_is_cut_and_the_body_closed(serve, connect, thread, sleep):
    """Who stops reading in the middle loses the connection, and the generator is told."""
    closed = []

    def body():
        try:
            yield from megabytes(100)
        finally:
            closed.append(True)

    async def stream(request):
        return Response(body=body())

    server, port = serve(stream, write_seconds=0.3)
    await thread(lambda: connect(port).send(GET))
    await sleep(0.8)
    assert server.connections == 0
    assert closed == [True]


async def test_client_that_leaves_ends_the_stream(serve, connect, thread, sleep):
    """A closed connection closes the generator."""
    closed = []

    def body():
        try:
            yield from megabytes(100)
        finally:
            closed.append(True)

    async def stream(request):
        return Response(body=body())

    _, port = serve(stream)
    await thread(lambda: connect(port).send(GET).close())
    await sleep(0.2)
    assert closed == [True]


async def test_a_laborious_body_lets_others_through(serve, connect, thread):
    """A body that works for every piece is read in slices of time."""

    served = threading.Event()

    def laborious():
        while not served.is_set():  # it would go on for ever
            time.sleep(0.002)
            yield b"x" * 10

    async def handler(request):
        return Response(body=b"quick" if request.path == "/quick" else laborious())

    _, port = serve(handler)

    def dialogue():
        client = connect(port).send(GET)
        client.until(b"\r\n\r\n")
        quick = connect(port)
        try:
            return [quick.send(GET.replace(b"/ ", b"/quick ")).answer().body for _ in range(10)]
        finally:
            served.set()

    assert await thread(dialogue) == [b"quick"] * 10


async def test_a_stream_that_fails_at_once_is_a_500(serve, connect, thread):
    """Before anything is written there is still time to say so."""

    def body():
        raise ValueError("no")
        yield b""

    async def stream(request):
        return Response(body=body())

    _, port = serve(stream)
    answer = await thread(lambda: connect(port).send(GET).answer())
    assert answer.status == 500


async def test_a_stream_that_fails_midway_does_not_look_complete(serve, connect, thread):
    """The connection is cut without the last chunk, and the log says why."""

    def body():
        yield from megabytes(1)
        raise ValueError("no")

    async def stream(request):
        return Response(body=body())

    _, port = serve(stream)

    def dialogue():
        client, read = connect(port).send(GET), b""
        try:
            while data := client._socket.recv(65536):
                read += data
        except ConnectionError:
            pass
        return read

    with capture_logs() as lines:
        read = await thread(dialogue)
    assert not read.endswith(b"0\r\n\r\n")
    assert "handler failed" in [line["event"] for line in lines]


async def test_head_of_a_stream(serve, connect, thread):
    """HEAD does not run the stream."""
    made = []

    async def stream(request):
        return Response(body=megabytes(3, made))

    _, port = serve(stream)

    def dialogue():
        client = connect(port).send(GET.replace(b"GET", b"HEAD"))
        return client.answer(head_only=True), client.send(GET).answer()

    head, answer = await thread(dialogue)
    assert head.status == 200
    assert len(answer.body) == 3_000_000
    assert made == [0, 1, 2]


async def test_drain_lets_a_stream_finish(serve, connect, thread, sleep):
    """A stream under way when the server stops arrives whole, then its connection closes."""

    async def stream(request):
        return Response(body=megabytes(30))

    server, port = serve(stream)
    client = await thread(lambda: connect(port).send(GET))
    await sleep(0.1)
    drained = server.drain()
    answer = await thread(client.answer)
    assert len(answer.body) == 30_000_000
    client.close()
    await drained
