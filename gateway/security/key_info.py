"""The key reference in a signature: which certificate it was made with, read and written.

Source: WSS X.509 Certificate Token Profile 1.1, chapter 3; WSS SOAP Message Security 1.1, chapter 7
(SecurityTokenReference); XML Signature 1.1, 4.5.4 (X509Data); RFC 4514 (names).
Limits: one reference: to a BinarySecurityToken (X509v3) in the same Security header, a certificate
itself, issuer and serial, a subject key identifier or a SHA-1 thumbprint. KeyValue, KeyName,
RetrievalMethod, Embedded, certificate paths and revocation lists are refused.
Why: a reference only names a certificate. Whether that is trusted is decided in ``keys``, so a weak
hash here cannot hurt: whoever finds another certificate with the same SHA-1 is still not trusted.
"""

from base64 import b64encode
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Literal
from xml.sax.saxutils import escape

from lxml.etree import _Element as Element
from msgspec import Struct

from gateway.security import form
from gateway.security.algorithms import DS
from gateway.security.certificates import Certificate, Name, load_der, same_name
from gateway.security.timestamp import WSU_ID
from gateway.security.unverified import Unverified
from gateway.security.wsse import WSSE, WSU

BINARY_TOKEN = f"{{{WSSE}}}BinarySecurityToken"
REFERENCE = f"{{{WSSE}}}SecurityTokenReference"
_WSSE11 = "http://docs.oasis-open.org/wss/oasis-wss-wssecurity-secext-1.1.xsd"
_X509 = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0"
_MESSAGE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0"
_X509V3 = f"{_X509}#X509v3"
_SKI = f"{_X509}#X509SubjectKeyIdentifier"
_THUMBPRINT = "http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#ThumbprintSHA1"
_BASE64 = f"{_MESSAGE}#Base64Binary"
CERTIFICATE_BYTES = 16 * 1024
CERTIFICATES = 4
_TEXT = 2000

Style = Literal["binary-token", "x509-data", "issuer-serial", "key-identifier", "thumbprint"]
"""How the gateway names its own certificate."""


class KeyReference(Struct, frozen=True):
    """What the sender says of its certificate; all that is given has to fit."""

    certificate: Certificate | None = None
    others: tuple[Certificate, ...] = ()
    """Certificates that came along, to build a chain with."""
    issuer: Name | None = None
    serial: int | None = None
    ski: bytes | None = None
    thumbprint: bytes | None = None
    subject: Name | None = None

    def fits(self, known: Certificate) -> bool:
        """Whether the reference is to this certificate."""
        return (
            (self.certificate is None or self.certificate.fingerprint == known.fingerprint)
            and (self.serial is None or self.serial == known.serial)
            and (self.issuer is None or same_name(self.issuer, known.parsed.issuer))
            and (self.ski is None or self.ski == known.ski)
            and (self.thumbprint is None or self.thumbprint == known.thumbprint)
            and (self.subject is None or same_name(self.subject, known.parsed.subject))
        )


# ---------------------------------------------------------------- reading


def read(key_info: Element, token: Element | None) -> KeyReference:
    """What a KeyInfo refers to; ``token`` is the BinarySecurityToken beside it, if there is one."""
    only = _single(key_info, {"Id"})
    if only.tag == _X509_DATA:
        return _x509_data(only)
    if only.tag != REFERENCE:
        raise _refused(f"{form.name(only)} is not supported")
    target = _single(only, _OF_REFERENCE)
    read_target = _TARGETS.get(str(target.tag))
    if read_target is None:
        raise _refused(f"{form.name(target)} is not supported")
    return read_target(target, token)


def _direct(reference: Element, token: Element | None) -> KeyReference:
    form.exactly(reference, ("URI", "ValueType"), [], "key-info")
    if token is None:
        raise _refused("there is no BinarySecurityToken to refer to")
    if reference.get("ValueType", _X509V3) != _X509V3 or token.get("ValueType") != _X509V3:
        raise _refused("the token is no X509v3 certificate")
    if token.get("EncodingType", _BASE64) != _BASE64:
        raise _refused("the token is not written in base64")
    id = token.get(WSU_ID)
    if not id or reference.get("URI") != f"#{id}":
        raise _refused("the reference is not to the token of this message")
    return KeyReference(certificate=_certificate(token, ("ValueType", "EncodingType", WSU_ID)))


def _key_identifier(identifier: Element, token: Element | None) -> KeyReference:
    attributes = ("ValueType", "EncodingType", WSU_ID)
    if identifier.get("EncodingType", _BASE64) != _BASE64:
        raise _refused("the key identifier is not written in base64")
    kind = identifier.get("ValueType")
    if kind == _X509V3:
        return KeyReference(certificate=_certificate(identifier, attributes))
    if kind == _SKI:
        return KeyReference(ski=_bytes(identifier, 64, attributes))
    if kind == _THUMBPRINT:
        return KeyReference(thumbprint=_bytes(identifier, 20, attributes))
    raise _refused("a key identifier of a kind that is not supported")


def _x509_data(data: Element, token: Element | None = None) -> KeyReference:
    certificates: list[Certificate] = []
    found: dict[str, Element] = {}
    for child in form.inner(data, form.NONE, "key-info"):
        if child.tag == _X509_CERTIFICATE:
            if len(certificates) == CERTIFICATES:
                raise _refused(f"more than {CERTIFICATES} certificates")
            certificates.append(_certificate(child))
        elif child.tag not in _X509_PARTS or child.tag in found:
            raise _refused(f"{form.name(child)} is not supported, or there twice")
        else:
            found[str(child.tag)] = child
    names = [found.get(tag) for tag in _X509_PARTS]
    pair = None if names[0] is None else _issuer_serial(names[0])
    issuer, serial = pair or (None, None)
    ski = None if names[1] is None else _bytes(names[1], 64)
    subject = None if names[2] is None else _distinguished(names[2])
    if not certificates and serial is None and ski is None:
        raise _refused("neither a certificate nor a reference to one")
    described = KeyReference(issuer=issuer, serial=serial, ski=ski, subject=subject)
    return _with_certificate(described, certificates)


_X509_DATA, _X509_CERTIFICATE = f"{{{DS}}}X509Data", f"{{{DS}}}X509Certificate"
_X509_PARTS = tuple(
    f"{{{DS}}}{name}" for name in ("X509IssuerSerial", "X509SKI", "X509SubjectName")
)
_IN_ISSUER_SERIAL = [f"{{{DS}}}{name}" for name in ("X509IssuerName", "X509SerialNumber")]
_OF_REFERENCE = frozenset(
    {"Id", WSU_ID, f"{{{_WSSE11}}}TokenType", "TokenType", f"{{{WSSE}}}Usage"}
)
_TARGETS: dict[str, Callable[[Element, Element | None], KeyReference]] = {
    f"{{{WSSE}}}Reference": _direct,
    f"{{{WSSE}}}KeyIdentifier": _key_identifier,
    _X509_DATA: _x509_data,
}


def _with_certificate(described: KeyReference, certificates: list[Certificate]) -> KeyReference:
    """The reference to the one certificate that signed: the others are those above it."""
    if not certificates:
        return described
    fitting = [each for each in certificates if described.fits(each)]
    if len(fitting) > 1:  # it is the one that issued none of the others
        fitting = [
            each
            for each in fitting
            if not any(
                same_name(each.parsed.subject, other.parsed.issuer)
                for other in certificates
                if other is not each
            )
        ]
    if len(fitting) != 1:
        raise _refused("the certificates do not say which of them signed")
    others = tuple(each for each in certificates if each is not fitting[0])
    return KeyReference(certificate=fitting[0], others=others)


def _issuer_serial(element: Element) -> tuple[Name, int]:
    name, serial = form.exactly(element, form.NONE, _IN_ISSUER_SERIAL, "key-info")
    number = _text(serial)
    if not (number.isascii() and number.isdecimal() and len(number) <= 60):
        raise _refused("a serial number that is no number")
    return _distinguished(name), int(number)


def _distinguished(element: Element) -> Name:
    try:
        return _named(_text(element))
    except ValueError:
        raise _refused("a name that cannot be read") from None


_named = lru_cache(maxsize=256)(Name.parse)


def _certificate(element: Element, attributes: Collection[str] = form.NONE) -> Certificate:
    return _loaded(form.base64_text(element, "key-info", attributes))


@lru_cache(maxsize=256)
def _loaded(text: bytes) -> Certificate:
    try:
        return load_der(form.decoded(text, CERTIFICATE_BYTES, "a certificate", "key-info"))
    except ValueError:
        raise _refused("a certificate that cannot be read") from None


def _bytes(element: Element, most: int, attributes: Collection[str] = form.NONE) -> bytes:
    return form.base64(element, most, "key-info", attributes)


def _text(element: Element) -> str:
    text = (element.text or "").strip()
    if len(element) or element.keys() or not text or len(text) > _TEXT:
        raise _refused(f"{form.name(element)} is no plain text")
    return text


def _single(element: Element, attributes: Collection[str]) -> Element:
    found = form.inner(element, attributes, "key-info")
    if len(found) != 1:
        raise _refused(f"{form.name(element)} holds {len(found)} elements")
    return found[0]


def _refused(reason: str) -> Unverified:
    return Unverified("key-info", reason)


# ---------------------------------------------------------------- writing


def write(style: Style, certificate: Certificate, token_id: str) -> tuple[str, str]:
    """A KeyInfo that names the certificate, and the BinarySecurityToken that goes with it, if any.

    ``ds`` is declared around the KeyInfo.
    """
    if style == "x509-data":
        inner = f"<ds:X509Certificate>{_base64(certificate.der)}</ds:X509Certificate>"
        return f"<ds:KeyInfo><ds:X509Data>{inner}</ds:X509Data></ds:KeyInfo>", ""
    token = ""
    if style == "binary-token":
        inner = f'<wsse:Reference URI="#{token_id}" ValueType="{_X509V3}"/>'
        token = (
            f'<wsse:BinarySecurityToken xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}" '
            f'EncodingType="{_BASE64}" ValueType="{_X509V3}" '
            f'wsu:Id="{token_id}">{_base64(certificate.der)}</wsse:BinarySecurityToken>'
        )
    elif style == "issuer-serial":
        inner = (
            "<ds:X509Data><ds:X509IssuerSerial><ds:X509IssuerName>"
            f"{_issuer(certificate)}</ds:X509IssuerName>"
            f"<ds:X509SerialNumber>{certificate.serial}</ds:X509SerialNumber>"
            "</ds:X509IssuerSerial></ds:X509Data>"
        )
    else:
        kind, value = _SKI, certificate.ski
        if style == "thumbprint":
            kind, value = _THUMBPRINT, certificate.thumbprint
        inner = (
            f'<wsse:KeyIdentifier EncodingType="{_BASE64}" ValueType="{kind}">{_base64(value)}'
            "</wsse:KeyIdentifier>"
        )
    return (
        f'<ds:KeyInfo><wsse:SecurityTokenReference xmlns:wsse="{WSSE}">{inner}'
        "</wsse:SecurityTokenReference></ds:KeyInfo>",
        token,
    )


@lru_cache(maxsize=256)
def _base64(value: bytes) -> str:
    return b64encode(value).decode()


@lru_cache(maxsize=256)
def _issuer(certificate: Certificate) -> str:
    return escape(certificate.parsed.issuer.rfc4514_string())
