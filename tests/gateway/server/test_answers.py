"""Long answers of partners: put aside while they come, and gone where nobody gets them."""

import hashlib
import tempfile
from typing import Any

import pytest

from gateway.errors import BadAnswer
from gateway.server import answers
from gateway.server.answers import Answers

BODY = b"<a>" + bytes(range(256)) * 20 + b"</a>"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n"


@pytest.fixture(autouse=True)
def files(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The files that were made."""
    made: list[Any] = []
    make = tempfile.TemporaryFile

    def temporary() -> Any:
        made.append(make())
        return made[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", temporary)
    monkeypatch.setattr(answers, "HELD", 1000)
    return made


def whole(body: bytes = BODY) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked() -> bytes:
    parts = [BODY[start : start + 700] for start in range(0, len(BODY), 700)]
    coded = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + coded + b"0\r\n\r\n"


@pytest.mark.parametrize("piece", [1, 100, 100_000])
@pytest.mark.parametrize("sent", [whole(), chunked()], ids=["length", "chunked"])
def test_a_long_answer_comes_in_a_file(sent: bytes, piece: int) -> None:
    """The bytes of the body and their hash, for one answer after the other."""
    reader = Answers(10_000, 1000, 10_000)
    for _ in range(2):
        reader.expect("POST", long=True)
        for start in range(0, len(sent), piece):
            answer = reader.feed(sent[start : start + piece])
        assert answer is not None
        assert answer.file is not None
        with answer.file as file:
            file.seek(0)
            assert file.read() == BODY
        assert answer.file_hash == hashlib.sha256(BODY).digest()
        assert answer.body == b""
        assert reader.reusable


@pytest.mark.parametrize(("body", "long"), [(BODY, False), (BODY[:1000], True)])
def test_others_are_held(body: bytes, long: bool, files: list[Any]) -> None:
    """Where a file was not asked for, and where it is not worth one."""
    reader = Answers(10_000, 1000, 10_000)
    reader.expect("POST", long=long)
    answer = reader.feed(whole(body))

    assert answer is not None
    assert (answer.body, answer.file, answer.file_hash) == (body, None, None)
    assert not files


def test_an_answer_that_ends_with_its_connection(files: list[Any]) -> None:
    """It has no length."""
    reader = Answers(10_000, 1000, 10_000)
    reader.expect("POST", long=True)
    assert reader.feed(HEAD + b"\r\n" + BODY) is None
    answer = reader.end()
    assert answer is not None
    assert answer.file is files[0]
    answer.file.close()


def test_what_nobody_gets_is_gone(files: list[Any]) -> None:
    """Broken off, too long, or followed by another question."""
    reader = Answers(1000, 1000, 4000)
    reader.expect("POST", long=True)
    reader.feed(whole()[:3000])
    reader.drop()
    reader.expect("POST", long=True)
    with pytest.raises(BadAnswer, match="over 4000 bytes"):
        reader.feed(whole())
    reader.drop()
    reader.expect("POST", long=True)
    reader.feed(whole()[:3000])
    reader.expect("POST")

    assert [file.closed for file in files] == [True] * len(files)
    assert len(files) >= 2


def test_a_disk_without_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the call, no crash."""

    def full() -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    reader = Answers(10_000, 1000, 10_000)
    reader.expect("POST", long=True)
    with pytest.raises(BadAnswer, match="put aside: No space"):
        reader.feed(whole())
