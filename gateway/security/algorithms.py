"""Which algorithms of XML Signature are accepted.

Source: XML Signature 1.1, 6.1 (identifiers); RFC 9231 (RSA and ECDSA with SHA-2); WSS4J 2.4
"Security best practices" and WS-I Basic Security Profile 1.1, R5404 (exclusive canonicalisation).
Limits: RSA PKCS#1 1.5 signatures and ECDSA only. MD5, HMAC, DSA and inclusive canonicalisation are
not accepted from anybody; SHA-1 needs a waiver with a date. Nothing is decrypted, so DES, 3DES and
RSA 1.5 key transport have no meaning here.
Why: a list of what is allowed is complete; a list of what is forbidden never is.
"""

from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime
from typing import Literal

from msgspec import Struct

DS = "http://www.w3.org/2000/09/xmldsig#"
EXC_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = f"{DS}enveloped-signature"
_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
_ENC = "http://www.w3.org/2001/04/xmlenc#"

Kind = Literal["rsa", "ec"]
Weak = Literal["rsa-sha1", "ecdsa-sha1", "sha1"]
"""What a waiver can allow."""
SignatureName = Literal[
    "rsa-sha256", "rsa-sha384", "rsa-sha512", "ecdsa-sha256", "ecdsa-sha384", "ecdsa-sha512"
]
"""What the gateway itself signs with."""


class Method(Struct, frozen=True):
    """A signature method: its short name, its identifier and the kind of key that it needs."""

    name: str
    uri: str
    key: Kind
    digest: str
    """Identifier of the digest that goes with it when the gateway signs."""


class Digest(Struct, frozen=True):
    """A digest method and the size of its value in bytes."""

    name: str
    uri: str
    size: int


DIGESTS = (
    Digest("sha256", f"{_ENC}sha256", 32),
    Digest("sha384", f"{_MORE}sha384", 48),
    Digest("sha512", f"{_ENC}sha512", 64),
)
_SHA256, _SHA384, _SHA512 = (digest.uri for digest in DIGESTS)
METHODS = (
    Method("rsa-sha256", f"{_MORE}rsa-sha256", "rsa", _SHA256),
    Method("rsa-sha384", f"{_MORE}rsa-sha384", "rsa", _SHA384),
    Method("rsa-sha512", f"{_MORE}rsa-sha512", "rsa", _SHA512),
    Method("ecdsa-sha256", f"{_MORE}ecdsa-sha256", "ec", _SHA256),
    Method("ecdsa-sha384", f"{_MORE}ecdsa-sha384", "ec", _SHA384),
    Method("ecdsa-sha512", f"{_MORE}ecdsa-sha512", "ec", _SHA512),
)
_WEAK_DIGESTS = (Digest("sha1", f"{DS}sha1", 20),)
_WEAK_METHODS = (
    Method("rsa-sha1", f"{DS}rsa-sha1", "rsa", f"{DS}sha1"),
    Method("ecdsa-sha1", f"{_MORE}ecdsa-sha1", "ec", f"{DS}sha1"),
)
CURVES = frozenset({"secp256r1", "secp384r1"})
RSA_BITS = range(2048, 8193)


class Waiver(Struct, frozen=True):
    """A partner that can do no better may use a weak algorithm, through this day (UTC)."""

    algorithm: Weak
    until: date


class Allowed(Struct, frozen=True):
    """The algorithms of one message, by identifier."""

    methods: dict[str, Method]
    digests: dict[str, Digest]


def _allowed(methods: Iterable[Method], digests: Iterable[Digest]) -> Allowed:
    return Allowed({each.uri: each for each in methods}, {each.uri: each for each in digests})


_STRONG = _allowed(METHODS, DIGESTS)
EVERY = _allowed(METHODS + _WEAK_METHODS, DIGESTS + _WEAK_DIGESTS)
"""What can be allowed to anybody at all."""


def allowed(waivers: Collection[Waiver], now: datetime) -> Allowed:
    """What a partner may use now."""
    if not waivers:
        return _STRONG
    today = now.astimezone(UTC).date()
    names = {each.algorithm for each in waivers if today <= each.until}
    if not names:
        return _STRONG
    return _allowed(
        METHODS + tuple(each for each in _WEAK_METHODS if each.name in names),
        DIGESTS + tuple(each for each in _WEAK_DIGESTS if each.name in names),
    )


def method_named(name: SignatureName) -> Method:
    """The signature method of a short name."""
    return next(each for each in METHODS if each.name == name)


def default_method(kind: Kind) -> SignatureName:
    """What a kind of key signs with when nothing else is said."""
    return "rsa-sha256" if kind == "rsa" else "ecdsa-sha256"
