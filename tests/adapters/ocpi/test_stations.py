"""EVSEs, connectors and live status of other protocols in OCPI's terms."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from adapters.ocpi import stations
from adapters.ocpi.forms import FORMS
from adapters.ocpi.locations import EVSE
from adapters.ocpi.stations import power_type, surrogate
from gateway.errors import Inexpressible
from gateway.mapping import interpret
from gateway.mapping.context import Context
from gateway.model.location import (
    AuthMethod,
    Connector,
    ConnectorFormat,
    CurrentType,
    EvseState,
    Operation,
    ParkingSpot,
    PowerType,
    Rating,
    Restriction,
    ScheduledOperation,
)
from gateway.model.message import StatusList, StatusUpload
from gateway.model.status import EvseStatus, MajorStatus, MinorStatus, ParkingStatus
from tests.adapters.ocpi.records import NOW, context, evse, notes

HOUR = timedelta(hours=1)
AC, DC = CurrentType.AC, CurrentType.DC


def said(ctx: Context | None = None, **changes: Any) -> Any:
    return interpret.write(EVSE, evse(**changes), ctx or context())


# -- status ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "live", "status"),
    [
        (Operation.OPERATIVE, None, "UNKNOWN"),
        (Operation.OPERATIVE, EvseState.CHARGING, "CHARGING"),
        (Operation.UNKNOWN, EvseState.AVAILABLE, "AVAILABLE"),
        (None, EvseState.RESERVED, "RESERVED"),
        (None, None, "UNKNOWN"),
        (Operation.INOPERATIVE, EvseState.AVAILABLE, "INOPERATIVE"),
        (Operation.INOPERATIVE, EvseState.OUT_OF_ORDER, "OUTOFORDER"),
        (Operation.PLANNED, EvseState.AVAILABLE, "PLANNED"),
        (Operation.CLOSED, EvseState.CHARGING, "REMOVED"),
    ],
)
def test_static_status_comes_before_live_status(
    operation: Operation | None, live: EvseState | None, status: str
) -> None:
    assert said(operation=operation, state=live)["status"] == status


def test_an_entry_of_the_schedule_that_runs_now_counts() -> None:
    running = ScheduledOperation(begin=NOW - HOUR, end=NOW + HOUR, operation=Operation.INOPERATIVE)
    over = ScheduledOperation(begin=NOW - 2 * HOUR, end=NOW, operation=Operation.CLOSED)
    later = ScheduledOperation(begin=NOW + HOUR, operation=Operation.OPERATIVE)
    ctx = context()
    found = said(ctx, state=EvseState.AVAILABLE, operation_schedule=(over, running, later))

    assert found["status"] == "INOPERATIVE"
    assert [(e["status"], "period_end" in e) for e in found["status_schedule"]] == [
        ("REMOVED", True),
        ("INOPERATIVE", True),
        ("AVAILABLE", False),
    ]
    assert ("approximated", "in-service-as-available", "operation_schedule/2/operation") in notes(
        ctx
    )


M, N = MajorStatus, MinorStatus


@pytest.mark.parametrize(
    ("major", "minor", "status", "rules"),
    [
        (M.AVAILABLE, None, "AVAILABLE", set()),
        (M.AVAILABLE, N.AVAILABLE, "AVAILABLE", set()),
        (M.AVAILABLE, N.RESERVED, "AVAILABLE", {"reserved-later"}),
        (M.NOT_AVAILABLE, None, "INOPERATIVE", {"cause-unknown"}),
        (M.NOT_AVAILABLE, N.CHARGING, "CHARGING", set()),
        (M.NOT_AVAILABLE, N.BLOCKED, "BLOCKED", set()),
        (M.NOT_AVAILABLE, N.RESERVED, "RESERVED", set()),
        (M.NOT_AVAILABLE, N.OUT_OF_ORDER, "OUTOFORDER", set()),
        (M.UNKNOWN, None, "UNKNOWN", set()),
        (M.NOT_AVAILABLE, N.AVAILABLE, "INOPERATIVE", {"major-only", "cause-unknown"}),
        (M.AVAILABLE, N.CHARGING, "AVAILABLE", {"major-only"}),
        (M.UNKNOWN, N.BLOCKED, "UNKNOWN", {"major-only"}),
    ],
)
def test_a_live_pair_is_one_state(
    major: MajorStatus, minor: MinorStatus | None, status: str, rules: set[str]
) -> None:
    ctx = context()
    [found] = live(EvseStatus(evse_id="NL*QGW*E1", major=major, minor=minor), ctx=ctx)

    assert found["status"] == status
    assert {note.rule for note in ctx.notes} - {"receipt-time"} == rules
    assert found["uid"] == "NL*QGW*E1"


def live(*evses: EvseStatus, ctx: Context | None = None, **message: Any) -> Any:
    form = FORMS["EVSE status list"].record
    return interpret.write(form, StatusUpload(evses=evses, **message), ctx or context())


def test_reserved_from_the_end_of_its_time_to_live() -> None:
    status = EvseStatus(evse_id="NL*QGW*E1", major=M.AVAILABLE, minor=N.RESERVED, ttl=NOW + HOUR)
    [found] = live(status)

    assert found["status"] == "AVAILABLE"
    assert found["status_schedule"] == [
        {"period_begin": "2031-05-02T09:00:00Z", "status": "RESERVED"}
    ]


def test_a_status_whose_time_is_over_is_unknown() -> None:
    """The time to live of the message holds for entries without their own."""
    free = EvseStatus(evse_id="NL*QGW*E1", major=M.AVAILABLE)
    own = EvseStatus(evse_id="NL*QGW*E2", major=M.AVAILABLE, ttl=NOW + HOUR)
    ctx = context()
    found = live(free, own, ttl=NOW, ctx=ctx)

    assert [e["status"] for e in found] == ["UNKNOWN", "AVAILABLE"]
    assert ("approximated", "ttl-lapsed", "evses/0/major") in notes(ctx)
    assert ("approximated", "no-time-to-live", "evses/1/ttl") in notes(ctx)


def test_parking_spots_have_no_status() -> None:
    ctx = context()
    spot = ParkingStatus(parking_id="NL*QGW*P1", status=M.AVAILABLE)
    [_] = live(EvseStatus(evse_id="NL*QGW*E1", major=M.AVAILABLE), parkings=(spot,), ctx=ctx)

    assert ("dropped", "no-counterpart", "parkings") in notes(ctx)


def test_combined_status_is_said_with_the_others() -> None:
    message = StatusList(
        combined=(EvseStatus(evse_id="NL*QGW*E1", major=M.NOT_AVAILABLE, minor=N.BLOCKED),),
        evses=(EvseStatus(evse_id="NL*QGW*E2", major=M.AVAILABLE),),
    )
    found = interpret.write(FORMS["EVSE status page"].record, message, context())

    assert [(e["evse_id"], e["status"]) for e in found] == [
        ("NL*QGW*E1", "BLOCKED"),
        ("NL*QGW*E2", "AVAILABLE"),
    ]


def test_a_status_of_nobody_is_refused() -> None:
    with pytest.raises(Inexpressible, match="neither an EVSE id nor a uid"):
        live(EvseStatus(major=M.AVAILABLE))


# -- capabilities, parking -------------------------------------------------------------------


def test_ways_to_authorise_are_capabilities() -> None:
    ctx = context()
    found = said(
        ctx,
        auth_methods=(
            AuthMethod.RFID_MIFARE_CLASSIC,
            AuthMethod.RFID_CALYPSO,
            AuthMethod.CREDIT_CARD,
            AuthMethod.DEBIT_CARD,
            AuthMethod.OCHP_DIRECT,
            AuthMethod.CASH,
            AuthMethod.ISO_15118,
        ),
        max_reservation=30,
    )

    assert found["capabilities"] == [
        "RFID_READER",
        "CREDIT_CARD_PAYABLE",
        "DEBIT_CARD_PAYABLE",
        "REMOTE_START_STOP_CAPABLE",
        "RESERVABLE",
    ]
    assert {
        ("dropped", "no-capability", "auth_methods/5"),
        ("dropped", "no-capability", "auth_methods/6"),
        ("approximated", "minutes-unsaid", "max_reservation"),
    } <= notes(ctx)


def test_parking_spots_give_their_level_and_restrictions() -> None:
    ctx = context()
    found = said(
        ctx,
        restrictions=(Restriction.EV_ONLY, Restriction.CARSHARING),
        parking_spots=(
            ParkingSpot(id="NL*QGW*P1", floor_level="-2", restrictions=(Restriction.DISABLED,)),
            ParkingSpot(id="NL*QGW*P2", floor_level="-1", number="17"),
        ),
    )

    assert found["parking_restrictions"] == ["EV_ONLY", "DISABLED"]
    assert found["floor_level"] == "-2"
    assert {
        ("dropped", "restriction-not-in-ocpi", "restrictions/1"),
        ("approximated", "spot-as-evse", "parking_spots/0/restrictions/0"),
        ("dropped", "first-spot", "parking_spots/1/floor_level"),
        ("dropped", "no-counterpart", "parking_spots/1/number"),
    } <= notes(ctx)


# -- connectors ------------------------------------------------------------------------------


def rated(power: str, volts: int | None = None) -> Rating:
    return Rating(max_power=Decimal(power), nominal_voltage=volts)


@pytest.mark.parametrize(
    ("standard", "current", "rating", "expected"),
    [
        ("CHADEMO", AC, None, PowerType.DC),
        ("IEC_62196_T2_COMBO", None, None, PowerType.DC),
        ("IEC_62196_T2", DC, None, PowerType.DC),
        ("DOMESTIC_F", AC, rated("22"), PowerType.AC_1_PHASE),
        ("IEC_60309_2_single_16", AC, rated("22"), PowerType.AC_1_PHASE),
        ("IEC_60309_2_three_32", AC, rated("3.7"), PowerType.AC_3_PHASE),
        ("IEC_62196_T2", AC, rated("7.4"), PowerType.AC_1_PHASE),
        ("IEC_62196_T2", AC, rated("7.5"), PowerType.AC_3_PHASE),
        ("IEC_62196_T2", AC, None, PowerType.AC_3_PHASE),
    ],
)
def test_power_types(
    standard: str, current: CurrentType | None, rating: Rating | None, expected: PowerType
) -> None:
    assert power_type(standard, current, rating)[0] is expected


@pytest.mark.parametrize(
    ("standard", "rating", "volts", "amperes", "watts"),
    [
        ("IEC_62196_T2", rated("22", 400), 230, 32, 22000),
        ("IEC_62196_T2", rated("22", 230), 230, 32, 22000),
        ("IEC_62196_T2", rated("3.7"), 230, 16, 3700),
        ("IEC_62196_T2", None, 230, 16, None),
        ("IEC_62196_T2_COMBO", rated("150", 920), 920, 163, 150000),
        ("IEC_62196_T2_COMBO", rated("50"), 400, 125, 50000),
        ("CHADEMO", None, 400, 16, None),
        ("IEC_62196_T2", rated("11.0404"), 230, 16, 11040),
    ],
)
def test_voltage_and_current_of_a_connector(
    standard: str, rating: Rating | None, volts: int, amperes: int, watts: int | None
) -> None:
    plug = Connector(standard=standard, format=ConnectorFormat.CABLE)
    [found] = said(connectors=(plug,), rating=rating)["connectors"]

    assert (found["max_voltage"], found["max_amperage"]) == (volts, amperes)
    assert found.get("max_electric_power") == watts


def test_what_is_inferred_is_noted() -> None:
    ctx = context()
    said(ctx)

    assert {
        ("defaulted", "connector-ordinal", "connectors/0/id"),
        ("defaulted", "voltage-inferred", "connectors/0/max_voltage"),
        ("defaulted", "amperage-inferred", "connectors/0/max_amperage"),
        ("approximated", "phases-inferred", "current_type"),
    } <= notes(ctx)


def test_ids_of_connectors_do_not_depend_on_their_order() -> None:
    def ids(*standards: str) -> dict[str, str]:
        plugs = tuple(Connector(standard=s, format=ConnectorFormat.CABLE) for s in standards)
        return {c["standard"]: c["id"] for c in said(connectors=plugs)["connectors"]}

    assert ids("IEC_62196_T2", "CHADEMO", "TESLA_S") == ids("TESLA_S", "CHADEMO", "IEC_62196_T2")
    two = said(connectors=(Connector(standard="CHADEMO", format=ConnectorFormat.CABLE),) * 2)
    assert [c["id"] for c in two["connectors"]] == ["1", "2"]


def test_the_rating_of_an_evse_is_that_of_each_connector() -> None:
    ctx = context()
    plugs = tuple(
        Connector(standard=s, format=ConnectorFormat.CABLE)
        for s in ("CHADEMO", "IEC_62196_T2_COMBO")
    )
    rating = Rating(max_power=Decimal(50), guaranteed_power=Decimal(20), nominal_voltage=500)
    found = said(ctx, connectors=plugs, rating=rating, current_type=DC)["connectors"]

    assert [c["max_electric_power"] for c in found] == [50000, 50000]
    assert {
        ("approximated", "rating-of-evse", "rating/max_power"),
        ("dropped", "no-counterpart", "rating/guaranteed_power"),
    } <= notes(ctx)


# -- ids -------------------------------------------------------------------------------------


def test_a_long_evse_id_has_a_stable_surrogate() -> None:
    """At most 36 characters; separators and case make no difference; others differ."""
    long = "NL*QGW*E" + "A1" * 15 + "B"
    compact = long.replace("*", "").lower()

    assert len(surrogate(long)) <= 36
    assert surrogate(long) == surrogate(compact.upper())
    assert surrogate("NLQGWE" + "1" * 31) != surrogate("NLQGWE" + "1" * 30 + "2")
    assert surrogate("NL*QGW*E" + "1" * 30) == "NLQGWE" + "1" * 30


class Watched:
    """An object that notes which of its fields are read."""

    def __init__(self, obj: Any) -> None:
        self.obj, self.read = obj, set[str]()

    def __getattr__(self, name: str) -> Any:
        self.read.add(name)
        return getattr(self.obj, name)


class Given(Context):
    """A context that notes of what something is made."""

    def once(self, make: Any, obj: Any, *of: Any) -> Any:
        made = make(watched := Watched(obj), self)
        assert all(any(getattr(obj, name) is part for part in of) for name in watched.read)
        return made


@pytest.mark.parametrize("current", [DC, AC, None])
@pytest.mark.parametrize("watts", [None, Decimal("11.5"), Decimal(150)])
@pytest.mark.parametrize("count", [1, 2])
def test_connectors_are_made_of_nothing_else(
    current: CurrentType | None, watts: Decimal | None, count: int
) -> None:
    """What is remembered in a long list depends on the parts that it is remembered by."""
    plug = Connector(standard="IEC_62196_T2", format=ConnectorFormat.CABLE)
    rating = None if watts is None else Rating(max_power=watts, guaranteed_power=watts)
    asked = evse(connectors=(plug,) * count, rating=rating, current_type=current, updated=NOW)

    assert len(stations.need_connectors(asked, Given())) == count
