"""Uploads whose lists are too long for one message and one transaction.

Rules: the list was read to its end before anything of it comes here. It is taken in parts, each in
a transaction of its own; a full list then closes or withdraws, part by part too, what it did not
have. All parts together do what one message would.
Limits: if the process ends in between, some parts are taken and the sender has no answer; when it
sends the list again, what is there already has no second effect.
Why: one transaction for a hundred thousand objects would keep every other writer waiting.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from msgspec.structs import replace

from gateway.adapter import Items
from gateway.mapping.spool import Seen
from gateway.model.message import (
    CdrUpload,
    LocationUpload,
    Message,
    Receipt,
    Result,
    ResultCode,
    StatusUpload,
    TariffUpload,
    TokenUpload,
)
from gateway.routing import locations, tokens
from gateway.routing.work import REASONS, Work

PART = 50
"""Objects of one transaction: other writers wait for one, so it is short."""
LEARN_AFTER = frozenset({10, 100, 1000, 10_000})
"""Parts after which the database looks at how much there is."""
NAMED = 1000
"""Refused objects that the answer names."""


class Part(NamedTuple):
    """What is done in one transaction, and how many objects it is about."""

    do: Callable[[Work], Receipt]
    size: int = 0


class _Full(NamedTuple):
    """How a full list is taken: each part, and its end, from one place to the next."""

    part: Callable[[Work, Any, Seen], Receipt]
    end: Callable[[Work, Seen, Any], Any]


_FIELDS: Mapping[type[Message], str] = {
    LocationUpload: "locations",
    TokenUpload: "tokens",
    TariffUpload: "tariffs",
    CdrUpload: "cdrs",
    StatusUpload: "evses",
}
_FULL: Mapping[type[Message], _Full] = {
    LocationUpload: _Full(locations.upload_part, locations.end_of_list),
    TokenUpload: _Full(tokens.upload_part, tokens.end_of_list),
}


class LongList:
    """One upload; ``receipt`` is the answer to what was taken so far."""

    def __init__(self, head: Message, upload: Callable[[Work, Any], Message]) -> None:
        """``upload`` takes a message of this class."""
        self.receipt = Receipt()
        self._head, self._field, self._upload = head, _FIELDS[type(head)], upload
        self._full = _FULL.get(type(head)) if getattr(head, "full", False) else None
        self._kept = Seen()
        self._size = self._refused = 0
        self._codes: set[ResultCode] = set()
        self._next: Any = None

    def parts(self, items: Items) -> Iterator[Part]:
        """What is to be done, one after the other and perhaps again; ``took`` follows each."""
        for batch in items.batches(PART):
            message = self._message(batch)
            yield Part(partial(self._take, message=message), len(batch))
        if self._full and (self._refused < self._size or not self._size):
            place = None
            while True:
                yield Part(partial(self._end, place=place))
                place = self._next
                if place is None:
                    break
        yield Part(lambda work: self.receipt)

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

    def _message(self, batch: tuple[Any, ...]) -> Message:
        changes: dict[str, Any] = {self._field: batch}
        if hasattr(self._head, "full"):
            changes["full"] = False
        return replace(self._head, **changes)

    def _take(self, work: Work, message: Message) -> Receipt:
        if self._full:
            return self._full.part(work, message, self._kept)
        receipt = self._upload(work, message)
        assert isinstance(receipt, Receipt)
        return receipt

    def _end(self, work: Work, place: Any) -> Receipt:
        """Close or withdraw some of what the list did not have."""
        assert self._full is not None
        self._next = self._full.end(work, self._kept, place)
        return self.receipt
