"""Own keys and the keys of partners: what is trusted, until when, and for whom.

Source: RFC 5280, chapter 6 (validation of a path); WSS X.509 Certificate Token Profile 1.1.
Limits: trust is a pinned certificate, or a chain to an authority together with a rule for the
subject, and lists of what it has withdrawn (``revocation``); at most two pinned at a time, so that
a new key can be announced before the old one is gone. OCSP is not asked; what is pinned is
withdrawn by taking it out of the configuration.
Why: each partner has a ``Trust`` of its own and a message is only ever checked against that of the
partner who is said to have sent it, so keys of partners cannot mix.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509 import verification
from msgspec import Struct

from gateway.errors import ConfigError
from gateway.security import revocation
from gateway.security.algorithms import Kind
from gateway.security.certificates import Certificate, Name, load_pem
from gateway.security.key_info import KeyReference
from gateway.security.revocation import Revocations
from gateway.security.unverified import Unverified

PINNED = 2
"""Pinned certificates of one partner: the present one and the next."""
WARN = timedelta(days=30)
CHAIN = 4
_REMEMBERED = 256
_QUICK = 3072
"""Bits of an RSA key: half a millisecond; 8,192 bits need ten."""


class OwnKey(Struct, frozen=True):
    """A key that the gateway signs with, and its certificate. Its ``repr`` has no secret."""

    private: Any
    certificate: Certificate

    @property
    def kind(self) -> Kind:
        kind = self.certificate.kind
        assert kind is not None  # ``own_key`` looked
        return kind

    @property
    def quick(self) -> bool:
        """Whether a signature with it takes no more than a millisecond or so."""
        return self.kind == "ec" or self.private.key_size <= _QUICK

    def __repr__(self) -> str:
        return f"OwnKey({self.certificate!r})"


def own_key(key: Path, certificate: Path) -> OwnKey:
    """From PEM files; the certificate of the key stands first in its file. Raises ConfigError."""
    own, *_ = load_pem(certificate)
    try:
        private: Any = load_pem_private_key(key.read_bytes(), password=None)
    except OSError as error:
        raise ConfigError(f"{key} cannot be read: {error.strerror}") from None
    except TypeError:
        raise ConfigError(f"{key} is protected by a passphrase") from None
    except ValueError:
        raise ConfigError(f"{key} holds no PEM private key") from None
    if private.public_key() != own.key:
        raise ConfigError(f"{key} is not the key of {certificate}")
    _usable(own, certificate)
    return OwnKey(private, own)


class _Built(NamedTuple):
    """A chain that was found good, and when it is."""

    chain: Sequence[x509.Certificate]
    begins: datetime
    ends: datetime


class Authority:
    """Who may issue a partner's certificates, and what their subject has to be."""

    def __init__(
        self,
        certificates: Iterable[Certificate],
        subject: Name,
        revocations: Revocations | None = None,
    ) -> None:
        """``subject``: all of its attributes have to be in the certificate's subject."""
        self.certificates = tuple(certificates)
        self._revocations = revocations
        self._store = verification.Store([each.parsed for each in self.certificates])
        self._subject = frozenset(pair for part in subject.parts for pair in part)
        self._good: dict[bytes, _Built] = {}

    def check(self, leaf: Certificate, others: Iterable[Certificate], now: datetime) -> None:
        """Refuse a certificate without a chain to the authority, or with another subject."""
        try:
            subject = {pair for part in Name.of(leaf.parsed.subject).parts for pair in part}
        except ValueError:
            raise Unverified("certificate-chain", "a subject that cannot be read") from None
        if not self._subject <= subject:
            raise Unverified("certificate-chain", "another subject than agreed")
        built = self._good.get(leaf.fingerprint) or self._built(leaf, others, now)
        if not built.begins <= now <= built.ends:
            raise Unverified("certificate-chain", "the chain is not valid now")
        if self._revocations is not None:
            self._revocations.check(built.chain, now)

    def _built(self, leaf: Certificate, others: Iterable[Certificate], now: datetime) -> _Built:
        policy = verification.ExtensionPolicy
        verifier = (
            verification.PolicyBuilder()
            .store(self._store)
            .time(now)
            .max_chain_depth(CHAIN)
            .extension_policies(
                ee_policy=policy.permit_all(),  # its use is checked in Certificate.check
                ca_policy=policy.webpki_defaults_ca(),
            )
            .build_client_verifier()
        )
        try:
            chain = verifier.verify(leaf.parsed, [each.parsed for each in others]).chain
        except (verification.VerificationError, ValueError, x509.UnsupportedGeneralNameType):
            raise Unverified("certificate-chain", "no chain to the authority") from None
        found = _Built(
            chain,
            max(each.not_valid_before_utc for each in chain),
            min(each.not_valid_after_utc for each in chain),
        )
        if len(self._good) >= _REMEMBERED:
            self._good.clear()
        self._good[leaf.fingerprint] = found
        return found


class Trust:
    """The keys of one partner."""

    def __init__(
        self, pinned: Iterable[Certificate] = (), authority: Authority | None = None
    ) -> None:
        self.pinned = tuple(pinned)
        self.authority = authority

    @property
    def issuers(self) -> tuple[Certificate, ...]:
        """The certificates of the authority."""
        return self.authority.certificates if self.authority else ()

    def certificate(self, reference: KeyReference, now: datetime) -> Certificate:
        """The certificate that a message refers to, if it is the partner's and good now.

        Raises ``Unverified``.
        """
        fitting = [each for each in self.pinned if reference.fits(each)]
        if len(fitting) > 1:  # a key that got a new certificate
            fitting = [each for each in fitting if each.begins <= now <= each.ends] or fitting[:1]
            if len({_spki(each) for each in fitting}) > 1:
                raise Unverified("key-ambiguous", "the reference fits two keys")
        if fitting:
            fitting[0].check(now)
            return fitting[0]
        if self.authority is None or reference.certificate is None:
            raise Unverified("key-unknown", "no key of this partner")
        reference.certificate.check(now)
        self.authority.check(reference.certificate, reference.others, now)
        return reference.certificate

    def knows(self, reference: KeyReference, now: datetime) -> bool:
        """Whether the reference is to a good key of the partner."""
        try:
            self.certificate(reference, now)
        except Unverified:
            return False
        return True


def pinned(paths: Iterable[Path]) -> tuple[Certificate, ...]:
    """The certificates of a partner, the first of each PEM file; raises ConfigError."""
    found = []
    for path in paths:
        certificate, *_ = load_pem(path)
        _usable(certificate, path)
        found.append(certificate)
    if len(found) > PINNED:
        raise ConfigError(f"{len(found)} trusted certificates; there may be {PINNED} at a time")
    return tuple(found)


def authority(path: Path, subject: str, crl: Path | None = None) -> Authority:
    """Trust in those whose certificates are in a PEM file; ``crl``: what they have withdrawn.

    Raises ConfigError.
    """
    try:
        name = Name.parse(subject)
    except ValueError:
        raise ConfigError(f"{subject!r} is no subject such as CN=Acme,O=Acme Charging") from None
    if not any(name.parts):
        raise ConfigError("the subject is empty: anybody with a certificate would be trusted")
    return Authority(load_pem(path), name, revocation.load(crl) if crl else None)


def refuse_shared(trusts: Mapping[str, Trust], own: Iterable[OwnKey] = ()) -> None:
    """Raise ConfigError when a key belongs to two partners, or to the gateway and a partner."""
    owner = {_spki(each.certificate): "the gateway" for each in own}
    for partner, trust in trusts.items():
        for certificate in trust.pinned:
            other = owner.setdefault(_spki(certificate), partner)
            if other != partner:
                raise ConfigError(f"the key of {partner} is also that of {other}")


def _usable(certificate: Certificate, path: Path) -> None:
    try:
        certificate.check(max(certificate.begins, certificate.ends))
    except Unverified as error:
        raise ConfigError(f"{path}: {error}") from None


def _spki(certificate: Certificate) -> bytes:
    found: bytes = certificate.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return found
