"""Tariffs of several components and daily windows as OCHP's single prices and weekly windows."""

from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal

import pytest

from adapters.ochp import messages as wire
from adapters.ochp.elements import step_of, weekly
from gateway.errors import Inexpressible
from gateway.model.base import PartyId
from gateway.model.message import TariffUpload
from gateway.model.tariff import (
    BillingItem,
    IndividualTariff,
    Price,
    PriceComponent,
    Restrictions,
    TariffElement,
    WeeklyWindow,
)
from tests.adapters.ochp.world import context, element, notes, price, tariff, text, texts, written

ENERGY, TIME, FLAT = BillingItem.ENERGY, BillingItem.CHARGING_TIME, BillingItem.FLAT
PARKING = BillingItem.PARKING_TIME
ITEM = "TariffInfoArray/individualTariff/tariffElement"


def said(*tariffs, ctx=None):
    return written(wire.UPDATE_TARIFFS, TariffUpload(tariffs=tariffs), ctx)


def windows(node) -> list[tuple[str, str, str]]:
    return [
        (each.get("weekday"), each.get("periodBegin"), each.get("periodEnd"))
        for each in node.iter("{*}regularHours")
    ]


def test_one_element_per_component_in_order():
    """The first that fits counts in OCPI, so the order is kept."""
    made = tariff(
        element(price(ENERGY, "0.40"), price(PARKING, "3", 900), start_time="08:00"),
        element(price(FLAT, "0.25"), price(ENERGY, "0.30", 500)),
    )
    node = said(made)
    items = texts(node, f"{ITEM}/priceComponent/billingItem/BillingItemType")
    assert items == ["energy", "parkingtime", "serviceFee", "energy"]
    assert texts(node, f"{ITEM}/priceComponent/itemPrice") == ["0.40", "3", "0.25", "0.30"]
    assert texts(node, f"{ITEM}/priceComponent/stepSize") == ["0.001", "0.25", "1", "0.5"]
    assert text(node, "TariffInfoArray/individualTariff/currency") == "EUR"
    restrictions = node.findall(".//{*}tariffRestriction")
    assert [len(each) for each in restrictions] == [7, 7, 0, 0]


@pytest.mark.parametrize(
    ("item", "size", "step", "exact"),
    [
        (ENERGY, 1, "0.001", True),
        (ENERGY, 1000, "1", True),
        (ENERGY, None, "0", True),
        (ENERGY, 0, "0", True),
        (TIME, 1, "0", True),
        (TIME, 3600, "1", True),
        (TIME, 900, "0.25", True),
        (TIME, 60, "0.01666666", False),
        (TIME, 600, "0.1666666", False),
        (FLAT, 1, "1", True),
        (FLAT, 300, "1", True),
    ],
)
def test_steps(item, size, step, exact):
    assert step_of(item, size) == (Decimal(step), exact)


@pytest.mark.parametrize("size", [60, 300, 600, 1200, 7, 86399])
def test_steps_in_hours_give_the_same_seconds_when_rounded_up(size):
    hours, _ = step_of(TIME, size)
    assert (hours * 3600).to_integral_value(ROUND_CEILING) == size


@pytest.mark.parametrize(
    ("start", "end", "days", "expected"),
    [
        (None, None, (), []),
        ("00:00", "00:00", (), []),
        (None, None, ("SATURDAY",), [(6, "00:00", "24:00")]),
        ("08:00", "20:00", ("MONDAY", "FRIDAY"), [(1, "08:00", "20:00"), (5, "08:00", "20:00")]),
        ("08:00", None, ("MONDAY",), [(1, "08:00", "24:00")]),
        (None, "06:00", ("monday",), [(1, "00:00", "06:00")]),
        ("22:00", "06:00", ("SUNDAY",), [(7, "22:00", "24:00"), (1, "00:00", "06:00")]),
        ("08:00", "08:00", ("MONDAY",), [(1, "08:00", "24:00"), (2, "00:00", "08:00")]),
    ],
)
def test_weekly_windows(start, end, days, expected):
    assert [(w.weekday, w.begin, w.end) for w in weekly(start, end, days)] == expected


def test_fourteen_windows_fit_one_element():
    node = said(tariff(element(price(TIME, "1"), start_time="22:00", end_time="06:00")))
    assert len(windows(node)) == 14
    assert len(node.findall(".//{*}tariffElement")) == 1


def test_more_windows_need_more_elements():
    many = tuple(
        WeeklyWindow(weekday=day, begin=f"{hour:02}:00", end=f"{hour + 1:02}:00")
        for day in range(1, 6)
        for hour in (8, 12, 18)
    )
    node = said(tariff(element(price(TIME, "1"), windows=many)))
    counts = [len(each) for each in node.iter("{*}tariffRestriction")]
    assert counts == [14, 1]
    assert len(windows(node)) == 15


def test_limits_are_carried():
    limits = {
        "min_kwh": Decimal("1.5"),
        "max_kwh": Decimal(20),
        "min_power": Decimal("3.7"),
        "max_power": Decimal(22),
        "min_duration": 60,
        "max_duration": 7200,
    }
    node = said(tariff(element(price(ENERGY, "1"), **limits)))
    found = {
        each.tag.rpartition("}")[2]: each.text for each in node.find(".//{*}tariffRestriction")
    }
    assert found == {
        "minEnergy": "1.5",
        "maxEnergy": "20",
        "minPower": "3.7",
        "maxPower": "22",
        "minDuration": "60",
        "maxDuration": "7200",
    }


def test_validity_of_the_tariff_and_of_an_element():
    """Local dates are midnights of the country; the narrower bound counts."""
    made = tariff(
        element(price(ENERGY, "1"), start_date="2031-07-01", end_date="2031-12-01"),
        element(price(ENERGY, "2")),
        begin=datetime(2031, 6, 1, tzinfo=UTC),
        end=datetime(2031, 10, 1, tzinfo=UTC),
    )
    node = said(made)
    limits = f"{ITEM}/tariffRestriction"
    starts = texts(node, f"{limits}/startDateTime/DateTime")
    assert starts == ["2031-06-30T22:00:00Z", "2031-06-01T00:00:00Z"]
    ends = texts(node, f"{limits}/endDateTime/DateTime")
    assert ends == ["2031-10-01T00:00:00Z"] * 2


def test_a_local_date_needs_a_zone():
    spanish = PartyId(country="ES", code="ABC")
    made = tariff(element(price(ENERGY, "1"), start_date="2031-07-01"), owner=spanish, id="ESABCT1")
    with pytest.raises(Inexpressible, match="no time zone of ESP"):
        said(made)
    node = said(made, ctx=context(time_zone="Atlantic/Canary"))
    path = f"{ITEM}/tariffRestriction/startDateTime/DateTime"
    assert text(node, path) == "2031-06-30T23:00:00Z"


def test_reservations():
    made = tariff(
        element(price(FLAT, "2"), price(TIME, "5"), price(ENERGY, "9"), reservation="RESERVATION"),
        element(price(FLAT, "4"), reservation="RESERVATION_EXPIRES"),
    )
    ctx = context()
    node = said(made, ctx=ctx)
    items = texts(node, f"{ITEM}/priceComponent/billingItem/BillingItemType")
    assert items == ["reservation", "reservationtime"]
    assert notes(ctx) >= {
        ("item-not-in-ochp", "tariffs/0/elements/0/components/2"),
        ("restriction-not-in-ochp", "tariffs/0/elements/1"),
    }


def test_what_ochp_does_not_know_is_noted():
    made = tariff(
        element(price(ENERGY, "1", vat=Decimal("19"))),
        element(price(ENERGY, "2"), max_current=Decimal(16)),
        max_price=Price(net=Decimal(50)),
        kind="REGULAR",
    )
    ctx = context()
    node = said(made, ctx=ctx)
    assert texts(node, f"{ITEM}/priceComponent/itemPrice") == ["1"]
    assert notes(ctx) >= {
        ("no-tax-in-tariffs", "tariffs/0/elements/0/components/0/vat"),
        ("restriction-not-in-ochp", "tariffs/0/elements/1"),
        ("price-limit", "tariffs/0/max_price"),
        ("no-counterpart", "tariffs/0/kind"),
    }


def test_tariffs_that_cannot_be_said():
    current = tariff(element(price(ENERGY, "1"), min_current=Decimal(6)))
    with pytest.raises(Inexpressible, match="none of its prices can be said"):
        said(current)
    with pytest.raises(Inexpressible, match="names no operator"):
        said(tariff(id="day", owner=None))
    ctx = context()
    node = said(current, tariff(id="NLQGWT2"), ctx=ctx)
    assert texts(node, "TariffInfoArray/tariffId") == ["NLQGWT2"]
    assert ("inexpressible", "tariffs/0") in notes(ctx)


def test_individual_tariffs_are_left_alone():
    """Receivers, the power element and an exact step of 0 are OCHP's own."""
    part = PriceComponent(item=BillingItem.PEAK_POWER, price=Decimal("1E-3"), step=Decimal("0.0"))
    own = tariff(
        elements=(),
        individual=(
            IndividualTariff(
                elements=(TariffElement(components=(part,), restrictions=Restrictions()),),
                recipients=("DEXYZ", "FRABC"),
                currency="EUR",
            ),
        ),
        currency=None,
        owner=None,
        updated=None,
    )
    ctx = context()
    node = said(own, ctx=ctx)
    assert texts(node, "TariffInfoArray/individualTariff/recipient") == ["DEXYZ", "FRABC"]
    assert text(node, f"{ITEM}/priceComponent/billingItem/BillingItemType") == "power"
    assert text(node, f"{ITEM}/priceComponent/itemPrice") == "0.001"
    assert text(node, f"{ITEM}/priceComponent/stepSize") == "0.0"
    assert ctx.notes == []


def test_all_tariffs_at_once_is_no_operation():
    ctx = context()
    written(wire.UPDATE_TARIFFS, TariffUpload(tariffs=(tariff(),), full=True), ctx)
    assert ("no-counterpart", "full") in notes(ctx)
