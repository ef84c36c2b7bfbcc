"""What OCPI says of an EVSE and its connectors, where the canonical object says it otherwise.

Source: OCPI 2.2.1 Locations, EVSE, Connector and StatusSchedule; OCHP 1.4 ChargePointInfo.
Limits: the static state of OCHP and the live one are one value in OCPI; how a driver is authorised
is a capability only for cards and remote start; a rating belongs to the EVSE there, to the
connector here.
Why: an object that already has OCPI's own fields is left as it is, to the last value.
"""

import hashlib
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec

from adapters.ocpi.fates import cannot
from gateway.mapping.context import Context
from gateway.model.ids import evse_key
from gateway.model.location import (
    AuthMethod,
    Connector,
    CurrentType,
    Evse,
    EvseState,
    Operation,
    PowerType,
    Rating,
    Restriction,
    ScheduledState,
)
from gateway.model.status import EvseStatus, MajorStatus, MinorStatus

# -- ids -------------------------------------------------------------------------------------


def surrogate(text: str, length: int = 36) -> str:
    """A stable id of at most ``length`` characters for a longer one.

    >>> surrogate("DE*ABC*E0001")
    'DE*ABC*E0001'
    >>> surrogate("DE*ABC*E" + "1" * 31)
    'DEABCE111111111111111111111-8CAE9A65'
    """
    if len(text) <= length:
        return text
    bare = str(evse_key(text))
    if len(bare) <= length:
        return bare
    digest = hashlib.sha256(bare.encode()).hexdigest()[:8].upper()
    return f"{bare[: length - 9]}-{digest}"


def evse_uid(evse_id: str, ctx: Context) -> str:
    """The OCPI uid of an EVSE that is known by its EVSE id only."""
    return ctx.facts.wire_id("evse_uid", evse_id) or surrogate(evse_id)


def uid(obj: Evse | EvseStatus, ctx: Context) -> str | None:
    """The technical key of an EVSE: its own, else one made of its EVSE id."""
    own = obj.uid if isinstance(obj, Evse) else obj.evse_uid
    if own is not None or obj.evse_id is None:
        return own
    return evse_uid(obj.evse_id, ctx)


# -- status ----------------------------------------------------------------------------------

_STATE_OF_OPERATION = {
    Operation.OPERATIVE: EvseState.AVAILABLE,
    Operation.INOPERATIVE: EvseState.INOPERATIVE,
    Operation.PLANNED: EvseState.PLANNED,
    Operation.CLOSED: EvseState.REMOVED,
    Operation.UNKNOWN: EvseState.UNKNOWN,
}

_LIVE = {
    (MajorStatus.AVAILABLE, None): EvseState.AVAILABLE,
    (MajorStatus.AVAILABLE, MinorStatus.AVAILABLE): EvseState.AVAILABLE,
    (MajorStatus.AVAILABLE, MinorStatus.RESERVED): EvseState.AVAILABLE,
    (MajorStatus.NOT_AVAILABLE, None): EvseState.INOPERATIVE,
    (MajorStatus.NOT_AVAILABLE, MinorStatus.CHARGING): EvseState.CHARGING,
    (MajorStatus.NOT_AVAILABLE, MinorStatus.BLOCKED): EvseState.BLOCKED,
    (MajorStatus.NOT_AVAILABLE, MinorStatus.RESERVED): EvseState.RESERVED,
    (MajorStatus.NOT_AVAILABLE, MinorStatus.OUT_OF_ORDER): EvseState.OUT_OF_ORDER,
    (MajorStatus.UNKNOWN, None): EvseState.UNKNOWN,
}


def operation(obj: Evse, ctx: Context) -> tuple[str, Operation | None]:
    """Whether the EVSE is in service now, and the field that says it: a running entry of its
    schedule, else its own."""
    now = ctx.facts.now()
    for place, entry in enumerate(obj.operation_schedule):
        if entry.begin <= now and (entry.end is None or now < entry.end):
            here = f"operation_schedule/{place}"
            for part in ("begin", "end"):
                ctx.inferred(f"{here}/{part}", "status", "schedule-is-running")
            if obj.operation is not None:
                ctx.dropped("operation", "schedule-is-running")
            return f"{here}/operation", entry.operation
    return "operation", obj.operation


def state(obj: Evse, ctx: Context) -> EvseState:
    """The state of an EVSE: out of service as planned, else as live, else unknown."""
    field, static = operation(obj, ctx)
    if static in (Operation.PLANNED, Operation.CLOSED, Operation.INOPERATIVE):
        ctx.carried(field, "status", "static-status")
        refined = static is Operation.INOPERATIVE and obj.state is EvseState.OUT_OF_ORDER
        if obj.state is not None and not refined:
            ctx.dropped("state", "static-status")
        return EvseState.OUT_OF_ORDER if refined else _STATE_OF_OPERATION[static]
    if obj.state is not None:
        if static is not None:
            ctx.inferred(field, "status", "live-status")
        return obj.state
    if static is Operation.OPERATIVE:
        ctx.approximated(field, "status", "no-live-status", "in service, live state unknown")
    else:
        ctx.carried(field, "status", "static-status")
    return EvseState.UNKNOWN


def live_state(obj: EvseStatus, ctx: Context) -> EvseState:
    """The state of one live status; one whose time to live has passed says nothing."""
    if obj.ttl is not None and obj.ttl <= ctx.facts.now():
        for name in ("major", "minor", "state", "ttl"):
            if getattr(obj, name) is not None:
                ctx.approximated(name, "status", "ttl-lapsed")
        return EvseState.UNKNOWN
    if obj.state is not None:
        return obj.state
    pair = (obj.major or MajorStatus.UNKNOWN, obj.minor)
    if pair not in _LIVE:
        ctx.dropped("minor", "major-only", f"{pair[1]} does not go with {pair[0]}")
        pair = (pair[0], None)
    if pair == (MajorStatus.NOT_AVAILABLE, None):
        ctx.approximated("major", "status", "cause-unknown", "said as out of service")
    ctx.carried("major", "status", "status-pair")
    if pair != (MajorStatus.AVAILABLE, MinorStatus.RESERVED):
        ctx.carried("minor", "status", "status-pair")
    return _LIVE[pair]


def reserved_later(obj: EvseStatus, ctx: Context) -> tuple[ScheduledState, ...]:
    """Available now but reserved from its time to live on: a scheduled state."""
    if (obj.major, obj.minor) != (MajorStatus.AVAILABLE, MinorStatus.RESERVED):
        if obj.ttl is not None and obj.ttl > ctx.facts.now():
            why = "the state is replaced when its time has passed"
            ctx.approximated("ttl", "status", "no-time-to-live", why)
        return obj.state_schedule
    if obj.ttl is None or obj.ttl <= ctx.facts.now():
        ctx.approximated("minor", "status", "reserved-later", "from when on is not known")
        return obj.state_schedule
    made = ScheduledState(begin=obj.ttl, state=EvseState.RESERVED)
    place = len(obj.state_schedule)
    ctx.approximated("minor", f"status_schedule/{place}/status", "reserved-later")
    ctx.inferred("ttl", "status", "no-time-to-live")
    ctx.came_from(made, ("begin", "ttl"))
    return (*obj.state_schedule, made)


def state_schedule(obj: Evse, ctx: Context) -> tuple[ScheduledState, ...]:
    """The planned states; planned service becomes a state."""
    made = []
    for place, entry in enumerate(obj.operation_schedule):
        here = f"operation_schedule/{place}"
        target = f"status_schedule/{len(obj.state_schedule) + place}/status"
        if entry.operation is Operation.OPERATIVE:
            ctx.approximated(f"{here}/operation", target, "in-service-as-available")
        planned = ScheduledState(
            begin=entry.begin, end=entry.end, state=_STATE_OF_OPERATION[entry.operation]
        )
        ctx.came_from(planned, ("", here), ("state", f"{here}/operation"))
        made.append(planned)
    return (*obj.state_schedule, *made)


# -- capabilities, parking -------------------------------------------------------------------

_CAPABILITY = {
    AuthMethod.RFID_MIFARE_CLASSIC: "RFID_READER",
    AuthMethod.RFID_MIFARE_DESFIRE: "RFID_READER",
    AuthMethod.RFID_CALYPSO: "RFID_READER",
    AuthMethod.CREDIT_CARD: "CREDIT_CARD_PAYABLE",
    AuthMethod.DEBIT_CARD: "DEBIT_CARD_PAYABLE",
    AuthMethod.OCHP_DIRECT: "REMOTE_START_STOP_CAPABLE",
}


def capabilities(obj: Evse, ctx: Context) -> tuple[str, ...]:
    """Functions of the EVSE, also those that its ways to authorise and its reservations show."""
    if not obj.auth_methods and obj.max_reservation is None:
        return obj.capabilities
    said = list(obj.capabilities)

    def target(word: str) -> str:
        if word not in said:
            said.append(word)
        return f"capabilities/{said.index(word)}"

    for place, method in enumerate(obj.auth_methods):
        path = f"auth_methods/{place}"
        if method not in _CAPABILITY:
            ctx.dropped(path, "no-capability")
        elif method.startswith("rfid"):
            ctx.approximated(path, target(_CAPABILITY[method]), "card-kind-unsaid")
        else:
            ctx.carried(path, target(_CAPABILITY[method]), "method-as-capability")
    if obj.max_reservation is not None:
        ctx.approximated("max_reservation", target("RESERVABLE"), "minutes-unsaid")
    return tuple(said)


_PARKING = (
    Restriction.EV_ONLY,
    Restriction.PLUGGED,
    Restriction.DISABLED,
    Restriction.CUSTOMERS,
    Restriction.MOTORCYCLES,
)


def restrictions(obj: Evse, ctx: Context) -> tuple[Restriction, ...]:
    """Restrictions of the EVSE and of its parking spots in one list."""
    said: list[Restriction] = []
    places = [(f"restrictions/{n}", value) for n, value in enumerate(obj.restrictions)]
    for spot, parking in enumerate(obj.parking_spots):
        for n, value in enumerate(parking.restrictions):
            places.append((f"parking_spots/{spot}/restrictions/{n}", value))
    if all(value in _PARKING for _, value in places) and not obj.parking_spots:
        return obj.restrictions
    for path, value in places:
        if value not in _PARKING:
            ctx.dropped(path, "restriction-not-in-ocpi")
            continue
        if value not in said:
            said.append(value)
        target = f"parking_restrictions/{said.index(value)}"
        if path.startswith("parking_spots"):
            ctx.approximated(path, target, "spot-as-evse")
        else:
            ctx.carried(path, target)
    return tuple(said)


def floor_level(obj: Evse, ctx: Context) -> str | None:
    """The level of the EVSE, else that of its first parking spot."""
    level = obj.floor_level
    for place, spot in enumerate(obj.parking_spots):
        ctx.dropped(f"parking_spots/{place}/id")
        if spot.number is not None:
            ctx.dropped(f"parking_spots/{place}/number")
        path = f"parking_spots/{place}/floor_level"
        if level is None and spot.floor_level is not None:
            level = spot.floor_level
            ctx.approximated(path, "floor_level", "first-spot")
        elif spot.floor_level is not None and spot.floor_level != level:
            ctx.dropped(path, "first-spot")
        else:
            ctx.carried(path, "floor_level", "said-once")
    return level


# -- connectors ------------------------------------------------------------------------------

_SINGLE = ("DOMESTIC_", "IEC_60309_2_single")
_THREE = "IEC_60309_2_three"
_ONE_PHASE_LIMIT = Decimal("7.4")


def power_type(
    standard: str, current: CurrentType | None, rating: Rating | None
) -> tuple[PowerType, bool]:
    """The power type of a plug, and whether it is certain.

    >>> power_type("CHADEMO", None, None)[0].value, power_type("DOMESTIC_F", None, None)[0].value
    ('dc', 'ac_1_phase')
    """
    if current is CurrentType.DC or standard.endswith("_COMBO") or standard == "CHADEMO":
        return PowerType.DC, True
    if standard.startswith(_SINGLE):
        return PowerType.AC_1_PHASE, True
    if standard.startswith(_THREE):
        return PowerType.AC_3_PHASE, True
    if rating is None or rating.max_power > _ONE_PHASE_LIMIT:
        return PowerType.AC_3_PHASE, False
    return PowerType.AC_1_PHASE, False


def whole(number: Decimal) -> int:
    """The nearest whole number, halves away from zero."""
    return int(number.to_integral_value(ROUND_HALF_UP))


def connectors(obj: Evse, ctx: Context) -> tuple[Connector, ...]:
    """The connectors with what OCPI wants of each: id, power type, voltage, current."""
    if all(_complete(connector) for connector in obj.connectors):
        if obj.rating is not None:
            ctx.dropped("rating", "said-per-connector")
        return obj.connectors
    if obj.rating is not None and obj.rating.guaranteed_power is not None:
        ctx.dropped("rating/guaranteed_power")
    ids = _ordinals(obj.connectors)
    return tuple(
        _connector(obj, connector, place, ids[place], ctx)
        for place, connector in enumerate(obj.connectors)
    )


def _complete(connector: Connector) -> bool:
    return None not in (
        connector.id,
        connector.power_type,
        connector.max_voltage,
        connector.max_amperage,
    )


def _ordinals(found: tuple[Connector, ...]) -> dict[int, str]:
    """Ids that depend on which connectors there are, not on the order in which they are listed."""
    order = sorted(
        range(len(found)), key=lambda place: (found[place].standard, found[place].format)
    )
    return {place: str(number) for number, place in enumerate(order, 1)}


def _volts(power: PowerType, rating: Rating | None) -> tuple[int, str]:
    """Volts between line and neutral, and the rule that tells them."""
    nominal = rating.nominal_voltage if rating else None
    if nominal is None:
        return (400 if power is PowerType.DC else 230), "voltage-inferred"
    if power is PowerType.AC_3_PHASE and 380 <= nominal <= 420:
        return 230, "line-to-neutral"
    return nominal, ""


def _connector(obj: Evse, connector: Connector, place: int, number: str, ctx: Context) -> Connector:
    here, rating = f"connectors/{place}", obj.rating
    changes: dict[str, Any] = {}
    if connector.id is None:
        changes["id"] = number
        ctx.defaulted(f"{here}/id", "connector-ordinal")
    power = connector.power_type
    deciding: tuple[str, ...] = ()
    if power is None:
        power, certain = power_type(connector.standard, obj.current_type, rating)
        changes["power_type"] = power
        deciding = ("current_type", f"{here}/standard")
        if not certain:
            why = "by its maximum power" if rating else "nothing tells the phases"
            ctx.approximated("current_type", f"{here}/power_type", "phases-inferred", why)
            deciding += ("rating/max_power",)
        for field in deciding:
            ctx.inferred(field, f"{here}/power_type", "power-type-of-plug")
    phases = {PowerType.AC_3_PHASE: 3, PowerType.AC_2_PHASE: 2}.get(power, 1)
    volts = connector.max_voltage
    if volts is None:
        volts, rule = _volts(power, rating)
        changes["max_voltage"] = volts
        target = f"{here}/max_voltage"
        if rule == "line-to-neutral":
            ctx.approximated("rating/nominal_voltage", target, rule)
        elif rule:
            ctx.defaulted(target, rule)
        else:
            ctx.carried("rating/nominal_voltage", target)
        for field in deciding:
            ctx.inferred(field, target, "voltage-of-power-type")
    if connector.max_amperage is None:
        watts = rating.max_power * 1000 if rating else None
        changes["max_amperage"] = 16 if watts is None else whole(watts / max(volts * phases, 1))
        target = f"{here}/max_amperage"
        if rating:
            ctx.approximated("rating/max_power", target, "amperage-from-power")
            for field in (*deciding, "rating/nominal_voltage"):
                ctx.inferred(field, target, "amperage-from-power")
        else:
            ctx.defaulted(target, "amperage-inferred")
    if connector.max_power is None and rating is not None:
        watts = rating.max_power * 1000
        changes["max_power"] = whole(watts)
        target = f"{here}/max_electric_power"
        if len(obj.connectors) > 1:
            ctx.approximated("rating/max_power", target, "rating-of-evse")
        elif watts != whole(watts):
            ctx.approximated("rating/max_power", target, "whole-watts")
        else:
            ctx.carried("rating/max_power", target, "kw-to-w")
    updated = () if connector.updated or not obj.updated else (("updated", "updated"),)
    if updated:
        changes["updated"] = obj.updated
    made = msgspec.structs.replace(connector, **changes)
    return ctx.came_from(made, ("", here), *updated)  # type: ignore[no-any-return]


def need_connectors(obj: Evse, ctx: Context) -> tuple[Connector, ...]:
    """The connectors; OCPI has no EVSE without one."""
    if not obj.connectors:
        raise cannot(ctx, "connectors", "an EVSE without connectors cannot be said")
    of = (obj.connectors, obj.rating, obj.current_type, obj.updated)
    found: tuple[Connector, ...] = ctx.once(connectors, obj, *of)
    return found
