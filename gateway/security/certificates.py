"""A certificate with what it is looked up by, computed once, and names that are compared loosely.

Source: RFC 5280, 4.2.1.2 (subject key identifier), 7.1 (comparison of names); RFC 4514.
Limits: RSA of 2,048 to 8,192 bits, ECDSA on P-256 and P-384.
Why: parsing costs more than verifying; and the tool-kits write the same name in several ways.
"""

import re
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from msgspec import Struct

from gateway.errors import ConfigError
from gateway.security.algorithms import CURVES, RSA_BITS, Kind
from gateway.security.unverified import Unverified

_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What the parser raises for certificates that are none, by part."""


class Certificate(Struct, frozen=True, eq=False):
    """A parsed certificate."""

    parsed: Any
    """``cryptography.x509.Certificate``."""
    der: bytes
    fingerprint: bytes
    """SHA-256: what trust goes by."""
    thumbprint: bytes
    """SHA-1: only a way to refer to it."""
    ski: bytes
    serial: int
    begins: datetime
    ends: datetime
    key: Any
    """The public key: OpenSSL needs ten times as long for its first use as for any other."""
    kind: Kind | None
    """Of its key; None when that is too weak or not supported."""
    weakness: str
    """Why its key is not good enough; empty: it is."""
    misuse: str
    """Why its key may not be used for signatures; empty: it may."""

    @property
    def subject(self) -> str:
        """The subject as people read it; never fails."""
        try:
            text: str = self.parsed.subject.rfc4514_string()
        except ValueError:
            return "(unreadable)"
        return text

    def __repr__(self) -> str:
        return f"Certificate({self.subject!r}, {self.fingerprint.hex()[:16]})"

    def check(self, now: datetime) -> None:
        """Refuse it when it is not valid now, or not made for signatures."""
        if self.weakness:
            raise Unverified("certificate-weak", self.weakness)
        if now < self.begins:
            raise Unverified("certificate-early", f"valid from {self.begins.isoformat()}")
        if now > self.ends:
            raise Unverified("certificate-expired", f"valid until {self.ends.isoformat()}")
        if self.misuse:
            raise Unverified("certificate-usage", self.misuse)


def kind_of(key: Any) -> tuple[Kind | None, str]:
    """The kind of a public or private key; or None, and why it is not good enough."""
    if isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey):
        return ("rsa", "") if key.key_size in RSA_BITS else (None, f"RSA of {key.key_size} bits")
    if isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey):
        name = key.curve.name
        return ("ec", "") if name in CURVES else (None, f"the curve {name}")
    return None, "neither RSA nor ECDSA"


def _misuse(certificate: x509.Certificate) -> str:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return ""  # RFC 5280: without the extension the use is not limited
    except _UNREADABLE:
        return "extensions that cannot be read"
    allowed = usage.digital_signature or usage.content_commitment
    return "" if allowed else "its key is not for signatures"


def of(certificate: x509.Certificate) -> Certificate:
    """The certificate with all that it is looked up by; raises ValueError."""
    try:
        key = certificate.public_key()
        ski = _ski(certificate)
    except _UNREADABLE as error:
        raise ValueError(str(error)) from None
    return Certificate(
        certificate,
        certificate.public_bytes(Encoding.DER),
        certificate.fingerprint(hashes.SHA256()),
        certificate.fingerprint(hashes.SHA1()),  # noqa: S303 - a name, not a proof
        ski,
        certificate.serial_number,
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        key,
        *kind_of(key),
        _misuse(certificate),
    )


def _ski(certificate: x509.Certificate) -> bytes:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
    return extension.value.digest


def load_der(data: bytes) -> Certificate:
    """A certificate from DER; raises ValueError."""
    try:
        return of(x509.load_der_x509_certificate(data))
    except x509.InvalidVersion as error:
        raise ValueError(str(error)) from None


def load_pem(path: Path) -> tuple[Certificate, ...]:
    """All certificates of a PEM file; raises ConfigError."""
    try:
        return tuple(map(of, x509.load_pem_x509_certificates(path.read_bytes())))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise ConfigError(f"{path} holds no PEM certificate") from None


# ---------------------------------------------------------------- names

_ALIASES = {
    "E": NameOID.EMAIL_ADDRESS,
    "EMAIL": NameOID.EMAIL_ADDRESS,
    "EMAILADDRESS": NameOID.EMAIL_ADDRESS,
    "S": NameOID.STATE_OR_PROVINCE_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "SERIALNUMBER": NameOID.SERIAL_NUMBER,
    "T": NameOID.TITLE,
    "TITLE": NameOID.TITLE,
    "G": NameOID.GIVEN_NAME,
    "GN": NameOID.GIVEN_NAME,
    "SN": NameOID.SURNAME,
    "SURNAME": NameOID.SURNAME,
    "STREET": NameOID.STREET_ADDRESS,
    "OID.2.5.4.97": NameOID.ORGANIZATION_IDENTIFIER,
}
"""What Java, .NET and OpenSSL write beside the short names of RFC 4514."""
_BLANK = re.compile(r"(?<!\\)([,;+])\s+(?=[A-Za-z0-9.]+\s*=)")
_OID = re.compile(r"(?:(?<=^)|(?<=[,+]))oid\.", re.IGNORECASE)
_SHORT = re.compile(r"(^|[,+])[A-Za-z]+=")
_HEX_STRING = re.compile(r"(1\.2\.840\.113549\.1\.9\.1)=#16([0-9a-fA-F]{2})((?:[0-9a-fA-F]{2})+)")


class Name(Struct, frozen=True):
    """A distinguished name that somebody wrote down."""

    parts: tuple[frozenset[tuple[str, str]], ...]

    @classmethod
    def parse(cls, text: str) -> "Name":
        """From RFC 4514, or one of its dialects; raises ValueError.

        >>> Name.parse("CN=Acme, O=Acme  Charging") == Name.parse("cn=acme,o=acme charging")
        True
        """
        text = _BLANK.sub(r"\1", text)
        text = _OID.sub("", text)
        text = _SHORT.sub(lambda found: found[0].upper(), text)
        text = _HEX_STRING.sub(_unhex, text)
        return cls.of(x509.Name.from_rfc4514_string(text, _ALIASES))

    @classmethod
    def of(cls, name: x509.Name) -> "Name":
        """The comparable form."""
        return cls(
            tuple(
                frozenset((each.oid.dotted_string, _folded(str(each.value))) for each in part)
                for part in name.rdns
            )
        )


def _unhex(found: re.Match[str]) -> str:
    """An e-mail address that Java writes as the hexadecimal form of its encoding."""
    return f"{found[1]}={bytes.fromhex(found[3]).decode('ascii', 'replace')}"


def _folded(value: str) -> str:
    return " ".join(value.split()).casefold()


def same_name(one: "Name | x509.Name", other: "Name | x509.Name") -> bool:
    """Whether two names are the same: case and repeated blanks do not count."""
    first = one if isinstance(one, Name) else Name.of(one)
    second = other if isinstance(other, Name) else Name.of(other)
    return first == second
