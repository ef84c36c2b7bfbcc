"""Who is who, who may exchange what with whom, and through whom an unknown code is reached.

Source: IEC 63119-1, roles (visited-CSO, home-CSP, clearing house); OCHP 1.4, chapter on roaming
partners; OCPI 2.2.1, hub routing.
Limits: an agreement holds between two connections, from and until given days (UTC); a party that
is both cpo and emsp on one connection needs an agreement for each direction.
Why: which habits a protocol has (lists, time to live, revisions) decides what is sent to whom; they
stand here as data, so that the decisions name habits and never a protocol.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from gateway.adapter import Partner
from gateway.errors import ConfigError, Problem
from gateway.model.base import PartyId

Module = Literal["locations", "status", "tariffs", "tokens", "cdrs", "sessions", "authorise"]
MODULES: tuple[Module, ...] = (
    "locations",
    "status",
    "tariffs",
    "tokens",
    "cdrs",
    "sessions",
    "authorise",
)

CPO_SIDE = frozenset({"cpo", "pso", "hub"})
EMSP_SIDE = frozenset({"emsp", "nsp", "hub"})
# a navigation provider has no customers
_NSP_ONLY: frozenset[Module] = frozenset({"locations", "status", "tariffs"})


@dataclass(frozen=True)
class Habits:
    """What a protocol family makes its speakers do."""

    live_apart: bool = False
    """Live status is no part of a site's record and is sent on its own."""
    needs_ttl: bool = False
    """Live status is good for a limited time and must be sent again before that is over."""
    listed_tokens: bool = False
    """Tokens go to a list that is decided from offline: nothing that must be asked about."""
    decides_cdrs: bool = False
    """As home-CSP it approves or declines every CDR itself."""
    revises_cdrs: bool = False
    """A changed CDR has the same id; otherwise CDRs are never changed, only credited."""
    checked_cdrs: bool = False
    """CDRs that it uploads are checked for plausibility, as a clearing house does."""
    removes_tariffs: bool = False
    """It can be told that a tariff holds no longer; otherwise the tariff is sent with an end."""
    asked_live: bool = False
    """As home-CSP it answers whether a driver may charge at the moment of charging."""
    modules: frozenset[Module] = frozenset(MODULES)
    batch: int = 1
    """Objects in one message to it."""


LISTS = Habits(
    live_apart=True,
    needs_ttl=True,
    listed_tokens=True,
    decides_cdrs=True,
    revises_cdrs=True,
    checked_cdrs=True,
    modules=frozenset(MODULES) - {"sessions"},
    batch=200,
)
OBJECTS = Habits(asked_live=True, removes_tariffs=True)
HABITS: Mapping[str, Habits] = {"ochp": LISTS, "ocpi": OBJECTS}
"""By protocol family, the part of the name before the first dash."""


@dataclass(frozen=True)
class Policy:
    """What the operator has decided for one party."""

    confirm: Literal["immediate", "after", "manual"] = "after"
    """When CDRs that it sent count as approved by a home-CSP that says nothing on CDRs: once
    stored, once the home-CSP has taken them, or by an operator."""
    answer_within: timedelta = timedelta(seconds=5)
    """As home-CSP: how long a driver may wait for its word."""
    push: frozenset[Module] = frozenset(MODULES)
    """What is sent to it as it changes, where there is a way to it."""
    pull: frozenset[Module] = frozenset(MODULES)
    """What it is asked for by schedule."""
    status_ttl: timedelta = timedelta(minutes=5)
    """For how long live status without an end of its own is declared good."""
    time_zone: str | None = None
    """IANA zone of its sites that name none."""


@dataclass(frozen=True)
class Party:
    """A configured party: one connection."""

    partner: Partner
    policy: Policy = field(default_factory=Policy)

    @property
    def id(self) -> str:
        return self.partner.id

    @property
    def codes(self) -> tuple[PartyId, ...]:
        return self.partner.parties

    @property
    def habits(self) -> Habits:
        return HABITS.get(self.partner.protocol.partition("-")[0], OBJECTS)

    @property
    def is_hub(self) -> bool:
        return "hub" in self.partner.roles

    def is_of(self, side: frozenset[str]) -> bool:
        return bool(self.partner.roles & side)


@dataclass(frozen=True)
class Agreement:
    """What a visited-CSO and a home-CSP exchange. Empty code tuples: all codes of the party."""

    cpo: str
    emsp: str
    modules: frozenset[Module] = frozenset(MODULES)
    since: datetime | None = None
    until: datetime | None = None
    """Exclusive."""
    cpo_codes: tuple[PartyId, ...] = ()
    emsp_codes: tuple[PartyId, ...] = ()

    def holds(self, module: Module, at: datetime) -> bool:
        if module not in self.modules or (self.since and at < self.since):
            return False
        return not (self.until and at >= self.until)


class Directory:
    """All parties and agreements. Raises ConfigError with everything that does not fit."""

    def __init__(self, parties: Sequence[Party], agreements: Sequence[Agreement]) -> None:
        self.parties = {party.id: party for party in parties}
        self._agreements = tuple(agreements)
        self._between: dict[tuple[str, str], list[Agreement]] = {}
        for row in agreements:
            self._between.setdefault((row.cpo, row.emsp), []).append(row)
        self._by_code: dict[tuple[frozenset[str], PartyId], Party] = {}
        problems = list(self._index(parties)) + list(self._faults())
        if problems:
            raise ConfigError(problems)

    def _index(self, parties: Sequence[Party]) -> Iterator[Problem]:
        if len(self.parties) < len(parties):
            yield Problem("party", "two parties have the same id")
        for side in (CPO_SIDE, EMSP_SIDE):
            for party in parties:
                for code in party.codes if party.is_of(side) else ():
                    known = self._by_code.get((side, code))
                    if known is None or (known.is_hub and not party.is_hub):
                        self._by_code[side, code] = party
                    elif not party.is_hub and known.id != party.id:
                        yield Problem(
                            f"party {party.id}", f"{code} in the same role is party {known.id}"
                        )

    def _faults(self) -> Iterator[Problem]:
        for row in self._agreements:
            for id, side, role in (
                (row.cpo, CPO_SIDE, "visited-CSO"),
                (row.emsp, EMSP_SIDE, "home-CSP"),
            ):
                party = self.parties.get(id)
                if party is None:
                    yield Problem("agreement", f"{id} is no party")
                elif not party.is_of(side):
                    yield Problem("agreement", f"{id} has no role of a {role}")

    # -- who is who --------------------------------------------------------------------------

    def named(self, code: PartyId | None, side: frozenset[str]) -> Party | None:
        """The party for which this code is configured."""
        return None if code is None else self._by_code.get((side, code))

    def speaks_for(self, party: Party, code: PartyId | None, side: frozenset[str]) -> bool:
        """Whether objects of this code are the party's to send.

        A hub speaks for the codes configured for it and for all that are nobody's.
        """
        if code is None or not party.is_of(side):
            return False
        if code in party.codes:
            return True
        return party.is_hub and self.named(code, side) is None

    def owner_of(self, code: PartyId | None, source: str | None = None) -> Party | None:
        """The visited-CSO that an object of this code comes from; ``source`` sent it."""
        return self._behind(code, CPO_SIDE, source)

    def provider_of(self, code: PartyId | None, source: str | None = None) -> Party | None:
        """The home-CSP behind a code."""
        return self._behind(code, EMSP_SIDE, source)

    def _behind(
        self, code: PartyId | None, side: frozenset[str], source: str | None
    ) -> Party | None:
        if found := self.named(code, side):
            return found
        hubs = [party for party in self.parties.values() if self.speaks_for(party, code, side)]
        hubs.sort(key=lambda party: party.id != source)
        return hubs[0] if hubs else None

    # -- who may -----------------------------------------------------------------------------

    def may(
        self,
        cpo: Party,
        emsp: Party,
        module: Module,
        at: datetime,
        cpo_code: PartyId | None = None,
        emsp_code: PartyId | None = None,
    ) -> bool:
        """Whether an agreement lets the two exchange this; codes narrow the question."""
        if module not in cpo.habits.modules or module not in emsp.habits.modules:
            return False
        if emsp.partner.roles <= {"nsp"} and module not in _NSP_ONLY:
            return False
        return any(
            row.holds(module, at)
            and (cpo_code is None or not row.cpo_codes or cpo_code in row.cpo_codes)
            and (emsp_code is None or not row.emsp_codes or emsp_code in row.emsp_codes)
            for row in self._between.get((cpo.id, emsp.id), ())
        )

    def receivers(
        self, cpo: Party, module: Module, at: datetime, code: PartyId | None = None
    ) -> list[Party]:
        """The home-CSPs that get what this visited-CSO (code) publishes."""
        return [
            party
            for party in self._in_order(row.emsp for row in self._agreements if row.cpo == cpo.id)
            if party.id != cpo.id and self.may(cpo, party, module, at, cpo_code=code)
        ]

    def acceptors(
        self, emsp: Party, module: Module, at: datetime, code: PartyId | None = None
    ) -> list[Party]:
        """The visited-CSOs that get what this home-CSP (code) publishes."""
        return [
            party
            for party in self._in_order(row.cpo for row in self._agreements if row.emsp == emsp.id)
            if party.id != emsp.id and self.may(party, emsp, module, at, emsp_code=code)
        ]

    def home_of(
        self, code: PartyId | None, cpo: Party, module: Module, at: datetime, owner: PartyId
    ) -> Party | None:
        """The home-CSP behind a provider code that this visited-CSO (code) may send to.

        The party itself where it is connected, else the hub that has an agreement.
        """
        named = self.named(code, EMSP_SIDE)
        if named is not None and self.may(cpo, named, module, at, owner, code):
            return named
        for party in self.receivers(cpo, module, at, owner):
            known = self.speaks_for(party, code, EMSP_SIDE)
            if party.is_hub and known and self.may(cpo, party, module, at, owner, code):
                return party
        return None

    def _in_order(self, ids: Iterable[str]) -> list[Party]:
        return [self.parties[id] for id in dict.fromkeys(ids)]
