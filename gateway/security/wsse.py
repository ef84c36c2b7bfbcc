"""The UsernameToken of WS-Security, read and written.

Source: WSS SOAP Message Security 1.1, chapter 5 (one Security header for each actor); UsernameToken
Profile 1.0 and 1.1, chapter 3 (OASIS); OCHP 1.4 asks for type PasswordText.
Limits: a digest needs Nonce and Created; beside a PasswordText they are tolerated and not looked
at, since whoever can read the one can use it anyway. Signatures are read in ``signature.py``;
whether a password or digest is right is found in ``credentials.py`` and ``digest.py``.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha1

from lxml import etree
from lxml.etree import _Element as Element
from msgspec import Struct

from gateway.security.unverified import Unverified

_OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss"
WSSE = f"{_OASIS}-wssecurity-secext-1.0.xsd"
WSU = f"{_OASIS}-wssecurity-utility-1.0.xsd"
PASSWORD_TEXT = f"{_OASIS}-username-token-profile-1.0#PasswordText"
PASSWORD_DIGEST = f"{_OASIS}-username-token-profile-1.0#PasswordDigest"
_BASE64 = f"{_OASIS}-soap-message-security-1.0#Base64Binary"

SECURITY = f"{{{WSSE}}}Security"
CREATED = f"{{{WSU}}}Created"
FAILED_AUTHENTICATION = f"{{{WSSE}}}FailedAuthentication"
"""Fault code for wrong or missing credentials (WSS 1.0 chapter 12)."""
FAILED_AUTHENTICATION_TEXT = "The security token could not be authenticated or authorized"

SOAP = {
    "http://schemas.xmlsoap.org/soap/envelope/": (
        "actor",
        ("", "http://schemas.xmlsoap.org/soap/actor/next"),
    ),
    "http://www.w3.org/2003/05/soap-envelope": (
        "role",
        (
            "",
            "http://www.w3.org/2003/05/soap-envelope/role/next",
            "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver",
        ),
    ),
}
"""By namespace of the envelope: the attribute that says whom a header is for, and who we are."""
LONGEST = 1000
"""Characters of a name, a password, a nonce or an instant."""


class UsernameToken(Struct, frozen=True):
    """Who the sender says it is. The password stays out of logs: it has no ``repr``."""

    username: str
    password: str
    """In clear, or a digest in base64 when there is a nonce."""
    nonce: bytes = b""
    created: str = ""
    """As it was written: it is part of what is digested."""

    @property
    def digested(self) -> bool:
        """Whether ``password`` is a digest."""
        return bool(self.nonce)

    def __repr__(self) -> str:
        return f"UsernameToken(username={self.username!r})"


def digest(nonce: bytes, created: str, password: str) -> bytes:
    """The PasswordDigest before base64 (UsernameToken Profile 1.0, 3.1).

    SHA-1 is the profile's own choice, here as a keyed code over a value that is used once.
    """
    return sha1(nonce + created.encode() + password.encode()).digest()  # noqa: S324 - see above


# ---------------------------------------------------------------- reading


_FOR_US = [(f"{{{space}}}{attribute}", ours) for space, (attribute, ours) in SOAP.items()]


def is_for_us(block: Element) -> bool:
    """Whether a header block is for the receiver of the message, by its actor or role."""
    for attribute, ours in _FOR_US:
        value = block.get(attribute)
        if value is not None and value.strip() not in ours:
            return False
    return True


def read(headers: Iterable[Element]) -> UsernameToken:
    """The one UsernameToken in the one Security header for us; raises ``Unverified``."""
    security = [block for block in headers if block.tag == SECURITY and is_for_us(block)]
    if len(security) != 1:
        raise Unverified("security-header", f"expected one for us, found {len(security)}")
    tokens = security[0].findall(f"{{{WSSE}}}UsernameToken")
    if len(tokens) != 1:
        raise Unverified("token-form", f"expected one UsernameToken, found {len(tokens)}")
    username = _only(tokens[0], f"{{{WSSE}}}Username").text
    password = _only(tokens[0], f"{{{WSSE}}}Password")
    if not username:
        raise Unverified("token-form", "the Username is empty")
    kind = (password.get("Type") or PASSWORD_TEXT).strip()
    if kind == PASSWORD_TEXT:
        return UsernameToken(username, password.text or "")
    if kind != PASSWORD_DIGEST:
        raise Unverified(
            "token-type", f"password type {kind.rpartition('#')[2][:40]!r} is not supported"
        )
    nonce = _only(tokens[0], f"{{{WSSE}}}Nonce")
    if nonce.get("EncodingType", _BASE64) != _BASE64:
        raise Unverified("token-form", "the Nonce is not written in base64")
    created = (_only(tokens[0], CREATED).text or "").strip()
    return UsernameToken(username, (password.text or "").strip(), _bytes(nonce), created)


def is_named(headers: Iterable[Element]) -> bool:
    """Whether there is a UsernameToken where one belongs."""
    blocks = (block for block in headers if block.tag == SECURITY)
    return any(block.find(f"{{{WSSE}}}UsernameToken") is not None for block in blocks)


def _only(token: Element, tag: str) -> Element:
    found = token.findall(tag)
    if len(found) != 1 or len(found[0]) or len(found[0].text or "") > LONGEST:
        name = tag.rpartition("}")[2]
        raise Unverified("token-form", f"expected one {name} with plain text in the UsernameToken")
    return found[0]


def _bytes(element: Element) -> bytes:
    try:
        value = b64decode(re.sub(r"\s", "", element.text or ""), validate=True)
    except (Base64Error, ValueError):
        value = b""
    if not value:
        raise Unverified("token-form", "the Nonce is no base64")
    return value


# ---------------------------------------------------------------- writing


def digested(username: str, password: str, nonce: bytes, now: datetime) -> UsernameToken:
    """A token that shows the password to nobody; good once."""
    created = now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    value = b64encode(digest(nonce, created, password)).decode()
    return UsernameToken(username, value, nonce, created)


def write(token: UsernameToken, envelope_namespace: str) -> Element:
    """The Security header block for a message of the given SOAP version, to be understood."""
    security = etree.Element(SECURITY, nsmap={"wsse": WSSE, "wsu": WSU, "soap": envelope_namespace})
    security.set(f"{{{envelope_namespace}}}mustUnderstand", "1")
    holder = etree.SubElement(security, f"{{{WSSE}}}UsernameToken")
    holder.set(f"{{{WSU}}}Id", "UsernameToken-1")
    etree.SubElement(holder, f"{{{WSSE}}}Username").text = token.username
    kind = PASSWORD_DIGEST if token.digested else PASSWORD_TEXT
    etree.SubElement(holder, f"{{{WSSE}}}Password", {"Type": kind}).text = token.password
    if token.digested:
        nonce = etree.SubElement(holder, f"{{{WSSE}}}Nonce", {"EncodingType": _BASE64})
        nonce.text = b64encode(token.nonce).decode()
        etree.SubElement(holder, CREATED).text = token.created
    return security
