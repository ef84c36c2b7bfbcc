"""What the fuzzers share: mutated messages, and what must hold whatever is sent.

Rules: an answer is never a fault of ours (no 5xx but a SOAP fault of the sender), nothing is logged
as an error, and no request takes more processor time than its size allows.
"""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hypothesis import strategies as st

from tests.support.budget import of_any

SECONDS, PER_BYTE = 0.5, 5e-6
"""Processor time of any request: so much, and so much more for each byte."""

_XML = (
    b"<!DOCTYPE a>", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?a b?>", b"&#0;", b"&#xD800;",
    b"&a;", b"&lt;", b"</", b"/>", b"<a>", b'xmlns:x="u"', b'xmlns=""', b' a="1"',
    b"\0", b"\xff\xfe",
    b"\xef\xbb\xbf", b"\xed\xa0\x80", b"<" * 40, b"<a>" * 70, b'xmlns:a%d=""' * 70,
)  # fmt: skip
_JSON = (
    b"{", b"}", b"[", b"]", b'"', b"\\", b"\\u0000", b"\\ud800", b"\\u0061", b":", b",", b"null",
    b"NaN", b"Infinity", b"-", b"1e999999999", b"9" * 60, b"0.", b"\x01", b"\xef\xbf\xbf",
    b"[" * 40, b'{"a":' * 40, b"true", b"1E-99999", b"\xed\xa0\x80",
)  # fmt: skip
_HTTP = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b":", b" ", b"\t", b"\0", b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"0\r\n\r\n", b"ffffffff\r\n",
    b"HTTP/1.1", b"%00", b"/../", b"\xff", b"Connection: close\r\n", b"GET / HTTP/1.1\r\n",
)  # fmt: skip
WORDS = {"xml": _XML, "json": _JSON, "http": _HTTP}


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes], notation: str) -> bytes:
    """A good message with bytes changed, lost, doubled, moved, or words of the notation put in."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.sampled_from((0, 1, 1, 2, 4, 16, 64, 400)))
        piece = bytes(data[at : at + length])
        match draw(st.integers(0, 6)):
            case 0:
                data[at : at + length] = b""
            case 1:
                data[at:at] = piece
            case 2:
                other = draw(st.integers(0, len(data)))
                data[other : other + length] = piece
            case 3:
                data[at : at + length] = draw(st.binary(max_size=8))
            case 4:
                data[at:at] = piece * draw(st.sampled_from((2, 10, 100)))
            case _:
                data[at : at + length] = draw(st.sampled_from(WORDS[notation]))
    return bytes(data)


@contextmanager
def within_budget(
    size: int, seconds: float = SECONDS, clock: Callable[[], float] = time.thread_time
) -> Iterator[None]:
    """Fails when what is done inside takes more processor time than its size allows.

    The garbage collector stands still meanwhile: a round through all that thousands of tests have
    left behind takes half a second, and comes when it comes.
    """
    gc.disable()
    begun = clock()
    try:
        yield
    finally:
        used, granted = clock() - begun, seconds + size * PER_BYTE
        gc.enable()
    assert used <= granted, f"{used:.3f} s for {size} bytes"


def drawn(values: st.SearchStrategy[Any], examples: int) -> list[Any]:
    """Examples for a test that has to wait between them: Hypothesis cannot."""
    found: list[Any] = []

    def keep(value: Any) -> None:
        found.append(value)

    of_any(values, keep, examples)
    return found


def outcome(work: Callable[[], Any], refused: type[Exception] | tuple[type[Exception], ...]) -> Any:
    """What comes of it; None when it is refused. Any other exception is a finding."""
    try:
        return work()
    except refused:
        return None
