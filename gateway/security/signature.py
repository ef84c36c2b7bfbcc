"""Signing and verifying SOAP messages with X.509 keys. The only module that knows signxml.

Source: WSS SOAP Message Security 1.1, chapter 8; XML Signature 1.1, chapter 3 (processing rules);
Exclusive XML Canonicalization 1.0.
Limits: what ``wss_structure`` lets through; SOAP 1.1 and 1.2.
Why: signxml does the arithmetic on a message whose form was checked before. It is told where the
Signature and the signed elements are instead of searching for them, works on the tree of the gate
instead of copying the document once for each Reference, and gets key objects, because parsing PEM
costs more than signing. What comes back is read again from the very bytes that were hashed: nothing
that was not signed, not even a namespace declaration, can get any further.
"""

import re
import secrets
from base64 import b64encode
from datetime import datetime
from functools import cache
from hashlib import sha256
from typing import Any, cast

import cryptography.exceptions
from lxml import etree
from lxml.etree import _Element as Element
from msgspec import Struct
from signxml.algorithms import (
    CanonicalizationMethod,
    DigestAlgorithm,
    SignatureConstructionMethod,
    SignatureMethod,
)
from signxml.exceptions import SignXMLException
from signxml.signer import XMLSigner
from signxml.verifier import XMLVerifier

from gateway.errors import Inexpressible
from gateway.security import key_info, timestamp, wss_structure
from gateway.security.algorithms import DS, EXC_C14N, Digest, Method, allowed, method_named
from gateway.security.c14n import canonical
from gateway.security.certificates import Certificate
from gateway.security.parse import Limits, cut_out, reread
from gateway.security.profile import Profile, Signing
from gateway.security.timestamp import WSU_ID, Freshness
from gateway.security.unverified import Unverified
from gateway.security.wss_structure import BODY, USERNAME_TOKEN, Structure
from gateway.security.wsse import SECURITY, SOAP, WSSE, WSU

_MESSAGE_ID = tuple(
    f"{{http://{space}/addressing}}MessageID"
    for space in ("www.w3.org/2005/08", "schemas.xmlsoap.org/ws/2004/08")
)


class Verified(Struct, frozen=True):
    """What the signature covered, read from the bytes that were hashed."""

    body: Element
    """The Body's child, root of its own document."""
    headers: tuple[Element, ...]
    """The header blocks that were signed, each the root of its own document."""
    certificate: Certificate
    ids: tuple[str, ...]
    """What the message is known by: the hash of what was signed, and its WS-Addressing id."""
    until: datetime
    """Until when the ids have to be remembered."""


# ---------------------------------------------------------------- verifying


def verify(
    root: Element,
    profile: Profile,
    now: datetime,
    limits: Limits,
    structure: Structure | None = None,
) -> Verified:
    """Check a message from a partner; raises ``Unverified``, never anything else.

    ``root`` is the whole envelope as it came from the gate; it is left as it was. ``structure``:
    what was read of it before. That the message is new is checked afterwards (``replay``).
    """
    if profile.trust is None:
        raise Unverified("key-unknown", "no keys of this partner are known")
    structure = structure or wss_structure.read(root, limits.bytes)
    structure.require(profile.parts(structure.operation), allowed(profile.waivers, now))
    assert structure.timestamp is not None  # it is always required
    timestamp.check(structure.timestamp, profile.freshness, now)
    certificate = profile.trust.certificate(structure.key, now)
    method = structure.signed.method
    if certificate.kind != method.key:
        raise Unverified("key-mismatch", f"{method.name} with another kind of key")
    _VERIFIER.check(structure.content, structure.value, method, certificate.key)
    body: Element | None = None
    headers: list[Element] = []
    for covered, part in zip(structure.signed.covered, structure.parts, strict=True):
        content = canonical(part.element, covered.prefixes, limits.bytes)
        if _VERIFIER.digest(content, covered.digest) != covered.value:
            raise Unverified("digest", "the content is not what was signed")
        if part.name == BODY:
            body = reread(content, limits.bytes, limits.huge)
        elif part.name.startswith("{"):
            headers.append(reread(content, limits.bytes, limits.huge))
    assert body is not None  # it is always required
    if len(body) != 1:
        raise Unverified("envelope", f"the Body holds {len(body)} elements, expected 1")
    ids = [sha256(structure.content).hexdigest()]
    ids += [f"id:{(each.text or '').strip()}" for each in headers if each.tag in _MESSAGE_ID]
    until = timestamp.forget_after(structure.timestamp, profile.freshness)
    return Verified(cut_out(body[0]), tuple(headers), certificate, tuple(ids), until)


class _Verifier(XMLVerifier):
    """signxml's arithmetic without its reading of the document, which was done before."""

    def check(self, content: bytes, value: bytes, method: Method, key: Any) -> None:
        """Raise ``Unverified`` unless the signature over the content is right."""
        try:
            self._verify_signature_with_pubkey(
                signed_info_c14n=content,
                raw_signature=value,
                signature_alg=SignatureMethod(method.uri),
                signing_certificate=cast(Any, _Known(key)),
            )
        except (
            SignXMLException,
            cryptography.exceptions.InvalidSignature,
            cryptography.exceptions.UnsupportedAlgorithm,
            ValueError,
        ) as error:
            raise Unverified("signature", type(error).__name__) from None

    def digest(self, content: bytes, method: Digest) -> bytes:
        found: bytes = self._get_digest(content, DigestAlgorithm(method.uri))
        return found


_VERIFIER = _Verifier()


class _Known(Struct, frozen=True):
    """A key in the place of its certificate."""

    key: Any

    def public_key(self) -> Any:
        return self.key


# ---------------------------------------------------------------- signing


def sign(
    message: bytes, signing: Signing, now: datetime, freshness: Freshness, limits: Limits
) -> bytes:
    """A whole SOAP message with a signature over Body, Timestamp, the UsernameToken if there is
    one, and the header blocks that ``signing`` names.

    Raises ``Inexpressible`` when the message is no SOAP or has no canonical form.
    """
    if len(message) > limits.bytes:
        raise Inexpressible(f"{len(message)} bytes, allowed are {limits.bytes}")
    try:
        root = reread(message, limits.bytes, limits.huge)
    except etree.XMLSyntaxError as error:
        raise Inexpressible(f"is no XML: {error.msg}") from None
    header, body = _parts(root)
    security = _security(root, header)
    prefix = secrets.token_hex(8)
    parts = [body, *security.iterchildren(USERNAME_TOKEN)]
    parts += [block for block in header if block.tag in signing.headers]
    for place, element in enumerate(parts, 1):
        element.set(WSU_ID, f"id-{prefix}-{place}")
    gap = secrets.token_hex(16)
    security.append(etree.Comment(gap))
    try:
        added = _added(security, parts, signing, now, freshness, prefix, limits)
    except Unverified as error:
        raise Inexpressible(error.problems) from None
    whole = etree.tostring(root, encoding="utf-8", xml_declaration=True)
    return whole.replace(b"<!--%b-->" % gap.encode(), added.encode(), 1)


def _added(
    security: Element,
    parts: list[Element],
    signing: Signing,
    now: datetime,
    freshness: Freshness,
    prefix: str,
    limits: Limits,
) -> str:
    """Token, Timestamp and Signature over it and the parts, to stand in ``security``.

    What is signed of it is written in its canonical form, so that nothing has to make that of it.
    """
    method, prefixes = method_named(signing.method), signing.inclusive_prefixes
    signer = _Signer(method.uri, method.digest)
    listed = _listed(security, prefixes)
    stamp = timestamp.write(
        now, freshness.lifetime, f"id-{prefix}-0", _declared({**listed, "wsu": WSU})
    )
    contents = [stamp.encode()]
    contents += [canonical(part, prefixes or None, limits.bytes) for part in parts]
    transform = _canonicalisation("Transform", listed, prefixes)
    references = "".join(
        f'<ds:Reference URI="#id-{prefix}-{place}"><ds:Transforms>{transform}</ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{method.digest}"></ds:DigestMethod>'
        f"<ds:DigestValue>{signer.digest(content)}</ds:DigestValue></ds:Reference>"
        for place, content in enumerate(contents)
    )
    info = (
        f"<ds:SignedInfo{_declared({**listed, 'ds': DS})}>"
        f"{_canonicalisation('CanonicalizationMethod', listed, prefixes)}"
        f'<ds:SignatureMethod Algorithm="{method.uri}"></ds:SignatureMethod>{references}'
        "</ds:SignedInfo>"
    )
    value = signer.value(info.encode(), signing.own.private)
    key, token = key_info.write(signing.style, signing.own.certificate, f"X509-{prefix}")
    return (
        f'{token}{stamp}<ds:Signature xmlns:ds="{DS}">{info}'
        f"<ds:SignatureValue>{value}</ds:SignatureValue>{key}</ds:Signature>"
    )


def _parts(root: Element) -> tuple[Element, Element]:
    space = etree.QName(root).namespace
    if space not in SOAP:
        raise Inexpressible("only SOAP messages are signed")
    body = next(root.iterchildren(f"{{{space}}}Body"), None)
    header = next(root.iterchildren(f"{{{space}}}Header"), None)
    if body is None:
        raise Inexpressible("the message has no Body")
    if header is None:
        header = etree.Element(f"{{{space}}}Header")
        root.insert(0, header)
    return header, body


def _security(root: Element, header: Element) -> Element:
    security = next(header.iterchildren(SECURITY), None)
    if security is None:
        security = etree.SubElement(header, SECURITY, nsmap={"wsse": WSSE, "wsu": WSU})
        security.set(f"{{{etree.QName(root).namespace}}}mustUnderstand", "1")
    return security


def _listed(security: Element, prefixes: tuple[str, ...]) -> dict[str, str]:
    """The namespaces that a PrefixList takes along, as they are known within ``security``."""
    if not prefixes:
        return {}
    known = {prefix or "#default": space for prefix, space in security.nsmap.items()}
    return {prefix: known[prefix] for prefix in prefixes if prefix in known}


def _declared(namespaces: dict[str, str]) -> str:
    """Namespace declarations in canonical order.

    Raises ``Unverified`` where libxml2 writes them otherwise than Canonical XML 1.0, 2.3 says.
    """
    found = ""
    for prefix, space in sorted(namespaces.items()):  # "#default" comes before every name
        if _TO_ESCAPE.search(space):
            raise Unverified("no-canonical-form", f"the namespace {space[:100]!r}")
        found += f' xmlns="{space}"' if prefix == "#default" else f' xmlns:{prefix}="{space}"'
    return found


_TO_ESCAPE = re.compile(r"[&<\"\s]")


def _canonicalisation(name: str, listed: dict[str, str], prefixes: tuple[str, ...]) -> str:
    """The element of this name that says how something is canonicalised, in canonical form."""
    inside = ""
    if prefixes:
        declared = "" if listed.get("ec") == EXC_C14N else f' xmlns:ec="{EXC_C14N}"'
        listing = f'PrefixList="{" ".join(prefixes)}"'
        inside = f"<ec:InclusiveNamespaces{declared} {listing}></ec:InclusiveNamespaces>"
    return f'<ds:{name} Algorithm="{EXC_C14N}">{inside}</ds:{name}>'


class _Signer(XMLSigner):
    """signxml's arithmetic on a SignedInfo that is written."""

    def __init__(self, method: str, digest: str) -> None:
        self.__dict__ |= _settings(method, digest)

    def digest(self, content: bytes) -> str:
        return b64encode(self._get_digest(content, self.digest_alg)).decode()

    def value(self, info: bytes, key: Any) -> str:
        made: Any = self.sign(info, key=key)
        return str(made.text)

    def _unpack(self, data: Any, references: Any) -> Any:
        return _Value(data), None, [], []

    def _build_sig(self, sig_root: Any, *_: Any, **__: Any) -> Any:
        return sig_root, sig_root

    def _c14n(self, nodes: Any, algorithm: Any, inclusive_ns_prefixes: Any = None) -> bytes:
        content: bytes = nodes.content
        return content


class _Value(Struct):
    """SignedInfo, and in the place of an element the value of its signature."""

    content: bytes
    text: str = ""


@cache
def _settings(method: str, digest: str) -> dict[str, Any]:
    """What signxml makes of the algorithms; the same for every message."""
    signer = XMLSigner(
        method=SignatureConstructionMethod.detached,
        signature_algorithm=method,
        digest_algorithm=digest,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    signer.signature_annotators = []  # the KeyInfo is there
    return dict(vars(signer))  # a copy: on CPython 3.13.0 its own does not outlive it whole
