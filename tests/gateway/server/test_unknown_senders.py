"""Long bodies: who sends them is asked while little of them is here.

At the listener with a handler of the test's own, then at a gateway with its partners.
"""

from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, ensureDeferred

from gateway.http import Response, Welcome
from gateway.server.intake import FIRST
from tests.gateway.server.test_hostile import eventually
from tests.support.gate import Gate, logged, token_header

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"
LENGTH = 400_000
FORMS = {
    "declared": (HEAD + b"Content-Length: %d\r\n\r\n" % LENGTH, [b"x" * 20_000] * 20),
    "chunked": (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
        [b"4e20\r\n" + b"x" * 20_000 + b"\r\n"] * 20 + [b"0\r\n\r\n"],
    ),
}  # fmt: skip


async def size(request):
    """How much arrived."""
    length = len(request.body) if request.file is None else len(request.file.read())
    return Response(body=str(length).encode())


def says(answer, asked=None):
    """A handler that has an opinion on beginnings."""

    async def begun(request):
        if asked is not None:
            asked.append(len(request.body))
        return answer

    return begun


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("file", [False, True])
async def test_it_is_asked_once_and_early(serve, connect, thread, form, file):
    asked = []
    limits = {"spool": 100_000, "body": 1000 if file else 1_000_000}
    begun = says(Welcome(sender="abc", most=LENGTH), asked)
    server, port = serve(size, begun=begun, bound=lambda head: 1_000_000, **limits)
    head, pieces = FORMS[form]

    def dialogue():
        client = connect(port)
        return [client.send(head, *pieces).answer().body for _ in range(2)]

    assert await thread(dialogue) == [str(LENGTH).encode()] * 2
    assert len(asked) == 2
    assert all(FIRST < each < 3 * FIRST for each in asked)
    assert (server.held, server.spooled, server.unknown.total()) == (0, 0, 0)


async def test_a_short_body_needs_no_asking(serve, connect, thread):
    asked = []
    _, port = serve(size, begun=says(Response(status=401), asked))
    head = HEAD + b"Content-Length: %d\r\n\r\n" % FIRST
    answer = await thread(lambda: connect(port).send(head, b"x" * FIRST).answer())
    assert (answer.body, asked) == (str(FIRST).encode(), [])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        (Response(status=401, body=b'{"error":"who"}'), 401, "who"),
        (Welcome(sender="abc", most=LENGTH - 1), 413, "body-size"),
        (Welcome(sender="", most=LENGTH - 1), 413, "unknown-size"),
    ],
    ids=["refused", "known", "unknown"],
)
async def test_what_is_not_wanted_is_not_taken(serve, connect, thread, form, said, status, code):
    """The answer arrives although the client is still sending; the connection ends with it."""
    asked = []

    async def handler(request):
        asked.append(request)
        return Response()

    server, port = serve(handler, begun=says(said))
    head, pieces = FORMS[form]

    def dialogue():
        client = connect(port)
        client.send(head, *pieces)
        return client.answer(), client.closed()

    answer, closed = await thread(dialogue)
    assert (answer.status, answer.json["error"], closed) == (status, code, True)
    assert asked == []
    assert (server.held, server.spooled, server.unknown.total()) == (0, 0, 0)


@pytest.mark.parametrize("form", FORMS)
async def test_while_it_is_asked_nothing_more_is_read(serve, connect, thread, sleep, form):
    """And an answer that never comes has its end."""
    waiting: list[Any] = []

    async def begun(request):
        waiting.append(Deferred())
        return await waiting[-1]

    server, port = serve(size, begun=begun, answer_seconds=0.8)
    head, pieces = FORMS[form]
    client = connect(port)
    sending = thread(lambda: client.send(head, *pieces))
    await sleep(0.4)
    assert len(waiting) == 1
    assert server.held < 4 * FIRST
    answer = await thread(client.answer)
    assert (answer.status, answer.json["error"]) == (504, "answer-timeout")
    await sending
    assert server.held == 0


async def test_who_leaves_while_it_is_asked(serve, connect, thread, sleep):
    waiting: list[Any] = []

    async def begun(request):
        waiting.append(Deferred())
        return await waiting[-1]

    server, port = serve(size, begun=begun)
    client = connect(port).send(HEAD + b"Content-Length: 400000\r\n\r\n", b"x" * 100_000)
    await sleep(0.2)
    client.close()
    await sleep(0.2)
    waiting[0].callback(Welcome(sender="", most=LENGTH))
    await sleep(0.2)
    assert server.connections == 0
    assert (server.held, server.spooled, server.unknown.total()) == (0, 0, 0)


async def test_what_unknown_senders_may_fill(serve, connect, thread):
    """Together and from one address; known ones are not held up by them, and room comes back."""
    head = HEAD + b"Content-Length: 400000\r\n\r\n"
    known = HEAD.replace(b"POST /", b"POST /known") + b"Content-Length: 400000\r\n\r\n"

    async def begun(request):
        return Welcome(sender=request.path[1:], most=LENGTH)

    server, port = serve(size, begun=begun, unknown=1_000_000)

    def half(source, taken=0):
        client = connect(port, source=source).send(head, b"x" * 390_000)
        eventually(lambda: server.unknown.total() >= taken)
        return client

    def dialogue():
        one = half("127.0.0.1", 390_000)
        told = [half("127.0.0.1").answer()]
        eventually(lambda: server.unknown.total() == 390_000)
        other = half("127.0.0.2", 780_000)
        told.append(half("127.0.0.3").answer())
        friend = connect(port).send(known, b"x" * 400_000).answer()
        served = [client.send(b"x" * 10_000).answer() for client in (one, other)]
        again = half("127.0.0.1").send(b"x" * 10_000).answer()
        return told, friend, [*served, again]

    told, friend, served = await thread(dialogue)
    assert [(each.status, each.json["error"]) for each in told] == [(503, "unknown-sender")] * 2
    assert [each.status for each in (friend, *served)] == [200] * 4
    assert server.unknown == {}


async def test_who_writes_the_refusal_is_told_the_party(serve, connect, thread):
    """For the log; there is none before the beginning was looked at."""
    asked = []

    def page(request, status, code, reason):
        asked.append((code, request.sender))
        return Response(status=status)

    _, port = serve(
        size, begun=says(Welcome(sender="abc", most=LENGTH - 1)), page_for=lambda path: page
    )
    length = b"Content-Length: %d\r\n\r\n"

    def dialogue():
        for head in (HEAD + length % LENGTH, HEAD + length % 10**12):
            connect(port).send(head, b"x" * 2 * FIRST).answer()

    await thread(dialogue)
    assert asked == [("body-size", "abc"), ("body-size", "")]


@pytest.mark.parametrize("file", [False, True])
async def test_what_one_party_may_fill(serve, connect, thread, file):
    """The others have their room, and its own comes back."""
    head = HEAD + b"Content-Length: 400000\r\n\r\n"

    async def begun(request):
        return Welcome(sender=request.path[1:], most=LENGTH)

    limits = {"spool": 100_000, "body": 1000} if file else {}
    most = {"spooled_of_one" if file else "held_of_one": 400_000 if file else 600_000}
    server, port = serve(size, begun=begun, bound=lambda head: 1_000_000, **limits, **most)
    counter = server.spooled_of if file else server.held_of

    def begin(party, taken=0):
        client = connect(port).send(head.replace(b"POST /", b"POST /" + party), b"x" * 390_000)
        eventually(lambda: counter[party.decode()] >= taken)
        return client

    def dialogue():
        one = begin(b"abc", 200_000)
        told = begin(b"abc").answer()
        other = begin(b"def", 200_000)
        served = [client.send(b"x" * 10_000).answer() for client in (one, other)]
        again = begin(b"abc").send(b"x" * 10_000).answer()
        return told, [*served, again]

    told, served = await thread(dialogue)
    assert (told.status, told.json["error"]) == (503, "memory-of-one")
    assert "retry-after" in told.headers
    assert [each.status for each in served] == [200] * 3
    assert (server.held_of, server.spooled_of, server.held, server.spooled) == ({}, {}, 0, 0)


# ---------------------------------------------------------------- the gateway


@pytest.fixture
def gate(tmp_path: Any) -> Any:
    gate = Gate(tmp_path)

    async def begin() -> None:
        await gate.start()
        await gate.register()

    pytest_twisted.blockon(ensureDeferred(begin()))
    yield gate
    pytest_twisted.blockon(ensureDeferred(gate.close()))


LONG = "<x>" + "y" * 300_000 + "</x>"


@pytest_twisted.ensureDeferred
async def test_a_wrong_password_at_the_head_of_a_long_message(gate: Gate) -> None:
    """The same fault as for a short one, and its line in the log."""
    body = gate.signed("UpdateChargePointListRequest", LONG).replace(b"secret-of", b"guess-of")
    with logged() as lines:
        answer = await gate.post_soap(body)
    assert answer.status == 500
    assert b"FailedAuthentication" in answer.body
    (line,) = [each for each in lines.of("the-id") if each["event"] == "soap call"]
    assert (line["code"], line["claimed"], line["outcome"]) == (
        "credentials",
        "alpenstrom",
        "fault",
    )
    assert line["bytes_in"] < 3 * FIRST


@pytest_twisted.ensureDeferred
async def test_the_right_password_at_the_head_of_a_long_message(gate: Gate) -> None:
    """It is read to its end, and refused for what is in it."""
    with logged() as lines:
        answer = await gate.post_soap(gate.signed("UpdateChargePointListRequest", LONG))
    (line,) = [each for each in lines.of("the-id") if each["event"] == "soap call"]
    assert (line["party"], line["error"]) == ("alpenstrom", "Malformed"), answer.body
    assert line["bytes_in"] > len(LONG)


@pytest_twisted.ensureDeferred
async def test_a_long_body_without_a_token(gate: Gate) -> None:
    """A stranger is refused by the head, a partner is heard; so is who asks for what is not."""
    long = b'{"x":"' + b"y" * 300_000 + b'"}'
    path = "/ocpi/2.2.1/receiver/locations/NL/HAV/L1"
    json = {"content-type": "application/json"}
    good = json | {"authorization": token_header(gate.cpo.presents)}
    with logged() as lines:
        stranger = await gate.call("PUT", path, long, **json)
        lost = await gate.call("PUT", path.replace("locations", "nothing"), long, **good)
        partner = await gate.call("PUT", path, long, **good)
    assert (stranger.status, stranger.headers["connection"]) == (401, "close")
    assert (lost.status, lost.headers["connection"]) == (404, "close")
    assert partner.status == 413  # by the JSON gate, for the length of a text
    calls = [each for each in lines.all() if each["event"] == "ocpi call"]
    assert [each["code"] for each in calls[:2]] == ["token", "not-found"]
    assert calls[0]["bytes_in"] < 3 * FIRST < calls[2]["bytes_in"]
