"""The ledger: every message in and out, as it was on the wire, and what became of it.

Why: identifiers are searched by a keyed hash, so that a copy of the search table tells nobody who
charged where; the messages themselves are as confidential as the database. What is searched and
what is only shown stand in two tables, so that a search reads little.
Each identifier has a place of its own among all there are: to sort in one writes a page of the
database, to sort in thousands at once little more. So they wait, in the transaction of their entry
and found by every search, in rows of many.
Limits: an entry is written once; what is known of it only later (the answer, how long it took) is
added by ``change``. Entries end by ``prune`` and ``keep``.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from operator import itemgetter
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec
from sqlalchemy import (
    BindParameter,
    Column,
    Select,
    bindparam,
    delete,
    dialects,
    func,
    literal_column,
    select,
    update,
)

from gateway.store.prepared import Prepared
from gateway.store.tables import (
    fresh_identifiers,
    message_contents,
    message_identifiers,
    messages,
)
from gateway.store.tx import Tx, slices

T = TypeVar("T")

Direction = Literal["in", "out"]


class Entry(NamedTuple):
    """One message and its answer."""

    id: str
    at: datetime
    direction: Direction
    party: str
    protocol: str
    operation: str
    """The canonical message; the wire's word where there is none."""
    correlation: str
    outcome: str
    """``ok``, or the kind of error."""
    duration: timedelta
    request: bytes | None
    """None when it is not kept, and from ``find``; empty when nothing went over the wire."""
    answer: bytes | None = None
    """None when there was none, or it is not kept."""
    findings: bytes | None = None
    """The findings report, JSON."""
    kind: str = "other"
    """What it is about: which retention holds."""
    wire: str | None = None
    """What the protocol calls the operation."""
    reason: str | None = None
    """Why it ended so, for people."""
    status: int | None = None
    """Of the answer (HTTP)."""
    delivery: int | None = None
    """Which delivery of the outbox an outgoing message belongs to."""
    attempt: int | None = None
    line: str | None = None
    """The request line of the wire: method and address."""
    request_hash: bytes | None = None
    """SHA-256 of the request where its bytes are not kept, or not as they were."""
    answer_hash: bytes | None = None
    canonical: bytes | None = None
    """The canonical message, packed."""


class Found(NamedTuple):
    """A row of a search: ``entry`` without its contents, ``seq`` to go on from."""

    seq: int
    entry: Entry


_CONTENTS = tuple(column.name for column in message_contents.columns if column.name != "message")
_SEARCHED = tuple(column.name for column in messages.columns if column.name != "seq")
_m, _c, _i = messages.c, message_contents.c, message_identifiers.c
_f = fresh_identifiers.c
_SUMMARY = tuple(_m[name] for name in _SEARCHED)
_NO_CONTENTS = dict.fromkeys(_CONTENTS)
_Names = Collection[tuple[str, str]]
_Named = tuple[str, bytes, int]
"""An identifier's name, what stands for its value, and the message."""
_MOST = 64
"""Rows in one INSERT, and identifiers that wait in one row."""
_OFTEN = 64
"""Rows of waiting identifiers after which all are sorted in."""


_searched = itemgetter(*map(Entry._fields.index, _SEARCHED))
_contents = itemgetter(*map(Entry._fields.index, _CONTENTS))


# -- statements that are made once -------------------------------------------------------------


def _rows(columns: Sequence[Column[Any]], count: int) -> list[dict[str, BindParameter[Any]]]:
    """Parameters for an INSERT of ``count`` rows, for ``Prepared.inserted``."""
    return [
        {each.name: bindparam(f"{each.name}_{place}", type_=each.type) for each in columns}
        for place in range(count)
    ]


@cache
def _add(count: int, sqlite: bool) -> Prepared:
    insert = dialects.sqlite.insert if sqlite else dialects.postgresql.insert
    rows = insert(messages).values(_rows(_SUMMARY, count))
    fresh = rows.on_conflict_do_nothing(index_elements=["id"])
    return Prepared(fresh.returning(_m.id, _m.seq))


@cache
def _add_contents(count: int) -> Prepared:
    return Prepared(message_contents.insert().values(_rows(tuple(_c), count)))


@cache
def _name(count: int, sqlite: bool) -> Prepared:
    insert = dialects.sqlite.insert if sqlite else dialects.postgresql.insert
    rows = _rows(tuple(_i), count)
    return Prepared(insert(message_identifiers).values(rows).on_conflict_do_nothing())


@cache
def _wait(count: int) -> Prepared:
    fresh = fresh_identifiers.insert().values(_rows((_f.names,), count))
    return Prepared(fresh.returning(_f.seq))


_WAITING = Prepared(select(_f.names))


def _take(*, all_of_them: bool) -> Prepared:
    # PostgreSQL: who waits for another one that does the same may have what that waits for
    there = select(_f.seq).order_by(_f.seq).with_for_update(skip_locked=not all_of_them)
    return Prepared(delete(fresh_identifiers).where(_f.seq.in_(there)).returning(_f.names))


_TAKE, _TAKE_ALL = _take(all_of_them=False), _take(all_of_them=True)
_pack, _unpack = msgspec.msgpack.encode, msgspec.msgpack.Decoder(list[_Named]).decode


_SEQ = Prepared(select(_m.seq).where(_m.id == bindparam("id")))


@cache
def _change(names: tuple[str, ...]) -> Prepared:
    values = {name: bindparam(name, type_=_m[name].type) for name in names}
    return Prepared(update(messages).where(_m.seq == bindparam("at_seq")).values(values))


@cache
def _change_contents(names: tuple[str, ...], sqlite: bool) -> Prepared:
    insert = dialects.sqlite.insert if sqlite else dialects.postgresql.insert
    values = {name: bindparam(name, type_=_c[name].type) for name in ("message", *names)}
    fresh = insert(message_contents).values(values)
    changed = {name: fresh.excluded[name] for name in names}
    return Prepared(fresh.on_conflict_do_update(index_elements=["message"], set_=changed))


def _powers(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """The rows in parts of 64, 32, 16, 8, 4, 2 and 1: few statements serve any number.

    >>> [len(part) for part in _powers(range(77))]
    [64, 8, 4, 1]
    """
    start = 0
    while left := len(rows) - start:
        size = min(_MOST, 1 << (left.bit_length() - 1))
        yield rows[start : start + size]
        start += size


class Ledger:
    """The ledger within a transaction.

    What is written waits in memory until the transaction ends or looks at the ledger itself:
    many entries in one statement cost a fraction of what each costs alone.
    """

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._waiting: list[tuple[Entry, _Names]] = []
        self._due = False
        """Whether there are identifiers enough to be sorted in."""

    def write(self, entry: Entry, identifiers: _Names = ()) -> None:
        """Add an entry; ``identifiers`` are (name, value) by which it is found again.

        One that is here already (its commit was not heard of) is left as it is.
        """
        self._waiting.append((entry, identifiers))

    def flush(self) -> None:
        """Bring what waits into the database."""
        waiting, self._waiting = self._waiting, []
        for part in _powers(waiting):
            self._add(part)
        self._sort_in_if_due()

    def _add(self, part: Sequence[tuple[Entry, _Names]]) -> None:
        add = _add(len(part), self._tx.is_sqlite)
        seqs = dict(self._tx.inserted(add, [_searched(entry) for entry, _ in part]))
        contents = [
            (seqs[entry.id], *kept)
            for entry, _ in part
            if entry.id in seqs and any(kept := _contents(entry))
        ]
        for some in _powers(contents):
            self._tx.inserted(_add_contents(len(some)), some)
        fresh = (pair for pair in part if pair[0].id in seqs)
        self._name({seqs[entry.id]: names for entry, names in fresh})

    def change(self, id: str, identifiers: _Names = (), **values: Any) -> bool:
        """Set fields of an entry and add identifiers; False: there is no such entry."""
        self.flush()
        found = self._tx.rows(_SEQ, {"id": id})
        if not found:
            return False
        seq: int = found[0][0]
        searched = {name: value for name, value in values.items() if name in _SEARCHED}
        if searched:
            self._tx.each(_change(tuple(searched)), [{"at_seq": seq, **searched}])
        contents = {name: value for name, value in values.items() if name in _CONTENTS}
        if contents:
            statement = _change_contents(tuple(contents), self._tx.is_sqlite)
            self._tx.each(statement, [{"message": seq, **contents}])
        self._name({seq: identifiers})
        self._sort_in_if_due()
        return True

    def _name(self, names: Mapping[int, _Names]) -> None:
        rows = [
            (name, self._tx.keyed_hash(name, value), seq)
            for seq, identifiers in names.items()
            for name, value in dict.fromkeys(identifiers)
        ]
        for part in _powers([(_pack(some),) for some in slices(rows, _MOST)]):
            numbers = self._tx.inserted(_wait(len(part)), part)
            self._due = self._due or any(number % _OFTEN == 0 for (number,) in numbers)

    def _sort_in_if_due(self) -> None:
        if self._due:
            self._due = False
            self._sort_in(_TAKE)

    def _sort_in(self, take: Prepared) -> None:
        """Put the identifiers that wait where they are found by an index."""
        waiting = self._tx.rows(take, {})
        for part in _powers(sorted(each for (names,) in waiting for each in _unpack(names))):
            self._tx.inserted(_name(len(part), self._tx.is_sqlite), part)

    def get(self, id: str) -> Entry | None:
        """One entry with its contents."""
        self.flush()
        found = select(*_SUMMARY, *(_c[name] for name in _CONTENTS)).where(_m.id == id)
        row = self._tx.execute(
            found.join_from(messages, message_contents, _c.message == _m.seq, isouter=True)
        ).one_or_none()
        if row is None:
            return None
        entry = Entry(**row._mapping)
        # an empty message is not stored
        return entry._replace(request=b"") if _is_empty(entry) else entry

    def find(
        self,
        *,
        identifier: tuple[str, str] | None = None,
        party: str | None = None,
        operation: str | None = None,
        direction: Direction | None = None,
        outcome: str | None = None,
        correlation: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[Found]:
        """Entries that meet all conditions, newest first; ``before`` is the last ``seq`` seen.

        ``operation`` is the canonical message's name or the wire's.
        """
        self.flush()
        query = select(_m.seq, *_SUMMARY)
        for column, value in (
            (_m.party, party),
            (_m.direction, direction),
            (_m.outcome, outcome),
            (_m.correlation, correlation),
        ):
            if value is not None:
                query = query.where(column == value)
        if outcome is not None and outcome != "ok":
            # in these words, so that the index of what was not ok is seen to fit
            query = query.where(_m.outcome != literal_column("'ok'"))
        if since is not None:
            query = query.where(_m.at >= since)
        if until is not None:
            query = query.where(_m.at < until)
        if before is not None:
            query = query.where(_m.seq < before)
        # one search by each way to find it: each has its own index
        searches = [query.order_by(_m.seq.desc()).limit(limit)]
        if identifier is not None:
            named = self._named(*identifier)
            searches = [each.where(_m.seq.in_(seqs)) for each in searches for seqs in named]
        if operation is not None:
            said = (_m.operation == operation, _m.wire == operation)
            searches = [each.where(is_said) for each in searches for is_said in said]
        found = {row.seq: row for each in searches for row in self._found(each)}
        return [found[seq] for seq in sorted(found, reverse=True)[:limit]]

    def _named(self, name: str, value: str) -> "list[Select[tuple[int]] | list[int]]":
        """The messages of an identifier: those that are sorted in, and those that are not."""
        hashed = self._tx.keyed_hash(name, value)
        waiting = self._tx.rows(_WAITING, {})
        fresh = [
            seq
            for (names,) in waiting
            for its_name, its_hash, seq in _unpack(names)
            if (its_name, its_hash) == (name, hashed)
        ]
        sorted_in = select(_i.message).where(_i.name == name, _i.hash == hashed)
        return [sorted_in, fresh] if fresh else [sorted_in]

    def _found(self, query: "Select[*tuple[Any, ...]]") -> Iterator[Found]:
        for row in self._tx.execute(query):
            values = dict(row._mapping)
            yield Found(values.pop("seq"), Entry(**values | _NO_CONTENTS))

    def prune(
        self, before: datetime, limit: int = 1000, *, kinds: Collection[str] | None = None
    ) -> int:
        """Drop at most ``limit`` entries (of some kinds) older than an instant; gives how many."""
        self.flush()
        query = select(_m.seq).where(_m.at < before).order_by(_m.at).limit(limit)
        if kinds is not None:
            query = query.where(_m.kind.in_(kinds))
        return self._drop(self._tx.execute(query).scalars().all())

    def keep(self, most: int, limit: int = 1000) -> int:
        """Drop at most ``limit`` of the oldest entries where there are more than ``most``."""
        self.flush()
        first, last = self._tx.execute(select(func.min(_m.seq), func.max(_m.seq))).one()
        if first is None or last - first < most:
            return 0
        query = select(_m.seq).where(_m.seq <= last - most).order_by(_m.seq).limit(limit)
        return self._drop(self._tx.execute(query).scalars().all())

    def _drop(self, old: Collection[int]) -> int:
        if not old:
            return 0
        self._sort_in(_TAKE_ALL)
        gone = 0
        for part in slices(old):
            self._tx.execute(delete(message_identifiers).where(_i.message.in_(part)))
            self._tx.execute(delete(message_contents).where(_c.message.in_(part)))
            gone += self._tx.execute(delete(messages).where(_m.seq.in_(part))).rowcount
        return gone


def _is_empty(entry: Entry) -> bool:
    return entry.request is None and entry.request_hash is None
