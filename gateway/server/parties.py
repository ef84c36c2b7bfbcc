"""The configured parties and agreements as the exchange and the adapters see them."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import msgspec

from gateway.adapter import Partner
from gateway.model.base import PartyId
from gateway.model.ids import parse_party
from gateway.routing.parties import MODULES, Agreement, Directory, Module, Party, Policy
from gateway.server import config as options
from gateway.server.options.secret import Secret

# What the OCPI modules of the configuration are called in agreements: status travels with sites.
_ALSO: dict[str, tuple[Module, ...]] = {"locations": ("locations", "status")}


def plain(value: Any) -> Any:
    """An option as adapters get it: structs as dictionaries, secrets as text."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    return value


def partner_of(config: options.Config, party: options.Party) -> Partner:
    """What an adapter may know of a party."""
    gateway = config.gateway
    own: options.Ochp | options.Ocpi | None = party.ochp or party.ocpi
    settings: dict[str, Any] = plain(own) if own is not None else {}
    settings |= {
        "public_url": gateway.public_url,
        "we": [
            {"role": "HUB", "party": f"{gateway.country}*{gateway.party}", "name": gateway.name}
        ],
        "time_zone": party.time_zone,
        "currency": party.currency,
    }
    if party.language:
        settings["language"] = party.language
    return Partner(
        party.id,
        party.name,
        frozenset(party.roles),
        tuple(codes_of(party)),
        party.protocol,
        settings,
    )


def codes_of(party: options.Party) -> list[PartyId]:
    """The ids of a party, each once."""
    return list(dict.fromkeys(parse_party(code) for code in party.codes if code[0].isalpha()))


def directory(config: options.Config) -> Directory:
    """Who is who and who may exchange what; raises ConfigError."""
    parties = [Party(partner_of(config, party), _policy(party)) for party in config.parties]
    return Directory(parties, [_agreement(config, row) for row in config.agreements])


def _policy(party: options.Party) -> Policy:
    ocpi, ochp = party.ocpi, party.ochp
    return Policy(
        confirm=ochp.confirm_cdrs if ochp else "after",
        answer_within=party.authorise_within,
        push=_modules(ocpi.push) if ocpi else frozenset(MODULES),
        pull=_modules(ocpi.pull) if ocpi else frozenset(MODULES),
        time_zone=party.time_zone,
    )


def _modules(names: tuple[options.Module, ...] | tuple[Any, ...]) -> frozenset[Module]:
    return frozenset(each for name in names for each in _ALSO.get(name, (name,)))


def _agreement(config: options.Config, row: options.Agreement) -> Agreement:
    cpo, cpo_codes = _side(config, row.cpo)
    emsp, emsp_codes = _side(config, row.emsp)
    return Agreement(
        cpo,
        emsp,
        frozenset(row.modules),
        _midnight(row.begin),
        _midnight(row.end + timedelta(days=1)) if row.end else None,
        cpo_codes,
        emsp_codes,
    )


def _side(config: options.Config, name: str) -> tuple[str, tuple[PartyId, ...]]:
    """The party's id, and its codes when one was named instead."""
    if any(party.id == name for party in config.parties):
        return name, ()
    code = parse_party(name)
    party = next(party for party in config.parties if code in codes_of(party))
    return party.id, (code,)


def _midnight(day: date | None) -> datetime | None:
    return datetime.combine(day, time(), UTC) if day else None
