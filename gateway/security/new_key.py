"""A new private key with a certificate by itself and a request for one by an authority.

Source: RFC 2986 (requests), RFC 5280 (certificates).
Limits: RSA of 3,072 bits, ECDSA on P-256 or P-384; no passphrase, the file is the owner's alone.
Why: nothing that exists is written over, so the present key stays in use until a person decides.
"""

import os
import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.errors import ConfigError
from gateway.security import keys

NewKind = Literal["rsa", "p256", "p384"]
Use = Literal["signing", "client", "listener"]
_PURPOSE = {"client": ExtendedKeyUsageOID.CLIENT_AUTH, "listener": ExtendedKeyUsageOID.SERVER_AUTH}


class NewKey(NamedTuple):
    """The files that were made."""

    key: Path
    certificate: Path
    request: Path


def make(
    stem: Path,
    subject: str,
    use: Use,
    now: datetime,
    *,
    kind: NewKind = "rsa",
    days: int = 730,
    hosts: Sequence[str] = (),
) -> NewKey:
    """Write ``stem``.key, .pem and .csr; raises ConfigError, then none of them is new."""
    made = NewKey(*(stem.with_name(f"{stem.name}{end}") for end in (".key", ".pem", ".csr")))
    try:
        name = x509.Name.from_rfc4514_string(subject)
    except ValueError:
        raise ConfigError(f"{subject!r} is no subject such as CN=gateway,O=Example") from None
    for path in made:
        if path.exists():
            raise ConfigError(f"{path} exists already")
    private = _private(kind)
    extensions = _extensions(use, hosts)
    request = x509.CertificateSigningRequestBuilder().subject_name(name)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), False)
    )
    for extension, critical in extensions:
        request = request.add_extension(extension, critical)
        certificate = certificate.add_extension(extension, critical)
    pem = Encoding.PEM
    try:
        made.key.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(made.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as own:
            own.write(private.private_bytes(pem, PrivateFormat.PKCS8, NoEncryption()))
        made.certificate.write_bytes(certificate.sign(private, hashes.SHA256()).public_bytes(pem))
        made.request.write_bytes(request.sign(private, hashes.SHA256()).public_bytes(pem))
    except OSError as error:
        raise ConfigError(f"{error.filename} cannot be written: {error.strerror}") from None
    return made


def put_in_place(key: Path, certificate: Path, present: tuple[Path, Path], now: datetime) -> None:
    """Put a key and its certificate in the place of those in use, which are kept beside them.

    Raises ConfigError, then nothing has changed. Who reads the files while one of the two is new
    finds a key of another certificate, and keeps what it has.
    """
    keys.own_key(key, certificate).certificate.check(now)
    mark = f".until-{now:%Y%m%dT%H%M%S}"
    fresh = [path.with_name(f"{path.name}.new") for path in present]
    try:
        for old in present:
            shutil.copy2(old, old.with_name(f"{old.name}{mark}"))
        for source, target, old in zip((key, certificate), fresh, present, strict=True):
            shutil.copyfile(source, target)
            shutil.copymode(old, target)
        for target, old in zip(fresh, present, strict=True):
            target.replace(old)
    except OSError as error:
        raise ConfigError(f"{error.filename} cannot be written: {error.strerror}") from None


def _private(kind: NewKind) -> Any:
    if kind == "rsa":
        return rsa.generate_private_key(65537, 3072)
    return ec.generate_private_key(ec.SECP256R1() if kind == "p256" else ec.SECP384R1())


def _extensions(use: Use, hosts: Sequence[str]) -> list[tuple[x509.ExtensionType, bool]]:
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    found: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (usage, True),
    ]
    if use in _PURPOSE:
        found.append((x509.ExtendedKeyUsage([_PURPOSE[use]]), False))
    if hosts:
        names = [x509.DNSName(host) for host in hosts]
        found.append((x509.SubjectAlternativeName(names), False))
    return found
