"""Keys, certificates and messages for the tests of message security."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from lxml import etree

from gateway.security import certificates, key_info, timestamp
from gateway.security.algorithms import DS
from gateway.security.keys import OwnKey, Trust
from gateway.security.parse import Limits, parse
from gateway.security.profile import Profile, Signing
from gateway.security.signature import Verified, sign, verify
from gateway.security.timestamp import Freshness
from gateway.security.wsse import WSSE, WSU

NOW = datetime(2031, 5, 2, 12, 0, tzinfo=UTC)
SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
WSA = "http://www.w3.org/2005/08/addressing"
LIMITS = Limits()
FRESHNESS = Freshness()
KINDS: dict[str, tuple[str, ...]] = {
    "rsa": ("rsa-sha256", "rsa-sha384", "rsa-sha512"),
    "p256": ("ecdsa-sha256",),
    "p384": ("ecdsa-sha384", "ecdsa-sha512"),
}
METHODS = tuple((kind, method) for kind, methods in KINDS.items() for method in methods)
STYLES = ("binary-token", "x509-data", "issuer-serial", "key-identifier", "thumbprint")

_CURVES = {"p256": ec.SECP256R1, "p384": ec.SECP384R1, "p521": ec.SECP521R1}


@cache
def private_key(kind: str, which: str = "") -> Any:
    """A private key, made once per test run; ``which`` gives different ones of a kind."""
    if kind in _CURVES:
        return ec.generate_private_key(_CURVES[kind]())
    bits = 2048 if kind == "rsa" else int(kind.removeprefix("rsa"))
    return rsa.generate_private_key(65537, bits)


def name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Acme Charging"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def make_certificate(
    key: Any,
    common: str = "acme",
    *,
    issuer: tuple[x509.Name, Any] | None = None,
    begins: datetime = NOW - timedelta(days=30),
    ends: datetime = NOW + timedelta(days=365),
    extensions: Iterable[tuple[x509.ExtensionType, bool]] = (),
    serial: int | None = None,
) -> certificates.Certificate:
    """A certificate, issued by itself or by (name, key)."""
    issuer_name, issuer_key = issuer or (name(common), key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(common))
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return certificates.of(builder.sign(issuer_key, hashes.SHA256()))


def usage(**bits: bool) -> tuple[x509.KeyUsage, bool]:
    """A KeyUsage extension with these bits set."""
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{each: bits.get(each, False) for each in names}), True


@cache
def own(kind: str = "rsa", which: str = "acme") -> OwnKey:
    """A key with a certificate by itself."""
    key = private_key(kind, which)
    ski = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return OwnKey(key, make_certificate(key, which, extensions=[(ski, False)]))


def signing(kind: str = "rsa", method: str = "", **options: Any) -> Signing:
    return Signing(own=own(kind), method=method or KINDS[kind][0], **options)


def profile(kind: str = "rsa", **options: Any) -> Profile:
    """A profile that trusts ``own(kind)``."""
    return Profile(partner="acme", trust=Trust([own(kind).certificate]), **options)


def body(text: str = "18.50") -> bytes:
    return (
        f'<p:Pay xmlns:p="urn:example:pay" xmlns:x="urn:x"><p:amount currency="EUR">{text}'
        "</p:amount><p:to>A1</p:to></p:Pay>"
    ).encode()


def message(
    content: bytes | None = None, space: str = SOAP_11, headers: bytes = b"", more: str = ""
) -> bytes:
    """An unsigned envelope."""
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<s:Envelope xmlns:s="{space}" {more}>'
        f"<s:Header>{headers.decode()}</s:Header>"
        f"<s:Body>{(content or body()).decode()}</s:Body></s:Envelope>"
    ).encode()


def signed(
    unsigned: bytes | None = None,
    how: Signing | None = None,
    now: datetime = NOW,
    freshness: Freshness = FRESHNESS,
) -> bytes:
    """A message signed by the gateway."""
    return sign(
        message() if unsigned is None else unsigned, how or signing(), now, freshness, LIMITS
    )


def verified(data: bytes, how: Profile | None = None, now: datetime = NOW) -> Verified:
    """Through the gate and the check."""
    return verify(parse(data, LIMITS), how or profile(), now, LIMITS)


def stamp(id: str) -> str:
    """A Timestamp as the gateway writes it."""
    return timestamp.write(NOW, timedelta(minutes=5), id, f' xmlns:wsu="{WSU}"')


def key_reference(style: Any, key: OwnKey | None = None) -> tuple[str, str]:
    """The content of a KeyInfo, and the token that goes with it (its id: ``token``), if any."""
    reference, token = key_info.write(style, (key or own("rsa")).certificate, "token")
    (inner,) = etree.fromstring(_declared(reference)[0])
    return etree.tostring(inner).decode(), "".join(_declared(token))


def _declared(text: str) -> list[str]:
    """Elements that declare their prefixes themselves."""
    around = etree.fromstring(
        f'<a xmlns:ds="{DS}" xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}">{text}</a>'
    )
    return [etree.tostring(each).decode() for each in around]


def c14n(element: etree._Element | bytes) -> bytes:
    tree = etree.fromstring(element) if isinstance(element, bytes) else element
    return etree.tostring(tree, method="c14n", exclusive=True)


def write_pem(folder: Path, key: OwnKey, stem: str) -> tuple[Path, Path]:
    """Files with the private key and the certificate."""
    key_file, cert_file = folder / f"{stem}.key", folder / f"{stem}.pem"
    key_file.write_bytes(
        key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    cert_file.write_bytes(key.certificate.parsed.public_bytes(Encoding.PEM))
    return key_file, cert_file
