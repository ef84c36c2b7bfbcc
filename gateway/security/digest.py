"""Whether a PasswordDigest is right, fresh and new.

Source: WSS UsernameToken Profile 1.0, 3.1 (digest, nonce, created) and chapter 4 (replay: nonces
are kept as long as Created is accepted).
Limits: the digest needs the password in clear on this side; only parties that are configured for it
have their password here, others are known by a hash.
Why: the nonce is asked for after the digest was found right, so that nobody else can fill the
memory or use up a nonce. An unknown name costs as much as a wrong digest.
"""

import hmac
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from gateway.security import timestamp
from gateway.security.replay import Seen, refuse_replay
from gateway.security.timestamp import Freshness, Timestamp
from gateway.security.unverified import Unverified
from gateway.security.wsse import UsernameToken, digest


class Password(Struct, frozen=True):
    """A password in clear, whom it identifies, and how far that partner's clock may be off; and the
    next password, while both sides change over."""

    secret: str
    party: Any
    freshness: Freshness = Freshness()
    next: str | None = None

    def __repr__(self) -> str:
        return f"Password(party={self.party!r})"


_NOBODY = Password("", None)


class Digests:
    """The parties that present digests. Safe to use from several threads; blocks."""

    def __init__(
        self, passwords: Mapping[str, Password], seen: Seen, clock: Callable[[], datetime]
    ) -> None:
        self._passwords, self._seen, self._clock = passwords, seen, clock

    def check(self, token: UsernameToken, use_up: bool = True) -> Any:
        """The party whose token this is; raises ``Unverified``, StoreUnavailable.

        Not to ``use_up`` it: it is looked at for the first time and will be checked again.
        """
        known = self._passwords.get(token.username, _NOBODY)
        created = Timestamp(timestamp.instant(token.created), None)
        given = _value(token.password)
        right = [
            hmac.compare_digest(digest(token.nonce, token.created, secret), given)
            for secret in (known.secret, known.next)
            if secret is not None
        ]
        if True not in right or known.party is None:
            raise Unverified("credentials", "a wrong digest, or an unknown name")
        timestamp.check(created, known.freshness, self._clock())
        if not use_up:
            return known.party
        until = timestamp.forget_after(created, known.freshness)
        id = f"nonce:{token.nonce.hex()} {token.created}"
        refuse_replay(self._seen, str(getattr(known.party, "id", known.party)), (id,), until)
        return known.party


def _value(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (Base64Error, ValueError):
        return b""
