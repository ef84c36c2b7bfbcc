"""Canonical items that wait in a file, texts of which only hashes are kept, and shelves for both.

Why: a list that must be known to its end before anything of it counts may be longer than memory.
"""

import tempfile
from array import array
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any, BinaryIO, cast

from gateway.errors import StoreUnavailable
from gateway.model.base import Canonical
from gateway.model.packing import decoder, pack


@contextmanager
def _room() -> Iterator[None]:
    """Where there is none on the disk, it may be tried again later. Raises StoreUnavailable."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(f"a long list cannot be put aside: {error.strerror}") from None


def _new_file() -> BinaryIO:
    with _room():
        return cast(BinaryIO, tempfile.TemporaryFile())


class Spool:
    """Items of one class in a file without a name, as the store would keep them: a line each."""

    def __init__(self, cls: type[Canonical]) -> None:
        self._file = _new_file()
        self._decode = decoder(cls).decode
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def extend(self, items: Iterable[Canonical]) -> None:
        """Put items after those that are there. Raises StoreUnavailable."""
        lines = [pack(item) for item in items]
        self._count += len(lines)
        if lines:
            with _room():
                self._file.write(b"\n".join(lines) + b"\n")

    def batches(self, size: Callable[[], int]) -> Iterator[tuple[Any, ...]]:
        """All items in order, ``size`` at a time."""
        with _room():
            self._file.seek(0)
        while lines := list(islice(self._file, size())):
            yield tuple(map(self._decode, lines))

    def close(self) -> None:
        """Give back the disk that it takes."""
        with suppress(OSError):  # what it could not write is not wanted any more
            self._file.close()


class Spools:
    """The lists of one message, each in a file of its own, by their fields."""

    def __init__(self) -> None:
        self._spools: list[tuple[str, Spool]] = []

    def __len__(self) -> int:
        return sum(len(spool) for _, spool in self._spools)

    def __iter__(self) -> Iterator[tuple[str, Spool]]:
        return iter(self._spools)

    def add(self, field: str, cls: type[Canonical]) -> Spool:
        """An empty list more. Raises StoreUnavailable."""
        spool = Spool(cls)
        self._spools.append((field, spool))
        return spool

    def close(self) -> None:
        """Give back the disk that they take."""
        for _, spool in self._spools:
            spool.close()


class Shelves:
    """Lines in a file without a name, each put on the shelf of its group: what belongs together is
    read together, and no more than a shelf is in memory."""

    COUNT = 256
    """A million lines of 50 bytes are 200 kB a shelf."""
    _PIECE = 2048

    def __init__(self) -> None:
        self._file = _new_file()
        self._open = [bytearray() for _ in range(self.COUNT)]
        self._pieces = [array("Q") for _ in range(self.COUNT)]
        self._end = 0

    def put(self, group: Hashable, lines: bytes) -> None:
        """Put lines, each with its end, on the shelf of a group. Raises StoreUnavailable."""
        number = hash(group) % self.COUNT
        waiting = self._open[number]
        waiting += lines
        if len(waiting) >= self._PIECE:
            with _room():
                self._file.seek(self._end)
                self._file.write(waiting)
            self._pieces[number].extend((self._end, len(waiting)))
            self._end += len(waiting)
            waiting.clear()

    def read(self, number: int) -> bytes:
        """All lines of a shelf, in the order in which they were put there."""
        pieces, found = iter(self._pieces[number]), bytearray()
        with _room():
            for start, size in zip(pieces, pieces, strict=True):
                self._file.seek(start)
                found += self._file.read(size)
        return bytes(found + self._open[number])

    def close(self) -> None:
        """Give back the disk that they take."""
        with suppress(OSError):  # what it could not write is not wanted any more
            self._file.close()


class Kept:
    """A set of texts, group by group, of which only hashes are kept, in a file."""

    def __init__(self) -> None:
        self._shelves = Shelves()

    def add(self, group: str, keys: Iterable[str]) -> None:
        """Put keys in; one that is there already changes nothing."""
        self._shelves.put(group, array("q", map(hash, keys)).tobytes())

    def of(self, number: int) -> "Known":
        """Those of the groups of one shelf (see ``Shelves``)."""
        return Known(array("q", self._shelves.read(number)))

    def close(self) -> None:
        """Give back the disk that it takes."""
        self._shelves.close()


class Known:
    """A set of hashes that is asked for what they were made of."""

    def __init__(self, hashes: Iterable[int] = ()) -> None:
        self._hashes = frozenset(hashes)

    def __or__(self, other: "Known") -> "Known":
        return Known(self._hashes | other._hashes)

    def __contains__(self, key: str) -> bool:
        return hash(key) in self._hashes


class Seen:
    """A set of hashes that takes 16 bytes for each: a table with open addresses."""

    def __init__(self) -> None:
        self._table, self._count = array("Q", [0]) * 1024, 0

    def __contains__(self, key: Hashable) -> bool:
        hashed = _hashed(key)
        return self._table[self._place(hashed)] == hashed

    def add(self, keys: Iterable[Hashable]) -> None:
        """Put keys in; one that is there already changes nothing."""
        for key in keys:
            hashed = _hashed(key)
            place = self._place(hashed)
            if self._table[place] == hashed:
                continue
            self._table[place] = hashed
            self._count += 1
            if 2 * self._count > len(self._table):
                known, self._table = self._table, array("Q", [0]) * (2 * len(self._table))
                for each in known:
                    if each:
                        self._table[self._place(each)] = each

    def _place(self, hashed: int) -> int:
        table, mask = self._table, len(self._table) - 1
        place = hashed & mask
        while table[place] not in (0, hashed):
            place = (place + 1) & mask
        return place


def _hashed(key: Hashable) -> int:
    return hash(key) % 2**64 or 1
