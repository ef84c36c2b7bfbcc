"""What adapters keep of a partner between requests, and who presents a secret.

Limits: secrets that another process on this store has revoked are accepted here for ``FRESH``.
Why: a secret is compared with all that are known, so that time tells nothing about them.
"""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from gateway.adapter import Partner
from gateway.routing.parties import Directory
from gateway.routing.together import Together
from gateway.security.credentials import fits, is_stored
from gateway.store import Clock

FRESH = timedelta(seconds=5)
ANEW = timedelta(seconds=0.2)
"""Between two looks for a secret that is not known, so that wrong ones cost little."""
_CREDENTIALS = "credentials"
Digests = dict[str, tuple[str, ...]]


class PartnerState:
    """The stored state of all partners."""

    def __init__(self, directory: Directory, together: Together, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._together = together
        self._known: _Known | None = None
        self._changes = 0
        self._looked_anew = datetime.min.replace(tzinfo=UTC)

    async def recall(self, party: str, key: str, *, recent: bool = False) -> Any:
        """A stored JSON value or None; ``recent`` ones may be ``FRESH`` old, and are not to be
        changed."""
        if recent and key == _CREDENTIALS:
            return (await self._credentials()).states.get(party)
        found = await self._together.read(lambda tx: tx.parties.value(party, key))
        return None if found is None else msgspec.json.decode(found)

    async def remember(self, party: str, key: str, value: Any) -> None:
        """Store a JSON value; None forgets."""
        body = None if value is None else msgspec.json.encode(value)
        await self._together.write(lambda tx: tx.parties.set_value(party, key, body))
        if key == _CREDENTIALS:
            self._known = None
            self._changes += 1

    async def identify(
        self, protocol: str, secrets: tuple[str, ...], *, anew: bool = False
    ) -> Partner | None:
        """The partner who presents one of these secrets; see ``Desk.identify``."""
        if anew and not timedelta() <= self._clock() - self._looked_anew < ANEW:
            self._looked_anew = self._clock()
            self._known = None
        digests = (await self._credentials()).digests
        for secret in secrets:
            digest = hashlib.sha256(secret.encode()).hexdigest()
            found = [
                id
                for id, known in digests.items()
                if self._directory.parties[id].partner.protocol.startswith(protocol)
                and sum(_fits(secret, digest, one) for one in known)
            ]
            if len(found) == 1:
                return self._directory.parties[found[0]].partner
            if found:
                return None
        return None

    async def _credentials(self) -> "_Known":
        """What all parties may present, not longer than ``FRESH`` ago."""
        now, changes = self._clock(), self._changes
        if self._known and now < self._known.until <= now + FRESH:
            return self._known
        stored = await self._together.read(lambda tx: tx.parties.values_named(_CREDENTIALS))
        states = {party: msgspec.json.decode(state) for party, state in stored.items()}
        digests: Digests = {}
        for party in self._directory.parties.values():
            mine: list[str] = []
            for name in ("token_in", "token_in_next"):
                if token := party.partner.options.get(name):
                    mine.append(_kept(str(token)))
            if state := states.get(party.id):
                mine += state.get("secrets", ())
            digests[party.id] = tuple(mine)
        known = _Known(now + FRESH, digests, states)
        if changes == self._changes:  # else it may be as it was before
            self._known = known
        return known


class _Known(NamedTuple):
    """The credentials of all parties, and until when they are recent."""

    until: datetime
    digests: Digests
    """As hexadecimal SHA-256."""
    states: dict[str, Any]


def _kept(token: str) -> str:
    """What is compared with: the stored form of the configuration, or a digest."""
    return token if is_stored(token) else hashlib.sha256(token.encode()).hexdigest()


def _fits(secret: str, digest: str, kept: str) -> bool:
    return fits(secret, kept) if is_stored(kept) else hmac.compare_digest(digest, kept)
