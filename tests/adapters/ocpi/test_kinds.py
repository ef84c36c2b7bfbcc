"""Kinds of OCPI with the ugly values."""

from datetime import UTC as UTC_ZONE
from datetime import datetime
from decimal import Decimal

import pytest

from adapters.ocpi import kinds, languages


@pytest.mark.parametrize("text", ["54.31874", "54.318740", "-0.0000001", "95.13908", "00.123456"])
def test_a_latitude_of_five_to_seven_decimals_is_exact(text: str) -> None:
    assert kinds.LATITUDE.from_json(text) == Decimal(text)


@pytest.mark.parametrize(
    "value",
    [
        "54.3187",
        "54.31874012",
        "54",
        "154.318740",
        "+54.318740",
        "54,318740",
        "",
        " 54.318740",
        "NaN",
        "54.318740\n",
        "٥٤.318740",
        Decimal("54.318740"),
        54,
        None,
        True,
    ],
)
def test_no_latitude(value: object) -> None:
    with pytest.raises(ValueError):
        kinds.LATITUDE.from_json(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("54.318740", "54.318740"),
        ("54.31874", "54.31874"),
        ("54.3", "54.300000"),
        ("54", "54.000000"),
        ("-0.1234567", "-0.1234567"),
    ],
)
def test_a_latitude_is_written_with_the_digits_it_has(value: str, text: str) -> None:
    assert kinds.LATITUDE.to_json(Decimal(value)) == text


@pytest.mark.parametrize("value", ["1.12345678", "100", "1E+3", "NaN"])
def test_a_latitude_that_cannot_be_written(value: str) -> None:
    with pytest.raises(ValueError):
        kinds.LATITUDE.to_json(Decimal(value))


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2031-05-02T09:00:00Z", datetime(2031, 5, 2, 9, tzinfo=UTC_ZONE)),
        ("2031-05-02T09:00:00", datetime(2031, 5, 2, 9, tzinfo=UTC_ZONE)),
        ("2031-05-02T11:00:00+02:00", datetime(2031, 5, 2, 9, tzinfo=UTC_ZONE)),
        ("2031-05-02T09:00:00.5Z", datetime(2031, 5, 2, 9, 0, 0, 500000, tzinfo=UTC_ZONE)),
        ("1970-1-1T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC_ZONE)),
    ],
)
def test_an_instant(text: str, instant: datetime) -> None:
    """No zone means UTC; the standard's own word for no time is read."""
    assert kinds.UTC.from_json(text) == instant


@pytest.mark.parametrize(
    "value",
    [
        "2031-05-02",
        "2031-13-02T09:00:00Z",
        "2031-05-02T25:00:00Z",
        "1970-1-2T00:00:00Z",
        " 2031-05-02T09:00:00Z",
        "",
        0,
        None,
        "2031-05-02T09:00:00ZZ",
    ],
)
def test_no_instant(value: object) -> None:
    with pytest.raises(ValueError):
        kinds.UTC.from_json(value)


@pytest.mark.parametrize("value", ["é", "a\tb", "\x7f", "a\u200b", "x" * 37, 5, None, ["a"]])
def test_no_ci_string(value: object) -> None:
    with pytest.raises(ValueError):
        kinds.ci(36).from_json(value)


@pytest.mark.parametrize("value", ["a\x00b", "\ud800", "\ufffe", "x" * 46, 5])
def test_no_string(value: object) -> None:
    with pytest.raises(ValueError):
        kinds.string(45).from_json(value)


@pytest.mark.parametrize("value", ["Straße 5\nHinterhof", "東京", ""])
def test_a_string_has_letters_of_any_script(value: str) -> None:
    assert kinds.string(45).from_json(value) == value


@pytest.mark.parametrize("value", ["", "12", "DE1", "Ä1"])
def test_no_country_code(value: str) -> None:
    with pytest.raises(ValueError):
        kinds.COUNTRY_CODE.from_json(value)


def test_owners_are_compared_in_upper_case() -> None:
    assert (kinds.COUNTRY_CODE.from_json("de"), kinds.PARTY_ID.from_json("acm")) == ("DE", "ACM")


@pytest.mark.parametrize("value", ["24:00", "7:00", "07:60", "07:00:00", ""])
def test_no_clock_time(value: str) -> None:
    with pytest.raises(ValueError):
        kinds.CLOCK.from_json(value)


@pytest.mark.parametrize("value", [0, 8, Decimal("1.5"), "1", True])
def test_no_weekday(value: object) -> None:
    with pytest.raises(ValueError):
        kinds.WEEKDAY.from_json(value)


@pytest.mark.parametrize(("two", "three"), [("de", "deu"), ("NL", "nld"), ("xx", "xx")])
def test_a_language_has_three_letters_where_known(two: str, three: str) -> None:
    assert languages.LANGUAGE.from_json(two) == three


@pytest.mark.parametrize(("three", "two"), [("deu", "de"), ("ger", "de"), ("xx", "xx")])
def test_a_language_is_written_with_two(three: str, two: str) -> None:
    assert languages.LANGUAGE.to_json(three) == two


def test_a_language_without_two_letters_is_refused() -> None:
    with pytest.raises(ValueError, match="gsw"):
        languages.LANGUAGE.to_json("gsw")


@pytest.mark.parametrize("value", ["a", {"a": 1}, None, [1], [""]])
def test_no_list_of_ids(value: object) -> None:
    with pytest.raises(ValueError):
        kinds.listed(kinds.key(36)).from_json(value)
