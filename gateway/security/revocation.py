"""Certificates that their issuer has withdrawn, from its lists in a file.

Source: RFC 5280, chapters 5 (the lists) and 6.3 (their use).
Rules: a certificate on a good list of its issuer is refused. The certificate at the end of a chain
needs a list of its issuer that is current; those above it only when there is one.
Limits: whole lists only (no delta, indirect or partitioned ones); nothing is fetched, neither lists
nor OCSP: who configures a file also keeps it current.
Why: a list that has run out refuses, because whoever can keep the file from being renewed could
otherwise use what was withdrawn.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from gateway.errors import ConfigError
from gateway.security.unverified import Unverified

_REMEMBERED = 256
_PEM = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)


class Revocations:
    """The lists of one file."""

    def __init__(self, lists: Iterable[x509.CertificateRevocationList]) -> None:
        self.lists = tuple(lists)
        self._signed_by: dict[tuple[int, bytes], bool] = {}

    def check(self, chain: Sequence[x509.Certificate], now: datetime) -> None:
        """Refuse a chain, from its end up to the authority, with a certificate that is withdrawn.

        Raises ``Unverified``.
        """
        for place, (certificate, issuer) in enumerate(pairwise(chain)):
            lists = [each for each in self.lists if self._is_of(each, issuer)]
            for each in lists:
                if each.get_revoked_certificate_by_serial_number(certificate.serial_number):
                    raise Unverified("certificate-revoked", "its issuer has withdrawn it")
            current = [each for each in lists if begins(each) <= now <= ends(each)]
            if place == 0 and not current:
                raise Unverified("revocation-list", "no current list of its issuer")

    def _is_of(self, listed: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
        if listed.issuer != issuer.subject:
            return False
        key = self.lists.index(listed), issuer.fingerprint(hashes.SHA256())
        if key not in self._signed_by:
            if len(self._signed_by) >= _REMEMBERED:
                self._signed_by.clear()
            self._signed_by[key] = _is_signed(listed, issuer)
        return self._signed_by[key]


def begins(listed: x509.CertificateRevocationList) -> datetime:
    """From when a list holds."""
    return listed.last_update_utc


def ends(listed: x509.CertificateRevocationList) -> datetime:
    """Until when a list is current."""
    assert listed.next_update_utc is not None
    return listed.next_update_utc


def load(path: Path) -> Revocations:
    """The lists of a PEM or DER file; raises ConfigError."""
    try:
        data = path.read_bytes()
        if b"-----BEGIN" in data:
            found = [x509.load_pem_x509_crl(part) for part in _PEM.findall(data)]
        else:
            found = [x509.load_der_x509_crl(data)]
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        found = []
    if not found:
        raise ConfigError(f"{path} holds no revocation list")
    for each in found:
        _check(each, path)
    return Revocations(found)


def _check(listed: x509.CertificateRevocationList, path: Path) -> None:
    if listed.next_update_utc is None:
        raise ConfigError(f"{path}: a list that does not say until when it holds")
    try:
        partial = any(extension.critical for extension in listed.extensions)
    except ValueError:
        partial = True
    if partial:
        raise ConfigError(f"{path}: a list that is not whole (delta, indirect or partitioned)")


def _is_signed(listed: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    key: Any = issuer.public_key()
    try:
        return listed.is_signature_valid(key)
    except (TypeError, UnsupportedAlgorithm):
        return False
