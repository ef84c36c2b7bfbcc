"""Charge records of periods, tariffs and totals as OCHP's bill items."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext

import pytest

from adapters.ochp import messages as wire
from adapters.ochp.cdrs import CDR_INFO
from gateway.errors import Inexpressible
from gateway.mapping import interpret
from gateway.model.charging import AuthMethodUsed, BillItem, CdrConnector, CdrState
from gateway.model.location import Address, ConnectorFormat, PowerType
from gateway.model.message import CdrDecisions, CdrList, CdrRef, CdrUpload, Receipt
from gateway.model.tariff import BillingItem, Price
from gateway.model.token import TokenKind, TokenRef
from tests.adapters.ochp.world import (
    NOW,
    cdr,
    context,
    element,
    notes,
    period,
    price,
    rules,
    tariff,
    text,
    texts,
    written,
)

D = Decimal
ENERGY, TIME, FLAT = BillingItem.ENERGY, BillingItem.CHARGING_TIME, BillingItem.FLAT
PARKING = BillingItem.PARKING_TIME
ITEM = "cdrInfoArray"


def said(*cdrs, ctx=None):
    return written(wire.ADD_CDRS, CdrUpload(cdrs=cdrs), ctx)


def lines(node) -> list[tuple[str, Decimal, Decimal, Decimal, str | None]]:
    """(item, value, price, cost, tax rate) of each bill item."""
    return [
        (
            text(each, "billingItem/BillingItemType"),
            D(text(each, "billingValue")),
            D(text(each, "itemPrice")),
            D(text(each, "periodCost")),
            text(each, "taxrate"),
        )
        for each in node.iter("{*}chargingPeriods")
    ]


def test_an_ordinary_record():
    ctx = context()
    node = said(cdr(), ctx=ctx)
    assert text(node, f"{ITEM}/CdrId") == "NLQGW42"
    assert node.find(".//{*}emtId").get("representation") == "plain"
    assert text(node, f"{ITEM}/status/CdrStatusType") == "new"
    assert text(node, f"{ITEM}/startDateTime/LocalDateTime") == "2031-05-02T11:00:00+02:00"
    assert text(node, f"{ITEM}/endDateTime/LocalDateTime") == "2031-05-02T12:30:00+02:00"
    assert text(node, f"{ITEM}/duration") == "001:30:00"
    assert text(node, f"{ITEM}/chargePointAddress/houseNumber") == "12"
    assert text(node, f"{ITEM}/chargePointType") == "AC"
    assert text(node, f"{ITEM}/totalCost") == "5.70"
    assert notes(ctx) == {
        ("new-record", "cdrs/0"),
        ("totals-as-items", "cdrs/0/periods"),
        ("rest-as-service-fee", "cdrs/0/total_cost"),
        ("no-counterpart", "cdrs/0/place"),
        ("no-counterpart", "cdrs/0/connector/id"),
        ("no-counterpart", "cdrs/0/updated"),
    }


# -- bill items ------------------------------------------------------------------------------


def test_periods_are_priced_by_the_tariffs_of_the_record():
    """14.25 kWh at 0.40 and a third of an hour of parking at 3.00: 6.70."""
    half_past = NOW + timedelta(minutes=70)
    made = cdr(
        periods=(
            period(NOW, ENERGY="14.25", TIME="1.1667"),
            period(half_past, PARKING_TIME="0.3333"),
        ),
        tariffs=(
            tariff(
                element(price(ENERGY, "0.40", vat=D(21))),
                element(price(PARKING, "3.0", vat=D(21))),
            ),
        ),
        total_cost=Price(net=D("6.70"), gross=D("8.107")),
        total_parking_time=D("0.3333"),
    )
    ctx = context()
    node = said(made, ctx=ctx)
    assert lines(node) == [
        ("energy", D("14.25"), D("0.40"), D("5.7"), "21"),
        ("usagetime", D("1.1667"), 0, 0, None),
        ("parkingtime", D("0.3333"), D("3.0"), D("0.9999"), "21"),
    ]
    ends = texts(node, f"{ITEM}/chargingPeriods/endDateTime/LocalDateTime")
    assert ends == ["2031-05-02T12:10:00+02:00"] * 2 + ["2031-05-02T12:30:00+02:00"]
    assert "totals-as-items" not in rules(ctx.notes)
    assert text(node, f"{ITEM}/connectorType/tariffId") == "NLQGWTDAY01"


def test_steps_are_rounded_up_once_a_session():
    """18.3 kWh in steps of 500 Wh are 18.5, whatever the periods."""
    made = cdr(
        periods=(period(NOW, ENERGY="10.1"), period(NOW + timedelta(hours=1), ENERGY="8.2")),
        tariffs=(tariff(element(price(FLAT, "0.25"), price(ENERGY, "0.50", 500))),),
        total_cost=Price(net=D("9.50")),
        total_energy=D("18.3"),
    )
    assert lines(said(made)) == [
        ("serviceFee", 1, D("0.25"), D("0.25"), None),
        ("energy", D("10.1"), D("0.50"), D("5.05"), None),
        ("energy", D("8.4"), D("0.50"), D("4.2"), None),
    ]


def test_time_before_parking_is_not_rounded():
    made = cdr(
        periods=(period(NOW, TIME="0.90"), period(NOW + timedelta(hours=1), PARKING_TIME="0.40")),
        tariffs=(tariff(element(price(TIME, "2", 3600), price(PARKING, "4", 1800))),),
        total_cost=Price(net=D("3.80")),
        total_energy=D(0),
    )
    assert lines(said(made)) == [
        ("usagetime", D("0.90"), 2, D("1.80"), None),
        ("parkingtime", D("0.5"), 4, 2, None),
    ]


def test_prices_that_change_with_the_clock():
    """The first element whose hours hold at the start of a period, in local time."""
    evening = datetime(2031, 5, 2, 17, 0, tzinfo=UTC)
    made = cdr(
        start=evening,
        end=evening + timedelta(hours=2),
        periods=(
            period(evening, ENERGY="5"),
            period(evening + timedelta(hours=1), ENERGY="5"),
        ),
        tariffs=(
            tariff(
                element(price(ENERGY, "0.2"), start_time="20:00", end_time="06:00"),
                element(price(ENERGY, "0.4"), weekdays=("FRIDAY",), max_kwh=D(100)),
                element(price(ENERGY, "9")),
            ),
        ),
        total_cost=Price(net=D(3)),
        total_energy=D(10),
    )
    assert [line[2] for line in lines(said(made))] == [D("0.4"), D("0.2")]


@pytest.mark.parametrize(
    "limits",
    [
        {"min_power": D(11)},
        {"max_current": D(16)},
        {"reservation": "RESERVATION_EXPIRES"},
    ],
)
def test_what_cannot_be_judged_afterwards_is_not_priced(limits):
    made = cdr(
        periods=(period(NOW, ENERGY="10"),),
        tariffs=(tariff(element(price(ENERGY, "0.57"), **limits)),),
        total_energy_cost=Price(net=D("5.70")),
    )
    ctx = context()
    assert lines(said(made, ctx=ctx))[0][:2] == ("energy", D("14.25"))
    assert "totals-as-items" in rules(ctx.notes)


def test_prices_that_miss_the_total_are_not_used():
    """A tariff beside the point must not invent a bill: the totals count."""
    made = cdr(
        tariffs=(tariff(element(price(ENERGY, "0.39"))),),
        total_energy_cost=Price(net=D("5.70"), gross=D("6.897")),
        total_cost=Price(net=D("5.70"), gross=D("6.897")),
    )
    ctx = context()
    assert lines(said(made, ctx=ctx)) == [("energy", D("14.25"), D("0.4"), D("5.70"), "21")]
    why = [note.why for note in ctx.notes if note.rule == "totals-as-items"]
    assert why == ["its tariffs do not give the total cost"]


def test_all_totals_and_the_rest():
    """Each total over the whole session, the rest as a service fee; the sum is exact."""
    made = cdr(
        periods=(period(NOW, ENERGY="14.25", RESERVATION_TIME="0.25", MAX_POWER="11"),),
        total_cost=Price(net=D("12.34")),
        total_energy_cost=Price(net=D("5.01")),
        total_time_cost=Price(net=D("2.00")),
        total_parking_time=D("0.5"),
        total_parking_cost=Price(net=D("1.00")),
        total_reservation_cost=Price(net=D("0.30")),
        total_fixed_cost=Price(net=D("0.25")),
    )
    ctx = context()
    found = lines(said(made, ctx=ctx))
    assert found == [
        ("energy", D("14.25"), D("0.351579"), D("5.01"), None),
        ("usagetime", D("1.0"), 2, 2, None),
        ("parkingtime", D("0.5"), 2, 1, None),
        ("reservationtime", D("0.25"), D("1.2"), D("0.30"), None),
        ("serviceFee", 1, D("0.25"), D("0.25"), None),
        ("serviceFee", 1, D("3.78"), D("3.78"), None),
    ]
    assert sum(line[3] for line in found) == D("12.34")
    assert ("dimension-not-in-ochp", "cdrs/0/periods/0/dimensions/2") in notes(ctx)


def test_a_reservation_without_time():
    made = cdr(
        total_energy=D(0),
        total_reservation_cost=Price(net=D(2)),
        total_cost=Price(net=D(2)),
        periods=(),
    )
    assert lines(said(made)) == [
        ("energy", 0, 0, 0, None),
        ("reservation", 1, 2, 2, None),
    ]


def test_an_unpriced_record_bills_energy_at_nothing():
    made = cdr(total_cost=None, periods=(), total_energy=None, total_time=None)
    node = said(made)
    assert lines(node) == [("energy", 0, 0, 0, None)]
    assert text(node, f"{ITEM}/totalCost") is None


@pytest.mark.parametrize(
    ("net", "gross", "rate"),
    [
        ("100", "121", "21"),
        ("100", "119.004", "19"),
        ("100", "107.7", None),
        ("5.70", "6.10", "7"),
        ("0", "0", None),
    ],
)
def test_tax_rates_are_whole_percentages(net, gross, rate):
    """A fraction that matters by more than a cent is left out and noted."""
    made = cdr(total_cost=Price(net=D(net), gross=D(gross)), total_energy_cost=Price(net=D(net)))
    ctx = context()
    assert lines(said(made, ctx=ctx))[0][4] == rate
    assert ("tax-not-a-whole-percentage" in rules(ctx.notes)) is (rate is None)


def test_money_is_exact_to_the_last_digit():
    amount = "16777217.10000000000000001"
    made = cdr(total_cost=Price(net=D(amount)), total_energy_cost=Price(net=D(amount)))
    node = said(made)
    assert text(node, f"{ITEM}/totalCost") == amount
    assert lines(node)[0][3] == D(amount)


@pytest.mark.parametrize("huge", ["9" * 40, "1E+40", "1E-40", "-1E+40"])
def test_absurd_amounts_do_not_break_the_arithmetic(huge):
    made = cdr(
        total_cost=Price(net=D(huge), gross=D(huge)),
        total_energy_cost=Price(net=D(huge), gross=D("1E-40")),
        total_energy=D("1E-40"),
        periods=(period(NOW, ENERGY=huge),),
        tariffs=(tariff(element(price(ENERGY, huge))),),
    )
    costs = [line[3] for line in lines(said(made))]
    with localcontext(prec=200):
        assert abs(sum(costs) - D(huge)) <= D("0.01")


# -- times -----------------------------------------------------------------------------------


def test_a_session_over_the_repeated_hour():
    """02:30 comes twice; the offsets tell them apart, and the duration is an hour."""
    made = cdr(
        start=datetime(2031, 10, 26, 0, 30, tzinfo=UTC),
        end=datetime(2031, 10, 26, 1, 30, tzinfo=UTC),
        periods=(),
        total_time=D(1),
    )
    node = said(made)
    assert text(node, f"{ITEM}/startDateTime/LocalDateTime") == "2031-10-26T02:30:00+02:00"
    assert text(node, f"{ITEM}/endDateTime/LocalDateTime") == "2031-10-26T02:30:00+01:00"
    assert text(node, f"{ITEM}/duration") == "001:00:00"
    back = interpret.read(wire.ADD_CDRS, node).cdrs[0]
    assert (back.start, back.end) == (made.start, made.end)


def test_without_a_zone_a_record_is_refused():
    spain = Address(street="Calle 1", city="Las Palmas", country="ESP")
    with pytest.raises(Inexpressible, match="no time zone"):
        said(cdr(address=spain))
    node = said(cdr(address=spain), ctx=context(zone="Atlantic/Canary"))
    assert text(node, f"{ITEM}/startDateTime/LocalDateTime") == "2031-05-02T10:00:00+01:00"


def test_durations():
    long = cdr(end=NOW + timedelta(hours=1000), total_time=D(1000))
    ctx = context()
    assert text(said(long, ctx=ctx), f"{ITEM}/duration") is None
    assert ("duration-not-in-ochp", "cdrs/0/total_time") in notes(ctx)
    ctx = context()
    assert text(said(cdr(total_time=D(3)), ctx=ctx), f"{ITEM}/duration") == "001:30:00"
    assert ("duration-of-times", "cdrs/0/total_time") in notes(ctx)
    fine = cdr(start=NOW.replace(microsecond=999999), end=NOW + timedelta(seconds=1))
    assert text(said(fine), f"{ITEM}/duration") == "000:00:01"


# -- token, ids, state -----------------------------------------------------------------------


def test_a_remotely_started_session_names_its_direct_id():
    made = cdr(auth_method=AuthMethodUsed.COMMAND, session_id="s-1")
    agreed = context({("session", "s-1"): "NLQGWE7QK2M0X4T9ZB1C"})
    node = said(made, ctx=agreed)
    assert text(node, f"{ITEM}/emtId/instance") == "NLQGWE7QK2M0X4T9ZB1C"
    assert text(node, f"{ITEM}/emtId/tokenType") == "remote"
    assert ("direct-id-instead", "cdrs/0/token/uid") in notes(agreed)
    ctx = context()
    assert text(said(made, ctx=ctx), f"{ITEM}/emtId/tokenType") == "rfid"
    assert {("no-counterpart", "cdrs/0/session_id"), ("no-counterpart", "cdrs/0/auth_method")} <= (
        notes(ctx)
    )


def test_users_of_an_app_are_remote():
    made = cdr(
        token=TokenRef(uid="app-1", kind=TokenKind.APP_USER, contract_id="DE-XYZ-C01234567-2")
    )
    node = said(made)
    assert text(node, f"{ITEM}/emtId/tokenType") == "remote"
    assert text(node, f"{ITEM}/emtId/instance") == "app-1"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"credit": True}, "credit note"),
        ({"evse_id": "pole 7"}, "is no EvseId"),
        ({"token": TokenRef(uid="1", kind=TokenKind.RFID)}, "contractId: has no value"),
        (
            {"connector": CdrConnector(standard="GBT_DC", format=ConnectorFormat.CABLE)},
            "ConnectorStandard",
        ),
    ],
)
def test_records_that_cannot_be_said(changes, reason):
    """One of them does not keep the other from going out."""
    with pytest.raises(Inexpressible, match=reason):
        said(cdr(**changes))
    ctx = context()
    node = said(cdr(**changes), cdr(id="NLQGW43"), ctx=ctx)
    assert texts(node, f"{ITEM}/CdrId") == ["NLQGW43"]
    assert [note.path for note in ctx.notes if note.rule == "inexpressible"] == ["cdrs/0"]


def test_states():
    """Handed out by a hub, a record has been accepted; a word of its own counts."""
    listed = written(wire.CDRS, CdrList(cdrs=(cdr(), cdr(state=CdrState.DECLINED))))
    states = texts(listed, f"{ITEM}/status/CdrStatusType")
    assert states == ["accepted", "declined"]
    revised = cdr(state=CdrState.REVISED, credit=True)
    assert text(said(revised), f"{ITEM}/status/CdrStatusType") == "revised"


def test_meter_ids_are_cut():
    ctx = context()
    assert text(said(cdr(meter_id="M" * 25), ctx=ctx), f"{ITEM}/meterId") == "M" * 20
    assert "cut-at-20" in rules(ctx.notes)
    assert text(said(cdr(meter_id="")), f"{ITEM}/meterId") is None


def test_direct_current():
    fast = CdrConnector(
        standard="IEC_62196_T2_COMBO", format=ConnectorFormat.CABLE, power_type=PowerType.DC
    )
    assert text(said(cdr(connector=fast)), f"{ITEM}/chargePointType") == "DC"


def test_ochps_own_record_is_left_alone():
    """Its offsets, ids and items are what the partner said."""
    start = datetime.fromisoformat("2031-05-02T11:00:00+00:00")
    item = BillItem(start=start, end=start, item=FLAT, value=D("1.0"), unit_price=D("0.0"))
    own = cdr(
        id="F" * 32,
        start=start,
        items=(item,),
        owner=None,
        periods=(),
        place=None,
        updated=None,
        auth_method=None,
        state=CdrState.NEW,
        total_energy=None,
        total_time=None,
        total_cost=None,
        address=Address(street="Gate 12", city="Delft", country="NLD", postal_code="-"),
        connector=CdrConnector(standard="CHADEMO", format=ConnectorFormat.CABLE),
        token=TokenRef(uid="a0", kind=TokenKind.RFID, contract_id="dexyzc01234567"),
    )
    ctx = context()
    node = said(own, ctx=ctx)
    assert text(node, f"{ITEM}/CdrId") == "F" * 32
    assert text(node, f"{ITEM}/startDateTime/LocalDateTime") == "2031-05-02T11:00:00+00:00"
    assert text(node, f"{ITEM}/chargePointAddress/address") == "Gate 12"
    assert text(node, f"{ITEM}/duration") is None
    assert text(node, f"{ITEM}/chargingPeriods/periodCost") is None
    assert ctx.notes == []


# -- decisions and receipts ------------------------------------------------------------------


def test_decisions_and_receipts_use_the_ids_that_the_partner_knows():
    ids = {("cdr", "c-1"): "NLQGW1"}
    decisions = CdrDecisions(
        approved=(CdrRef(cdr_id="c-1", evse_id="NLQGWE1"),),
        declined=(CdrRef(cdr_id="NLQGW2", evse_id="NLQGWE1"),),
    )
    node = written(wire.CONFIRM_CDRS, decisions, context(ids))
    assert texts(node, "approved/cdrId") == ["NLQGW1"]
    assert texts(node, "declined/cdrId") == ["NLQGW2"]
    ctx = context(ids)
    node = written(wire.CDRS_ADDED, Receipt(cdrs=("c-1", "c-2"), reasons=("a", "b")), ctx)
    assert texts(node, "implausibleCdrsArray") == ["NLQGW1"]
    assert notes(ctx) == {
        ("cdr-id-not-in-ochp", "cdrs/1"),
        ("no-counterpart", "reasons"),
        ("no-description", "result"),
    }
    with pytest.raises(Inexpressible, match="evseId"):
        written(wire.CONFIRM_CDRS, CdrDecisions(approved=(CdrRef(cdr_id="A"),)))


def test_the_table_of_a_record_is_the_same_alone():
    node = written(CDR_INFO, cdr())
    assert interpret.read(CDR_INFO, node).id == "NLQGW42"
