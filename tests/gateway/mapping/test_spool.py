"""What waits in a file comes back whole, shelf by shelf."""

import gc
import resource
import signal
from collections.abc import Callable, Iterator
from errno import ENOSPC
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import StoreUnavailable
from gateway.mapping.spool import Kept, Shelves, Spool
from gateway.model.token import Token, TokenKind

LINES = st.lists(st.tuples(st.text(max_size=3), st.binary(max_size=3000)), max_size=60)


@given(LINES)
def test_shelves_give_back_each_line_once(lines: list[tuple[str, bytes]]) -> None:
    """In the order of each group, and a group stands on one shelf."""
    shelves = Shelves()
    put: dict[int, bytes] = {}
    for group, data in lines:
        line = f"{group}: {data.hex()}\n".encode("utf-8", "surrogatepass")
        shelves.put(group, line)
        number = hash(group) % Shelves.COUNT
        put[number] = put.get(number, b"") + line
    assert {n: shelves.read(n) for n in range(Shelves.COUNT) if shelves.read(n)} == put
    shelves.close()


@given(st.lists(st.tuples(st.text(max_size=2), st.lists(st.text(max_size=9), max_size=9))))
def test_kept_texts_are_known_on_the_shelf_of_their_group(
    groups: list[tuple[str, list[str]]],
) -> None:
    kept = Kept()
    for group, keys in groups:
        kept.add(group, keys)
        kept.add(group, keys)
    for group, keys in groups:
        known = kept.of(hash(group) % Shelves.COUNT)
        assert all(key in known for key in keys)
        assert "never added" not in known
    kept.close()


def test_many_lines_leave_memory() -> None:
    """What a shelf holds open is bounded."""
    shelves = Shelves()
    for number in range(100_000):
        shelves.put(number % 1000, b"%d\n" % number)
    assert max(map(len, shelves._open)) < Shelves._PIECE
    found = b"".join(map(shelves.read, range(Shelves.COUNT)))
    assert sorted(map(int, found.split())) == list(range(100_000))


@pytest.fixture
def no_room() -> Iterator[None]:
    """No file may grow over 64 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def shelves() -> None:
    full = Shelves()
    full.put(1, b"x" * 100_000)
    full.read(1)


def kept() -> None:
    full = Kept()
    full.add("group", map(str, range(20_000)))
    full.of(hash("group") % Shelves.COUNT)


def spool() -> None:
    full = Spool(Token)
    for _ in range(10):
        full.extend([Token(kind=TokenKind.RFID, uid="0" * 500, contract_id="DE-ABC-1")] * 100)
    list(full.batches(lambda: 50))


@pytest.mark.usefixtures("no_room")
@pytest.mark.parametrize("fill", [shelves, kept, spool])
def test_where_there_is_no_room_it_may_be_tried_again_later(fill: Callable[[], None]) -> None:
    """No stack trace: a partner is told to come back."""
    with pytest.raises(StoreUnavailable, match="put aside"):
        fill()
    gc.collect()  # what could not be written is not told again when it is closed


@pytest.mark.parametrize("made", [Shelves, Kept, partial(Spool, Token)])
def test_where_no_file_can_be_made_it_may_be_tried_again_later(
    made: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(StoreUnavailable, match="No space left"):
        made()
