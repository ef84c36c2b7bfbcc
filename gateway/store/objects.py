"""Canonical objects: opaque bytes with keys, listed oldest creation first.

Source: OCPI 2.2.1, transport and format, pagination (window on last_updated, date_from inclusive,
date_to exclusive, order of creation, total count); full list semantics of OCPI and OCHP 1.4.
Limits: what an id, a key or a sort key means is the caller's knowledge, spelling included.
Why: ``updated`` is the instant of receipt, because SOAP protocols carry none and some OCPI peers
set theirs to the present on every export; it moves only when the content does, and never back. The
times that a body states follow what was put last all the same; of a CDR those that came first stay.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Row,
    Table,
    bindparam,
    delete,
    func,
    select,
    update,
)

from gateway.store.prepared import Prepared
from gateway.store.tables import MICROSECOND, Key, object_keys, objects
from gateway.store.tx import SLICE, Tx, listed, named, slices, width

Kind = Literal[
    "location", "evse_status", "parking_status", "tariff", "token", "session", "cdr", "sent_cdr"
]
"""``sent_cdr``: as a home-CSP got it that knows no revision, under the id that it got."""
Change = Literal["new", "changed", "same"]
_IMMUTABLE = frozenset({"cdr", "sent_cdr"})


class Item(NamedTuple):
    """What is put: the body and how it can be found again."""

    body: bytes
    keys: Collection[tuple[str, str]] = ()
    """Secondary keys, (name, value)."""
    digest: bytes | None = None
    """Hash of the content where it is not that of the body (without ``last_updated``, say)."""
    sort_key: str | None = None


class Object(NamedTuple):
    """What is stored."""

    seq: int
    """Order of creation."""
    kind: Kind
    owner: str
    id: str
    body: bytes
    digest: bytes
    updated: datetime
    source: str
    """Party that it came from."""
    sort_key: str | None
    state: str | None
    """Of a CDR: where it is in its life cycle."""
    deleted: bool


class _Digest(NamedTuple):
    """What tells whether an object has changed."""

    seq: int
    id: str
    digest: bytes
    updated: datetime
    deleted: bool
    body: bytes


class Mark(NamedTuple):
    """An object without its body."""

    seq: int
    id: str
    digest: bytes
    source: str


class Page(NamedTuple):
    """Some of a list, and how many there are in all."""

    items: list[Object]
    total: int


class Filter(NamedTuple):
    """Which objects a list has; None means any."""

    owners: Collection[str] | None = None
    since: datetime | None = None
    """Inclusive."""
    until: datetime | None = None
    """Exclusive."""
    key: tuple[str, Collection[str]] | None = None
    """Those with a secondary key of this name and one of these values."""
    states: Collection[str] | None = None
    deleted: bool = False
    """Deleted ones too."""


ALL = Filter()


def digest_of(item: Item) -> bytes:
    """The content hash of an item."""
    return item.digest or hashlib.blake2b(item.body, digest_size=16).digest()


_o, _k = objects.c, object_keys.c


@cache
def _by_id(count: int) -> Prepared:
    """Objects of one kind and owner by some ids."""
    return Prepared(select(objects).where(*_among(count)))


@cache
def _by_key(count: int) -> Prepared:
    """Objects by some values of a secondary key, each with the value."""
    joint = (_k.kind == _o.kind) & (_k.owner == _o.owner) & (_k.id == _o.id)
    return Prepared(
        select(objects, _k.value)
        .join(object_keys, joint)
        .where(_k.kind == bindparam("kind"), _k.name == bindparam("name"))
        .where(_k.value.in_(listed("value", count, Key)), _o.deleted.is_(False))
    )


@cache
def _digests(count: int) -> Prepared:
    columns = (_o[name] for name in _Digest._fields)
    return Prepared(select(*columns).where(*_among(count)))


@cache
def _ids_by_key(count: int) -> Prepared:
    """Which objects of one kind and owner have some values of a secondary key, deleted or not."""
    return Prepared(
        select(_k.id)
        .where(_k.kind == bindparam("kind"), _k.name == bindparam("name"))
        .where(_k.value.in_(listed("value", count, Key)), _k.owner == bindparam("owner"))
    )


_MARKS = Prepared(
    select(*(_o[name] for name in Mark._fields))
    .where(_o.kind == bindparam("kind"), _o.owner == bindparam("owner"))
    .where(_o.deleted.is_(False), _o.seq > bindparam("after"))
    .order_by(_o.seq)
    .limit(bindparam("limit"))
)


def _among(count: int) -> tuple[ColumnElement[bool], ...]:
    ids = listed("id", count, Key)
    return _o.kind == bindparam("kind"), _o.owner == bindparam("owner"), _o.id.in_(ids)


def _given(table: Table, *but_not: str) -> dict[str, BindParameter[Any]]:
    """A parameter for each column, by its name."""
    return {
        each.name: bindparam(each.name, type_=each.type)
        for each in table.c
        if each.name not in but_not
    }


_CREATE = Prepared(objects.insert().values(_given(objects, "seq")))
_REPLACE = Prepared(
    update(objects)
    .where(_o.seq == bindparam("at_seq"))
    .values(_given(objects, "seq", "kind", "owner", "id"))
)
_TOUCH = Prepared(
    update(objects)
    .where(_o.seq == bindparam("at_seq"))
    .values(body=bindparam("body", type_=_o.body.type))
)
_ADD_KEY = Prepared(object_keys.insert().values(_given(object_keys)))
_NEXT_OWNER = Prepared(
    select(_o.owner, _o.source)
    .where(_o.kind == bindparam("kind"), _o.owner > bindparam("last"))
    .order_by(_o.owner, _o.id)
    .limit(1)
)
_NEXT_DUE = Prepared(
    select(func.min(_o.sort_key)).where(
        _o.kind == bindparam("kind"), _o.owner == bindparam("owner"), _o.deleted.is_(False)
    )
)


def _object(row: "Row[*tuple[Any, ...]]") -> Object:
    return Object._make(row)


def _where(kind: Kind, wanted: Filter) -> list[ColumnElement[bool]]:
    o = objects.c
    found: list[ColumnElement[bool]] = [o.kind == kind]
    if wanted.owners is not None:
        found.append(o.owner.in_(wanted.owners))
    if wanted.since is not None:
        found.append(o.updated >= wanted.since)
    if wanted.until is not None:
        found.append(o.updated < wanted.until)
    if wanted.states is not None:
        found.append(o.state.in_(wanted.states))
    if not wanted.deleted:
        found.append(o.deleted.is_(False))
    if wanted.key is not None:
        name, values = wanted.key
        k = object_keys.c
        found.append(
            select(k.id)
            .where(k.kind == kind, k.name == name, k.value.in_(values))
            .where(k.owner == o.owner, k.id == o.id)
            .exists()
        )
    return found


class Objects:
    """The objects of a transaction."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    def put(self, kind: Kind, owner: str, id: str, item: Item, source: str) -> Change:
        """Create or replace one object; says whether that changed anything."""
        return self.put_many(kind, owner, {id: item}, source)[id]

    def put_many(
        self,
        kind: Kind,
        owner: str,
        items: Mapping[str, Item],
        source: str,
        *,
        state: str | None = None,
    ) -> dict[str, Change]:
        """Create or replace objects of one owner; new ones are created in the order given.

        Only CDRs have a state; ``Cdrs`` puts them.
        """
        if (kind == "cdr") != (state is not None):
            raise ValueError(f"{kind} with state {state}")
        self._tx.lock("objects", kind, owner)
        changes: dict[str, Change] = {}
        for part in slices(items.items()):
            changes |= self._put_slice(kind, owner, dict(part), source, state)
        return changes

    def _put_slice(
        self, kind: Kind, owner: str, items: dict[str, Item], source: str, state: str | None
    ) -> dict[str, Change]:
        there = {"kind": kind, "owner": owner, **named("id", list(items))}
        rows = map(_Digest._make, self._tx.rows(_digests(width(len(items))), there))
        stored = {row.id: row for row in rows}
        changes: dict[str, Change] = {}
        created, replaced, touched = [], [], []
        for id, item in items.items():
            row = stored.get(id)
            digest = digest_of(item)
            if row is not None and row.digest == digest and not row.deleted:
                changes[id] = "same"
                if row.body != item.body and kind not in _IMMUTABLE:
                    touched.append({"at_seq": row.seq, "body": item.body})
                continue
            values = {
                "body": item.body,
                "digest": digest,
                "source": source,
                "sort_key": item.sort_key,
                "state": state,
                "deleted": False,
            }
            if row is None:
                changes[id] = "new"
                place = {"kind": kind, "owner": owner, "id": id}
                created.append(values | place | {"updated": self._tx.now})
            else:
                changes[id] = "new" if row.deleted else "changed"
                replaced.append(values | {"at_seq": row.seq, "updated": self._after(row.updated)})
        if created:
            self._tx.each(_CREATE, created)
        if replaced:
            self._tx.each(_REPLACE, replaced)
        if touched:
            self._tx.each(_TOUCH, touched)
        written = [id for id, change in changes.items() if change != "same"]
        self._put_keys(kind, owner, {id: items[id] for id in written}, stored.keys())
        return changes

    def _put_keys(
        self, kind: Kind, owner: str, items: dict[str, Item], known: Collection[str]
    ) -> None:
        k = object_keys.c
        if old := [id for id in items if id in known]:
            self._tx.execute(
                delete(object_keys).where(k.kind == kind, k.owner == owner, k.id.in_(old))
            )
        rows = [
            {"kind": kind, "owner": owner, "id": id, "name": name, "value": value}
            for id, item in items.items()
            for name, value in dict.fromkeys(item.keys)
        ]
        if rows:
            self._tx.each(_ADD_KEY, rows)

    def _after(self, updated: datetime) -> datetime:
        """Later than ``updated``, also when the clock was set back."""
        return max(self._tx.now, updated + MICROSECOND)

    def get(self, kind: Kind, owner: str, id: str, *, deleted: bool = False) -> Object | None:
        """One object, or None; a deleted one only on request."""
        found = self.get_many(kind, owner, [id], deleted=deleted)
        return found.get(id)

    def get_many(
        self, kind: Kind, owner: str, ids: Iterable[str], *, deleted: bool = False
    ) -> dict[str, Object]:
        """Those of the ids that are stored."""
        found: dict[str, Object] = {}
        for part in slices(ids):
            there = {"kind": kind, "owner": owner, **named("id", part)}
            rows = map(Object._make, self._tx.rows(_by_id(width(len(part))), there))
            found |= {row.id: row for row in rows if deleted or not row.deleted}
        return found

    def find(self, kind: Kind, name: str, value: str) -> list[Object]:
        """Objects with this secondary key, oldest first."""
        return self.find_many(kind, name, [value]).get(value, [])

    def find_many(self, kind: Kind, name: str, values: Iterable[str]) -> dict[str, list[Object]]:
        """Objects by the value of a secondary key, oldest first; a value that nobody has is left
        out."""
        rows: list[tuple[str, Object]] = []
        for part in slices(values):
            there = {"kind": kind, "name": name, **named("value", part)}
            found_here = self._tx.rows(_by_key(width(len(part))), there)
            rows += ((value, Object(*row)) for *row, value in found_here)
        # not ordered by the database: SQLite would go through all objects for that
        rows.sort(key=lambda row: row[1].seq)
        found: dict[str, list[Object]] = {}
        for value, row in rows:
            found.setdefault(value, []).append(row)
        return found

    def ids_with(self, kind: Kind, owner: str, name: str, values: Iterable[str]) -> set[str]:
        """The ids of an owner's objects with one of these values of a secondary key, those of
        deleted objects too."""
        found: set[str] = set()
        for part in slices(values):
            there = {"kind": kind, "owner": owner, "name": name, **named("value", part)}
            found.update(id for (id,) in self._tx.rows(_ids_by_key(width(len(part))), there))
        return found

    def marks(self, kind: Kind, owner: str, *, after: int, limit: int) -> list[Mark]:
        """Some of an owner's list, oldest creation first, without what they say."""
        there = {"kind": kind, "owner": owner, "after": after, "limit": limit}
        return list(map(Mark._make, self._tx.rows(_MARKS, there)))

    def page(
        self,
        kind: Kind,
        wanted: Filter = ALL,
        *,
        offset: int = 0,
        limit: int,
        by_sort_key: bool = False,
    ) -> Page:
        """A page of a list: oldest creation first, or by sort key."""
        where = _where(kind, wanted)
        order = (objects.c.sort_key, objects.c.seq) if by_sort_key else (objects.c.seq,)
        query = select(objects).where(*where).order_by(*order).offset(offset).limit(limit)
        items = [_object(row) for row in self._tx.execute(query)]
        total = self._tx.execute(select(func.count()).select_from(objects).where(*where))
        return Page(items, total.scalar_one())

    def due(self, kind: Kind, owner: str, until: str, *, limit: int) -> list[Object]:
        """Objects of an owner whose sort key is at most ``until``, by sort key."""
        o = objects.c
        query = (
            select(objects)
            .where(o.kind == kind, o.owner == owner, o.sort_key <= until, o.deleted.is_(False))
            .order_by(o.sort_key, o.seq)
            .limit(limit)
        )
        return [_object(row) for row in self._tx.execute(query)]

    def next_due(self, kind: Kind, owner: str) -> str | None:
        """The least sort key of an owner's objects."""
        ((found,),) = self._tx.rows(_NEXT_DUE, {"kind": kind, "owner": owner})
        return found  # type: ignore[no-any-return] # as the column has it

    def each(self, kind: Kind, wanted: Filter = ALL, *, after: int = 0) -> Iterator[Object]:
        """The whole list, oldest creation first, in constant memory; ``after`` one of them."""
        query = select(objects).where(*_where(kind, wanted)).order_by(objects.c.seq).limit(SLICE)
        last = after
        while rows := self._tx.execute(query.where(objects.c.seq > last)).all():
            yield from map(_object, rows)
            last = rows[-1].seq

    def owners(self, kind: Kind) -> dict[str, str]:
        """All owners of objects of a kind, each with the party that its first one came from."""
        found: dict[str, str] = {}
        last = ""
        # one step in the index per owner: there are few owners and many objects
        while rows := self._tx.rows(_NEXT_OWNER, {"kind": kind, "last": last}):
            ((last, source),) = rows
            found[last] = source
        return found

    def replace_all(
        self, kind: Kind, owner: str, items: Mapping[str, Item], source: str
    ) -> tuple[dict[str, Change], list[str]]:
        """Make these the owner's whole list; also gives the ids that were removed by that."""
        changes = self.put_many(kind, owner, items, source)
        o = objects.c
        rows = self._tx.execute(
            select(o.id)
            .where(o.kind == kind, o.owner == owner, o.deleted.is_(False))
            .order_by(o.seq)
        )
        removed = [id for (id,) in rows if id not in items]
        self.delete(kind, owner, removed)
        return changes, removed

    def delete(self, kind: Kind, owner: str, ids: Iterable[str]) -> int:
        """Mark objects as deleted; gives how many were there. Their keys find them no more."""
        o = objects.c
        stored = self.get_many(kind, owner, ids)
        if stored:
            self._tx.execute(
                update(objects).where(o.seq == bindparam("at_seq")),
                [
                    {"at_seq": row.seq, "updated": self._after(row.updated), "deleted": True}
                    for row in stored.values()
                ],
            )
        return len(stored)
