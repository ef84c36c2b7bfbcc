"""A kind owns one value's wire form and its edge cases: a pair of functions with a name.

``parse`` takes the text of an element or attribute, ``format`` gives it back; ``jparse`` and
``jformat`` do the same for the JSON value where that is not simply the text as a string. Kinds
raise ``ValueError`` for what the type cannot say; they never round, clip or guess: that is the
business of a row's ``write`` with a named rule.

``unit`` is a short word that names the form in rules: a value that goes from ``local`` to ``utc``
is converted by the rule ``local-to-utc``.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC as UTC_ZONE
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any

# What nearly every value looks like: of these nothing more has to be looked at.
_PLAIN_DECIMAL = re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{0,20})?")
_PLAIN_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)
# More digits than any amount, energy or coordinate of the field needs; arithmetic stays cheap.
_DIGITS = 40
_EXPONENT = 40
_WHOLE, _MICRO = Decimal(1), Decimal("0.000001")


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError("is no string")
    return value


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True, eq=False, repr=False)
class Kind:
    """See the module's text. ``exact``: ``format(parse(x)) == x`` for every ``x`` that parses;
    ``codes``: the wire words of a code list; ``sayable``: whether a spelling that was read may be
    written back as it came (None: all may)."""

    name: str
    unit: str
    parse: Callable[[str], Any]
    format: Callable[[Any], str]
    jparse: Callable[[Any], Any] | None = None
    jformat: Callable[[Any], Any] | None = None
    exact: bool = False
    codes: tuple[str, ...] = ()
    sayable: Callable[[Any], bool] | None = None

    def __repr__(self) -> str:
        return f"{self.unit}:{self.name}"

    def from_json(self, value: Any) -> Any:
        """The canonical value of a JSON value."""
        return self.jparse(value) if self.jparse else self.parse(_text(value))

    def to_json(self, value: Any) -> Any:
        """The JSON value of a canonical value."""
        return self.jformat(value) if self.jformat else self.format(value)


def text(minimum: int = 0, maximum: int | None = None, pattern: str | None = None) -> Kind:
    """Text within a length and a pattern (of the whole text).

    >>> text(1, 3, "[A-Z]*").parse("EUR")
    'EUR'
    >>> text(1, 3).parse("EURO")
    Traceback (most recent call last):
    ...
    ValueError: 'EURO' has more than 3 characters
    """
    compiled = re.compile(pattern, re.ASCII) if pattern else None

    def check(value: str) -> str:
        if type(value) is not str:
            raise ValueError("is no string")
        if maximum is not None and len(value) > maximum:
            raise ValueError(f"{value[:60]!r} has more than {maximum} characters")
        if len(value) < minimum:
            raise ValueError(f"{value!r} has fewer than {minimum} characters")
        if compiled and not compiled.fullmatch(value):
            raise ValueError(f"{value[:60]!r} does not match {pattern}")
        return value

    name = f"string({maximum})" if maximum is not None else "string"
    return Kind(name, "text", check, check, exact=True)


TEXT = Kind("string", "text", _text, _text, jparse=_text, exact=True)


def parse_decimal(value: str) -> Decimal:
    """The exact number; NaN, infinities and absurd sizes are refused.

    >>> parse_decimal("14.250"), parse_decimal("1E-3")
    (Decimal('14.250'), Decimal('0.001'))
    >>> parse_decimal("NaN")
    Traceback (most recent call last):
    ...
    ValueError: 'NaN' is no finite decimal number
    """
    if _PLAIN_DECIMAL.fullmatch(value):
        return Decimal(value)
    stripped = value.strip()
    if len(stripped) > 64 or not _DECIMAL.fullmatch(stripped):
        raise ValueError(f"{value[:60]!r} is no finite decimal number")
    return _bounded(Decimal(stripped))


def _bounded(number: Decimal) -> Decimal:
    # Decimal tells its digits in the time of five texts
    text = str(number)
    if len(text) <= _DIGITS and "E" not in text and number.is_finite():
        return number
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"{number} is no finite decimal number")
    if len(digits) > _DIGITS or abs(exponent) > _EXPONENT:
        raise ValueError("has more digits than any amount needs")
    return number


def exponent(value: Decimal) -> Any:
    """The exponent of a number, a letter where it is none. That of six decimals, which degrees
    mostly have, is known at once: to take a number apart takes five times as long."""
    return -6 if value.same_quantum(_MICRO) else value.as_tuple().exponent


def format_decimal(value: Decimal) -> str:
    """Plain decimal notation with the digits that were sent, no exponent.

    >>> format_decimal(Decimal("1E+2")), format_decimal(Decimal("14.250"))
    ('100', '14.250')
    """
    text = str(value)
    return text if type(value) is Decimal and "E" not in text else format(value, "f")


def _number_of_json(value: Any) -> Decimal:
    if type(value) is Decimal:
        return _bounded(value)
    if type(value) is int:
        if abs(value) >= 10**_DIGITS:
            raise ValueError("has more digits than any amount needs")
        return Decimal(value)
    raise ValueError("is no number")


def _number_to_json(value: Decimal) -> Any:
    if value.same_quantum(_WHOLE):
        return int(value)
    return value if -30 < value.adjusted() < 30 else Decimal(format(value, "f"))


NUMBER = Kind("number", "number", parse_decimal, format_decimal, _number_of_json, _number_to_json)


def parse_integer(value: str) -> int:
    """
    >>> parse_integer("-12")
    -12
    """
    stripped = value.strip()
    if not _INTEGER.fullmatch(stripped):
        raise ValueError(f"{value[:60]!r} is no integer")
    return int(stripped)


def _integer_of_json(value: Any) -> int:
    if type(value) is Decimal and value == value.to_integral_value() and abs(value) < 10**18:
        return int(value)
    if type(value) is not int or abs(value) >= 10**18:
        raise ValueError("is no integer")
    return value


def integer(minimum: int | None = None, maximum: int | None = None) -> Kind:
    """A whole number within bounds."""

    def check(value: int) -> int:
        if minimum is not None and value < minimum:
            raise ValueError(f"{value} is less than {minimum}")
        if maximum is not None and value > maximum:
            raise ValueError(f"{value} is more than {maximum}")
        return value

    return Kind(
        "int",
        "number",
        lambda value: check(parse_integer(value)),
        lambda value: str(check(value)),
        lambda value: check(_integer_of_json(value)),
        check,
    )


INTEGER = integer()


def _parse_boolean(value: str) -> bool:
    try:
        return {"true": True, "1": True, "false": False, "0": False}[value.strip()]
    except KeyError:
        raise ValueError(f"{value[:60]!r} is no boolean") from None


def _boolean_of_json(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("is no boolean")
    return value


BOOLEAN = Kind(
    "boolean",
    "boolean",
    _parse_boolean,
    lambda value: "true" if value else "false",
    _boolean_of_json,
    _same,
)


def _regular(value: str) -> str:
    found = _INSTANT.fullmatch(value.strip())
    if not found:
        raise ValueError(f"{value[:60]!r} is no date and time")
    day, time, fraction, zone = found.groups()
    offset = "+00:00" if zone in (None, "Z", "z") else zone
    return f"{day}T{time}{(fraction or '')[:7]}{offset}"


def parse_instant(value: str) -> datetime:
    """An instant; no zone means UTC; the offset sent is kept; fractions to the microsecond.

    >>> parse_instant("2031-05-02T11:00:00+02:00").isoformat()
    '2031-05-02T11:00:00+02:00'
    >>> parse_instant("2031-05-02T09:00:00.5Z").isoformat()
    '2031-05-02T09:00:00.500000+00:00'
    >>> parse_instant("0001-01-01T00:00:00+01:00")
    Traceback (most recent call last):
    ...
    ValueError: '0001-01-01T00:00:00+01:00' is no date and time: date value out of range
    """
    text = value if _PLAIN_INSTANT.fullmatch(value) else _regular(value)
    try:
        instant = datetime.fromisoformat(text)
        if instant.year in (1, 9999):
            instant.astimezone(UTC_ZONE)  # at the ends of time its UTC form may not exist
        return instant
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{value[:60]!r} is no date and time: {error}") from None


def format_utc(value: datetime) -> str:
    """Seconds and ``Z``; a fraction only where there is one.

    >>> format_utc(parse_instant("2031-05-02T11:00:00+02:00"))
    '2031-05-02T09:00:00Z'
    """
    if value.tzinfo is not UTC_ZONE:
        value = value.astimezone(UTC_ZONE)
    fraction = f".{value.microsecond // 1000:03}" if value.microsecond else ""
    return f"{wall_time(value)}{fraction}Z"


_TWO = tuple(f"{number:02}" for number in range(60))


@lru_cache(maxsize=1024)
def _day(ordinal: int) -> str:
    return date.fromordinal(ordinal).isoformat()


def wall_time(value: datetime) -> str:
    """Date and time to the second, as ``isoformat`` has them, which takes three times as long.

    >>> wall_time(datetime(987, 6, 5, 4, 3, 2))
    '0987-06-05T04:03:02'
    """
    day, minute = _day(value.toordinal()), _TWO[value.minute]
    return f"{day}T{_TWO[value.hour]}:{minute}:{_TWO[value.second]}"


UTC = Kind("DateTime", "utc", parse_instant, format_utc)


def code(
    name: str,
    values: Mapping[str, Any],
    prefer: Mapping[Any, str] | None = None,
    unit: str = "code",
) -> Kind:
    """A code list: wire code to canonical value, read both ways.

    A canonical value with several wire codes names its preferred one in ``prefer``; an ambiguous
    list without it is refused here, when the module is loaded.
    """
    back: dict[Any, str] = {}
    for wire, value in values.items():
        if value in back and not (prefer and value in prefer):
            raise TypeError(f"{name}: {value!r} has several codes and no preferred one")
        back[value] = wire
    back.update(prefer or {})

    def parse(value: str) -> Any:
        try:
            return values[value]
        except (KeyError, TypeError):
            raise ValueError(f"{str(value)[:60]!r} is no {name}") from None

    def format_(value: Any) -> str:
        try:
            return back[value]
        except (KeyError, TypeError):
            shown = value.value if isinstance(value, Enum) else value
            raise ValueError(f"{shown!r} cannot be said as {name}") from None

    return Kind(name, "code", parse, format_, exact=not prefer, codes=tuple(values))


__all__ = [
    "BOOLEAN",
    "INTEGER",
    "NUMBER",
    "TEXT",
    "UTC",
    "Kind",
    "code",
    "format_decimal",
    "format_utc",
    "integer",
    "parse_decimal",
    "parse_instant",
    "parse_integer",
    "text",
    "wall_time",
]
