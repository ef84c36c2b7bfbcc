"""What has been agreed with a partner: tokens of both directions, version, endpoints.

Source: OCPI 2.2.1, credentials module: registration, update, unregistration.
Kept as the partner's state ``credentials`` (a JSON object). The tokens that the partner presents
are kept as digests in its list ``secrets``; ``Desk.identify`` finds a partner by
``options["token_in"]`` or by one of these digests. The token that we present is kept as it is.

Slots: ``registration`` is token A, good for versions and credentials only, dead once used;
``current`` the newest token, and the one before it until the newest has been seen.
Why: changes are made under ``Desk.alone`` and never while a partner is being called, so that two
handshakes that meet cannot wait for each other.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from adapters.ocpi.auth import digest
from adapters.ocpi.settings import Settings
from gateway.adapter import Desk, Partner
from gateway.security.credentials import fits

KEY = "credentials"
REGISTRATION, CURRENT = "registration", "current"


class Registration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of one connection. ``version`` set: registered."""

    version: str | None = None
    send: str | None = None
    """The token that we present."""
    secrets: tuple[str, ...] = ()
    """Digests of the tokens that the partner may present, newest first."""
    pending: str | None = None
    """Digest of a token that we handed out in a handshake which is not over yet."""
    spent: tuple[str, ...] = ()
    """Digests of registration tokens that have been used."""
    url: str | None = None
    """The partner's versions endpoint."""
    roles: tuple[dict[str, Any], ...] = ()
    endpoints: dict[str, str] = {}
    """``locations/SENDER`` and so on: URL, as the partner lists them."""
    encoding: str | None = None
    """How the partner turned out to read tokens (``auth_encoding = "auto"``)."""

    @property
    def registered(self) -> bool:
        return self.version is not None

    def slot(self, token: str, options: Settings) -> str | None:
        """Which of the partner's tokens this is; None: none that is good now."""
        configured = fits(token, options.token_in) or fits(token, options.token_in_next)
        if not options.handshake:
            return CURRENT if configured else None
        found = digest(token)
        if found in self.secrets:
            return CURRENT
        fresh = not self.registered and found not in self.spent
        return REGISTRATION if configured and fresh else None

    def endpoint(self, module: str, role: str, options: Settings) -> str | None:
        """The URL of a module's interface at the partner, without a slash at its end."""
        name = f"{module}/{role}"
        found = (options.endpoints or {}).get(name) or self.endpoints.get(name)
        return found.rstrip("/") if found else None

    def with_pending(self, token: str) -> "Registration":
        """We start a handshake: its token is good already, and so are the older ones."""
        fresh = digest(token)
        secrets = (fresh, *(old for old in self.secrets if old not in (fresh, self.pending)))
        return msgspec.structs.replace(self, secrets=secrets, pending=fresh)

    def without_pending(self) -> "Registration":
        """A handshake came to nothing: its token is forgotten."""
        kept = tuple(secret for secret in self.secrets if secret != self.pending)
        return msgspec.structs.replace(self, secrets=kept, pending=None)

    def seen(self, token: str) -> "Registration":
        """The partner presented a token: if it is the newest one, the older ones are dropped."""
        if self.pending or len(self.secrets) < 2 or digest(token) != self.secrets[0]:
            return self
        return msgspec.structs.replace(self, secrets=self.secrets[:1])


async def recall(desk: Desk, partner: Partner, *, recent: bool = False) -> Registration:
    """The stored state; an empty one at first. ``recent``: as in ``Desk.recall``."""
    stored = await desk.recall(partner, KEY, recent=recent)
    return msgspec.convert(stored or {}, Registration)


async def change(
    desk: Desk, partner: Partner, step: Callable[[Registration], Registration]
) -> Registration:
    """Apply a step to the state, alone; nothing is written when nothing changed."""
    async with desk.alone(partner, KEY):
        before = await recall(desk, partner)
        after = step(before)
        if after != before:
            await desk.remember(partner, KEY, msgspec.to_builtins(after))
        return after
