"""The one way in for JSON: bytes to plain values, bounded and exact.

Source: RFC 8259; RFC 7493 (I-JSON) for the stricter points.
Refused, each with its reason and, where there is one, its place as a JSON Pointer: text that is
not UTF-8 or not JSON (``NaN`` and ``Infinity`` are not JSON), a name twice in one object (one of
the two values would be lost silently), characters that XML cannot carry (an escaped ``U+0000``
would break a SOAP partner later), and everything over a limit of ``JsonLimits``.
Numbers: with a fraction or an exponent ``Decimal``, digits as sent; without ``int``; never
``float``. A byte order mark at the start is skipped.
Why bounds before the parser: a number of a million digits or an exponent of 999999 costs its time
in whoever touches it first, so no such value is ever made.
"""

import re
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec

from gateway.errors import Malformed, Problem, TooLarge


class JsonLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a document may have at most."""

    bytes: int = 16 * 1024 * 1024
    depth: int = 32
    """Objects and lists inside each other; the outermost one is 1."""
    members: int = 2_000_000
    """Object members and list items together, in the whole document."""
    names: int = 1_000
    """Members of one object."""
    text: int = 100_000
    """Characters of one string."""
    digits: int = 40
    """Digits of one number, and the size of its exponent."""


LIMITS = JsonLimits()
CEILINGS = JsonLimits(
    bytes=256 * 1024 * 1024,
    depth=200,
    members=20_000_000,
    names=100_000,
    text=10_000_000,
    digits=90,
)
"""What can be configured at most: the parsers' own limits, and numbers that still cost nothing."""

_NAME = 200
_NUMBER = 100
# Matches from a quotation mark to its partner or, where there is none, to the end of the text:
# no second attempt from a later mark, so the time is linear whatever is sent.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")
_DIGITS = b"0123456789eE.+-"
_AS_NOUGHT = bytes.maketrans(_DIGITS, b"0" * len(_DIGITS))
_LONG_NUMBER = b"0" * (_NUMBER + 1)
# A text that is too long for a name, or a blank between a name and its colon.
_LONG_OR_APART = re.compile(rb'"(?:[ \t\r\n]++:|[^"]{%d})' % (_NAME + 1))
_NONCHARACTER = re.compile(rb"\xef\xbf[\xbe\xbf]")
# XML 1.0, production Char, the other way round.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_BOM = b"\xef\xbb\xbf"


class BrokenJson(Malformed):
    """These bytes are no JSON that the gateway reads; ``code`` names the rule."""

    def __init__(self, code: str, problem: str | Problem) -> None:
        self.code = code
        super().__init__(problem)


class OverLimit(TooLarge):
    """The document is over one of the limits; ``code`` names it."""

    def __init__(self, code: str, problem: str | Problem) -> None:
        self.code = code
        super().__init__(problem)


class _Found(Exception):
    """A fault found below; each level on the way up adds its step in front."""

    def __init__(
        self, code: str, reason: str, error: type[BrokenJson] | type[OverLimit] = OverLimit
    ) -> None:
        super().__init__(reason)
        self.code, self.reason, self.error = code, reason, error
        self.steps: list[str] = []

    def at(self, step: object) -> "_Found":
        self.steps.insert(0, str(step).replace("~", "~0").replace("/", "~1"))
        return self

    def raised(self) -> Malformed:
        path = "".join(f"/{step}" for step in self.steps)
        return self.error(self.code, Problem(path, self.reason))


def read_json(data: bytes, limits: JsonLimits = LIMITS) -> Any:
    """The value of a JSON text; raises Malformed, TooLarge.

    >>> read_json(b'{"kwh": 18.50, "count": 2}')
    {'kwh': Decimal('18.50'), 'count': 2}
    >>> read_json(b'{"id": 1, "id": 2}')
    Traceback (most recent call last):
    ...
    gateway.security.json_gate.BrokenJson: a name stands twice in one object
    """
    if len(data) > limits.bytes:
        raise OverLimit("bytes", f"more than {limits.bytes} bytes")
    data = data.removeprefix(_BOM)
    if _is_simple(data, limits):
        value, names = _decode(data, limits), data.count(b'":')
        if names <= limits.names and names == _ENCODER.encode(value).count(b'":'):
            return value
    names = _measure(data, limits)
    value = _decode(data, limits)
    walk = _Walk(limits)
    try:
        walk.value(value, 1)
    except _Found as found:
        raise found.raised() from None
    if walk.names != names:
        raise BrokenJson("duplicate", "a name stands twice in one object")
    return value


def write_json(value: Any) -> bytes:
    """The JSON text of plain values; Decimals are written as numbers, digit by digit.

    >>> write_json({"kwh": Decimal("18.50")})
    b'{"kwh":18.50}'
    """
    return _ENCODER.encode(value)


_ENCODER = msgspec.json.Encoder(decimal_format="number")


def _is_simple(data: bytes, limits: JsonLimits) -> bool:
    """Whether the bytes alone rule out all that has to be looked for: no escape and no noncharacter
    in a text, none too long for a name, too few bytes and brackets for any limit, no number of too
    many digits, no blank between a name and its colon.

    Then every ``":`` is the end of a name; a value of as many, written anew, has none twice.
    """
    return (
        len(data) <= limits.text
        and len(data) <= limits.members
        and data.count(b"{") + data.count(b"[") <= limits.depth
        and b"\\" not in data
        and not _NONCHARACTER.search(data)
        and not _LONG_OR_APART.search(data)
        and b"0" * (limits.digits + 1) not in data.translate(_AS_NOUGHT)
    )


def _measure(data: bytes, limits: JsonLimits) -> int:
    """Bounds that need no parsing, on the text without its strings; gives the number of names."""
    bare = _STRING.sub(b'"', data)
    names = bare.count(b":")
    if names + bare.count(b",") > limits.members:
        raise OverLimit("members", f"more than {limits.members} members and items")
    if _LONG_NUMBER in bare.translate(_AS_NOUGHT):
        raise OverLimit("number", f"a number of more than {_NUMBER} characters")
    depth = 0
    for bracket in _BRACKET.findall(bare):
        depth += 1 if bracket in b"[{" else -1
        if depth > limits.depth:
            raise OverLimit("depth", f"more than {limits.depth} levels")
    return names


@cache
def _decoder(limits: JsonLimits) -> msgspec.json.Decoder[Any]:
    def number(text: str) -> Decimal:
        if len(text) <= limits.digits and "e" not in text and "E" not in text:
            return Decimal(text)
        _, _, exponent = text.lower().partition("e")
        if exponent and len(exponent.lstrip("+-0")) > 4:
            raise _Found("exponent", f"{text} has an exponent over {limits.digits}")
        value = Decimal(text)
        _, digits, power = value.as_tuple()
        if len(digits) > limits.digits or abs(int(power)) > limits.digits:
            raise _Found("digits", f"{text} has more than {limits.digits} digits")
        return value

    return msgspec.json.Decoder(float_hook=number)


def _decode(data: bytes, limits: JsonLimits) -> Any:
    try:
        return _decoder(limits).decode(data)
    except _Found as found:
        raise found.raised() from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # msgspec says of bytes that are no text what Python does, from 0.23 on in its own words
        if isinstance(error, UnicodeDecodeError) or "UTF-8" in str(error):
            raise BrokenJson("charset", "is no UTF-8") from None
        raise BrokenJson("syntax", f"is no JSON: {error}") from None


class _Walk:
    """Goes through parsed values once and counts their names."""

    def __init__(self, limits: JsonLimits) -> None:
        self.limits = limits
        self.names = 0
        self.largest = 10**limits.digits

    def value(self, value: Any, depth: int) -> None:
        kind = type(value)
        if kind is str:
            self.text(value, self.limits.text)
        elif kind is int:
            if not -self.largest < value < self.largest:
                raise _Found("digits", f"a number of more than {self.limits.digits} digits")
        elif kind is dict:
            self.members(value, depth)
        elif kind is list:
            for place, item in enumerate(value):
                try:
                    self.value(item, depth + 1)
                except _Found as found:
                    raise found.at(place) from None

    def members(self, value: dict[str, Any], depth: int) -> None:
        self.names += len(value)
        if len(value) > self.limits.names:
            raise _Found("names", f"more than {self.limits.names} names in one object")
        for name, item in value.items():
            self.text(name, _NAME)
            try:
                self.value(item, depth + 1)
            except _Found as found:
                raise found.at(name) from None

    @staticmethod
    def text(value: str, maximum: int) -> None:
        if len(value) > maximum:
            raise _Found("text", f"{value[:30]!r}... has more than {maximum} characters")
        bad = _NOT_XML.search(value)
        if bad:
            raise _Found(
                "character", f"the character U+{ord(bad[0]):04X} is not allowed", BrokenJson
            )
