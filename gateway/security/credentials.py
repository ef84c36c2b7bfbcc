"""Secrets at rest and the check of a presented one.

Source: RFC 7914 (scrypt); RFC 7617 (HTTP Basic).
Limits: a plain hash is for long random secrets only; passwords that people choose need scrypt.
Why: scrypt costs about 50 ms, so a pair that was right once is remembered under a key that only
this process knows; the secret itself is never kept.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from gateway.errors import ConfigError
from gateway.security.unverified import Unverified

_N, _R, _P = 2**14, 8, 1
_REMEMBERED = 10_000
MEMORY = 64 * 1024 * 1024
"""Bytes that one check may take; a stored form that needs more is a fault of the configuration."""


_STORED = re.compile(
    r"scrypt\$\d{1,8}\$\d{1,3}\$\d{1,3}\$[0-9a-f]{16,128}\$[0-9a-f]{64,128}"
    r"|sha256\$[0-9a-f]{16,128}\$[0-9a-f]{64}"
)


def is_stored(text: str) -> bool:
    """Whether it is the stored form of a secret and not the secret itself."""
    return _STORED.fullmatch(text) is not None


def is_usable(stored: str) -> bool:
    """Whether it is a stored form that a check can use within ``MEMORY``."""
    if not is_stored(stored):
        return False
    if not is_slow(stored):
        return True
    n, r, p = map(int, stored.split("$")[1:4])
    return n > 1 and n & (n - 1) == 0 and r > 0 and p > 0 and 128 * r * (n + p + 2) <= MEMORY


def is_slow(stored: str) -> bool:
    """Whether a check of it costs milliseconds."""
    return stored.startswith("scrypt$")


def fits(secret: str, kept: str | None) -> bool:
    """Whether a presented secret is the one that is kept, in clear or in its stored form."""
    if kept is None:
        return False
    if is_stored(kept):
        return matches(secret, kept)
    return hmac.compare_digest(secret.encode(), kept.encode())


def hash_password(password: str) -> str:
    """What to store for a password: ``scrypt$n$r$p$salt$hash`` (hex)."""
    salt = secrets.token_bytes(16)
    key = hashlib.scrypt(password.encode(), salt=salt, n=_N, r=_R, p=_P)
    return f"scrypt${_N}${_R}${_P}${salt.hex()}${key.hex()}"


def hash_token(token: str) -> str:
    """What to store for a random token of 128 bits or more: ``sha256$salt$hash`` (hex)."""
    salt = secrets.token_bytes(16)
    return f"sha256${salt.hex()}${hmac.digest(salt, token.encode(), 'sha256').hex()}"


def matches(secret: str, stored: str) -> bool:
    """Whether ``secret`` is the one behind ``stored``; takes the same time either way.

    Raises ``ConfigError`` when ``stored`` is none of the two forms.
    """
    given = secret.encode()
    try:
        match stored.split("$"):
            case ["scrypt", n, r, p, salt, key]:
                found = hashlib.scrypt(
                    given,
                    salt=bytes.fromhex(salt),
                    n=int(n),
                    r=int(r),
                    p=int(p),
                    maxmem=MEMORY,
                )
            case ["sha256", salt, key]:
                found = hmac.digest(bytes.fromhex(salt), given, "sha256")
            case _:
                raise ValueError
        return hmac.compare_digest(found, bytes.fromhex(key))
    except ValueError:
        raise ConfigError("a stored secret is neither scrypt$... nor sha256$...") from None


class Account(Struct, frozen=True):
    """Stored secrets (see ``hash_password``, ``hash_token``), each of which is good, and what they
    identify: the present one, and the next while both sides change over."""

    secrets: tuple[str, ...]
    party: Any

    def __repr__(self) -> str:
        return f"Account(party={self.party!r})"


class Credentials:
    """The accounts of one listener. Safe to use from several threads."""

    def __init__(self, accounts: Mapping[str, Account]) -> None:
        self._accounts = accounts
        every = [secret for account in accounts.values() for secret in account.secrets]
        self.slow = any(map(is_slow, every))
        """Whether a check may cost milliseconds."""
        # an unknown name costs as much as a wrong secret
        make = hash_password if self.slow else hash_token
        self._nobody = (make(secrets.token_urlsafe()),)
        self._process_key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, str] = OrderedDict()

    def known(self, username: str, password: str) -> Any | None:
        """The party if this very pair was right before; costs microseconds."""
        account = self._accounts.get(username)
        if account and self._right.get(self._key(username, password)) in account.secrets:
            return account.party
        return None

    def check(self, username: str, password: str) -> Any | None:
        """The party behind the pair, or None. Where it is ``slow``, 50 ms a secret the first time:
        use a thread."""
        party = self.known(username, password)
        if party is not None:
            return party
        account = self._accounts.get(username)
        kept = account.secrets if account else self._nobody
        right = [stored for stored in kept if matches(password, stored)]
        if not right or account is None:
            return None
        self._right[self._key(username, password)] = right[0]
        if len(self._right) > _REMEMBERED:
            self._right.popitem(last=False)
        return account.party

    def _key(self, username: str, password: str) -> bytes:
        pair = f"{len(username)}:{username}{password}".encode()
        return hashlib.blake2b(pair, key=self._process_key, digest_size=32).digest()


def write_basic(username: str, password: str) -> str:
    """The Authorization header of HTTP Basic."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def read_basic(header: str | None) -> tuple[str, str]:
    """Username and password from an Authorization header; raises ``Unverified``."""
    scheme, _, value = (header or "").partition(" ")
    if scheme.lower() != "basic":
        raise Unverified("basic", "HTTP Basic credentials are missing")
    try:
        pair = base64.b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise Unverified("basic", "the HTTP Basic credentials cannot be read") from None
    username, colon, password = pair.partition(":")
    if not colon or not username:
        raise Unverified("basic", "the HTTP Basic credentials cannot be read")
    return username, password
