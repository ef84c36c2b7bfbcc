"""Bill items as charging periods, totals and an embedded tariff."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from adapters.ocpi import billing
from adapters.ocpi.cdrs import CDR
from gateway.mapping import interpret
from gateway.mapping.context import Context
from gateway.model.charging import BillItem, Cdr, CdrConnector
from gateway.model.location import ConnectorFormat
from gateway.model.tariff import BillingItem, Price
from tests.adapters.ocpi.records import at, bill, context, item, notes

ENERGY, TIME, PARKING = BillingItem.ENERGY, BillingItem.CHARGING_TIME, BillingItem.PARKING_TIME
POWER, FEE = BillingItem.PEAK_POWER, BillingItem.FLAT
ANYWHERE = {"cdr_location_fallback": True}


def said(obj: Cdr, ctx: Context | None = None) -> Any:
    return interpret.write(CDR, obj, ctx or context(options=ANYWHERE))


def periods(*items: BillItem, **changes: Any) -> list[tuple[str, dict[str, Decimal]]]:
    """(clock in UTC, volumes) of each period."""
    return [
        (p["start_date_time"][11:16], {d["type"]: d["volume"] for d in p["dimensions"]})
        for p in said(bill(*items, **changes))["charging_periods"]
    ]


def test_items_that_follow_one_another() -> None:
    assert periods(
        item(ENERGY, at(11), at(12, 10), "14.25"), item(PARKING, at(12, 10), at(12, 30), "0.3333")
    ) == [
        ("09:00", {"ENERGY": Decimal("14.25")}),
        ("10:10", {"PARKING_TIME": Decimal("0.3333")}),
    ]


def test_items_of_one_interval_share_a_period() -> None:
    assert periods(
        item(ENERGY, at(11), at(12, 30), "14.25"),
        item(TIME, at(11), at(12, 30), "1.5"),
        item(POWER, at(11), at(12, 30), "11"),
    ) == [("09:00", {"ENERGY": Decimal("14.25"), "TIME": Decimal("1.5"), "MAX_POWER": 11})]


def test_overlapping_items_are_cut() -> None:
    """Time is shared out, energy stays whole where its item starts."""
    assert periods(
        item(ENERGY, at(11), at(12), "10"),
        item(TIME, at(11), at(12, 30), "1.5"),
        item(PARKING, at(12), at(12, 30), "0.5"),
    ) == [
        ("09:00", {"ENERGY": 10, "TIME": 1}),
        ("10:00", {"TIME": Decimal("0.5"), "PARKING_TIME": Decimal("0.5")}),
    ]


def test_the_last_share_takes_what_rounding_leaves() -> None:
    found = periods(
        item(TIME, at(11), at(12), "1"),
        item(ENERGY, at(11), at(11, 20), "1"),
        item(ENERGY, at(11, 20), at(11, 40), "1"),
        end=at(12),
    )
    assert [volumes["TIME"] for _, volumes in found] == [
        Decimal("0.3333"),
        Decimal("0.3333"),
        Decimal("0.3334"),
    ]


def test_a_gap_is_a_period_that_ends_its_neighbour() -> None:
    assert periods(
        item(ENERGY, at(11), at(11, 30), "5"), item(ENERGY, at(12), at(12, 15), "2")
    ) == [
        ("09:00", {"ENERGY": 5}),
        ("09:30", {"TIME": 0}),
        ("10:00", {"ENERGY": 2}),
        ("10:15", {"TIME": 0}),
    ]


@pytest.mark.parametrize(
    "items",
    [
        (item(FEE, at(11), at(11), "1", "0.5"),),
        (item(BillingItem.RESERVATION, at(10), at(11), "1", "2"),),
    ],
)
def test_fees_have_no_dimension(items: tuple[BillItem, ...]) -> None:
    """A CDR has at least one period, and a period at least one dimension."""
    assert periods(*items) == [("09:00", {"TIME": 0})]


def test_an_item_of_no_duration() -> None:
    assert periods(
        item(TIME, at(11), at(12, 30), "1.5"), item(ENERGY, at(12, 30), at(12, 30), "7")
    ) == [("09:00", {"TIME": Decimal("1.5")}), ("10:30", {"ENERGY": 7})]


def test_totals_alone_are_one_period() -> None:
    ctx = context(options=ANYWHERE)
    obj = bill(
        total_energy=Decimal("8.5"),
        total_time=Decimal(2),
        total_parking_time=Decimal("0.5"),
        total_cost=Price(net=Decimal(4)),
    )
    assert said(obj, ctx)["charging_periods"] == [
        {
            "start_date_time": "2031-05-02T09:00:00Z",
            "dimensions": [
                {"type": "ENERGY", "volume": Decimal("8.5")},
                {"type": "TIME", "volume": Decimal("1.5")},
                {"type": "PARKING_TIME", "volume": Decimal("0.5")},
            ],
        }
    ]
    assert ("approximated", "totals-as-one-period", "start") in notes(ctx)


# -- totals ----------------------------------------------------------------------------------

WORKED = bill(
    item(ENERGY, at(11), at(12, 10), "14.25", "0.4", cost=Decimal("5.7"), tax_rate=21),
    item(PARKING, at(12, 10), at(12, 30), "0.3333", "3.0", cost=Decimal("1.0"), tax_rate=21),
    total_cost=Price(net=Decimal("6.7")),
)


def test_the_worked_example() -> None:
    """14.25 kWh at 0.40 and 20 minutes parking at 3.00, 21 % tax."""
    found = said(WORKED)
    totals = {name: found[name] for name in found if name.startswith("total")}

    assert totals == {
        "total_cost": {"excl_vat": Decimal("6.7"), "incl_vat": Decimal("8.107")},
        "total_energy": Decimal("14.25"),
        "total_energy_cost": {"excl_vat": Decimal("5.7"), "incl_vat": Decimal("6.897")},
        "total_time": Decimal("1.5"),
        "total_parking_time": Decimal("0.3333"),
        "total_parking_cost": {"excl_vat": 1, "incl_vat": Decimal("1.21")},
    }


def test_a_cost_that_is_not_stated_is_value_times_price() -> None:
    found = said(
        bill(item(ENERGY, at(11), at(12), "7.5", "0.3333"), item(FEE, at(11), at(11), "1", "0.5"))
    )

    assert found["total_energy_cost"] == {"excl_vat": Decimal("2.499750")}
    assert found["total_fixed_cost"] == {"excl_vat": Decimal("0.5")}
    assert found["total_cost"] == {"excl_vat": Decimal("2.999750")}


def test_no_gross_amount_unless_every_item_tells_its_tax_and_the_sum_is_the_total() -> None:
    taxed = item(ENERGY, at(11), at(12), "10", "0.5", tax_rate=19)
    untaxed = item(FEE, at(11), at(11), "1", "1")

    assert said(bill(taxed, untaxed))["total_cost"] == {"excl_vat": Decimal("6.0")}
    assert said(bill(taxed, total_cost=Price(net=Decimal("4.99"))))["total_cost"] == {
        "excl_vat": Decimal("4.99")
    }
    assert said(bill(taxed))["total_cost"] == {"excl_vat": 5, "incl_vat": Decimal("5.95")}


def test_a_credit_negates_the_total_alone() -> None:
    found = said(
        replace(WORKED, credit=True, credit_reference_id="X", total_cost=Price(net=Decimal("-6.7")))
    )

    assert found["total_cost"] == {"excl_vat": Decimal("-6.7"), "incl_vat": Decimal("-8.107")}
    assert found["total_energy_cost"] == {"excl_vat": Decimal("5.7"), "incl_vat": Decimal("6.897")}
    assert (found["credit"], found["credit_reference_id"]) == (True, "X")


def test_reservations_are_one_total() -> None:
    found = said(
        bill(
            item(BillingItem.RESERVATION, at(10), at(11), "1", "2"),
            item(BillingItem.RESERVATION_TIME, at(10), at(11), "1", "0.5"),
            item(ENERGY, at(11), at(12), "1", "1"),
        )
    )
    assert found["total_reservation_cost"] == {"excl_vat": Decimal("2.5")}
    assert found["charging_periods"][0]["dimensions"] == [{"type": "RESERVATION_TIME", "volume": 1}]


def test_without_an_energy_item_the_energy_is_zero_by_rule() -> None:
    ctx = context(options=ANYWHERE)

    assert said(bill(item(TIME, at(11), at(12), "1", "2")), ctx)["total_energy"] == 0
    assert ("defaulted", "no-energy-item", "total_energy") in notes(ctx)


def test_a_cost_that_nobody_stated_is_marked() -> None:
    ctx = context(options=ANYWHERE)
    found = said(bill(total_energy=Decimal(5)), ctx)

    assert found["total_cost"] == {"excl_vat": 0}
    assert found["remark"].startswith("[?]")
    assert ("defaulted", "cost-unknown", "total_cost") in notes(ctx)


def test_lossy_items_are_noted() -> None:
    ctx = context(options=ANYWHERE)
    said(bill(item(TIME, at(11), at(12), "1"), item(POWER, at(11), at(12), "11", "0.1")), ctx)

    assert {
        ("approximated", "usage-as-charging-time", "items/0/item"),
        ("approximated", "power-price-in-total-only", "items/1/unit_price"),
    } <= notes(ctx)


def test_the_price_of_power_is_dropped_where_no_total_depends_on_it() -> None:
    ctx = context(options=ANYWHERE)
    said(bill(item(POWER, at(11), at(12), "11", "0.1"), total_cost=Price(net=Decimal(7))), ctx)

    assert ("dropped", "power-price-in-total-only", "items/0/unit_price") in notes(ctx)


# -- tariff ----------------------------------------------------------------------------------


def test_the_tariff_that_the_items_imply() -> None:
    [found] = said(WORKED)["tariffs"]

    assert found == {
        "country_code": "NL",
        "party_id": "QGW",
        "id": "NLQGW000000000042A-T",
        "currency": "EUR",
        "elements": [
            {
                "price_components": [
                    {"type": "ENERGY", "price": Decimal("0.4"), "vat": 21, "step_size": 1}
                ]
            },
            {"price_components": [{"type": "PARKING_TIME", "price": 3, "vat": 21, "step_size": 1}]},
        ],
        "last_updated": "2031-05-02T10:30:00Z",
    }


def test_a_tariff_that_the_record_names() -> None:
    plug = CdrConnector(
        standard="IEC_62196_T2", format=ConnectorFormat.SOCKET, tariff_id="NL*QGW*TDAY01"
    )
    obj = bill(item(ENERGY, at(11), at(12), "1"), connector=plug)
    found = said(obj)

    assert found["tariffs"][0]["id"] == "NL*QGW*TDAY01"
    assert found["charging_periods"][0]["tariff_id"] == "NL*QGW*TDAY01"
    ids = {("tariff", "NL*QGW*TDAY01"): "T-1"}
    found = said(obj, context(ids=ids, options=ANYWHERE))
    assert {found["tariffs"][0]["id"], found["charging_periods"][0]["tariff_id"]} == {"T-1"}


def test_several_prices_of_one_item_hold_at_their_time_of_day() -> None:
    """Local times of the site, as the record says them."""
    ctx = context(options=ANYWHERE)
    [found] = said(
        bill(
            item(ENERGY, at(11), at(12), "5", "0.4"),
            item(ENERGY, at(12), at(12, 30), "2", "0.3"),
        ),
        ctx,
    )["tariffs"]

    assert [(e["price_components"][0]["price"], e["restrictions"]) for e in found["elements"]] == [
        (Decimal("0.4"), {"start_time": "11:00", "end_time": "12:00"}),
        (Decimal("0.3"), {"start_time": "12:00", "end_time": "12:30"}),
    ]
    assert ("approximated", "price-by-time-of-day", "items/1/unit_price") in notes(ctx)


def test_fees_are_one_sum() -> None:
    ctx = context(options=ANYWHERE)
    [found] = said(
        bill(item(FEE, at(11), at(11), "1", "0.5"), item(FEE, at(12), at(12), "3", "0.2")), ctx
    )["tariffs"]

    assert found["elements"][0]["price_components"] == [
        {"type": "FLAT", "price": Decimal("1.1"), "step_size": 1}
    ]
    assert ("approximated", "fees-as-one-sum", "items/0/value") in notes(ctx)


def test_power_alone_implies_no_tariff() -> None:
    found = said(bill(item(POWER, at(11), at(12), "11", "0.1")))

    assert "tariffs" not in found
    assert found["total_cost"] == {"excl_vat": Decimal("1.1")}
    assert "tariff_id" not in found["charging_periods"][0]


# -- whatever the items ----------------------------------------------------------------------

_MINUTES = st.integers(0, 90)
_ITEMS = st.lists(
    st.builds(
        lambda kind, first, last, value: item(
            kind,
            at(11, 0) if not first else at(11 + first // 60, first % 60),
            at(11 + max(first, last) // 60, max(first, last) % 60),
            str(value),
            "0.3",
        ),
        st.sampled_from(list(BillingItem)),
        _MINUTES,
        _MINUTES,
        st.decimals(0, 100, places=4),
    ),
    min_size=1,
    max_size=6,
)


def test_totals_are_exact_and_periods_follow_one_another() -> None:
    @given(_ITEMS)
    @settings(max_examples=200, deadline=None)
    def holds(items: list[BillItem]) -> None:
        found = billing.periods(bill(*items), context())
        starts = [period.start for period in found]
        assert starts == sorted(set(starts))
        assert all(period.dimensions for period in found)
        for kind, name in billing.DIMENSIONS.items():
            volumes = [d.volume for p in found for d in p.dimensions if d.type == name]
            values = [i.value for i in items if i.item is kind]
            if kind is not POWER:
                assert sum(volumes) == sum(values)
            elif values:
                assert max(volumes) == max(values)

    holds()
