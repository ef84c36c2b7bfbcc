"""The settings of an OCPI partner: one row per option of ``[party.ocpi]``.

Source: OCPI 2.2.1, credentials module; what measured peers need to be told apart.
Limits: ``public_url`` and ``we`` are no options of a party: the gateway puts them in for every
partner. ``we`` is ``[{"role": "HUB", "party": "SE*HUB", "name": "..."}]``.
Why: a partner's oddities are settings, so that no name of a product stands in the code.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from gateway.errors import ConfigError, Problem
from gateway.model.base import PartyId
from gateway.security.credentials import is_stored


@dataclass(frozen=True)
class OwnRole:
    """One of the roles that the gateway has towards a partner (OCPI CredentialsRole)."""

    role: str
    party: PartyId
    name: str


@dataclass(frozen=True)
class Settings:
    """The options of one partner; their meaning stands in ``OPTIONS``."""

    public_url: str = ""
    versions_url: str | None = None
    token_in: str | None = None
    token_in_next: str | None = None
    token_out: str | None = None
    handshake: bool = True
    auth_encoding: str = "base64"
    we: tuple[OwnRole, ...] = ()
    needs: tuple[str, ...] = ()
    callback_origins: tuple[str, ...] = ()
    endpoints: Mapping[str, str] | None = None
    page_limit: int | None = None
    created_as_200: bool = False
    explicit_nulls: bool = False
    trailing_slash: bool = False
    cdr_location_fallback: bool = False


class Option(NamedTuple):
    """One setting: its name, how it is read, and what it means."""

    name: str
    read: Callable[[Any], Any]
    meaning: str


def _token(value: Any) -> str:
    if type(value) is not str or not 1 <= len(value) <= 64:
        raise ValueError("is no text of 1 to 64 characters")
    if not all("!" <= character <= "~" for character in value):
        raise ValueError("has a character that a token cannot have")
    return value


def _token_in(value: Any) -> str:
    """A token, or the stored form of one."""
    return value if type(value) is str and is_stored(value) else _token(value)


def url(value: Any) -> str:
    """An absolute http or https URL without user, fragment or blanks; at most 255 characters."""
    if type(value) is not str or not 1 <= len(value) <= 255 or not value.isascii():
        raise ValueError("is no URL of 1 to 255 ASCII characters")
    if not value.isprintable() or any(character in value for character in ' \\"<>#'):
        raise ValueError("has a character that a URL cannot have")
    parts = urlsplit(value)
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise ValueError("is no absolute http or https URL")
    if parts.username is not None or parts.password is not None:
        raise ValueError("names a user")
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("has no valid port") from None
    return value


def origin(value: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL (RFC 6454)."""
    parts = urlsplit(value)
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), parts.port or (443 if scheme == "https" else 80)


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("is neither true nor false")
    return value


def _encoding(value: Any) -> str:
    if value not in ("raw", "base64", "auto"):
        raise ValueError("is none of raw, base64, auto")
    return str(value)


def _count(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= 10_000:
        raise ValueError("is no number from 1 to 10000")
    return value


def party(value: Any) -> PartyId:
    """``DE*ACM``, ``DE-ACM`` or ``DEACM``, in any case."""
    bare = value.replace("*", "").replace("-", "").upper() if type(value) is str else ""
    if len(bare) != 5 or not bare.isascii() or not bare[:2].isalpha() or not bare[2:].isalnum():
        raise ValueError("is no party such as DE*ACM")
    return PartyId(country=bare[:2], code=bare[2:])


def party_of(country: str, code: str) -> PartyId:
    """A party of its country code and party id; ValueError when it is none."""
    if len(country) != 2 or len(code) != 3:
        raise ValueError("country and party belong together, two and three characters")
    return party(country + code)


_ROLES = frozenset({"CPO", "EMSP", "HUB", "NAP", "NSP", "OTHER", "SCSP"})


def _roles(value: Any) -> tuple[OwnRole, ...]:
    found = []
    for item in value if isinstance(value, list | tuple) else [value]:
        if not isinstance(item, Mapping) or item.keys() - {"role", "party", "name"}:
            raise ValueError("is no list of tables with role, party and name")
        role = str(item.get("role")).upper()
        if role not in _ROLES:
            raise ValueError(f"{item.get('role')!r} is no role of OCPI")
        own = party(item.get("party"))
        found.append(OwnRole(role, own, str(item.get("name") or own)[:100]))
    if len({(own.role, own.party) for own in found}) < len(found):
        raise ValueError("names a role of a party twice")
    return tuple(found)


_MODULES = ("cdrs", "commands", "credentials", "locations", "sessions", "tariffs", "tokens")


def _endpoint(value: Any) -> str:
    module, _, role = str(value).partition("/")
    if module not in _MODULES or role not in ("SENDER", "RECEIVER"):
        raise ValueError(f"{value!r} is no endpoint such as locations/RECEIVER")
    return f"{module}/{role}"


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError("is no list")
    return tuple(_endpoint(item) for item in value)


def _origins(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError("is no list")
    return tuple(url(item) for item in value)


def _endpoints(value: Any) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        raise ValueError("is no table")
    return {_endpoint(name): url(address) for name, address in value.items()}


OPTIONS = (
    Option("public_url", url, "own address, put in by the gateway"),
    Option("versions_url", url, "the partner's versions endpoint"),
    Option(
        "token_in",
        _token_in,
        "the token that the partner presents to register (token A that it got from us)",
    ),
    Option("token_in_next", _token_in, "another that is as good, while it changes over"),
    Option(
        "token_out",
        _token,
        "the token that we present to register (token A that we got from the partner)",
    ),
    Option(
        "handshake",
        _boolean,
        "false: both tokens are for good and nobody registers; endpoints are read all the same",
    ),
    Option("auth_encoding", _encoding, "how we write tokens: base64 (default), raw, auto (tries)"),
    Option("we", _roles, "own roles towards the partner, put in by the gateway"),
    Option("needs", _names, "endpoints without which we do not register: locations/SENDER ..."),
    Option(
        "callback_origins",
        _origins,
        "where the partner's endpoints may be; default: the origin of versions_url, if given",
    ),
    Option("endpoints", _endpoints, "endpoints that the partner does not list, or lists wrongly"),
    Option("page_limit", _count, "largest page that the partner gets and is asked for"),
    Option("created_as_200", _boolean, "answer 200 where 201 is due"),
    Option("explicit_nulls", _boolean, "write absent optional fields as null"),
    Option(
        "trailing_slash",
        _boolean,
        "end the URLs that we call, and those that we list, with a slash",
    ),
    Option(
        "cdr_location_fallback",
        _boolean,
        "send CDRs whose site has no known coordinates with 0/0 in their place",
    ),
)


def settings(options: Mapping[str, Any]) -> Settings:
    """The settings of a partner's options; raises ConfigError with everything that is wrong.

    Options that are none of these (what is pushed and pulled) are somebody else's.
    """
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for option in OPTIONS:
        if options.get(option.name) is None:
            continue
        try:
            values[option.name] = option.read(options[option.name])
        except ValueError as error:
            problems.append(Problem(option.name, str(error)))
    if problems:
        raise ConfigError(sorted(problems))
    return Settings(**values)
