"""Which canonical id stands for which id of a party, unique both ways.

Source: OCHP 1.4 and OCPI 2.2.1 allow ids that the other cannot carry (length, alphabet, scope);
the pairs are kept, so that the same object has the same id every day.
Limits: a pair is never changed or dropped.
"""

from typing import NamedTuple

from sqlalchemy import select

from gateway.store.tables import id_map
from gateway.store.tx import Tx


class Pair(NamedTuple):
    """An id of a party and the canonical one."""

    foreign: str
    canonical: str


class IdMap:
    """The id pairs of a transaction."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    def canonical(self, party: str, kind: str, foreign: str) -> str | None:
        """The canonical id, or None when there is no pair."""
        m = id_map.c
        query = select(m.canonical_id).where(
            m.party == party, m.kind == kind, m.foreign_id == foreign
        )
        found: str | None = self._tx.execute(query).scalar()
        return found

    def foreign(self, party: str, kind: str, canonical: str) -> str | None:
        """The party's id, or None when there is no pair."""
        m = id_map.c
        query = select(m.foreign_id).where(
            m.party == party, m.kind == kind, m.canonical_id == canonical
        )
        found: str | None = self._tx.execute(query).scalar()
        return found

    def canonical_for(self, party: str, kind: str, foreign: str, *candidates: str) -> str | None:
        """The canonical id; if there is none yet, the first candidate that is free becomes it.

        None when all candidates stand for other ids of the party.
        """
        for candidate in candidates:
            if known := self.canonical(party, kind, foreign):
                return known
            self._bind(party, kind, Pair(foreign, candidate))
        return self.canonical(party, kind, foreign)

    def foreign_for(self, party: str, kind: str, canonical: str, *candidates: str) -> str | None:
        """The party's id, else the first free candidate; None when all are taken."""
        for candidate in candidates:
            if known := self.foreign(party, kind, canonical):
                return known
            self._bind(party, kind, Pair(candidate, canonical))
        return self.foreign(party, kind, canonical)

    def pairs(self, party: str, kind: str) -> list[Pair]:
        """All pairs of a party, for audit."""
        m = id_map.c
        rows = self._tx.execute(
            select(m.foreign_id, m.canonical_id)
            .where(m.party == party, m.kind == kind)
            .order_by(m.foreign_id)
        )
        return [Pair._make(row) for row in rows]

    def _bind(self, party: str, kind: str, pair: Pair) -> None:
        row = {
            "party": party,
            "kind": kind,
            "foreign_id": pair.foreign,
            "canonical_id": pair.canonical,
        }
        self._tx.execute(self._tx.insert(id_map).on_conflict_do_nothing(), [row])
