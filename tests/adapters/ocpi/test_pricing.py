"""Tariffs of other protocols as OCPI tariffs."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from adapters.ocpi.pricing import step_size, windows
from adapters.ocpi.tariffs import TARIFF
from gateway.errors import Inexpressible
from gateway.mapping import interpret
from gateway.mapping.context import Context
from gateway.model.tariff import (
    BillingItem,
    IndividualTariff,
    PriceComponent,
    Restrictions,
    Tariff,
    TariffElement,
    WeeklyWindow,
)
from tests.adapters.ocpi.records import NOW, context, notes

ENERGY, TIME, PARKING = BillingItem.ENERGY, BillingItem.CHARGING_TIME, BillingItem.PARKING_TIME


def element(
    item: BillingItem = ENERGY, price: str = "0.4", step: str = "0", **limits: Any
) -> TariffElement:
    return TariffElement(
        components=(PriceComponent(item=item, price=Decimal(price), step=Decimal(step)),),
        restrictions=Restrictions(**limits),
    )


def tariff(*elements: TariffElement, **changes: Any) -> Tariff:
    part = IndividualTariff(elements=elements, currency="EUR")
    return Tariff(**({"id": "NL*QGW*TDAY01", "individual": (part,)} | changes))


def said(obj: Tariff, ctx: Context | None = None) -> Any:
    return interpret.write(TARIFF, obj, ctx or context())


def week(begin: str, end: str, *days: int) -> tuple[WeeklyWindow, ...]:
    return tuple(WeeklyWindow(weekday=day, begin=begin, end=end) for day in days)


def test_the_simple_tariff() -> None:
    found = said(tariff(element(), element(PARKING, "3", "0.25")))

    assert (found["country_code"], found["party_id"], found["id"]) == ("NL", "QGW", "NL*QGW*TDAY01")
    assert found["currency"] == "EUR"
    assert found["elements"] == [
        {
            "price_components": [
                {"type": "ENERGY", "price": Decimal("0.4"), "step_size": 1},
                {"type": "PARKING_TIME", "price": 3, "step_size": 900},
            ]
        }
    ]


@pytest.mark.parametrize(
    ("item", "step", "size"),
    [
        (ENERGY, "0", 1),
        (ENERGY, "0.5", 500),
        (ENERGY, "0.0001", 1),
        (ENERGY, "1.0004", 1001),
        (TIME, "0.25", 900),
        (TIME, "0.1666667", 601),
        (PARKING, "1", 3600),
        (BillingItem.FLAT, "1", 1),
        (BillingItem.FLAT, "7", 1),
    ],
)
def test_steps_are_rounded_up(item: BillingItem, step: str, size: int) -> None:
    assert step_size(item, Decimal(step)) == size


@pytest.mark.parametrize(("step", "noted"), [("0.25", False), ("0.1666667", True), ("0", True)])
def test_a_step_that_changes_is_noted(step: str, noted: bool) -> None:
    """A step of zero, exact billing, becomes the smallest step there is."""
    ctx = context()
    said(tariff(element(TIME, "3", step)), ctx)

    assert ("step-rounded-up" in {note.rule for note in ctx.notes}) is noted


@pytest.mark.parametrize(
    ("weekly", "spans"),
    [
        ((), [(None, None, ())]),
        (week("00:00", "24:00", *range(1, 8)), [(None, None, ())]),
        (week("08:00", "20:00", *range(1, 8)), [("08:00", "20:00", ())]),
        (week("20:00", "24:00", 7, 6), [("20:00", "00:00", ("SATURDAY", "SUNDAY"))]),
        (
            week("08:00", "20:00", 1, 2) + week("10:00", "16:00", 6),
            [("08:00", "20:00", ("MONDAY", "TUESDAY")), ("10:00", "16:00", ("SATURDAY",))],
        ),
        (week("24:00", "24:00", 1), []),
    ],
)
def test_weekly_windows(weekly: tuple[WeeklyWindow, ...], spans: list[Any]) -> None:
    assert [tuple(span)[:3] for span in windows(weekly)] == spans


def test_restricted_elements_come_first_and_share_what_is_equal() -> None:
    """In OCPI the first element that matches counts, so the general one stands last."""
    night = week("22:00", "24:00", *range(1, 8))
    found = said(
        tariff(
            element(ENERGY, "0.4"),
            element(ENERGY, "0.2", windows=night),
            element(TIME, "1", windows=night),
        )
    )["elements"]

    assert [[c["type"] for c in e["price_components"]] for e in found] == [
        ["ENERGY", "TIME"],
        ["ENERGY"],
    ]
    assert found[0]["restrictions"] == {"start_time": "22:00", "end_time": "00:00"}
    assert "restrictions" not in found[1]


def test_two_prices_of_one_item_are_two_elements() -> None:
    found = said(tariff(element(price="0.4"), element(price="0.5")))["elements"]
    assert [e["price_components"][0]["price"] for e in found] == [Decimal("0.4"), Decimal("0.5")]


def test_reservation_items_are_restricted_to_reservations() -> None:
    found = said(
        tariff(
            element(ENERGY),
            element(BillingItem.RESERVATION, "2", "1"),
            element(BillingItem.RESERVATION_TIME, "4", "0.5"),
        )
    )["elements"]

    assert found[0] == {
        "price_components": [
            {"type": "FLAT", "price": 2, "step_size": 1},
            {"type": "TIME", "price": 4, "step_size": 1800},
        ],
        "restrictions": {"reservation": "RESERVATION"},
    }


def test_a_price_of_power_cannot_be_said() -> None:
    ctx = context()
    found = said(tariff(element(BillingItem.PEAK_POWER), element(ENERGY)), ctx)["elements"]

    assert len(found) == 1
    assert ("dropped", "no-power-price", "individual/0/elements/0/components/0") in notes(ctx)
    with pytest.raises(Inexpressible, match="no price"):
        said(tariff(element(BillingItem.PEAK_POWER)))


def test_a_span_of_all_elements_is_the_tariffs() -> None:
    start, end = datetime(2031, 1, 1, tzinfo=UTC), datetime(2032, 1, 1, tzinfo=UTC)
    found = said(tariff(element(begin=start, end=end), element(PARKING, begin=start, end=end)))

    assert (found["start_date_time"], found["end_date_time"]) == (
        "2031-01-01T00:00:00Z",
        "2032-01-01T00:00:00Z",
    )
    assert "restrictions" not in found["elements"][0]


def test_a_span_of_one_element_is_said_in_local_dates() -> None:
    """Midnight in Amsterdam is 22 or 23 o'clock UTC."""
    midnight = datetime(2031, 6, 30, 22, tzinfo=UTC)
    [first, second] = said(tariff(element(end=midnight), element(begin=midnight)))["elements"]

    assert first["restrictions"] == {"end_date": "2031-07-01"}
    assert second["restrictions"] == {"start_date": "2031-07-01"}


def test_at_other_hours_an_element_holds_now_or_is_not_said() -> None:
    later = NOW + timedelta(hours=3)
    ctx = context()
    [found] = said(tariff(element(price="0.4", end=later), element(price="0.5", begin=later)), ctx)[
        "elements"
    ]

    assert found["price_components"][0]["price"] == Decimal("0.4")
    here = "individual/0/elements"
    assert {
        ("dropped", "no-span-of-element", f"{here}/0/restrictions/end"),
        ("dropped", "not-in-force", f"{here}/1"),
    } <= notes(ctx)


def test_limits_of_energy_power_and_duration() -> None:
    limits = {"min_kwh": Decimal(5), "max_power": Decimal("22.5"), "min_duration": 60}
    [found] = said(tariff(element(**limits)))["elements"]

    assert found["restrictions"] == {"min_kwh": 5, "max_power": Decimal("22.5"), "min_duration": 60}


ABC = IndividualTariff(elements=(element(price="0.3"),), recipients=("DEABC",), currency="EUR")
ALL = IndividualTariff(elements=(element(price="0.4"),), currency="EUR")


@pytest.mark.parametrize(
    ("parts", "recipients", "price"),
    [
        ((ABC, ALL), (), "0.4"),
        ((ABC, ALL), ("deabc",), "0.3"),
        ((ABC, ALL), ("DE*ABC",), "0.3"),
        ((ABC, ALL), ("FRXYZ",), "0.4"),
        ((ABC,), (), "0.3"),
        ((ABC,), ("FRXYZ", "DEABC"), "0.3"),
    ],
)
def test_the_receiver_gets_its_own_prices(
    parts: tuple[IndividualTariff, ...], recipients: tuple[str, ...], price: str
) -> None:
    ctx = context(options={"recipients": recipients})
    found = said(tariff(individual=parts), ctx)

    assert found["elements"][0]["price_components"][0]["price"] == Decimal(price)
    others = len(parts) - 1
    assert sum(note.rule == "other-recipient" for note in ctx.notes) == others


def test_a_tariff_for_others_is_refused() -> None:
    with pytest.raises(Inexpressible, match="not meant for this receiver"):
        said(tariff(individual=(ABC,)), context(options={"recipients": ("FRXYZ",)}))


def test_a_tariff_without_an_operator_is_refused() -> None:
    with pytest.raises(Inexpressible, match="names no operator"):
        said(tariff(element(), id="DAY"))


def test_findings_name_the_element_and_window_that_each_part_came_from() -> None:
    ctx = context(traced=True)
    writing = interpret.Writing()
    obj = tariff(element(ENERGY), element(TIME, "1", "0.5", windows=week("08:00", "20:00", 2, 1)))
    interpret.write(TARIFF, obj, ctx, writing=writing)
    found = {wrote.target: set(wrote.paths) for wrote in writing.wrote}
    here = "individual/0/elements"

    assert found["/elements/0/price_components/0/price"] == {f"{here}/1/components/0/price"}
    assert found["/elements/0/price_components/0/step_size"] == {
        f"{here}/1/components/0/step",
        f"{here}/1/components/0/item",
    }
    assert found["/elements/0/restrictions/day_of_week/0"] == {
        f"{here}/1/restrictions/windows/1/weekday"
    }
    assert found["/elements/0/restrictions/start_time"] == {
        f"{here}/1/restrictions/windows/{n}/begin" for n in (0, 1)
    }
    assert found["/elements/1/price_components/0/type"] == {f"{here}/0/components/0/item"}
