"""The signatures of messages at the SOAP service and client: whose profile, and when.

Source: WSS SOAP Message Security 1.1; SOAP 1.1 4.2.3 (headers before the body is processed).
Limits: what a profile does not ask for is not done; most protocols here know no signatures.
Why: a small message is signed and verified where it is, because handing it to a thread costs more
than an RSA signature of 2,048 bits. A thread is for long messages, for those that canonicalisation
makes long, for longer keys, and for chains of certificates, whose keys the sender has chosen. The
memory against replays is a database: it is asked, and waited for.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import msgspec
from lxml.etree import _Element as Element

from gateway.security import wss_structure
from gateway.security.keys import refuse_shared
from gateway.security.parse import Limits
from gateway.security.profile import Profile
from gateway.security.replay import SEEN_BEFORE
from gateway.security.signature import Verified, sign, verify
from gateway.security.unverified import Unverified
from gateway.security.wss_structure import SIGNATURE, USERNAME_TOKEN, Structure
from gateway.security.wsse import SECURITY
from gateway.soap.envelope import Envelope
from gateway.soap.offload import IN_THREAD, run

Clock = Callable[[], datetime]
_SMALL = 16 * 1024
"""Bytes of a message up to which it is signed or verified without a thread."""


class Memory(Protocol):
    """What messages have been here before (``gateway.security.replay``), for who does not block."""

    async def first_time(self, partner: str, ids: tuple[str, ...], until: datetime) -> bool:
        """Whether all ids are new for the partner; True is said once that is kept.

        Raises StoreUnavailable.
        """
        ...


class PartnerSecurity:
    """The security of the messages with one partner, by its profile at that moment."""

    def __init__(
        self, partner: str, profiles: "MessageSecurity", seen: Memory, clock: Clock
    ) -> None:
        self._partner, self._profiles = partner, profiles
        self._seen, self._clock = seen, clock

    @property
    def _profile(self) -> Profile:
        return self._profiles.profiles[self._partner]

    @property
    def verifies(self) -> bool:
        """Whether messages from the partner have to be signed."""
        return self._profile.trust is not None

    @property
    def signs(self) -> bool:
        """Whether messages to the partner are signed."""
        return self._profile.signing is not None

    async def signed(self, message: bytes, limits: Limits) -> bytes:
        """The message as it goes out; raises ``Inexpressible`` when it has no canonical form."""
        signing = self._profile.signing
        if signing is None:
            return message
        now, freshness = self._clock(), self._profile.freshness
        quick = len(message) < _SMALL and signing.own.quick
        return await run(0 if quick else IN_THREAD, sign, message, signing, now, freshness, limits)

    async def verified(
        self, message: Envelope, limits: Limits, size: int, structure: Structure | None = None
    ) -> Envelope:
        """What the signature covers of a message that is still whole: other headers are gone.

        ``size``: how many bytes it was; ``structure``: what was read of it before. Raises
        ``Unverified``, StoreUnavailable.
        """
        profile = self._profile
        found = await self._looked_at(_root(message), profile, limits, size, structure)
        if not await self._seen.first_time(profile.partner, found.ids, found.until):
            raise Unverified(*SEEN_BEFORE)
        return Envelope(message.version, found.headers, found.body)

    async def _looked_at(
        self,
        root: Element,
        profile: Profile,
        limits: Limits,
        size: int,
        structure: Structure | None,
    ) -> Verified:
        now = self._clock()
        if size < _SMALL and profile.trust and not profile.trust.authority:
            small = msgspec.structs.replace(limits, bytes=min(limits.bytes, 4 * _SMALL))
            try:
                return verify(root, profile, now, small, structure)
            except Unverified as error:
                if error.code != "too-large":
                    raise
        return await run(IN_THREAD, verify, root, profile, now, limits, structure)


class Sender(NamedTuple):
    """Who a message says it is from, by its key alone. That it is, is still to be found out."""

    party: Any
    structure: Structure
    """What was read of the message."""


class MessageSecurity:
    """The profiles of all partners of a service. Safe to use from several threads."""

    def __init__(self, profiles: Iterable[Profile], seen: Memory, clock: Clock) -> None:
        """Raises ConfigError when two partners share a key."""
        self._seen, self._clock = seen, clock
        self.replace(profiles)

    def replace(self, profiles: Iterable[Profile]) -> None:
        """Take other profiles of the same partners; raises ConfigError, then nothing is changed."""
        known = {each.partner: each for each in profiles}
        trusts = {each.partner: each.trust for each in known.values() if each.trust}
        refuse_shared(trusts, [each.signing.own for each in known.values() if each.signing])
        self._profiles = known
        self._by_key = [each for each in known.values() if each.trust and each.party]
        self._chains = any(each.trust.authority for each in self._by_key if each.trust)

    @property
    def profiles(self) -> dict[str, Profile]:
        """By partner."""
        return self._profiles

    def of(self, party: Any) -> PartnerSecurity | None:
        """The security of a party (something with an ``id``, or the id); None: no profile."""
        partner = getattr(party, "id", party)
        if partner not in self._profiles:
            return None
        return PartnerSecurity(partner, self, self._seen, self._clock)

    async def sender(self, message: Envelope, limits: Limits, size: int) -> Sender | None:
        """The party whose key a message refers to, for those that say who they are by it alone.

        None when the message has a UsernameToken or no signature. That the signature is good is
        for ``PartnerSecurity.verified`` to find. Raises ``Unverified`` when the key is nobody's.
        """
        tokens = _tokens(message)
        if not self._by_key or SIGNATURE not in tokens or USERNAME_TOKEN in tokens:
            return None
        quick = size < _SMALL and not self._chains
        return await run(0 if quick else IN_THREAD, self._sender, message, limits.bytes)

    def _sender(self, message: Envelope, limit: int) -> Sender:
        now = self._clock()
        structure = wss_structure.read(_root(message), limit)
        found = [
            each for each in self._by_key if each.trust and each.trust.knows(structure.key, now)
        ]
        if len(found) != 1:
            raise Unverified("key-unknown", f"the key is that of {len(found)} partners")
        return Sender(found[0].party, structure)


def is_signed(message: Envelope) -> bool:
    """Whether there is a signature where one belongs."""
    return SIGNATURE in _tokens(message)


def _tokens(message: Envelope) -> set[Any]:
    security = [block for block in message.headers if block.tag == SECURITY]
    return {child.tag for block in security for child in block}


def _root(message: Envelope) -> Element:
    root: Element = message.body.getroottree().getroot()
    assert root is not message.body, "it was taken apart before its signature was looked at"
    return root
