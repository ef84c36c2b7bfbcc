"""What the gateway remembers of a party while it runs: registration, tokens, watermarks, values.

Source: OCPI 2.2.1, credentials module (tokens A, B, C; endpoints; version).
Why: a token that a party presents is kept as a keyed hash only; the one that the gateway presents
has to be kept as it is. The old token stays valid until the new one was seen (rotation by PUT).
"""

from datetime import datetime
from typing import Literal, NamedTuple

from sqlalchemy import bindparam, delete, or_, select, update

from gateway.store.prepared import Prepared
from gateway.store.tables import party_tokens, party_values, registrations, watermarks
from gateway.store.tx import Tx

RegistrationState = Literal["pending", "registered"]
Slot = Literal["registration", "current", "previous"]
"""``registration`` is OCPI's token A: it opens versions and credentials only."""


class Registration(NamedTuple):
    """What the handshake with a party has agreed."""

    state: RegistrationState
    version: str | None
    url: str | None
    """Their versions URL."""
    endpoints: bytes | None
    """JSON, as they sent it."""
    token_out: str | None
    """What the gateway presents to them."""
    updated: datetime | None = None


_v = party_values.c
_VALUE = Prepared(
    select(_v.value).where(_v.party == bindparam("party"), _v.name == bindparam("name"))
)
_VALUES = Prepared(select(_v.party, _v.value).where(_v.name == bindparam("name")))


class Parties:
    """The parties' state within a transaction."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    def registration(self, party: str) -> Registration | None:
        """None: not registered."""
        query = select(*(registrations.c[name] for name in Registration._fields))
        row = self._tx.execute(query.where(registrations.c.party == party)).one_or_none()
        return None if row is None else Registration._make(row)

    def register(self, party: str, registration: Registration) -> None:
        """Keep the outcome of a handshake or of a step of it."""
        values = registration._asdict() | {"updated": self._tx.now}
        insert = self._tx.insert(registrations).values(party=party, **values)
        self._tx.execute(insert.on_conflict_do_update(index_elements=["party"], set_=values))

    def unregister(self, party: str) -> bool:
        """Forget registration and tokens; False when there was none."""
        self._tx.execute(delete(party_tokens).where(party_tokens.c.party == party))
        query = delete(registrations).where(registrations.c.party == party)
        return self._tx.execute(query).rowcount == 1

    def accept_token(self, party: str, slot: Slot, token: str) -> bool:
        """From now on the party may present this token; it takes the place of that of the slot.

        False: another party has the same token, nothing is changed.
        """
        t = party_tokens.c
        digest = self._tx.keyed_hash("token", token)
        known = self.presented(token)
        if known is not None and known[0] != party:
            return False
        self._tx.execute(
            delete(party_tokens).where(t.party == party, or_(t.slot == slot, t.hash == digest))
        )
        self._tx.execute(
            party_tokens.insert().values(hash=digest, party=party, slot=slot, created=self._tx.now)
        )
        return True

    def rotate_token(self, party: str, token: str) -> bool:
        """A new current token; the old one stays valid as ``previous``. False as above."""
        known = self.presented(token)
        if known == (party, "current"):
            return True
        if known is not None and known[0] != party:
            return False
        t = party_tokens.c
        current = select(t.hash).where(t.party == party, t.slot == "current")
        if digest := self._tx.execute(current).scalar():
            self.revoke_token(party, "previous")
            self._tx.execute(update(party_tokens).where(t.hash == digest).values(slot="previous"))
        return self.accept_token(party, "current", token)

    def revoke_token(self, party: str, slot: Slot) -> None:
        """The token of this slot is no longer accepted."""
        t = party_tokens.c
        self._tx.execute(delete(party_tokens).where(t.party == party, t.slot == slot))

    def presented(self, token: str) -> tuple[str, Slot] | None:
        """Whose token this is and which one; None when nobody's."""
        t = party_tokens.c
        query = select(t.party, t.slot).where(t.hash == self._tx.keyed_hash("token", token))
        row = self._tx.execute(query).one_or_none()
        return None if row is None else (row.party, row.slot)

    def watermark(self, party: str, what: str) -> datetime | None:
        """Up to when ``what`` has been polled."""
        w = watermarks.c
        query = select(w.at).where(w.party == party, w.what == what)
        found: datetime | None = self._tx.execute(query).scalar()
        return found

    def set_watermark(self, party: str, what: str, at: datetime) -> None:
        """The next poll of ``what`` asks from here on."""
        insert = self._tx.insert(watermarks).values(party=party, what=what, at=at)
        self._tx.execute(
            insert.on_conflict_do_update(index_elements=["party", "what"], set_={"at": at})
        )

    def value(self, party: str, name: str) -> bytes | None:
        """A value kept under a name."""
        found = self._tx.rows(_VALUE, {"party": party, "name": name})
        return found[0][0] if found else None

    def values_named(self, name: str) -> dict[str, bytes]:
        """The values of all parties under a name."""
        return dict(self._tx.rows(_VALUES, {"name": name}))

    def set_value(self, party: str, name: str, value: bytes | None) -> None:
        """Keep a value under a name; None drops it."""
        v = party_values.c
        if value is None:
            self._tx.execute(delete(party_values).where(v.party == party, v.name == name))
            return
        insert = self._tx.insert(party_values).values(party=party, name=name, value=value)
        self._tx.execute(
            insert.on_conflict_do_update(index_elements=["party", "name"], set_={"value": value})
        )
