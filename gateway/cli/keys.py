"""``roamgate keys``: what is trusted, for whom and until when; hashes, pins and new keys.

Limits: reads the configuration and its files; what is new has to be put into the configuration, or
in the place of the old files, by a person.
Why: a secret comes from standard input or is made here; a command line can be seen by all.
"""

import re
import secrets
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from gateway.cli.operate import print_json, print_table, utc_now
from gateway.errors import ConfigError
from gateway.security import new_key
from gateway.security.certificates import load_pem
from gateway.security.credentials import hash_password, hash_token
from gateway.security.unverified import Unverified
from gateway.server.config import Config, load
from gateway.server.inventory import Row, rows
from gateway.server.tls import key_pin

_COLUMNS = ("party", "use", "what", "until (UTC)", "state", "fingerprint (SHA-256)", "file")
LONG = 22
"""Characters of a random secret of 128 bits in Base64."""


def show(config: Path, *, as_json: bool) -> int:
    """Print everything that is shown, used and trusted."""
    _print(rows(load(config)), utc_now(), timedelta(days=30), as_json=as_json)
    return 0


def check(config: Path, *, days: int, as_json: bool) -> int:
    """Print what is over, ends soon or cannot be read; 1 when there is any."""
    now, within = utc_now(), timedelta(days=days)
    found = [row for row in rows(load(config)) if row.state(now, within) not in ("good", "early")]
    if found or as_json:
        _print(found, now, within, as_json=as_json)
    if not found:
        print(f"nothing ends within {days} days", file=sys.stderr)
    return 1 if found else 0


def _print(found: list[Row], now: datetime, within: timedelta, *, as_json: bool) -> None:
    if as_json:
        print_json([_json(row, now, within) for row in found])
        return
    print_table(
        _COLUMNS,
        [
            (
                row.party,
                row.use,
                row.what,
                f"{row.ends:%Y-%m-%d %H:%M}" if row.ends else "",
                row.state(now, within),
                row.fingerprint or row.pin,
                row.file,
            )
            for row in found
        ],
    )


def _json(row: Row, now: datetime, within: timedelta) -> dict[str, Any]:
    said: dict[str, Any] = msgspec.to_builtins(row)
    return said | {"state": row.state(now, within)}


def hash_secret(*, new: bool, as_json: bool) -> int:
    """Print the stored form of a secret; with ``new`` of a random one, and that too."""
    secret = secrets.token_urlsafe(32) if new else _asked()
    stored = hash_token(secret) if new or is_random(secret) else hash_password(secret)
    if as_json:
        print_json({"secret": secret, "stored": stored} if new else {"stored": stored})
        return 0
    if new:
        print(f"for the party:         {secret}")
        print(f"for the configuration: {stored}")
    else:
        print(stored)
        if stored.startswith("scrypt$"):
            print(
                "roamgate: it may be guessed, so this hash is slow: good for a password, not for a "
                "token; `roamgate keys hash --new` makes a secret that cannot be guessed",
                file=sys.stderr,
            )
    return 0


def is_random(secret: str) -> bool:
    """Whether a secret looks like one that nobody has thought up.

    >>> is_random("7f9c2ba4e88f827d616045507605853e"), is_random("correct horse battery staple 1")
    (True, False)
    """
    plain = re.fullmatch(r"[A-Za-z0-9+/=_-]+", secret)
    return bool(plain) and len(secret) >= LONG and any(map(str.isdigit, secret))


def _asked() -> str:
    if sys.stdin.isatty():
        from getpass import getpass

        secret = getpass("secret: ")
    else:
        secret = sys.stdin.readline().removesuffix("\n").removesuffix("\r")
    if not secret or not secret.isprintable():
        raise ConfigError("the secret is empty or has a control character")
    return secret


def pin(file: Path) -> int:
    """Print the pin of the first certificate of a file, and what it is of."""
    certificate, *_ = load_pem(file)
    print(key_pin(certificate.parsed))
    about = f"{certificate.subject}, until {certificate.ends:%Y-%m-%d}"
    print(f"{about}, SHA-256 {certificate.fingerprint.hex()}", file=sys.stderr)
    return 0


def new(
    config: Path,
    party: str | None,
    *,
    use: Any,
    kind: Any,
    subject: str | None,
    days: int,
    folder: Path | None,
) -> int:
    """Make a key beside those in use and tell what to do with it."""
    if kind not in ("rsa", "p256", "p384"):
        raise ConfigError(f"--kind is one of rsa, p256, p384, not {kind!r}")
    read, now = load(config), utc_now()
    if party is None:
        use = "listener"
    elif use not in ("signing", "client"):
        raise ConfigError(f"--use is one of signing, client, not {use!r}")
    elif party not in {each.id for each in read.parties}:
        raise ConfigError(f"{party!r} is no party of {config}")
    folder = folder or _folder(read, party, use) or config.parent / "keys"
    host = urlsplit(read.gateway.public_url).hostname or "gateway"
    stem = folder / f"{party or 'gateway'}-{use}-{now:%Y%m%d}"
    made = new_key.make(
        stem,
        subject or f"CN={host},O={_escaped(read.gateway.name)}",
        use,
        now,
        kind=kind,
        days=days,
        hosts=[host] if use == "listener" else [],
    )
    print(_NEXT[use].format(party=party, key=made.key, pem=made.certificate, csr=made.request))
    return 0


def use(config: Path, party: str | None, *, use: Any, key: Path, certificate: Path) -> int:
    """Put a new key and certificate in the place of those in use; the gateway reads them again."""
    present = _in_use(load(config), party, "listener" if party is None else use)
    if present is None:
        raise ConfigError("no key is configured for that; name the new files there and restart")
    if {key.resolve(), certificate.resolve()} & {path.resolve() for path in present}:
        raise ConfigError("these are the files in use")
    try:
        new_key.put_in_place(key, certificate, present, utc_now())
    except Unverified as error:
        raise ConfigError(f"{certificate}: {error}") from None
    print(f"In use now: {present[0]}, {present[1]}; the old ones are kept beside them.")
    return 0


def _in_use(config: Config, party: str | None, use: str) -> tuple[Path, Path] | None:
    """Key and certificate in use."""
    own = next((each for each in config.parties if each.id == party), None)
    if use == "listener":
        tls = config.gateway.tls
        return (tls.key, tls.cert) if tls else None
    if own is not None and use == "signing" and own.wss and own.wss.key and own.wss.certificate:
        return own.wss.key, own.wss.certificate
    if own is not None and use == "client" and own.tls and own.tls.key and own.tls.cert:
        return own.tls.key, own.tls.cert
    return None


def _folder(config: Config, party: str | None, use: str) -> Path | None:
    """Where the present key is."""
    present = _in_use(config, party, use)
    return present[0].parent if present else None


def _escaped(name: str) -> str:
    return "".join(f"\\{each}" if each in ',+"\\<>;=#' else each for each in name)


_FILES = """Made: {key} (private, keep it so)
      {pem} (certificate by itself)
      {csr} (request, for an authority)
"""
_NEXT = {
    "signing": _FILES
    + """
1. Send {party} the certificate, or have the request signed and send what comes back. It has to
   trust both, the present one and this one, for a while.
2. When it does: roamgate keys use {party} --key {key} --certificate {pem}
   (no restart is needed). Where [party.wss] names none yet: name them there and restart.
3. Have {party} forget the old one. `roamgate keys` shows what is in use.""",
    "client": _FILES
    + """
1. Send {party} the certificate, or have the request signed, so that it trusts this one too.
2. When it does: roamgate keys use {party} --use client --key {key} --certificate {pem}
   (no restart is needed). Where [party.tls] names none yet: name them there and restart.
3. Have {party} forget the old one. `roamgate keys` shows what is in use.""",
    "listener": _FILES
    + """
1. Have the request signed by the authority that partners trust; put what comes back, with the
   certificates above it, in the place of the certificate. A partner that pins yours has to be sent
   it before.
2. roamgate keys use --key {key} --certificate {pem}
   (no restart is needed). Where there is no [gateway.tls] yet: name them there and restart.""",
}
