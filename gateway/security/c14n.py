"""Exclusive canonical form of an element in its place, bounded.

Source: Exclusive XML Canonicalization 1.0; lxml's, which is libxml2's.
Why: exclusive canonicalisation writes a namespace declaration again at every element that uses it
and none above it has: a document can become hundreds of times larger.
"""

from collections.abc import Sequence
from typing import Any

from lxml import etree
from lxml.etree import _Element as Element

from gateway.security.unverified import Unverified


def canonical(element: Element, prefixes: Sequence[str] | None, limit: int) -> bytes:
    """Exclusive canonical form without comments; raises ``Unverified``, also when too large."""
    if prefixes and "#default" in prefixes:
        element = _with_default_known(element)
    out = _Bounded(limit)
    tree: Any = etree.ElementTree(element)
    try:
        tree.write_c14n(
            out, exclusive=True, with_comments=False, inclusive_ns_prefixes=prefixes or None
        )
    except etree.LxmlError as error:
        raise Unverified("no-canonical-form", str(error)[:200]) from None
    return out.pieces[0] if len(out.pieces) == 1 else b"".join(out.pieces)


class _Bounded:
    """A file that takes so many bytes and no more."""

    def __init__(self, limit: int) -> None:
        self.pieces: list[bytes] = []
        self._left = limit

    def write(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            self.pieces.clear()
            raise Unverified("too-large", "the canonical form is larger than a message may be")
        self.pieces.append(data)


def _with_default_known(element: Element) -> Element:
    """A copy of the element in a document that knows the word ``#default``.

    lxml leaves out prefixes that are not among the names of the document, and this one cannot be;
    a parser that looks out for elements of that name adds it.
    """
    parser = etree.XMLPullParser(
        events=("start",),
        tag="#default",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=True,  # the gate has measured it
    )
    parser.feed(etree.tostring(element, with_tail=False))
    return parser.close()
