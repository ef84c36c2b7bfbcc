"""Canonical items that wait in a file, and a set of texts of which only hashes are kept.

Why: a list that must be known to its end before anything of it counts may be longer than memory.
"""

import tempfile
from array import array
from collections.abc import Hashable, Iterable, Iterator
from itertools import islice
from typing import Any, BinaryIO, cast

from gateway.model.base import Canonical
from gateway.model.packing import decoder, pack


class Spool:
    """Items of one class in a file without a name, as the store would keep them: a line each."""

    def __init__(self, cls: type[Canonical]) -> None:
        self._file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - closed by close()
        self._decode = decoder(cls).decode
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def extend(self, items: Iterable[Canonical]) -> None:
        """Put items after those that are there."""
        lines = [pack(item) for item in items]
        self._count += len(lines)
        if lines:
            self._file.write(b"\n".join(lines) + b"\n")

    def batches(self, size: int) -> Iterator[tuple[Any, ...]]:
        """All items in order, ``size`` at a time."""
        self._file.seek(0)
        while lines := list(islice(self._file, size)):
            yield tuple(map(self._decode, lines))

    def close(self) -> None:
        """Give back the disk that it takes."""
        self._file.close()


class Seen:
    """A set of hashes that takes 16 bytes for each: a table with open addresses."""

    def __init__(self) -> None:
        self._table, self._count = array("Q", bytes(8 * 1024)), 0

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
                known = [each for each in self._table if each]
                self._table = array("Q", bytes(16 * len(self._table)))
                for each in known:
                    self._table[self._place(each)] = each

    def _place(self, hashed: int) -> int:
        table, mask = self._table, len(self._table) - 1
        place = hashed & mask
        while table[place] not in (0, hashed):
            place = (place + 1) & mask
        return place


def _hashed(key: Hashable) -> int:
    return hash(key) % 2**64 or 1
