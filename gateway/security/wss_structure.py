"""The form of a signed SOAP message, checked before any cryptography: by position, not by id.

Source: WSS SOAP Message Security 1.1, chapters 5 to 8; XML Signature 1.1, chapters 4 and 5; WS-I
Basic Security Profile 1.1; W3C "XML Signature Best Practices", 2 and 3. McIntosh and Austel, "XML
Signature Element Wrapping Attacks" (2005), for what goes wrong otherwise.
Limits: one Security header with one Signature; what is signed is the Body, header blocks and
children of Security; a Reference names one of these by ``wsu:Id`` and canonicalises it exclusively.
No Object, Manifest, RetrievalMethod, XPath, XSLT, STR transform; nothing encrypted.
Why: signature wrapping moves what was signed to where nobody looks, and puts something else where
it was. So the elements that count are found by their place first; a Reference can only choose among
them. Everything that is not known is refused: what has no meaning here cannot have one elsewhere.
"""

from collections.abc import Iterable
from typing import Any

from lxml.etree import _Element as Element
from msgspec import Struct

from gateway.security import form, key_info, signed_info, timestamp
from gateway.security.algorithms import DS, Allowed
from gateway.security.c14n import canonical
from gateway.security.key_info import BINARY_TOKEN, KeyReference
from gateway.security.parse import xpath
from gateway.security.signed_info import SignedInfo
from gateway.security.timestamp import TIMESTAMP, WSU_ID, Timestamp
from gateway.security.unverified import Unverified
from gateway.security.wsse import SECURITY, SOAP, WSSE, WSU, is_for_us

SIGNATURE = f"{{{DS}}}Signature"
USERNAME_TOKEN = f"{{{WSSE}}}UsernameToken"
BODY, STAMP = "Body", "Timestamp"
"""A part of a message is named: ``Body``, ``Timestamp``, ``UsernameToken``,
``BinarySecurityToken``, or ``{namespace}name`` of a header block."""
_TOKENS = {
    TIMESTAMP: STAMP,
    USERNAME_TOKEN: "UsernameToken",
    BINARY_TOKEN: "BinarySecurityToken",
}
_IN_SIGNATURE = [f"{{{DS}}}{name}" for name in ("SignedInfo", "SignatureValue", "KeyInfo")]

IDS = 1000
SIGNATURE_BYTES = 1024

_IDS = tuple(f"(//@{name})[position() <= {IDS + 1}]" for name in ("w:Id", "xml:id", "Id", "ID"))
"""One by one: libxml2 compares each member of a set with all of another to put them together."""
_PAYLOAD_ID = "boolean(//@id[contains($ids, concat(' ', ., ' '))])"


class Part(Struct, frozen=True):
    """What one Reference of the signature covers: a part of the message at its place."""

    name: str
    element: Element


class Structure(Struct, frozen=True):
    """A message whose form is right. Nothing of it is verified yet."""

    content: bytes
    """SignedInfo in its canonical form: what the signature is over."""
    value: bytes
    """Of the signature."""
    signed: SignedInfo
    """Read from ``content``."""
    parts: tuple[Part, ...]
    """What each Reference of ``signed`` covers, in its order."""
    key: KeyReference
    timestamp: Timestamp | None
    header: Element
    operation: str
    """Tag of the Body's first child; empty when there is none."""

    def require(self, parts: Iterable[str], accepted: Allowed) -> None:
        """Refuse an algorithm that is not accepted, and when one of the parts is missing, doubled
        or not covered by the signature."""
        if self.signed.method.uri not in accepted.methods:
            raise Unverified("algorithm", f"signature {self.signed.method.uri}")
        for each in self.signed.covered:
            if each.digest.uri not in accepted.digests:
                raise Unverified("algorithm", f"digest {each.digest.uri}")
        covered = [each.name for each in self.parts]
        for part in parts:
            if covered.count(part) != 1:
                raise Unverified("coverage", f"{part} is not signed")
            if part.startswith("{") and len(self.header.findall(part)) != 1:
                raise Unverified("coverage", f"{part} is there more than once")


def read(root: Element, limit: int) -> Structure:
    """The parts of a signed message; raises ``Unverified``. The tree is not changed.

    ``limit``: bytes that a canonical form may have.
    """
    header, body = _envelope(root)
    security = _security(root, header)
    tokens = _tokens(security)
    _check_ids(root)
    info, value, key = form.exactly(tokens[SIGNATURE], ("Id",), _IN_SIGNATURE, "signature-form")
    content = canonical(info, signed_info.prefixes_of(info), min(limit, signed_info.BYTES))
    signed = signed_info.read(content)
    places = _places(header, body, tokens)
    for each in signed.covered:
        if each.id not in places:
            raise Unverified("reference-place", f"#{each.id} is at a place where nothing is signed")
    if _xpath(_PAYLOAD_ID)(root, ids="".join(f" {each.id} " for each in signed.covered)):
        raise Unverified("ids", "an attribute of the content has the id of a signed element")
    stamp = tokens.get(TIMESTAMP)
    return Structure(
        content,
        form.base64(value, SIGNATURE_BYTES, "signature-form", ("Id",)),
        signed,
        tuple(places[each.id] for each in signed.covered),
        key_info.read(key, tokens.get(BINARY_TOKEN)),
        None if stamp is None else timestamp.read(stamp),
        header,
        str(body[0].tag) if len(body) else "",
    )


# ---------------------------------------------------------------- places


def _envelope(root: Element) -> tuple[Element, Element]:
    """Header and Body, the only children of an Envelope."""
    tags = _ENVELOPES.get(str(root.tag))
    if tags is None:
        raise Unverified("envelope", "no SOAP Envelope")
    parts = list(root)
    found = [child.tag for child in parts]
    if found == tags[1:]:
        raise Unverified("security-header", "there is no Header")
    if found != tags:
        raise Unverified("envelope", "an Envelope holds one Header and then one Body")
    return parts[0], parts[1]


_ENVELOPES = {f"{{{space}}}Envelope": [f"{{{space}}}Header", f"{{{space}}}Body"] for space in SOAP}


def _security(root: Element, header: Element) -> Element:
    """The one Security header; what must not be anywhere is looked for on the way."""
    headers = signatures = 0
    for element in root.iter(SECURITY, SIGNATURE, *_ENCRYPTED):
        if element.tag == SECURITY:
            headers += 1
        elif element.tag == SIGNATURE:
            signatures += 1
        else:
            raise Unverified("encrypted", "nothing is decrypted here")
        if headers > 1:
            raise Unverified("security-header", "there is more than one")
        if signatures > 1:
            raise Unverified("signature-count", "there is more than one Signature")
    security = header.find(SECURITY)
    if security is None:
        raise Unverified("security-header", "there is none")
    if not signatures:
        raise Unverified("signature-count", "the message is not signed")
    if not is_for_us(security):
        raise Unverified("security-header", "it is for somebody else")
    return security


_ENCRYPTED = ("{http://www.w3.org/2001/04/xmlenc#}*", "{http://www.w3.org/2009/xmlenc11#}*")


def _tokens(security: Element) -> dict[str, Element]:
    """The children of the Security header by tag, each at most once."""
    found: dict[str, Element] = {}
    for child in form.children(security, "security-child"):
        tag = str(child.tag)
        if tag not in _TOKENS and tag != SIGNATURE:
            raise Unverified("security-child", f"{tag[:200]} is not known")
        if tag in found:
            raise Unverified("security-child", f"{tag} is there twice")
        found[tag] = child
    if SIGNATURE not in found:
        raise Unverified("signature-place", "the Signature is no child of Security")
    return found


def _places(header: Element, body: Element, tokens: dict[str, Element]) -> dict[str, Part]:
    """What can be signed, by its id."""
    found = [Part(BODY, body)]
    found += [Part(str(block.tag), block) for block in header if block.tag != SECURITY]
    found += [Part(name, tokens[tag]) for tag, name in _TOKENS.items() if tag in tokens]
    return {id: each for each in found if (id := each.element.get(WSU_ID)) is not None}


def _check_ids(root: Element) -> None:
    """No id stands twice, in whichever of its spellings."""
    seen: set[str] = set()
    for each in _IDS:
        for value in _xpath(each)(root):
            value = value.strip()
            if value in seen:
                raise Unverified("ids", f"the id {value[:100]!r} is there twice")
            seen.add(value)
        if len(seen) > IDS:
            raise Unverified("ids", f"more than {IDS} elements have an id")


def _xpath(expression: str) -> Any:
    return xpath(expression, (("w", WSU),))
