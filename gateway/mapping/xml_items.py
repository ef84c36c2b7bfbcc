"""XML lists without end: the items of a message's list, one by one, from a stream of bytes.

Source: XML 1.0; SOAP 1.1 chapter 4.
Limits: the list is the last of the message's fields; or it is named (``row``): then other lists
stand where the record has them, and little else behind it.
Why some items at a time: libxml2's streaming parser with a schema accepts truncated input when
entities are off, and reports schema errors only at the end; so items are validated inside an
otherwise empty message, at the same cost and in the right place.
Why not through one parser: to find each item and each of its fields as an element costs more than
to parse and validate them. Where the text of items is regular (``regular.py``), it is cut out and
parsed as a message of those items alone; that message is validated, and the fields are taken from
the text. Everything else goes through the parser of the whole, element by element.
"""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from copy import deepcopy
from operator import is_
from typing import Any, BinaryIO, NamedTuple

from lxml import etree

from gateway.errors import Malformed, Problem, TooLarge
from gateway.mapping import regular
from gateway.mapping.carriers import local
from gateway.mapping.compile import CANNOT, codec
from gateway.mapping.record import Record, Row
from gateway.mapping.stream import (
    ITEM,
    Block,
    Checker,
    Item,
    Mend,
    NotShared,
    NotStreamed,
    ends_with_list,
    headed,
    list_of,
    lists,
)

CHUNK = 64 * 1024
"""Bytes that are read at once."""
_BESIDE = 100
"""Elements beside the items that are found at the end; more are no message."""
_HARDENED: dict[str, Any] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "remove_comments": True,
    "collect_ids": False,
}
UNWIELDY = 5000
"""Elements in one element, from which on lxml (6.1) takes long to move or remove it: a time that
grows with the square of them, in which nobody else has the interpreter."""
is_unwieldy = etree.XPath(f"boolean(*[count(descendant::*) > {UNWIELDY}])")
"""Whether an element has a child of so many."""
_BLANKS = " \t\r\n"
"""XML 1.0, 2.3: no others. As in ``security.form``, which knows nothing of mappings."""
_HIDING = re.compile(rb"<!--.*?(-->|\Z)|<!\[CDATA\[.*?(\]\]>|\Z)|<!", re.DOTALL)
"""Where an end tag is none; the groups are empty where it does not end."""


class _Together(NamedTuple):
    """Items that came at once: what each is read from, and what reads it; a message of them, or the
    text of one that is valid."""

    sources: Sequence[Any]
    read: Callable[[Any], Any]
    message: Any = None
    text: bytes = b""


class XmlItems:
    """The items of a message whose root (or body element in an envelope) is ``record.name``.

    ``checker`` is asked with some items at a time (as many as are in ``chunk`` bytes); ``mend`` is
    tried on all of them if it faults one. ``row``: the list, where it is one of several or not the
    last field; the items of the others are left out, and ``others`` names those that had some;
    other fields may stand behind it, in at most a hundred elements. While the items are given,
    ``head`` is the message without them, at the end with what stands behind them; ``root`` is what
    is left at the end; ``sample`` is an item that is valid, if there is one.
    Iterating raises Malformed when the text is not XML to its very end, or its root or another
    field is wrong; NotStreamed when other elements stand after the first item.
    """

    def __init__(
        self,
        record: Record,
        source: BinaryIO,
        checker: Checker | None = None,
        mend: Mend | None = None,
        chunk: Callable[[], int] = lambda: CHUNK,
        *,
        row: Row | None = None,
    ) -> None:
        self.row, self.kind = list_of(record, row)
        if row is None and not ends_with_list(record):
            raise NotStreamed(f"{record} goes on after its list")
        self._behind = row is not None
        self._rest: Sequence[Any] = ()
        """What stands behind the items."""
        self.others: set[str] = set()
        self.sample: Any = None
        self.record, self.source = record, source
        self.head: Any = None
        self.root: Any = None
        self._checker = checker
        self._mend = mend
        self._chunk = chunk
        self._alone: Any = None
        self._texts: _Texts
        item = re.escape(f"{record.name}/{self.row.steps[0]}")
        self._place = re.compile(rf"({item}\[)(\d+)\]")
        self._heard: set[str] = set()

    def _check(self, element: Any) -> tuple[Problem, ...]:
        return tuple(self._checker.check(element)) if self._checker else ()

    def _accepts(self, element: Any) -> bool:
        return self._checker is None or self._checker.accepts(element)

    def __iter__(self) -> Iterator[Item]:
        number = 0
        for together in self._found(self._chunk):
            assert isinstance(together, _Together)  # a text comes only where it was asked for
            yield from self._read(together, number)
            number += len(together.sources)

    def blocks(self, size: int) -> Iterator[list[Item] | Block]:
        """The first item, and the others in blocks of about ``size`` bytes.

        What is in a block shows when it is read (``read``), in whatever order, by whoever has a
        copy of this. Only if all were read without an error are they the items of the message.
        Raises as iterating does, and NotShared.
        """
        number = 0
        for found in self._found(lambda: size, apart=True):
            if isinstance(found, bytes):
                if len(found) > ITEM - CHUNK:
                    raise NotShared("an item that may be over the limit")
                count = found.count(self._texts.end)
                yield Block(number, count, found)
            elif not number:
                count = len(found.sources)
                yield list(self._read(found, number))
            else:
                raise NotShared("an item that is no text alone")
            number += count

    def read(self, block: Block) -> Iterator[Item]:
        """The items of a block.

        Raises NotShared where it holds anything else, or does not end between two items as it
        began.
        """
        number, texts = block.number, self._texts
        quick = codec(self.kind).function("read_xml")
        for text in texts.pieces(io.BytesIO(block.text), self._chunk):
            while text:
                run = texts.regular(text)
                if run is None:
                    message = texts.with_first(text)
                    run = _Together(message[-1:], quick, message)
                yield from self._read(run, number)
                number += len(run.sources)
                text = text[texts.cut :]
        if number != block.number + block.items:
            raise NotShared("ends of items within items")

    def _read(self, together: _Together, number: int) -> Iterator[Item]:
        """Items that are checked together; irregular ones, and all if one is faulty, for itself."""
        sources, read, message, text = together
        start = f"/{self.record.name}/{self.row.steps[0]}["
        good = message is None or self._accepts(message)
        if good and self._behind and self.sample is None:
            self._keep((self._texts.message(text) if message is None else message)[-1])
        if not good and self._mend is not None:
            yield from self._mended(message, number, len(sources))
            return
        elements: list[Any] = []
        for place, source in enumerate(sources, number):
            if good:
                try:
                    value = read(source)
                except CANNOT:
                    pass
                else:
                    yield Item(place, f"{start}{place + 1}]", value)
                    continue
            if not elements:
                found = self._texts.message(text) if message is None else message
                elements = found[-len(sources) :]
            yield self._item(elements[place - number], f"{start}{place + 1}]", place)

    def _found(
        self, chunk: Callable[[], int], *, apart: bool = False
    ) -> Iterator[_Together | bytes]:
        """The items in turn, as many as came at once; those before are gone by then.

        ``apart``: once it is known what stands around them, the texts of those of a chunk, which
        nobody has looked into.
        """
        self.source.seek(0)
        self._alone = None
        names = [row.steps[0] for row in lists(self.record)]
        whole = _Whole(self.record, self.row.steps[0], names, behind=self._behind)
        texts = self._texts = _Texts(self.kind, self.row.steps[0], names, self._checker)
        self.others = whole.others
        quick = codec(self.kind).function("read_xml")
        after_run = False
        try:
            for text in texts.pieces(self.source, chunk):
                while text:
                    if apart and whole.between and texts.ends_with_item(text):
                        yield text
                        cut = len(text)
                        whole.skip(text)
                    elif whole.between and (run := texts.regular(text)):
                        yield run
                        cut, after_run = texts.cut, True
                        whole.skip(text[:cut])
                    else:
                        first = after_run or self._alone is None
                        cut, after_run = texts.end_of_first(text) if first else len(text), False
                        if found := whole.feed(text[:cut]):
                            if self._alone is None:
                                self._start(whole.message, found[0])
                                texts.frame(self._alone, whole.message.prefix)
                            message = deepcopy(self._alone)
                            message.extend(found)
                            yield _Together(found, quick, message)
                    whole.look_at_rest()
                    text = text[cut:]
            self.root = whole.close()
        except etree.XMLSyntaxError as error:
            problem = Problem(f"/{self.record.name}", f"is no XML to its end: {error}")
            raise Malformed(problem) from None
        if self._alone is None:
            self._alone_without_items()
        elif whole.message is not None and len(whole.message):
            self._finish(whole.message)

    def _finish(self, message: Any) -> None:
        """Read the head again, with what stands behind the items. Raises NotStreamed where that is
        not as it should be: what is wrong with it is for who reads the message whole."""
        self._rest = list(message)
        frame = self._framed(())
        if not self._accepts(frame):
            raise NotStreamed("something is wrong behind the items")
        try:
            self.head = codec(headed(self.record)).read(frame)
        except Malformed as error:
            raise NotStreamed(f"what stands behind the items cannot be read: {error}") from None

    def _keep(self, element: Any) -> None:
        """Have a valid item as the sample, if there is none yet."""
        if self._behind and self.sample is None:
            self.sample = deepcopy(element)

    def may_have(self, samples: Sequence[Any]) -> bool:
        """Whether the message is known to be one that may have items of these lists beside each
        other: a sample of each."""
        return None not in samples and self._accepts(self._framed(samples))

    def _framed(self, items: Sequence[Any]) -> Any:
        """The message with these items alone."""
        frame = deepcopy(self._alone)
        frame.extend(map(deepcopy, items))
        frame.extend(map(deepcopy, self._rest))
        return frame

    def _alone_without_items(self) -> None:
        messages = [each for each in self.root.iter() if _is_message(each, self.record)]
        if len(messages) != 1:
            raise Malformed(f"the message is no {self.record.name}")
        if (messages[0].text or "").strip(_BLANKS):
            raise _character_content(self.record)
        self._start(messages[0], None)
        if self._accepts(self._alone):
            return
        if self._mend is not None:
            raise NotStreamed("no item under its name, and something is wrong")
        raise Malformed(self._check(self._alone))

    def _start(self, message: Any, first: Any) -> None:
        """Keep what stands before the first item as the frame in which items are checked."""
        self._alone = etree.Element(message.tag, nsmap=message.nsmap)
        self._alone.attrib.update(message.attrib)
        for child in list(message):
            if child is first:
                break
            self._alone.append(deepcopy(child))
            message.remove(child)
        self.head = codec(headed(self.record)).read(self._alone)

    def _mended(self, message: Any, number: int, count: int) -> Iterator[Item]:
        """The ``count`` items of a faulty message, put right together, as a partner that deviates
        does so in all of them; those for which that is not enough for themselves."""
        assert self._mend is not None
        mended, notes = self._mend(message)
        if len(mended) != len(message):
            mended, notes = message, []  # nobody knows which item became of which
        self._look_before(mended[:-count])
        told: dict[int, list[str]] = {}
        for note in self._unheard(notes):
            found = self._place.match(note)
            place = number + (int(found[2]) - 1 if found else 0)
            told.setdefault(place, []).append(self._numbered(note, number))
        start = f"/{self.record.name}/{self.row.steps[0]}["
        good = bool(notes) and self._accepts(mended)
        if good:
            self._keep(mended[-1])
        pairs = zip(message[-count:], mended[-count:], strict=True)
        for place, (as_sent, element) in enumerate(pairs, number):
            at, why = f"{start}{place + 1}]", tuple(told.get(place, ()))
            if not good and not (why and self._accepts(self._with(element))):
                yield self._item(as_sent, at, place)
                continue
            self._keep(element)
            try:
                yield Item(place, at, codec(self.kind).read(element, at), (), why)
            except Malformed as error:
                yield Item(place, at, None, error.problems, why, element=element)

    def _look_before(self, elements: Sequence[Any]) -> None:
        """Raises NotStreamed where an item is among what stands before the list: it was sent under
        another name, and is none until it is put right."""
        if any(each.tag == self._texts.tag for each in elements):
            raise NotStreamed("an item under another name before the list")

    def _unheard(self, notes: Sequence[str]) -> list[str]:
        """Notes but for those on what stands around the items that were given before: it is put
        right anew with each message of items, and told once."""
        fresh: list[str] = []
        for note in notes:
            if not self._place.match(note):
                if note in self._heard:
                    continue
                self._heard.add(note)
            fresh.append(note)
        return fresh

    def _with(self, element: Any) -> Any:
        """The message without items, and a copy of this one."""
        message = deepcopy(self._alone)
        message.append(deepcopy(element))
        return message

    def _numbered(self, text: str, before: int) -> str:
        """A text that begins with the place of an item, and how many items are before those among
        which it was counted."""
        return self._place.sub(lambda found: f"{found[1]}{int(found[2]) + before}]", text, count=1)

    def _item(self, element: Any, at: str, number: int) -> Item:
        """An item for itself: of those that were read together, one is irregular."""
        read = codec(self.kind).read
        place = len(self._alone)
        self._alone.append(element)
        try:
            element, problems, notes = self._checked(element, place, number)
            if problems:
                return Item(number, at, None, problems, notes, invalid=True)
            self._keep(element)
            return Item(number, at, read(element, at), (), notes)
        except Malformed as error:
            if not error.problems or not error.problems[0].path.startswith(at):
                raise
            return Item(number, at, None, error.problems, element=element)
        finally:
            del self._alone[place:]

    def _checked(
        self, element: Any, place: int, number: int
    ) -> tuple[Any, tuple[Problem, ...], tuple[str, ...]]:
        """The element, mended where that helps, what is wrong with it, and what was mended.

        Raises Malformed when something is wrong with the message around it.
        """
        if self._accepts(self._alone):
            return element, (), ()
        if self._mend is not None:
            mended, notes = self._mend(self._alone)
            if notes and self._accepts(mended):
                self._look_before(mended[:place])
                told = (self._numbered(note, number) for note in self._unheard(notes))
                return mended[place], (), tuple(told)
        problems = self._check(self._alone)
        if not all(self._place.match(each.path) for each in problems):
            raise Malformed(problems)
        return (
            element,
            tuple(Problem(self._numbered(each.path, number), each.reason) for each in problems),
            (),
        )


def _is_message(element: Any, record: Record) -> bool:
    """Whether this is the message element: the root, or alone in a body."""
    around = [local(each.tag) for each in element.iterancestors()]
    right = element.tag == f"{{{record.wire.namespace}}}{record.name}"
    return right and around in ([], ["Body", "Envelope"])


class _Whole:
    """The parser of the whole text, from which regular items were taken out."""

    def __init__(self, record: Record, name: str, names: Sequence[str], *, behind: bool) -> None:
        """``names``: the elements of all lists, in their order."""
        self.message: Any = None
        self.between = False
        """Whether it stands in the message after an item."""
        self.others: set[str] = set()
        """The elements of other lists that were left out."""
        self._behind, self._left, self._begun = behind, False, False
        self._record, self._tag = record, f"{{{record.wire.namespace}}}{name}"
        self._order = {f"{{{record.wire.namespace}}}{each}": at for at, each in enumerate(names)}
        self._parser = etree.XMLPullParser(
            ("end", "pi"), tag=[f"{{*}}{each}" for each in names], **_HARDENED
        )
        self._sure, self._unclaimed = True, 0
        self._beside, self._fed, self._left_over = 0, 0, 0

    def feed(self, text: bytes) -> list[Any]:
        """The item elements that end in a text."""
        self._parser.feed(text)
        self._fed = len(text)
        if wrong := self._parser.feed_error_log.filter_from_errors():
            # names of two colons; the parser itself would tell of them at the end alone
            reason = f"is no XML to its end: {wrong[0].message}, line {wrong[0].line}"
            raise Malformed(Problem(f"/{self._record.name}", reason))
        found: list[Any] = []
        others: list[Any] = []
        inside = False
        element: Any
        for event, element in self._parser.read_events():
            if event == "pi":
                raise Malformed("processing instructions are not allowed")
            parent = element.getparent()
            if self.message is None and parent is not None and _is_message(parent, self._record):
                self.message = parent
            inside = self.message is not None and parent is self.message
            inside = inside and element.tag == self._tag
            if inside:
                if self._left:
                    raise NotStreamed("other elements between the items")
                found.append(element)
            elif self.message is not None and parent is self.message:
                self._leave_out(element, others, begun=self._begun or bool(found))
        if self.message is not None and is_unwieldy(self.message):
            raise NotStreamed("an unwieldy element")
        for element in others:
            self.message.remove(element)
        if found and not self._in_a_row(found):
            raise NotStreamed("other elements between the items")
        # An end tag was the last thing, if it was one; where one hides, nobody knows any more.
        self._sure = self._sure and all(each[1] or each[2] for each in _HIDING.finditer(text))
        self.between = inside and self._sure
        self._unclaimed = 0 if found or others else self._unclaimed + len(text)
        if self._unclaimed > ITEM:
            raise _endless()
        return found

    def _leave_out(self, element: Any, others: list[Any], *, begun: bool) -> None:
        """Take note of an item of another list. Raises NotStreamed where it is out of its place."""
        place = self._order.get(element.tag)
        if place is None:
            return  # of another namespace: it is no item of a list
        if place < self._order[self._tag]:
            if begun:
                raise NotStreamed("a list after one that follows it")
        else:
            self._left = True
        self.others.add(local(element.tag))
        others.append(element)

    def _in_a_row(self, items: list[Any]) -> bool:
        """Whether nothing stands between these items, or between them and the ones before."""
        first = self.message.index(items[0])
        begins, self._begun = not self._begun, True
        there = self.message[first : first + len(items)]
        return (begins or not first) and all(map(is_, there, items))

    def skip(self, text: bytes) -> None:
        """Leave out regular items; blanks keep the numbers of lines and columns."""
        last = text.rfind(b"\n") + 1
        self._parser.feed(b"\n" * text.count(b"\n") + b" " * (len(text) - last))

    def look_at_rest(self) -> None:
        """What the items leave behind: blanks, and at most an item that is still coming."""
        message = self.message
        if message is None:
            return
        before, self._beside = self._beside, sum(each.tag not in self._order for each in message)
        if self._beside > before:
            self._left_over += self._fed
        if self._beside > _BESIDE or self._left_over > ITEM:
            raise NotStreamed("other elements among the items")
        self._left = self._left or (
            self._begun and any(child.tag != self._tag for child in message)
        )
        if message.text is not None:
            if message.text.strip(_BLANKS):
                raise _character_content(self._record)
            message.text = None

    def close(self) -> Any:
        """The root at the end of the text."""
        root = self._parser.close()
        self.look_at_rest()
        if self.message is not None and len(self.message) and not self._behind:
            raise NotStreamed(f"{len(self.message)} elements beside the list")
        return root


def _ends_of(names: Sequence[str]) -> re.Pattern[bytes]:
    each = b"|".join(re.escape(name.encode()) for name in names)
    return re.compile(rb"</(?:[^\s<>/:]+:)?(?:%s)\s*>" % each)


class _Texts:
    """Pieces of the text: where items end, and which of them are regular."""

    def __init__(
        self, kind: Record, name: str, names: Sequence[str], checker: Checker | None
    ) -> None:
        self._checker = checker
        self.cut = 0
        """Where the last regular items ended."""
        self.end = b"</%s>" % name.encode()
        """As most items end."""
        self._name, self._prefix = name, ""
        self._own_ends, self._ends = _ends_of([name]), _ends_of(names)
        """Also of items of other lists, so that a text without any of ours is not read at once."""
        self.tag = f"{{{kind.wire.namespace}}}{name}"
        self._around, self._beside = (b"", b""), 0
        self._parser = etree.XMLParser(**_HARDENED)
        self._match: Callable[[str, int], re.Match[str] | None] = lambda text, at: None
        self._read: Callable[[Any], Any] = id
        with suppress(regular.Unbounded):
            self._read = codec(kind).function("read_text")
            self._match = regular.element(kind, name).pattern.match

    def frame(self, message: Any, prefix: str | None) -> None:
        """Tell the message without its items, and the prefix of its name."""
        self._prefix = f"{prefix}:" if prefix else ""
        self.end = f"</{self._prefix}{self._name}>".encode()
        marked = deepcopy(message)
        marked.append(etree.Comment("items"))
        before, _, after = etree.tostring(marked).partition(b"<!--items-->")
        self._around, self._beside = (before, after), len(message)

    def pieces(self, source: BinaryIO, chunk: Callable[[], int]) -> Iterator[bytes]:
        """The text, cut where items end; at last what is left."""
        left = b""
        while more := source.read(chunk()):
            left += more
            if cut := self._end_of_last(left):
                yield left[:cut]
                left = left[cut:]
            elif len(left) > ITEM:
                raise _endless()
        yield left

    def _end_of_last(self, text: bytes) -> int:
        """0: no item ends here."""
        if (at := text.rfind(self.end)) >= 0:
            return at + len(self.end)
        return max((each.end() for each in self._ends.finditer(text)), default=0)

    def end_of_first(self, text: bytes) -> int:
        """Where the first item ends, or the text."""
        found = self._own_ends.search(text)
        return found.end() if found else len(text)

    def ends_with_item(self, text: bytes) -> bool:
        """Whether an end tag of an item is the last thing in a text."""
        return self._end_of_last(text) == len(text)

    def with_first(self, text: bytes) -> Any:
        """The message with nothing but the first item of a text that begins between two items.

        Raises NotShared where that text is no item, or has more to it.
        """
        self.cut = self.end_of_first(text)
        try:
            message = self.message(text[: self.cut])
        except etree.XMLSyntaxError:
            raise NotShared("no item alone") from None
        instructions: Any = message.iter(etree.PI)
        *beside, item = list(message) or [message]
        before = beside[-1].tail if beside else message.text
        if (
            len(beside) != self._beside
            or item.tag != self.tag
            or (before or "").strip(_BLANKS)
            or any(True for _ in instructions)
        ):
            raise NotShared("no item alone")
        return message

    def regular(self, text: bytes) -> _Together | None:
        """The regular items at the start of a text that begins between two items."""
        try:
            characters = text.decode()
        except UnicodeDecodeError:
            return None  # the parser says so
        at, found = 0, list[re.Match[str]]()
        while (match := self._match(characters, at)) and match[1] == self._prefix:
            found.append(match)
            at = match.end()
        if not found:
            return None
        self.cut = len(characters[:at].encode())
        text = text[: self.cut]
        before, after = self._around
        if self._checker and self._checker.holds(before + text + after):
            return _Together(found, self._read, text=text)
        try:
            return _Together(found, self._read, self.message(text))
        except etree.XMLSyntaxError:
            return None  # the parser of the whole says where

    def message(self, text: bytes) -> Any:
        """The message with the items of a text alone. Raises XMLSyntaxError."""
        before, after = self._around
        return etree.fromstring(before + text + after, self._parser)


def _character_content(record: Record) -> Malformed:
    return Malformed(Problem(f"/{record.name}", "character content among the items"))


def _endless() -> TooLarge:
    return TooLarge(f"more than {ITEM} bytes without an end of an item")
