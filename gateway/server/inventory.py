"""What is shown, signed with and trusted, for whom and until when: one row each.

Source: the configuration and the files that it names, read when asked.
Limits: what partners registered by themselves (OCPI tokens of a handshake) stands in the store.
Why: the command, its check and the daily warning read the same rows, so nothing that can end is
left out of one of them. A secret is told by how it is kept, never by itself.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Literal

import structlog
from msgspec import Struct

from gateway.errors import ConfigError
from gateway.security import revocation
from gateway.security.certificates import Certificate, load_pem
from gateway.security.credentials import is_slow, is_stored
from gateway.security.keys import WARN
from gateway.server.config import Config, Party, Secret
from gateway.server.tls import key_pin

log = structlog.get_logger(__name__)

State = Literal["good", "soon", "over", "early", "broken"]
EVERYBODY = "everybody"


class Row(Struct, frozen=True, kw_only=True):
    """One thing that is shown, used or trusted."""

    party: str
    use: str
    what: str
    """A subject, an algorithm, how a secret is kept; or what is wrong with the file."""
    fingerprint: str | None = None
    """SHA-256 of the certificate, hexadecimal."""
    pin: str | None = None
    """Of its public key, as ``pinned_keys`` takes it."""
    begins: datetime | None = None
    ends: datetime | None = None
    file: str | None = None
    broken: bool = False
    renewed: bool = False
    """It is replaced again and again, so that its end is no news."""

    def state(self, now: datetime, within: timedelta = WARN) -> State:
        """How it stands; ``soon``: it ends within this time."""
        if self.broken:
            return "broken"
        if self.begins and now < self.begins:
            return "early"
        if self.ends and self.ends <= now:
            return "over"
        if self.renewed or self.ends is None:
            return "good"
        return "soon" if self.ends <= now + within else "good"


def rows(config: Config) -> list[Row]:
    """Everything that the configuration shows, uses and trusts."""
    return [*_of_gateway(config), *(row for party in config.parties for row in _of(party))]


def _of_gateway(config: Config) -> Iterator[Row]:
    if tls := config.gateway.tls:
        yield from _read(EVERYBODY, "own, TLS listener", [tls.cert])
        yield from _read(EVERYBODY, "issuer of client certificates", [tls.client_ca])


def _of(party: Party) -> Iterator[Row]:
    if tls := party.tls:
        yield from _read(party.id, "own, TLS client", [tls.cert])
        yield from _read(party.id, "its TLS server", tls.pinned, first=True)
        for pin in tls.pinned_keys:
            yield Row(party=party.id, use="its TLS server, by key", what="a pin", pin=pin)
        yield from _read(party.id, "issuer of its TLS server", [tls.ca])
        yield from _withdrawn(party.id, "withdrawn by issuer of its TLS server", tls.crl)
    if shown := party.tls_in:
        yield from _read(party.id, "its TLS client", shown.trusted, first=True)
        yield from _read(party.id, "issuer of its TLS client", [shown.authority])
        yield from _withdrawn(party.id, "withdrawn by issuer of its TLS client", shown.crl)
    if wss := party.wss:
        yield from _read(party.id, "own, signatures", [wss.certificate], first=True)
        yield from _read(party.id, "its signatures", wss.trusted, first=True)
        yield from _read(party.id, "issuer of its signatures", [wss.authority])
        yield from _withdrawn(party.id, "withdrawn by issuer of its signatures", wss.crl)
        for each in wss.waivers:
            yield Row(
                party=party.id, use="waiver", what=each.algorithm, ends=_midnight_after(each.until)
            )
    for name, secret in _secrets(party):
        yield Row(party=party.id, use=name, what=_how_kept(secret))


def _read(
    party: str, use: str, paths: Iterable[Path | None], *, first: bool = False
) -> Iterator[Row]:
    """The certificates of files; ``first``: the others of a file are only there to build chains."""
    for path in paths:
        if path is None:
            continue
        try:
            found = load_pem(path)
        except ConfigError as error:
            yield Row(party=party, use=use, what=str(error), file=str(path), broken=True)
        else:
            for each in found[:1] if first else found:
                yield _row(party, use, each, path)


def _withdrawn(party: str, use: str, path: Path | None) -> Iterator[Row]:
    """The revocation lists of a file."""
    if path is None:
        return
    try:
        lists = revocation.load(path).lists
    except ConfigError as error:
        yield Row(party=party, use=use, what=str(error), file=str(path), broken=True)
        return
    for each in lists:
        yield Row(
            party=party,
            use=use,
            what=f"{len(each)} certificates of {each.issuer.rfc4514_string()}",
            begins=revocation.begins(each),
            ends=revocation.ends(each),
            file=str(path),
            renewed=True,
        )


def _row(party: str, use: str, certificate: Certificate, path: Path) -> Row:
    return Row(
        party=party,
        use=use,
        what=certificate.subject,
        fingerprint=certificate.fingerprint.hex(),
        pin=key_pin(certificate.parsed),
        begins=certificate.begins,
        ends=certificate.ends,
        file=str(path),
    )


def _secrets(party: Party) -> Iterator[tuple[str, Secret]]:
    for table, names in (
        (party.ochp, ("password_in", "password_in_next")),
        (party.ocpi, ("token_in", "token_in_next")),
        (party.http_signature, ("secret_in", "secret_in_next", "secret_out")),
    ):
        for name in names:
            if secret := getattr(table, name, None):
                yield name, secret


def _how_kept(secret: Secret) -> str:
    text = secret.reveal()
    if not is_stored(text):
        return "kept in clear"
    return "kept as scrypt" if is_slow(text) else "kept as sha256"


def _midnight_after(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), UTC)


def warn(config: Config, now: datetime) -> None:
    """A line for each that is over, soon will be, or cannot be read."""
    for row in rows(config):
        state = row.state(now)
        if state in ("good", "early"):
            continue
        word = "a waiver" if row.use == "waiver" else "a certificate"
        if row.renewed:
            word = "a revocation list"
        said = {"soon": "ends soon", "over": "is over", "broken": "cannot be read"}[state]
        log.warning(
            f"{word} {said}",
            party=row.party,
            use=row.use,
            subject=row.what,
            fingerprint=row.fingerprint,
            ends=row.ends.isoformat() if row.ends else None,
        )
