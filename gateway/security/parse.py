"""The gate for XML bytes and the one parser behind it.

Source: XML 1.0; RFC 7303 for the order byte order mark, HTTP charset, declaration; SOAP 1.1
chapter 3 (no DTD, no processing instructions).
Limits: UTF-8, US-ASCII, UTF-16 and ISO-8859-1 are read; comments are left out of the tree.
Why: bytes are counted and scanned before libxml2 sees them, so that no document costs more than
its size, and every refusal says which rule it broke (``code``).
"""

import codecs
import re
import threading
from collections.abc import Iterator
from itertools import islice
from typing import Any

from lxml import etree
from msgspec import Struct

from gateway.errors import Malformed, TooLarge


class Limits(Struct, frozen=True, kw_only=True):
    """How much XML one message may hold. Everything over a limit is refused, nothing is cut."""

    bytes: int = 32 * 1024 * 1024
    """Size of the message as received, and again as UTF-8."""
    depth: int = 64
    """Levels of nesting. Over 256, libxml2's own limits are lifted too."""
    elements: int = 1_000_000
    attributes: int = 64
    """Attributes on one element."""
    declarations: int = 1_000_000
    """Namespace declarations (``xmlns``) in the whole document."""
    namespaces: int = 64
    """Prefixes in scope at one element."""
    text: int = 1024 * 1024
    """Characters of one text or attribute. Over 10,000,000, libxml2's own limits are lifted too."""

    @property
    def huge(self) -> bool:
        """Whether libxml2 has to be told to go beyond its own limits."""
        return self.depth > 256 or self.text > 10_000_000


CEILINGS = Limits(
    bytes=1024 * 1024 * 1024,
    depth=256,
    elements=50_000_000,
    attributes=1000,
    declarations=10_000_000,
    namespaces=1000,
    text=10_000_000,
)
"""What can be configured at most: where libxml2 stops by itself, or a message no longer fits."""


class BrokenXml(Malformed):
    """These bytes are no XML document that the gateway reads; ``code`` names the rule."""

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        super().__init__(reason)


class OverLimit(TooLarge):
    """The document is over one of the limits; ``code`` names it."""

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        super().__init__(reason)


ENCODINGS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "iso-8859-1": "iso-8859-1",
    "iso8859-1": "iso-8859-1",
    "latin1": "iso-8859-1",
    "latin-1": "iso-8859-1",
}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_FOREIGN = (
    (codecs.BOM_UTF32_LE, "UTF-32"),  # begins like the mark of UTF-16
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (b"<\0\0\0", "UTF-32"),
    (b"\0\0\0<", "UTF-32"),
    (b"\x4c\x6f\xa7\x94", "EBCDIC"),
    (b"+/v", "UTF-7"),
)
_UNMARKED_UTF16 = ((b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"))
_DECLARATION = re.compile(rb"""\s*<\?xml\s[^>]{0,100}?encoding\s*=\s*["']([^"'>]{1,40})["']""")
_DECLARED = re.compile(rb"<\?xml\s")


def parse(body: bytes, limits: Limits, charset: str | None = None) -> etree._Element:
    """Read one XML document.

    ``charset`` is that of the HTTP Content-Type. Returns the root element; raises ``BrokenXml``
    or ``OverLimit``, never anything else.
    """
    if len(body) > limits.bytes:
        raise OverLimit("bytes", f"{len(body)} bytes, allowed are {limits.bytes}")
    body = _as_utf8(body, charset)
    _scan(body, limits)
    try:
        root = etree.fromstring(body, _parser(limits.huge))
    except etree.XMLSyntaxError as error:
        raise _refusal(error, limits) from None
    except ValueError as error:  # lxml refuses some inputs before libxml2 does
        raise BrokenXml("syntax", str(error)[:200]) from None
    _measure(root, body, limits)
    return root


def reread(content: bytes, limit: int, huge: bool = False) -> etree._Element:
    """The tree of UTF-8 that this process has written itself: a message of ours, or the canonical
    form of a tree that was measured before, which has the same elements and only its size can
    differ. Raises XMLSyntaxError.
    """
    assert len(content) <= limit, "whoever writes it bounds it"
    return etree.fromstring(content, _parser(huge))


_MOVED = 500
"""Elements in each other: those of a charge point and of a CDR are about 50."""


def cut_out(element: etree._Element) -> etree._Element:
    """The element as root of its own document, with every prefix that was in scope declared on it.

    A prefix may be needed by a value (xsi:type); a plain removal would lose what is declared on
    Envelope and Body. Where a child holds more than any message has it is written and read again:
    lxml (6.1) moves an element in a time that grows with the square of what is in it.
    """
    if xpath(f"boolean(*[count(descendant::*) > {_MOVED}])")(element):
        return etree.fromstring(etree.tostring(element, with_tail=False), _parser(huge=True))
    root = etree.Element(element.tag, nsmap=element.nsmap)  # type: ignore[arg-type] # None is allowed
    root.attrib.update(element.attrib)
    root.text = element.text
    root.extend(list(element))
    return root


def _as_utf8(body: bytes, charset: str | None) -> bytes:
    """The document in UTF-8 without byte order mark, so that all later steps see one encoding."""
    if body[:1] != b"<" or body[1:2] == b"\0":
        for start, name in _FOREIGN:
            if body.startswith(start):
                raise BrokenXml("charset", f"it looks like {name}, which is not supported")
        for mark, encoding in _MARKS:
            if body.startswith(mark):
                return _transcoded(body[len(mark) :], encoding)
    if charset is not None:
        encoding = _known(charset, "Content-Type")
    else:
        encoding = next((name for start, name in _UNMARKED_UTF16 if body.startswith(start)), "")
        declared = None if encoding else _DECLARATION.match(body)
        if declared:
            encoding = _known(declared[1].decode("ascii", "replace"), "XML declaration")
        if encoding.startswith("utf-16") and declared:
            raise BrokenXml("charset", "declared as UTF-16, but it is not")
    if encoding == "utf-16":  # RFC 2781: without a mark it is big-endian, but look first
        encoding = "utf-16-le" if body.startswith(b"<\0") else "utf-16-be"
    return _transcoded(body, encoding or "utf-8")


def _known(name: str, place: str) -> str:
    encoding = ENCODINGS.get(name.strip().lower())
    if encoding is None:
        raise BrokenXml("charset", f"{place}: charset {name[:40]!r} is not supported")
    return encoding


def _transcoded(body: bytes, encoding: str) -> bytes:
    if encoding == "utf-8":
        return body  # libxml2 checks it
    try:
        return body.decode(encoding).encode()
    except UnicodeError:
        raise BrokenXml("charset", f"the bytes are not {encoding}") from None


def _scan(body: bytes, limits: Limits) -> None:
    """What can be refused by looking at the bytes, before any tree exists.

    Single bytes are found ten times as fast as two in a row, so these are looked for first.
    """
    start = body.lstrip()[:1]
    if not start:
        raise BrokenXml("empty", "the message is empty")
    if start != b"<":
        raise BrokenXml("no-xml", "the message does not start with '<'")
    if b"\0" in body:
        raise BrokenXml("nul", "the message holds a NUL character")
    marked = b"!" in body
    if marked and b"<!DOCTYPE" in body:
        raise BrokenXml("doctype", "a document type declaration is not allowed")
    if len(body) > limits.bytes:
        raise OverLimit("bytes", f"{len(body)} bytes as UTF-8, allowed are {limits.bytes}")
    if body.count(b"<") > limits.elements and _elements(body) > limits.elements:
        raise OverLimit("elements", f"more than {limits.elements} elements")
    if body.count(b"xmlns") > limits.declarations:
        raise OverLimit("declarations", f"more than {limits.declarations} namespace declarations")
    if body.count(b"=") > min(limits.attributes, limits.namespaces):
        _scan_tags(body, limits)
    if _may_have_instruction(body) and not (marked and b"<!" in body):
        raise BrokenXml("instruction", "processing instructions are not allowed")


def _elements(body: bytes) -> int:
    """No fewer than there are."""
    return body.count(b"<") - body.count(b"</")


def _may_have_instruction(body: bytes) -> bool:
    """Whether ``<?`` is there, besides the XML declaration; it may stand in a comment or text."""
    declared = _DECLARED.match(body) is not None
    begins = body.find(b"?>") + 2 if declared else 0
    return body.find(b"?", begins) >= 0 and body.count(b"<?") > declared


_VALUE = rb"""(?:"[^<"]*+"|'[^<']*+')"""
_TAG = re.compile(rb"""<[^<>"'!?]++(?:%b[^<>"']*+)*+""" % _VALUE)
_NO_TAGS = re.compile(rb"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)", re.DOTALL)
_VALUES = re.compile(_VALUE)
_XMLNS = re.compile(rb"\sxmlns(?::[^\s=<>]++)?+\s*+=")
_SHORTEST = len(b' a=""')


def _scan_tags(body: bytes, limits: Limits) -> None:
    """Count what stands in one tag. Only what is long enough to hold too much is looked at."""
    if b"<!" in body:
        body = _NO_TAGS.sub(b"", body)
    fewest = min(limits.attributes, limits.namespaces)
    least = _SHORTEST * (fewest + 1)
    for start in _far_apart(body, least):
        tag = _TAG.match(body, start)
        if tag is None or len(tag[0]) < least or tag[0].count(b"=") <= fewest:
            continue
        declared = _some(_XMLNS, tag[0], limits.namespaces)
        if declared > limits.namespaces:
            raise OverLimit("namespaces", f"more than {limits.namespaces} prefixes in scope")
        if _some(_VALUES, tag[0], limits.attributes + declared) > limits.attributes + declared:
            raise OverLimit("attributes", f"more than {limits.attributes} attributes on an element")


def _far_apart(body: bytes, least: int) -> Iterator[int]:
    """Where a ``<`` is followed by so many other bytes.

    >>> list(_far_apart(b"<a><bcd>ef<g/>", 4))
    [3]
    """
    at = body.find(b"<")
    while 0 <= at < len(body) - least:
        last = body.rfind(b"<", at + 1, at + 1 + least)
        if last < 0:
            yield at
            last = body.find(b"<", at + 1 + least)
        at = last


def _some(what: re.Pattern[bytes], text: bytes, enough: int) -> int:
    """How often it is there; counting stops once that is more than enough."""
    return len(list(islice(what.finditer(text), enough + 1)))


_local = threading.local()  # parsers and XPath objects are locked while they work


def _parser(huge: bool) -> etree.XMLParser:
    """The parser of this thread, so that a big message does not hold up the small ones."""
    parsers: dict[bool, etree.XMLParser] = _local.__dict__.setdefault("parsers", {})
    if huge not in parsers:
        parsers[huge] = etree.XMLParser(
            encoding="utf-8",
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            dtd_validation=False,
            attribute_defaults=False,
            huge_tree=huge,
            remove_comments=True,
            remove_blank_text=False,
            collect_ids=False,
            recover=False,
        )
    return parsers[huge]


def _refusal(error: etree.XMLSyntaxError, limits: Limits) -> BrokenXml | OverLimit:
    text = str(error.msg or "not well-formed")[:200]
    if "Excessive depth" in text:
        return OverLimit("depth", f"more than {limits.depth} levels")
    if "XML_PARSE_HUGE" in text:
        return OverLimit("text", f"a text, name or attribute of more than {limits.text} characters")
    return BrokenXml("syntax", text)


def _measure(root: etree._Element, body: bytes, limits: Limits) -> None:
    """What needs the tree. Each look is left out where the bytes already rule the case out."""
    if body.count(b"<") > 2 * limits.depth and _is_deeper(root, limits.depth):
        raise OverLimit("depth", f"more than {limits.depth} levels")
    if _may_have_namespaces(root, body, limits):
        _measure_namespaces(root, limits)
    if _may_have_long_text(body, limits):
        long = f"string-length(.) > {limits.text}"
        if xpath(f"boolean(//text()[{long}] | //@*[{long}])")(root):
            raise OverLimit("text", f"a text of more than {limits.text} characters")
    if _may_have_instruction(body) and _has_instruction(root):
        raise BrokenXml("instruction", "processing instructions are not allowed")


def _is_deeper(root: etree._Element, levels: int) -> bool:
    found: bool = xpath(f"boolean({'/*' * (levels + 1)})")(root)
    return found


_DECLARING = re.compile(rb"xmlns[^<]*")
"""From the first declaration of a tag to the next tag."""


def _may_have_namespaces(root: etree._Element, body: bytes, limits: Limits) -> bool:
    """Whether more prefixes than allowed can be in scope anywhere. There is at most one for each
    level, and what tags declare beyond their first."""
    declared = body.count(b"xmlns")
    if declared <= limits.namespaces:
        return False
    levels = limits.namespaces - (declared - len(_DECLARING.findall(body)))
    return levels < 1 or _is_deeper(root, levels)


def _may_have_long_text(body: bytes, limits: Limits) -> bool:
    """A text with no ``<`` in it is long only where there is none for as long; what stands on both
    sides of a comment is one text."""
    if len(body) <= limits.text:
        return False
    comment = b"!" in body and b"<!" in body
    return comment or next(_far_apart(body, limits.text), None) is not None


def _has_instruction(root: etree._Element) -> bool:
    """Not by XPath: to make a set of them libxml2 compares each with all before it."""
    inside: Any = root.iter(etree.PI)
    beside: tuple[Any, Any] = root.getprevious(), root.getnext()
    return next(inside, None) is not None or beside != (None, None)


def _measure_namespaces(root: etree._Element, limits: Limits) -> None:
    in_scope = 0
    for event, _ in etree.iterwalk(root, events=("start-ns", "end-ns")):
        in_scope += 1 if event == "start-ns" else -1
        if in_scope > limits.namespaces:
            raise OverLimit("namespaces", f"more than {limits.namespaces} prefixes in scope")


def xpath(expression: str, namespaces: tuple[tuple[str, str], ...] = ()) -> Any:
    """An expression, compiled once per thread; ``namespaces``: its prefixes."""
    cache: dict[Any, Any] = _local.__dict__.setdefault("xpaths", {})
    key = (expression, namespaces)
    found = cache.get(key)
    if found is None:
        found = cache[key] = etree.XPath(
            expression, namespaces=dict(namespaces), smart_strings=False
        )
    return found
