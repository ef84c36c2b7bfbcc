"""JSON lists without end: the items of a list, one by one, from a stream of bytes.

Source: RFC 8259.
Limits: the list is the whole text, or one member of an object whose other members are small.
Why: no parser for JSON here gives items before the end. What delimits an item can be said in one
regular expression (strings, and brackets to a bounded depth), which finds its end at the speed of
C; what is inside is parsed by whoever reads messages anyway.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import islice
from typing import Any, BinaryIO

from gateway.errors import Malformed, Problem, TooLarge
from gateway.mapping.compile import codec
from gateway.mapping.record import Record
from gateway.mapping.stream import ITEM, Block, Item, NotStreamed, headed, list_of

Decode = Callable[[bytes], Any]
"""The value of a JSON text; raises Malformed."""

DEPTH = 32
SMALL = 1024 * 1024
"""Bytes up to which a list is a field like others."""
_CHUNK = 128 * 1024
_MEMBERS = 100

_BARE = rb'[^"\[\]{}]*+'
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'


def _nested(depth: int) -> bytes:
    inner = _STRING
    for _ in range(depth):
        block = rb"[\[{]%s(?:(?:%s)%s)*+[\]}]" % (_BARE, inner, _BARE)
        inner = rb"%s|%s" % (_STRING, block)
    return inner


@cache
def _value() -> re.Pattern[bytes]:
    return re.compile(rb"%s|[^\s,:\[\]{}\"]++(?=[\s,\]}])" % _nested(DEPTH), re.DOTALL)


_NOT_BLANK = re.compile(rb"[^ \t\r\n]")


class _Scanner:
    """A cursor in a stream; holds no more than the value it stands at."""

    def __init__(self, source: BinaryIO) -> None:
        source.seek(0)
        self._source, self._text, self._at, self._ended = source, b"", 0, False
        self._fill()
        self._text = self._text.removeprefix(b"\xef\xbb\xbf")

    def _fill(self) -> None:
        """More text after what is left: as much again, so that a long value costs no more."""
        left = self._text[self._at :]
        more = self._source.read(max(_CHUNK, len(left)))
        self._text, self._at, self._ended = left + more, 0, not more

    def peek(self) -> bytes:
        """The next character that is no blank; empty at the end."""
        while True:
            if found := _NOT_BLANK.search(self._text, self._at):
                self._at = found.start()
                return found.group()
            if self._ended:
                return b""
            self._at = len(self._text)
            self._fill()

    def take(self, *expected: bytes) -> bytes:
        """Go past the next character, which must be one of these."""
        found = self.peek()
        if found not in expected:
            shown = found.decode("ascii", "replace") or "its end"
            raise Malformed(f"is no JSON: found {shown} where {b' or '.join(expected).decode()}")
        self._at += 1
        return found

    def value(self, limit: int = ITEM) -> bytes | None:
        """The text of the next value; None when it is longer than ``limit``."""
        self.peek()
        while True:
            if found := _value().match(self._text, self._at):
                self._at = found.end()
                return found.group()
            if len(self._text) - self._at > limit:
                return None
            if self._ended:
                raise Malformed("is no JSON: it ends within a value")
            self._fill()

    def items(self) -> Iterator[bytes]:
        """The texts of the items of the next value, which is a list."""
        self.take(b"[")
        if self.peek() == b"]":
            self.take(b"]")
            return
        while True:
            text = self.value()
            if text is None:
                raise TooLarge(f"an item of more than {ITEM} bytes")
            yield text
            if self.take(b",", b"]") == b"]":
                return

    def end(self) -> None:
        if self.peek():
            raise Malformed("is no JSON: it goes on after its end")


def _members(scanner: _Scanner, decode: Decode) -> Iterator[tuple[str, Any]]:
    """Names of the next value, an object, each with its value; None for a long list, which has to
    be gone through before the next name is asked for."""
    scanner.take(b"{")
    if scanner.peek() == b"}":
        scanner.take(b"}")
        return
    names: set[str] = set()
    while True:
        if scanner.peek() != b'"':
            raise Malformed("is no JSON: a name is expected")
        name = decode(scanner.value() or b"")
        if name in names or len(names) > _MEMBERS:
            raise Malformed("a name stands twice in one object")
        names.add(name)
        scanner.take(b":")
        listed = scanner.peek() == b"["
        text = scanner.value(SMALL if listed else ITEM)
        if text is None and not listed:
            raise NotStreamed("a long value that is no list")
        yield name, None if text is None else decode(text)
        if scanner.take(b",", b"}") == b"}":
            return


def probe(source: BinaryIO, decode: Decode) -> Any:
    """The value with nothing but the first item in its long list, to tell what it is.

    Goes through the whole text when that is an object. Raises NotStreamed when it has no long list,
    or two.
    """
    scanner = _Scanner(source)
    if scanner.peek() == b"[":
        for text in scanner.items():
            return [decode(text)]
        return []
    if scanner.peek() != b"{":
        raise NotStreamed("neither a list nor an object")
    found, long = {}, 0
    for name, value in _members(scanner, decode):
        found[name] = value
        if value is None and scanner.peek() == b"[":
            long += 1
            for place, text in enumerate(scanner.items()):
                if place == 0:
                    found[name] = [decode(text)]
    scanner.end()
    if long != 1:
        raise NotStreamed(f"{long} long lists")
    return found


class JsonItems:
    """The items of a message that is a list, or an object with one; see ``XmlItems``.

    ``probed``: what ``probe`` found. Iterating raises Malformed when the text is not JSON to its
    very end or breaks a limit, NotStreamed when another member is the long one.
    """

    def __init__(self, record: Record, source: BinaryIO, decode: Decode, probed: Any) -> None:
        self.row, self.kind = list_of(record)
        self.record, self.source = record, source
        self._decode = decode
        whole = self.row.wire == "."
        if whole != isinstance(probed, list) or len(self.row.steps) > 1:
            raise NotStreamed(f"the list of {record} is not where it is expected")
        fields = {} if whole else {k: v for k, v in probed.items() if k != self.row.wire}
        self.head: Any = codec(headed(record)).read(fields)
        self.root = None

    def __iter__(self) -> Iterator[Item]:
        return self._read(self._texts(), 0)

    def blocks(self, size: int) -> Iterator[list[Item] | Block]:
        """The first item, and the others in blocks of ``size`` bytes; see ``XmlItems.blocks``."""
        texts = self._texts()
        yield list(self._read(islice(texts, 1), 0))
        number, held, some = 1, 0, list[bytes]()
        for text in texts:
            some.append(text)
            held += len(text)
            if held >= size:
                yield Block(number, len(some), some)
                number, held, some = number + len(some), 0, []
        if some:
            yield Block(number, len(some), some)

    def read(self, block: Block) -> Iterator[Item]:
        """The items of a block."""
        return self._read(block.text, block.number)

    def _read(self, texts: Iterable[bytes], number: int) -> Iterator[Item]:
        read, decode = codec(self.kind).read, self._decode
        at = "" if self.row.wire == "." else f"/{self.row.wire}"
        for place, text in enumerate(texts, number):
            here = f"{at}/{place}"
            try:
                value = decode(text)
            except Malformed as error:
                problems = [Problem(here + each.path, each.reason) for each in error.problems]
                raise type(error)(problems) from None
            try:
                yield Item(place, here, read(value, here))
            except Malformed as error:
                yield Item(place, here, None, error.problems)

    def _texts(self) -> Iterator[bytes]:
        scanner = _Scanner(self.source)
        if self.row.wire == ".":
            yield from scanner.items()
        else:
            for name, value in _members(scanner, self._decode):
                if name == self.row.wire and value is None:
                    yield from scanner.items()
                elif name == self.row.wire:
                    raise NotStreamed(f"the list of {self.record} is short")
        scanner.end()
