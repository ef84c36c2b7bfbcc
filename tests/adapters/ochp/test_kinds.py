"""Values at the edge of what OCHP's types can say."""

import doctest
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from adapters.ochp import bill, elements, hours, kinds, shape
from gateway.mapping.kinds import NUMBER


@pytest.mark.parametrize("module", [kinds, shape, elements, hours, bill], ids=lambda m: m.__name__)
def test_examples(module):
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (kinds.EVSE_ID, "NL*QGW*EHARBOUR7*1"),
        (kinds.EVSE_ID, "nlqgwe1"),
        (kinds.EVSE_ID, "DE*8A1*E" + "X" * 31),
        (kinds.PARKING_ID, "NL*QGW*PHARBOUR7A"),
        (kinds.TARIFF_ID, "NL*QGW*TDAY01"),
        (kinds.TARIFF_ID, "NLQGWT" + "1" * 10),
        (kinds.CONTRACT_ID, "DE-XYZ-C01234567-2"),
        (kinds.CONTRACT_ID, "DEXYZC01234567"),
        (kinds.CDR_ID, "0" * 36),
        (kinds.DATE_TIME, "2031-05-02T09:25:00Z"),
        (kinds.LOCAL, "2031-10-26T02:30:00+01:00"),
        (kinds.LOCAL, "2031-10-26T02:30:00+02:00"),
        (kinds.LOCAL, "2031-01-02T12:00:00-03:30"),
        (kinds.LOCAL, "2031-01-02T12:00:00+00:00"),
        (kinds.TTL, "2031-05-02T09:40:00.250Z"),
        (kinds.TTL, "2031-05-02T09:40:00.000251Z"),
        (kinds.HMS, "999:59:59"),
        (kinds.CLOCK, "24:00"),
        (kinds.LATITUDE, "-0.000001"),
        (kinds.LATITUDE, "99.000000"),
        (kinds.LONGITUDE, "-248.215537"),
        (kinds.LANGUAGE, "GSW"),
        (kinds.PHONE, "0049 30-1234567"),
        (kinds.HOUSE_NUMBER, "12 B"),
        (kinds.CONNECTOR_STANDARD, "Chademo"),
        (kinds.STATIC_STATUS, "Inoperative"),
        (NUMBER, "16777217"),
        (NUMBER, "0.1"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_said_exactly(kind, text):
    assert kind.format(kind.parse(text)) == text


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (kinds.EVSE_ID, "NL*QGWEHARBOUR7"),
        (kinds.EVSE_ID, "NL*QGW*E*1"),
        (kinds.EVSE_ID, "NL*QGW*PHARBOUR7"),
        (kinds.EVSE_ID, "NL*QGW*E1\n"),
        (kinds.TARIFF_ID, "NLQGWT" + "1" * 11),
        (kinds.CONTRACT_ID, "DE-XYZC01234567"),
        (kinds.CONTRACT_ID, "DE-XYZ-C01234567-"),
        (kinds.CDR_ID, "nlqgw1"),
        (kinds.CDR_ID, ""),
        (kinds.DATE_TIME, "2031-02-30T09:25:00Z"),
        (kinds.DATE_TIME, "2031-05-02"),
        (kinds.LOCAL, "2031-05-02T09:25:00Z"),
        (kinds.LOCAL, "2031-05-02T09:25:00+25:00"),
        (kinds.HMS, "01:30:00"),
        (kinds.CLOCK, "24:01"),
        (kinds.CLOCK, "29:59"),
        (kinds.LATITUDE, "52.01150"),
        (kinds.LANGUAGE, "de"),
        (kinds.PHONE, "+31 (0)15"),
        (kinds.HOUSE_NUMBER, "12b"),
        (kinds.ZIP_CODE, ""),
        (kinds.MAJOR, "Available"),
        (kinds.CDR_STATUS, "owner declined"),
        (kinds.CONNECTOR_STANDARD, "IEC-62196-T2"),
        (kinds.INT, "5.5"),
        (NUMBER, "NaN"),
        (NUMBER, "INF"),
        (NUMBER, ""),
    ],
    ids=lambda value: repr(value) if isinstance(value, str) else value.name,
)
def test_refused_on_reading(kind, text):
    with pytest.raises(ValueError):
        kind.parse(text)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (kinds.DATE_TIME, datetime(2031, 5, 2, 9, 0, 0, 1, UTC)),
        (kinds.LOCAL, datetime(2031, 5, 2, 9, 0)),  # noqa: DTZ001 - that is the point
        (kinds.LOCAL, datetime(2031, 5, 2, tzinfo=timezone(timedelta(seconds=1172)))),
        (kinds.HMS, timedelta(hours=1000)),
        (kinds.HMS, timedelta(seconds=-1)),
        (kinds.HMS, timedelta(milliseconds=1500)),
        (kinds.LATITUDE, Decimal("52.0115001")),
        (kinds.LONGITUDE, Decimal(1000)),
        (kinds.LANGUAGE, "de"),
        (kinds.SMALL, 1001),
        (kinds.CONNECTOR_STANDARD, "GBT_DC"),
    ],
    ids=str,
)
def test_refused_on_writing(kind, value):
    with pytest.raises(ValueError):
        kind.format(value)


def test_numbers_keep_their_value():
    """No binary float in between: 1E-3 and 16777217 come through."""
    assert NUMBER.parse("1E-3") == Decimal("0.001")
    assert NUMBER.format(NUMBER.parse("16777217")) == "16777217"
    assert NUMBER.format(NUMBER.parse(".5")) == "0.5"


def test_bibliographic_languages_are_read():
    assert kinds.LANGUAGE.parse("DUT") == kinds.LANGUAGE.parse("NLD") == "nld"
    assert kinds.LANGUAGE.format("nld") == "NLD"


def test_offsets_of_a_night_with_two_hours_of_one_name():
    early, late = map(kinds.LOCAL.parse, ("2031-10-26T02:30:00+02:00", "2031-10-26T02:30:00+01:00"))
    assert late - early == timedelta(hours=1)
