"""What a signature is over (SignedInfo), read from its canonical form: the very bytes that count.

Source: XML Signature 1.1, chapter 4.4; Exclusive XML Canonicalization 1.0, 3 (InclusiveNamespaces);
WS-I Basic Security Profile 1.1.
Limits: exclusive canonicalisation and nothing else as a transform; a Reference names its element by
an id of plain ASCII. Whether a partner may use a weak algorithm is for its profile to say.
"""

import re
from functools import lru_cache

from lxml import etree
from lxml.etree import _Element as Element
from msgspec import Struct

from gateway.security import form
from gateway.security.algorithms import DS, ENVELOPED, EVERY, EXC_C14N, Digest, Method
from gateway.security.parse import reread
from gateway.security.unverified import Code, Unverified

BYTES = 64 * 1024
"""Of the canonical form: several times what ``REFERENCES`` need."""
REFERENCES = 16
PREFIXES = 16
_ID = re.compile(rb"[A-Za-z_][A-Za-z0-9._-]{0,127}")
_PREFIX = re.compile(r"#default|[^\W\d][\w.-]{0,63}")
_TRANSFORM, _PREFIX_LIST = f"{{{DS}}}Transform", [f"{{{EXC_C14N}}}InclusiveNamespaces"]
_REFERENCE = f"{{{DS}}}Reference"
_IN_REFERENCE = [f"{{{DS}}}{name}" for name in ("Transforms", "DigestMethod", "DigestValue")]
_FIRST = [f"{{{DS}}}{name}" for name in ("CanonicalizationMethod", "SignatureMethod")]
_ALGORITHM = frozenset({"Algorithm"})

Prefixes = tuple[str, ...] | None
"""The PrefixList of a canonicalisation; None: there is none."""


class Covered(Struct, frozen=True):
    """One Reference: the id of what it covers, how that is canonicalised, and its digest."""

    id: str
    prefixes: Prefixes
    digest: Digest
    value: bytes


class SignedInfo(Struct, frozen=True):
    """A signature's method and what it covers."""

    method: Method
    covered: tuple[Covered, ...]


def prefixes_of(signed_info: Element) -> Prefixes:
    """How SignedInfo itself is canonicalised; looked at where it stands, which has to come first.

    Raises ``Unverified``, also when it holds more than it may.
    """
    if not 3 <= len(signed_info) <= REFERENCES + 2:
        raise Unverified("signature-form", f"expected 1 to {REFERENCES} References")
    if signed_info[0].tag != _FIRST[0]:
        raise Unverified("signature-form", "expected CanonicalizationMethod first")
    return _canonicalisation(signed_info[0], "algorithm")


def read(content: bytes) -> SignedInfo:
    """From its canonical form, of ``BYTES`` at most; raises ``Unverified``.

    A sender writes the same SignedInfo every time, but for the ids and the digests. So its form is
    looked at once, with other values in their places: it does not depend on them, because neither
    an id nor base64 can end the attribute or the text that it stands in.
    """
    first, *rest = content.split(_URI)
    form_of, ids, values = [first], [], []
    for each in rest:
        id, _, more = each.partition(b'"')
        if not _ID.fullmatch(id):
            raise Unverified("reference", f"{id[:100]!r} is no id of an element in this message")
        before, _, more = more.partition(_VALUE)
        value, _, after = more.partition(b"<")
        form_of += (before, after)
        ids.append(id.decode())
        values.append(value)
    method, how = _form(tuple(form_of))
    covered = tuple(
        Covered(id, prefixes, digest, _digest(value, digest.size))
        for id, value, (prefixes, digest) in zip(ids, values, how, strict=True)
    )
    if len(set(ids)) != len(ids):
        raise Unverified("reference", "one element is referred to twice")
    return SignedInfo(method, covered)


_URI, _VALUE = b' URI="#', b"DigestValue>"


def _digest(text: bytes, size: int) -> bytes:
    value = form.decoded(text, size, "DigestValue", "signature-form")
    if len(value) != size:
        raise Unverified("signature-form", f"a digest of {len(value)} bytes")
    return value


@lru_cache(maxsize=128)
def _form(around: tuple[bytes, ...]) -> tuple[Method, tuple[tuple[Prefixes, Digest], ...]]:
    """Method, and prefixes and digest of each Reference, of a SignedInfo without its values.

    ``around``: what stands before the first id, and then after each id and after each digest.
    """
    pieces = [around[0]]
    for place in range(1, len(around), 2):
        pieces += (_URI, b'a%d"' % place, around[place], _VALUE, b"b%d<" % place, around[place + 1])
    try:
        element = reread(b"".join(pieces), 2 * BYTES)
    except etree.XMLSyntaxError:  # the gate may let through what is longer than libxml2 likes
        raise Unverified("signature-form", "SignedInfo cannot be read") from None
    children = form.inner(element, ("Id",), "signature-form")
    references = children[2:]
    if [each.tag for each in children] != _FIRST + [_REFERENCE] * len(references):
        raise Unverified("signature-form", "SignedInfo holds something else, or in another order")
    method = _method(children[1])
    how = tuple(_covered(each, 2 * place + 1) for place, each in enumerate(references))
    if len(how) != len(around) // 2:
        raise Unverified("signature-form", "an id or a digest where none belongs")
    return method, how


def _method(element: Element) -> Method:
    inside = form.inner(element, _ALGORITHM, "signature-form")
    method = EVERY.methods.get(element.get("Algorithm", ""))
    if method is None:
        raise Unverified("algorithm", f"signature {element.get('Algorithm', '')[:100]}")
    if inside:
        raise Unverified("signature-form", "a parameter of the signature method")
    return method


def _covered(reference: Element, place: int) -> tuple[Prefixes, Digest]:
    transforms, method, value = form.exactly(
        reference, ("Id", "URI"), _IN_REFERENCE, "signature-form"
    )
    uri = reference.get("URI", "")
    if uri != f"#a{place}":
        raise Unverified("reference", f"{uri[:100]!r} is no id of an element in this message")
    prefixes = _transforms(transforms)
    inside = form.inner(method, _ALGORITHM, "signature-form")
    digest = EVERY.digests.get(method.get("Algorithm", ""))
    if digest is None or inside:
        raise Unverified("algorithm", f"digest {method.get('Algorithm', '')[:100]}")
    if form.base64_text(value, "signature-form") != b"b%d" % place:
        raise Unverified("signature-form", "the digest is not where it belongs")
    return prefixes, digest


def _transforms(transforms: Element) -> Prefixes:
    steps = form.inner(transforms, form.NONE, "transform")
    if not 1 <= len(steps) <= 2 or any(step.tag != _TRANSFORM for step in steps):
        raise Unverified("transform", f"{len(steps)} transforms, or something else")
    if len(steps) == 2:
        # Takes the Signature out of what contains it. Nothing that can be signed here contains it,
        # so it does nothing; node-soap writes it all the same.
        first = steps[0]
        inside = form.inner(first, _ALGORITHM, "transform")
        if first.get("Algorithm") != ENVELOPED or inside:
            raise Unverified("transform", f"{str(first.get('Algorithm'))[:100]} is not allowed")
    return _canonicalisation(steps[-1], "transform")


def _canonicalisation(element: Element, code: Code) -> Prefixes:
    """Exclusive, without comments, with a short list of prefixes at most."""
    inside = form.inner(element, _ALGORITHM, code)
    if element.get("Algorithm") != EXC_C14N:
        raise Unverified(code, f"{element.get('Algorithm', '')[:100]} is not allowed")
    if not inside:
        return None
    (listed,) = form.exactly(element, _ALGORITHM, _PREFIX_LIST, "prefix-list")
    form.exactly(listed, ("PrefixList",), [], "prefix-list")
    text = listed.get("PrefixList")
    if text is None or len(text) > PREFIXES * 65:
        raise Unverified("prefix-list", "missing or too long")
    prefixes = text.split()
    if len(prefixes) > PREFIXES or not all(map(_PREFIX.fullmatch, prefixes)):
        raise Unverified("prefix-list", f"more than {PREFIXES} prefixes, or no prefixes")
    return tuple(prefixes)
