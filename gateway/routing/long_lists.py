"""Uploads whose lists are too long for one message and one transaction.

Rules: the list was read to its end before anything of it comes here. It is taken in parts, each in
a transaction of its own; a full list then closes or withdraws, part by part too, what it did not
have. All parts together do what one message would. What it had and what is stored are too long to
be held as well: both are put on shelves, and each shelf is looked at for itself.
Limits: if the process ends in between, some parts are taken and the sender has no answer; when it
sends the list again, what is there already has no second effect.
Why: one transaction for a hundred thousand objects would keep every other writer waiting.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from gateway.adapter import Lists
from gateway.aside import is_quiet
from gateway.mapping.spool import Kept, Known, Shelves
from gateway.model.message import (
    LocationUpload,
    Message,
    Receipt,
    Result,
    ResultCode,
    TariffUpload,
    TokenUpload,
)
from gateway.routing import locations, tariffs, tokens
from gateway.routing.work import REASONS, SLICE, Work, whole
from gateway.store import Kind, Object

PART, QUIET_PART = 20, 300
"""Objects of one transaction: other writers wait for one, so it is short where there are any. In
the larger ones a list takes a quarter less processor time."""
LEARN_AFTER = frozenset({10, 100, 1000, 10_000})
"""Parts after which the database looks at how much there is."""
LOOK = 1000
"""Stored objects that are looked at in one transaction, without what they say."""
NAMED = 1000
"""Refused objects that the answer names."""


class Part(NamedTuple):
    """What is done in one transaction, and how many objects it is about."""

    do: Callable[[Work], Receipt]
    size: int = 0


class _Full(NamedTuple):
    """How a full list is taken, and what is done with what it does not have."""

    kind: Kind
    part: Callable[[Work, Any, Kept], Receipt]
    """Takes a part; what that has is kept, by owner and id."""
    whole: Callable[[str, str, bytes], str]
    """What was kept if the list had all of a stored object: owner, id, hash of its content."""
    left_out: Callable[[Work, str, dict[str, Object], Known], None]
    """Does what is to be done with objects of an owner of which the list had not all."""


class _Place(NamedTuple):
    """How far the end of a full list has come: first all objects of an owner are put on shelves,
    then one shelf after the other is compared with what was kept."""

    owner: str
    after: int = 0
    """The last object that was put on a shelf."""
    shelf: int | None = None
    start: int = 0
    """Of what was left out on this shelf."""


_FULL: Mapping[type[Message], _Full] = {
    LocationUpload: _Full("location", locations.upload_part, locations.whole, locations.left_out),
    TariffUpload: _Full("tariff", tariffs.upload_part, whole, tariffs.left_out),
    TokenUpload: _Full("token", tokens.upload_part, whole, tokens.left_out),
}


class LongList:
    """One upload; ``receipt`` is the answer to what was taken so far."""

    def __init__(
        self, head: Message, upload: Callable[[Work, Any], Message], *, sees_all: bool
    ) -> None:
        """``upload`` takes a message of this class; ``sees_all``: nobody asks for anything but in
        this process, so that parts may be larger while nobody does. Raises StoreUnavailable."""
        self.receipt = Receipt()
        self._head, self._upload = head, upload
        self._full = _FULL.get(type(head)) if getattr(head, "full", False) else None
        self._sees_all = sees_all
        self._kept = Kept() if self._full else None
        self._stored: Shelves | None = None
        self._size = self._refused = 0
        self._codes: set[ResultCode] = set()
        self._next: _Place | None = None

    def parts(self, lists: Lists) -> Iterator[Part]:
        """What is to be done, one after the other and perhaps again; ``took`` follows each."""
        for field, items in lists:
            for batch in items.batches(self._most):
                yield self._part(field, batch)
        if self._full and (self._refused < self._size or not self._size):
            place: _Place | None = None
            while True:
                yield Part(partial(self._end, place=place))
                place = self._next
                if place is None:
                    break
        yield Part(lambda work: self.receipt)

    def close(self) -> None:
        """Give back the disk that it takes."""
        for each in (self._kept, self._stored):
            if each is not None:
                each.close()

    def took(self, part: Part, receipt: Receipt) -> None:
        """A part is on disk."""
        if not part.size:
            return
        self._size += part.size
        if receipt.result.code is ResultCode.OK:
            return
        self._refused += len(receipt.reasons)
        if receipt.result.code is not ResultCode.PARTLY:
            self._codes.add(receipt.result.code)
        names = ("locations", "tariffs", "tokens", "cdrs", "reasons")
        joined: dict[str, Any] = {
            name: (*getattr(self.receipt, name), *getattr(receipt, name))[:NAMED] for name in names
        }
        text = "; ".join(joined["reasons"][:REASONS])
        self.receipt = Receipt(result=Result(code=self._code(), text=text), **joined)

    def _code(self) -> ResultCode:
        if self._refused < self._size:
            return ResultCode.PARTLY
        return next(iter(self._codes)) if len(self._codes) == 1 else ResultCode.FORMAT

    def _most(self) -> int:
        return QUIET_PART if self._sees_all and is_quiet() else PART

    def _part(self, field: str, batch: tuple[Any, ...]) -> Part:
        """Some of a list, with all that the message has beside it."""
        changes: dict[str, Any] = {field: batch}
        if hasattr(self._head, "full"):
            changes["full"] = False
        message = replace(self._head, **changes)
        return Part(partial(self._take, message=message), len(batch))

    def _take(self, work: Work, message: Message) -> Receipt:
        if self._full and self._kept:
            return self._full.part(work, message, self._kept)
        receipt = self._upload(work, message)
        assert isinstance(receipt, Receipt)
        return receipt

    def _end(self, work: Work, place: _Place | None) -> Receipt:
        """Some of the way from a place to the end."""
        assert self._full is not None
        if place is None:
            self._next = self._owner_after(work, "")
        elif place.shelf is None:
            self._next = self._look(work, self._full, place)
        else:
            self._next = self._compare(work, self._full, place, place.shelf)
        return self.receipt

    def _owner_after(self, work: Work, last: str) -> _Place | None:
        assert self._full is not None
        owners = work.own_codes | work.tx.objects.owners(self._full.kind).keys()
        owner = min((each for each in owners if each > last), default=None)
        return None if owner is None else _Place(owner)

    def _look(self, work: Work, full: _Full, place: _Place) -> _Place:
        """Put some of what is stored of an owner on shelves."""
        owner = place.owner
        if not place.after or self._stored is None:
            self._stored, before = Shelves(), self._stored
            if before is not None:
                before.close()
        rows = work.tx.objects.marks(full.kind, owner, after=place.after, limit=LOOK)
        for row in rows:
            if work.speaks_for(owner, row.source):
                line = msgspec.json.encode((row.seq, row.id, row.digest))
                self._stored.put(f"{owner}/{row.id}", line + b"\n")
        return place._replace(after=rows[-1].seq) if rows else _Place(owner, shelf=0)

    def _compare(self, work: Work, full: _Full, place: _Place, shelf: int) -> _Place | None:
        """Find on some shelves what the list did not have, do a slice of it."""
        assert self._kept is not None
        assert self._stored is not None
        left, known, looked = list[tuple[int, str]](), Known(), 0
        for number in range(shelf, Shelves.COUNT):
            marks = {mark[1]: mark for mark in map(_mark, self._stored.read(number).splitlines())}
            if not marks:
                continue
            here = self._kept.of(number)
            start = place.start if number == shelf else 0
            missing = [
                (seq, id)
                for seq, id, digest in marks.values()
                if full.whole(place.owner, id, digest) not in here
            ][start:]
            room = SLICE - len(left)
            if missing:
                left += missing[:room]
                known |= here
            looked += len(marks)
            if len(missing) > room:
                following: _Place | None = _Place(place.owner, 0, number, start + room)
                break
            if looked >= LOOK or len(missing) == room:
                following = _Place(place.owner, 0, number + 1)
                break
        else:
            following = self._owner_after(work, place.owner)
        if left:
            work.tx.lock("objects", full.kind, place.owner)
            ids = [id for _, id in sorted(left)]
            stored = work.tx.objects.get_many(full.kind, place.owner, ids)
            # somebody else may have sent one since it was looked at
            rows = {id: row for id, row in stored.items() if work.speaks_for(row.owner, row.source)}
            full.left_out(work, place.owner, rows, known)
        return following


_mark = msgspec.json.Decoder(tuple[int, str, bytes]).decode
