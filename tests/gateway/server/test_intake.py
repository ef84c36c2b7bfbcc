"""Whatever bytes come: requests or a refusal, and the same however they are cut."""

from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.server.chunked import AT_ONCE
from gateway.server.intake import Intake
from gateway.server.limits import Limits
from gateway.server.wire import HttpError

LIMITS = Limits(request_line=100, head=400, fields=8)

PIECES = [
    b"GET / HTTP/1.1\r\n",
    b"POST /a?b HTTP/1.1\r\n",
    b"Host: a\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"X: y\r\n",
    b"X" * 60,
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b"hello",
    b"5\r\nhello\r\n",
    b"5;x=y\r\n",
    b"0\r\n",
    b"0\r\n\r\n",
    b"\0",
    b" ",
    b":",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
]

streams = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=8)), max_size=12).map(
    b"".join
)


def read(segments):
    """The requests that a connection would hand on, and whether it ended with a refusal."""
    intake, requests = Intake(LIMITS, lambda head: 20), []
    try:
        for segment in segments:
            intake.add(segment)
            while (taken := intake.take()) is not None or intake.unfinished:
                if taken is not None:
                    requests.append(taken)
    except HttpError:
        return requests, True
    assert len(intake) <= LIMITS.head + 200  # nothing piles up that is not refused
    return requests, False


@settings(max_examples=300, deadline=None)
@given(streams, st.lists(st.integers(0, 400), max_size=6))
@example(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", [5, 24])
@example(b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", [1])
@example(b"get / HTTP/1.1\r\n\r\n", [3])
def test_cutting_changes_nothing(stream, cuts):
    """Whole, in single bytes or cut anywhere: the same requests, and the same end."""
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    cut = [stream[start:end] for start, end in pairwise(places)]
    whole = read([stream])
    assert read(cut) == whole
    assert read([stream[at : at + 1] for at in range(len(stream))]) == whole


def test_tiny_chunks_are_read_in_portions():
    """One turn reads so many chunks, however many have come."""
    intake = Intake(LIMITS, lambda head: 10_000)
    intake.add(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    intake.add(b"1\r\nx\r\n" * 5000 + b"0\r\n\r\n")
    turns, taken = 0, None
    while taken is None:
        before = len(intake)
        taken = intake.take()
        turns += 1
        assert (before - len(intake)) < AT_ONCE * 6 + 100
        assert (taken is None) == intake.unfinished
    assert taken[1] == b"x" * 5000
    assert turns > 5000 / AT_ONCE


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=20), st.booleans()), max_size=5))
def test_good_requests_are_read(bodies):
    """Well-formed requests, one behind the other, come out as they went in."""
    stream = b""
    for body, chunked in bodies:
        head = b"POST /x HTTP/1.1\r\nHost: a\r\n"
        if chunked:
            stream += head + b"Transfer-Encoding: chunked\r\n\r\n"
            stream += b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
        else:
            stream += head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    requests, refused = read([stream])
    assert not refused
    assert [body for _, body in requests] == [body for body, _ in bodies]
