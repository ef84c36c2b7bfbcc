"""The signatures of messages with the configured parties.

Source: the ``[party.wss]`` tables of the configuration.
Why: a wrong file is found at start and said with its name.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from gateway.errors import ConfigError
from gateway.routing.parties import Directory
from gateway.routing.together import Together
from gateway.security import keys
from gateway.security.algorithms import Waiver, default_method, method_named
from gateway.security.keys import Trust
from gateway.security.profile import ALWAYS, Profile, Signing
from gateway.security.timestamp import Freshness
from gateway.server.config import Config
from gateway.server.config_options import Party, Wss
from gateway.soap.security import MessageSecurity
from gateway.store import first_time


def message_security(
    config: Config, directory: Directory, together: Together, clock: Callable[[], datetime]
) -> MessageSecurity | None:
    """The profiles of the parties that have one; None when none has. Raises ConfigError."""
    every = (profile(party, directory) for party in config.parties)
    found = [each for each in every if each is not None]
    return MessageSecurity(found, SeenTogether(together), clock) if found else None


class SeenTogether:
    """The memory against replays, asked for many messages in one transaction."""

    def __init__(self, together: Together) -> None:
        self._together = together

    async def first_time(self, partner: str, ids: tuple[str, ...], until: datetime) -> bool:
        """Whether all ids are new for the partner; raises StoreUnavailable."""
        return await self._together.write(
            lambda tx: all(first_time(tx, partner, id, until) for id in ids), locking=True
        )


def profile(party: Party, directory: Directory) -> Profile | None:
    """Of a party, as its files are now; None: it signs nothing. Raises ConfigError."""
    return _profile(party, party.wss, directory) if party.wss else None


def files(wss: Wss) -> tuple[Path | None, ...]:
    """What the signatures with a party are read from."""
    return (wss.key, wss.certificate, *wss.trusted, wss.authority, wss.crl)


def _profile(party: Party, wss: Wss, directory: Directory) -> Profile:
    partner = directory.parties[party.id].partner
    return Profile(
        partner=party.id,
        # without a name of its own it is known by its key alone
        party=None if partner.options.get("username_in") else partner,
        signing=_signing(wss),
        trust=_trust(wss),
        required=ALWAYS | frozenset(wss.required),
        required_for=wss.required_for or {},
        freshness=Freshness(age=wss.max_age, skew=wss.skew),
        waivers=tuple(Waiver(each.algorithm, each.until) for each in wss.waivers),
    )


def _signing(wss: Wss) -> Signing | None:
    if wss.key is None or wss.certificate is None:
        return None
    own = keys.own_key(wss.key, wss.certificate)
    method = wss.algorithm or default_method(own.kind)
    if method_named(method).key != own.kind:
        raise ConfigError(f"{wss.key} is no key for {method}")
    return Signing(
        own=own,
        method=method,
        style=wss.key_reference,
        headers=frozenset(part for part in wss.required if part.startswith("{")),
        inclusive_prefixes=wss.inclusive_prefixes,
    )


def _trust(wss: Wss) -> Trust | None:
    if not wss.trusted and wss.authority is None:
        return None
    authority = None
    if wss.authority:
        authority = keys.authority(wss.authority, wss.subject or "", wss.crl)
    return Trust(keys.pinned(wss.trusted), authority)
