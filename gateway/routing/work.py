"""One request being decided: who asks, in which transaction, and what follows from it.

Why: what is sent of sites, status, tariffs and tokens is looked up when it is sent (``Refs``), so a
partner that was away for a night gets the present state once and never an older one after a newer.
Sessions and CDRs are sent as they were at the time, in order.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar

from gateway.mapping.spool import Kept
from gateway.model.base import Canonical, PartyId
from gateway.model.message import Message, Page, Receipt, Result, ResultCode
from gateway.routing.parties import CPO_SIDE, Directory, Module, Party
from gateway.routing.records import moment, owner_key, pack, pack_message, party_of
from gateway.store import Filter, Kind, Object, Parcel, Transaction

T = TypeVar("T")

SELF = "@gateway"
"""The party of deliveries that the gateway owes to itself: things to be done at a later time."""
SLICE = 200
"""Objects that are read, decided and written in one step of a long list."""
REASONS = 20
RESEND = "status-resend"
RENEW = "token-renew"
_AGAIN = {"evse_status": RESEND, "parking_status": RESEND, "token": RENEW}
RENEWED = timedelta(days=180)
"""After which time tokens without a date are listed again; lists hold them for a year."""
_OVERDUE = timedelta(minutes=10)
_EARLY = 0.8
"""Share of the time to live after which status is sent again."""
MODULE_OF: Mapping[str, Module] = {
    "location": "locations",
    "evse_status": "status",
    "parking_status": "status",
    "tariff": "tariffs",
    "token": "tokens",
    "session": "sessions",
    "cdr": "cdrs",
}
"""Which module of an agreement objects of a kind belong to."""


def at_least_one(parts: Iterator[T], nothing: T) -> Iterator[T]:
    """The parts of a long reply, or what says that there is nothing.

    >>> list(at_least_one(iter(()), 0)), list(at_least_one(iter((1, 2)), 0))
    ([0], [1, 2])
    """
    first = next(parts, None)
    yield nothing if first is None else first
    yield from parts


def whole(owner: str, id: str, content: bytes = b"") -> str:
    """Stands for an object that a long list had, whatever its content."""
    return f"{owner}/{id}"


def keep(kept: Kept, groups: Mapping[str, Iterable[str]]) -> None:
    """Remember which objects, by owner and id, a part of a long list had."""
    for owner, ids in groups.items():
        for id in ids:
            kept.add(f"{owner}/{id}", [whole(owner, id)])


class Refs(Canonical, frozen=True, kw_only=True):
    """What a delivery is about, where the present state counts."""

    kind: str
    owner: str
    ids: tuple[str, ...]


class Refusals:
    """What of an upload was not taken, and why."""

    def __init__(self) -> None:
        self.objects: list[Any] = []
        self.reasons: list[str] = []
        self.codes: list[ResultCode] = []

    def add(self, refused: Any, reason: str, code: ResultCode = ResultCode.INVALID_ID) -> None:
        self.objects.append(refused)
        self.reasons.append(reason)
        self.codes.append(code)

    def result(self, total: int) -> Result:
        """``total``: objects in the upload."""
        if not self.objects:
            return Result(code=ResultCode.OK)
        text = "; ".join(self.reasons[:REASONS])
        if len(self.objects) < total:
            return Result(code=ResultCode.PARTLY, text=text)
        same = len(set(self.codes)) == 1
        return Result(code=self.codes[0] if same else ResultCode.FORMAT, text=text)

    def receipt(self, total: int, field: str | None = None) -> Receipt:
        """The answer, with the refused objects in the field of their kind."""
        refused: dict[str, Any] = {field: tuple(self.objects)} if field else {}
        return Receipt(result=self.result(total), reasons=tuple(self.reasons), **refused)


@dataclass
class Work:
    """A transaction on behalf of a party; ``caller`` None: the gateway itself, at a due time."""

    tx: Transaction
    directory: Directory
    caller: Party | None
    correlation: str
    linked: Callable[[Party], bool]
    """Whether the gateway has a way to a party; who has none polls."""
    identifiers: dict[tuple[str, str], None] = field(default_factory=dict)
    findings: list[dict[str, str | None]] = field(default_factory=list)
    fetched: list[tuple[str, str]] = field(default_factory=list)
    """CDRs (owner, id) that a home-CSP takes by this answer."""
    _states: list[Parcel] = field(default_factory=list)
    _exact: list[Parcel] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        return self.tx.now

    @property
    def by(self) -> str:
        return self.caller.id if self.caller else SELF

    @property
    def asker(self) -> Party:
        assert self.caller is not None
        return self.caller

    def about(self, name: str, *values: str) -> None:
        """By what the ledger entry of this request is found again."""
        self.identifiers |= {(name, value): None for value in values}

    def about_all(self, named: Iterable[tuple[str, str]]) -> None:
        """The same of several."""
        self.identifiers |= dict.fromkeys(named)

    def note(self, source: str, rule: str, why: str) -> None:
        """What of this request reaches nobody, as a row of the findings report."""
        row = {"outcome": "dropped", "source": source, "target": None, "rule": rule, "note": why}
        self.findings.append(row)

    # -- who -----------------------------------------------------------------------------------

    @cached_property
    def own_codes(self) -> set[str]:
        """The asker's codes as owners of stored objects."""
        return {owner_key(code) for code in self.asker.codes}

    def speaks_for(self, owner: str, source: str) -> bool:
        """Whether what a full list of the asker leaves out is gone: of its codes, or sent by it."""
        return owner in self.own_codes or source == self.asker.id

    def foreign(self, code: PartyId | None, side: frozenset[str]) -> str | None:
        """Why an object of this code is not the caller's; None when it is."""
        if code is None:
            return "no operator or provider is named"
        if self.directory.speaks_for(self.asker, code, side):
            return None
        return f"{code} is not a code of {self.asker.id}"

    def sole_code(self) -> PartyId | None:
        """The caller's code, where it has just one."""
        return self.asker.codes[0] if len(self.asker.codes) == 1 else None

    def visible(
        self, kind: Kind, module: Module, side: frozenset[str], owner: PartyId | None
    ) -> list[str] | None:
        """The owners whose objects the caller may see; None: there is no relation at all.

        ``side`` is that of the owners. The caller's own are seen when asked for by ``owner``.
        """
        found = []
        for name, source in self.tx.objects.owners(kind).items():
            code = party_of(name)
            if owner is not None and owner != code:
                continue
            own = owner is not None and self.directory.speaks_for(self.asker, code, side)
            if own or self._may_see(code, source, module, side):
                found.append(name)
        return found if found or self.related(module, side) else None

    def _may_see(self, code: PartyId, source: str, module: Module, side: frozenset[str]) -> bool:
        asker, directory = self.asker, self.directory
        if side is CPO_SIDE:
            cpo = directory.owner_of(code, source)
            if cpo is None or cpo.id == asker.id:
                return False
            return directory.may(cpo, asker, module, self.now, cpo_code=code)
        emsp = directory.provider_of(code, source)
        if emsp is None or emsp.id == asker.id:
            return False
        return directory.may(asker, emsp, module, self.now, emsp_code=code)

    def related(self, module: Module, side: frozenset[str]) -> bool:
        """Whether anybody of a side exchanges this with the caller."""
        others = self.directory.acceptors if side is CPO_SIDE else self.directory.receivers
        return bool(others(self.asker, module, self.now))

    def receivers(self, owner: str, source: str, module: Module) -> list[Party]:
        """Who gets what this visited-CSO publishes; ``source`` sent it."""
        code = party_of(owner)
        cpo = self.directory.owner_of(code, source)
        return self.directory.receivers(cpo, module, self.now, code) if cpo else []

    def acceptors(self, owner: str, source: str, module: Module) -> list[Party]:
        """Who gets what this home-CSP publishes."""
        code = party_of(owner)
        emsp = self.directory.provider_of(code, source)
        return self.directory.acceptors(emsp, module, self.now, code) if emsp else []

    # -- lists ---------------------------------------------------------------------------------

    def listed(self, kind: Kind, wanted: Filter, page: Page | None) -> tuple[list[Object], int]:
        """A page of a list, or all of it, oldest creation first; and how many there are."""
        if page is None:
            found = list(self.tx.objects.each(kind, wanted))
            return found, len(found)
        limit = 2**31 - 1 if page.limit is None else page.limit
        part = self.tx.objects.page(kind, wanted, offset=page.offset, limit=limit)
        return part.items, part.total

    # -- what follows --------------------------------------------------------------------------

    def pushes(self, party: Party, module: Module) -> bool:
        """Whether a party is sent what changes in a module; else it asks."""
        return module in party.policy.push and self.linked(party)

    def tell(
        self,
        party: Party,
        kind: Kind,
        owner: str,
        ids: Sequence[str],
        lines: Mapping[str, str] | None = None,
    ) -> None:
        """Owe a party the present state of objects. ``lines``: what goes one after the other."""
        if not self.pushes(party, MODULE_OF[kind]):
            return
        if ids and kind in _AGAIN:
            self.again(party, _AGAIN[kind])
        size = party.habits.batch
        for start in range(0, len(ids), size):
            part = ids[start : start + size]
            refs = Refs(kind=kind, owner=owner, ids=tuple(part))
            if size == 1:
                key = f"{owner}/{part[0]}"
                line = (lines or {}).get(part[0]) or f"{kind} {key}"
            else:
                key, line = f"{owner} {_mark(part)}", kind
            self._states.append(
                Parcel(party.id, kind, key, b"@" + pack(refs), self.correlation, line)
            )

    def send(self, party: Party, message: Message, kind: Kind, key: str, line: str) -> None:
        """Owe a party this message; those of one line arrive in the order they are owed."""
        if self.pushes(party, MODULE_OF[kind]):
            body = pack_message(message)
            self._exact.append(Parcel(party.id, kind, key, body, self.correlation, line))

    def later(self, kind: str, key: str, due: datetime) -> None:
        """Have the gateway do something at a later time; one waiting of the same key is moved."""
        self._states.append(Parcel(SELF, kind, key, b"", self.correlation, None, due))

    def again(self, party: Party, kind: str) -> None:
        """Have a party told again, before what it was told ends; once per party at a time."""
        if kind == RESEND and party.habits.needs_ttl:
            pause = party.policy.status_ttl * _EARLY
        elif kind == RENEW and party.habits.listed_tokens:
            pause = RENEWED
        else:
            return
        waiting = self.tx.parties.value(party.id, kind)
        # one that is due is left alone, so that it is not put off by every change
        if waiting is None or waiting.decode() <= moment(self.now - _OVERDUE):
            due = self.now + pause
            self.tx.parties.set_value(party.id, kind, moment(due).encode())
            self.later(kind, party.id, due)

    def finish(self, *lines: str) -> bool:
        """Put everything owed into the outbox; says whether there is anything.

        ``lines``: parties whose lines the same transaction changes after this.
        """
        owed = bool(self._states or self._exact)
        if lines or owed:
            self.tx.outbox.lock({*lines, *(each.party for each in self._states + self._exact)})
        if self._states:
            self.tx.outbox.enqueue_many(self._states, coalesce=True)
        if self._exact:
            self.tx.outbox.enqueue_many(self._exact)
        self._states, self._exact = [], []
        return owed


def _mark(ids: Collection[str]) -> str:
    return hashlib.blake2b("\0".join(ids).encode(), digest_size=12).hexdigest()
