"""The kinds of values that the configuration has.

Source: ISO 3166-1, ISO 639-1, ISO 4217, the IANA time zone database; OCPI 2.2.1, credentials
(which characters a token has).
"""

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from gateway import iso
from gateway.security.credentials import is_slow, is_stored, is_usable
from gateway.security.http_signature import read_key
from gateway.server.options.kinds import (
    Kind,
    Surroundings,
    matching,
    one_of,
    say_type,
    text_kind,
)
from gateway.server.options.secret import Secret, secret_kind, secret_text
from gateway.server.reach import Network, network


def _text(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("is empty or has control characters")
    return text


def _url(text: str) -> str:
    fault = f"{text[:80]!r} is no absolute http or https URL"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(fault) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError(fault)
    if not text.isascii() or not text.isprintable() or set(text) & set(' \\"<>'):
        raise ValueError(f"{text[:80]!r} has a character that a URL cannot have")
    if parts.username is not None or parts.fragment or len(text) > 255:
        raise ValueError("has a user or a fragment, or more than 255 characters")
    return text


def _base_url(text: str) -> str:
    if "?" in _url(text):
        raise ValueError("has a query")
    return text.rstrip("/")


class Listen(NamedTuple):
    """Where a port is opened."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _listen(text: str) -> Listen:
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:]+)\]|([0-9A-Za-z.-]+)):(\d{1,5})", text)
    if not found or int(found[3]) > 65535:
        raise ValueError(f"{text!r} is no address such as 127.0.0.1:8080")
    return Listen(found[1] or found[2], int(found[3]))


def _zones() -> set[str]:
    return available_timezones()


_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_SPAN = re.compile(r"(?=.)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def _duration(text: str) -> timedelta:
    found = _SPAN.fullmatch(text)
    if not found or len(text) > 20:
        raise ValueError(f"{text[:40]!r} is no duration such as 90s, 15m, 1h30m or 1d")
    parts = zip(found.groups(), _UNITS.values(), strict=True)
    seconds = sum(int(count) * unit for count, unit in parts if count)
    if not 1 <= seconds <= 366 * 86400:
        raise ValueError(f"{text!r} is not from 1s to 366d")
    return timedelta(seconds=seconds)


def duration_text(span: timedelta) -> str:
    """The shortest text of a duration in whole seconds.

    >>> duration_text(timedelta(minutes=90)), duration_text(timedelta(seconds=5))
    ('1h30m', '5s')
    """
    seconds, found = int(span.total_seconds()), ""
    for letter, unit in _UNITS.items():
        count, seconds = divmod(seconds, unit)
        found += f"{count}{letter}" if count else ""
    return found or "0s"


def _time(text: str) -> time:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        raise ValueError(f"{text!r} is no time of day such as 03:00")
    return time.fromisoformat(text)


def _date(value: Any, _: Surroundings) -> date:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise ValueError(f"is {say_type(value)}, a date such as 2024-12-31 is meant")
    return value


def _file(value: Any, around: Surroundings) -> Path:
    if type(value) is not str:
        raise ValueError(f"is {say_type(value)}, the name of a file is meant")
    path = around.path(value)
    if not path.is_file():
        raise ValueError(f"{value!r} is no file (looked for {path})")
    return path


def _token_fault(text: str) -> str | None:
    if len(text) > 64 or not all("!" <= character <= "~" for character in text):
        return "is no token: at most 64 printable ASCII characters, no blanks"
    return None


def _hmac_key_fault(text: str) -> str | None:
    try:
        read_key(text)
    except ValueError as error:
        return str(error)
    return None


def _token_in_fault(text: str) -> str | None:
    if is_stored(text):
        return "is a slow hash, which a token does not need" if is_slow(text) else None
    return _token_fault(text)


def _password_fault(text: str) -> str | None:
    return None if text.isprintable() else "has a control character"


def _password_in_fault(text: str) -> str | None:
    if text.startswith(("scrypt$", "sha256$")) and not is_usable(text):
        return "begins like a stored form, but is none that can be used"
    return _password_fault(text)


def _database(value: Any, around: Surroundings) -> Secret:
    text = secret_text(value, around)
    scheme, _, rest = text.partition("://")
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1 and "?" not in rest:
        # SQLAlchemy's form: three slashes and a relative path, four and an absolute one
        return Secret(f"sqlite:///{around.path(rest[1:])}")
    if scheme in ("postgresql", "postgresql+psycopg") and rest:
        return Secret(text)
    raise ValueError("is no address such as sqlite:///var/roamgate.db or postgresql://host/name")


def _code(text: str) -> str:
    code = text.upper() if text.isascii() else ""
    found = re.fullmatch(r"([A-Z]{2})[*-]?[A-Z0-9]{3}", code)
    if not found or found[1] not in iso.ALPHA3:
        raise ValueError(f"{text!r} is no operator or provider id such as DE*ACM or DE-ABC")
    return code


_ENDPOINT = re.compile(r"(cdrs|commands|locations|sessions|tariffs|tokens)/(SENDER|RECEIVER)")


def _endpoint(text: str) -> str:
    if not _ENDPOINT.fullmatch(text):
        raise ValueError(f"{text!r} is no endpoint such as locations/RECEIVER")
    return text


def _endpoints(value: Any, _: Surroundings) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise ValueError(f"is {say_type(value)}, a table is meant")
    for name, url in value.items():
        _endpoint(name)
        if type(url) is not str:
            raise ValueError(f"{name!r} is {say_type(url)}, URL is meant")
        _url(url)
    return MappingProxyType(value)


_PART = re.compile(
    r"UsernameToken|BinarySecurityToken|\{[^{}\s]{1,200}\}[A-Za-z_][A-Za-z0-9_.-]{0,99}"
)


def _part(text: str) -> str:
    if not _PART.fullmatch(text):
        raise ValueError(
            f"{text[:80]!r} is no part such as UsernameToken or {{http://namespace}}Header"
        )
    return text


def _parts_for(value: Any, _: Surroundings) -> Mapping[str, frozenset[str]]:
    if not isinstance(value, dict):
        raise ValueError(f"is {say_type(value)}, a table is meant")
    for name, parts in value.items():
        if not isinstance(parts, list) or not all(type(part) is str for part in parts):
            raise ValueError(f"{name!r} is no array of parts")
    return MappingProxyType({name: frozenset(map(_part, each)) for name, each in value.items()})


def _network(text: str) -> Network:
    try:
        return network(text)
    except ValueError:
        raise ValueError(f"{text[:80]!r} is no network such as 10.1.0.0/16") from None


TEXT = text_kind("text", _text, minLength=1)
NAME = matching("name of small letters, digits, - and _", r"[a-z0-9][a-z0-9_-]{0,63}")
URL = text_kind("URL", _url, format="uri")
BASE_URL = text_kind("URL", _base_url, format="uri")
CODE = text_kind("operator or provider id", _code)
PARTY_CODE = matching("party code of three letters or digits", r"[A-Z0-9]{3}", upper=True)
ENDPOINT = text_kind("endpoint", _endpoint, pattern=f"^{_ENDPOINT.pattern}$")
ENDPOINTS = Kind(
    "table of URLs",
    _endpoints,
    {
        "type": "object",
        "propertyNames": {"pattern": f"^{_ENDPOINT.pattern}$"},
        "additionalProperties": URL.schema,
    },
    dict,
)
PART = text_kind("part of a message", _part)
PARTS_FOR = Kind(
    "table of parts",
    _parts_for,
    {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
    lambda value: {name: sorted(parts) for name, parts in value.items()},
)
PIN = matching("pin such as sha256//...", r"sha256//[A-Za-z0-9+/]{43}=")
ROUTE = matching("path such as /ochp/1.4/live", r"/[A-Za-z0-9._/-]{1,200}")
PREFIX = matching("namespace prefix", r"#default|[A-Za-z_][A-Za-z0-9_.-]{0,63}")
LISTEN = text_kind("host:port", _listen)
NETWORK = text_kind("network", _network)
COUNTRY = text_kind(
    "ISO 3166-1 alpha-2 country", one_of("ISO 3166-1 alpha-2 country", lambda: iso.ALPHA3)
)
LANGUAGE = text_kind("ISO 639-1 language", one_of("ISO 639-1 language", lambda: iso.LANGUAGE3))
CURRENCY = text_kind("ISO 4217 currency", one_of("ISO 4217 currency", lambda: iso.CURRENCIES))
ZONE = text_kind("IANA time zone", one_of("IANA time zone", _zones))
DURATION = text_kind("duration", _duration, duration_text)
TIME = text_kind("time of day", _time, lambda value: f"{value:%H:%M}")
DATE = Kind("date", _date, {"type": "string", "format": "date"}, lambda value: value.isoformat())
FILE = Kind("file", _file, {"type": "string"}, str)
PASSWORD = secret_kind("secret", _password_fault)
PASSWORD_IN = secret_kind("secret", _password_in_fault)
TOKEN = secret_kind("secret", _token_fault)
HMAC_KEY = secret_kind("secret", _hmac_key_fault)
KEY_ID = matching("key id", r"[A-Za-z0-9._:@/-]{1,64}")
TOKEN_IN = secret_kind("secret", _token_in_fault)
DATABASE = Kind("database address", _database, PASSWORD.schema, lambda value: value.reveal())
