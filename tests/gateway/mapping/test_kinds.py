"""Instants and numbers: the quick ways give what the library gives."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.mapping.kinds import (
    NUMBER,
    format_decimal,
    format_utc,
    parse_decimal,
    parse_instant,
    wall_time,
)

ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
FIRST, LAST = datetime.fromisoformat("0002-01-01"), datetime.fromisoformat("9998-12-31")
instants = st.datetimes(FIRST, LAST, timezones=ZONES | st.just(UTC))


@given(instants)
@example(datetime(987, 6, 5, 4, 3, 2, tzinfo=UTC))
def test_wall_time_is_that_of_iso_format(value: datetime) -> None:
    """Four digits of a year, two of all else."""
    assert wall_time(value) == value.replace(microsecond=0, tzinfo=None).isoformat()


@given(instants)
@example(datetime(2031, 5, 2, 9, 0, 0, 999, tzinfo=UTC))
def test_utc_has_a_fraction_only_where_there_is_one(value: datetime) -> None:
    """Milliseconds; the instant is the same to these."""
    said = format_utc(value)
    naive = value.astimezone(UTC).replace(tzinfo=None)

    assert (
        said == naive.isoformat(timespec="milliseconds" if value.microsecond else "seconds") + "Z"
    )
    assert abs(parse_instant(said) - value) < timedelta(milliseconds=1)


@given(instants.map(lambda value: value.replace(microsecond=0)))
def test_an_instant_is_read_in_both_forms(value: datetime) -> None:
    """The offset stays where one was sent."""
    assert parse_instant(value.isoformat()).utcoffset() == value.utcoffset()
    assert parse_instant(format_utc(value)) == parse_instant(value.isoformat()) == value


@pytest.mark.parametrize(
    "text",
    [
        *("2031-05-02 09:00:00Z", "2031-W18-5T09:00:00Z", "20310502T090000Z", "2031-05-02T09:00Z"),
        *("2031-05-02T09:00:00+0200", "2031-05-02T24:00:00Z", "2031-02-30T09:00:00Z", "2031-05-02"),
        *("２031-05-02T09:00:00Z", "2031-05-02T09:00:00,5Z", "2031-05-02T09:00:00+24:00", ""),
        *("2031-05-02T09:00:60Z", "2031-05-02T09:00:00+02:00:30", "2031-05-02T09:00:00Z\n\x00"),
    ],
)
def test_what_the_library_would_take_is_not_taken(text: str) -> None:
    """Only the form of the standards; everything else is no date and time."""
    with pytest.raises(ValueError, match="is no date and time"):
        parse_instant(text)


numbers = st.decimals(allow_nan=False, allow_infinity=False, places=6) | st.from_regex(
    r"[+-]?[0-9]{1,20}(\.[0-9]{0,20})?", fullmatch=True
).map(Decimal)


@given(numbers.filter(lambda number: abs(number) < 10**20))
@example(Decimal("0E-7"))
@example(Decimal("1E+5"))
@example(Decimal("-0.0"))
def test_a_number_keeps_its_digits(number: Decimal) -> None:
    """In plain notation, and back to the same number with the same places."""
    said = format_decimal(number)

    assert said == format(number, "f")
    assert parse_decimal(said) == number
    if "E" not in str(number):
        assert str(parse_decimal(said)) == str(number)


@pytest.mark.parametrize("text", ["", ".", "1,5", "٣", "1_000", "0x1", "1e99999", "9" * 65, "inf"])
def test_what_is_no_number_is_refused(text: str) -> None:
    """Nothing that ``Decimal`` would take beyond the standards."""
    with pytest.raises(ValueError, match=r"decimal number|more digits"):
        parse_decimal(text)


@pytest.mark.parametrize("raw", ["4.50", " 4.50 ", "+4.5", "4.", ".5", "45e-1", "0004.5"])
def test_the_spelling_is_known_to_be_another(raw: Any) -> None:
    """What is written otherwise than it came is told from what is not."""
    assert (NUMBER.format(NUMBER.parse(raw)) == raw) is (raw == "4.50")


@pytest.mark.parametrize("value", [None, [], "x"], ids=str)
def test_what_is_no_number_is_not_written(value: Any) -> None:
    """Text goes into a message without being looked at again."""
    with pytest.raises((TypeError, ValueError)):
        format_decimal(value)
