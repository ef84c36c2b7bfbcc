"""SOAP messages that are too long to be held: first their head, then a list item by item.

Source: SOAP 1.1 chapter 4 (Header before Body); OCHP 1.4 (a whole list is one message).
Limits: UTF-8, no signature, lists with little beside them; all else is read whole, within the
limits of ``parse``. Of what is refused and mended the first ``NAMED`` are named.
Why: nothing of a list counts before it was read to its end: every item is checked and read, those
that are good wait in a file. A list that is cut off has changed nothing then, and memory holds a
piece at a time. A message of several lists is read once for each that it has.
"""

import hashlib
from collections.abc import Callable
from copy import deepcopy
from typing import Any, BinaryIO, NamedTuple

from lxml import etree
from msgspec import Struct

from gateway.aside import Aside, is_quiet
from gateway.mapping.carriers import local
from gateway.mapping.record import Record
from gateway.mapping.spool import Spools
from gateway.mapping.stream import Checker, Mend, NotStreamed, lists
from gateway.mapping.xml_items import CHUNK, XmlItems
from gateway.model.message import Message
from gateway.security.parse import BrokenXml, Limits, OverLimit, parse
from gateway.security.stream_gate import XmlGate, streamable
from gateway.soap import envelope
from gateway.soap.check import Refusal
from gateway.soap.envelope import Envelope, Version

NAMED = 100
_PROLOGUE = 256 * 1024
"""Bytes within which the message element begins."""
_PIECE = 4096
_AT_ONCE = 100
"""Items that are put aside in one step."""


class Long(Struct, frozen=True):
    """A message in a file: how its items are checked, and how much of it may be read whole."""

    file: BinaryIO
    schema: Checker
    mend: Mend | None
    read_whole: Callable[[], Any]
    """The body element of the message; raises what ``parse`` raises."""


class Upload(NamedTuple):
    """A message that was read to its end."""

    head: Message
    """It without its lists."""
    lists: Spools
    refused: list[Refusal]
    mended: list[str]


def read_head(file: BinaryIO, charset: str | None) -> Envelope | None:
    """Version, headers, and the message element without what is in it.

    None: the message has to be read whole. Raises BrokenXml.
    """
    file.seek(0)
    if (charset or "utf-8").lower() not in ("utf-8", "utf8") or not streamable(file.read(1024)):
        return None
    gate = XmlGate(file)
    gate.seek(0)
    parser = etree.XMLPullParser(
        ("start",), resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True
    )
    seen = 0
    try:
        while seen < _PROLOGUE and (chunk := gate.read(_PIECE)):
            seen += len(chunk)
            parser.feed(chunk)
            element: Any
            for _, element in parser.read_events():
                around = [local(each.tag) for each in element.iterancestors()]
                if around == ["Body", "Envelope"]:
                    return _head(element)
    except etree.XMLSyntaxError as error:
        raise BrokenXml("syntax", str(error.msg)[:200]) from None
    return None


def _head(element: Any) -> Envelope | None:
    """The envelope around a message element, as far as it is regular."""
    body = element.getparent()
    root = body.getparent()
    space, _, _ = root.tag.rpartition("}")
    try:
        version = Version(space[1:])
    except ValueError:
        return None
    parts = [each.tag for each in root]
    header, whole = (f"{{{version.value}}}{name}" for name in ("Header", "Body"))
    if parts not in ([whole], [header, whole]):
        return None
    blocks = tuple(map(deepcopy, root[0])) if len(parts) == 2 else ()
    return Envelope(version, blocks, etree.Element(element.tag, nsmap=element.nsmap))


def whole(file: BinaryIO, limits: Limits, charset: str | None) -> Any:
    """The root of the message, read in one piece. Raises what ``parse`` raises."""
    size = file.seek(0, 2)
    if size > limits.bytes:
        reason = f"{size} bytes, allowed are {limits.bytes} for what is not one plain list"
        raise OverLimit("bytes", reason)
    file.seek(0)
    return parse(file.read(), limits, charset)


def digest(file: BinaryIO) -> bytes:
    """The SHA-256 of the message."""
    file.seek(0)
    hashed, aside = hashlib.sha256(), Aside()
    while chunk := file.read(CHUNK):
        hashed.update(chunk)
        aside.pause()
    return hashed.digest()


def read(record: Record, source: BinaryIO, schema: Checker, mend: Mend | None) -> Upload:
    """Read all lists to their ends. Raises Malformed, TooLarge, StoreUnavailable, NotStreamed: with
    nothing put aside."""
    file: Any = XmlGate(source)  # it reads and seeks
    first, *others = lists(record)
    found = _Found()

    def at_once() -> int:
        """Small pieces while others wait for the interpreter; a rest before each."""
        found.aside.pause()
        return CHUNK if is_quiet() else CHUNK // 4

    try:
        items = XmlItems(record, file, schema, mend, at_once, row=first)
        found.take(items)
        for row in others:
            if row.steps[0] in items.others:
                found.take(XmlItems(record, file, schema, mend, at_once, row=row))
        if len(found.samples) > 1 and not items.may_have(found.samples):
            raise NotStreamed("lists that may not stand beside each other")
    except BaseException:
        found.lists.close()
        raise
    return Upload(items.head, found.lists, found.refused, list(found.mended))


class _Found:
    """What was found in the lists of a message."""

    def __init__(self) -> None:
        self.lists = Spools()
        self.aside = Aside()
        self.refused: list[Refusal] = []
        self.mended: dict[str, None] = {}
        """Each once: what is beside the lists is put right with each of them."""
        self.samples: list[Any] = []
        """A good item of each list that has items; None where it has none."""

    def take(self, items: XmlItems) -> None:
        """Read one list to its end."""
        spool = self.lists.add(items.row.field, items.kind.cls)
        good, there = list[Any](), False
        for item in items:
            there = True
            if item.problems:
                if len(self.refused) < NAMED:
                    element = deepcopy(item.element)
                    self.refused.append(Refusal(element, item.problems, valid=not item.invalid))
            else:
                good.append(item.value)
                if item.deviations and len(self.mended) < NAMED:
                    self.mended |= dict.fromkeys(item.deviations[: NAMED - len(self.mended)])
            if len(good) >= _AT_ONCE:
                spool.extend(good)
                good.clear()
            self.aside.pause()
        envelope.read(items.root)
        spool.extend(good)
        if there:
            self.samples.append(items.sample)
