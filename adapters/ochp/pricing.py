"""The prices of a session's periods, by the tariffs that are kept in its record.

Source: OCPI 2.2.1, Tariffs module (first matching element per dimension; step_size) and CDR object.
Limits: a guess that must come true: prices are used only when they add up to the total cost, within
a cent; a restriction by power or current cannot be judged afterwards, and then nothing is priced.
Why: OCHP bills items, OCPI tells volumes and keeps the tariff beside them.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from adapters.ochp.elements import DAYS
from gateway.model.charging import Cdr, ChargingPeriod
from gateway.model.tariff import BillingItem, PriceComponent, Restrictions, Tariff

CENT = Decimal("0.01")
ITEMS = {
    "ENERGY": BillingItem.ENERGY,
    "TIME": BillingItem.CHARGING_TIME,
    "PARKING_TIME": BillingItem.PARKING_TIME,
    "RESERVATION_TIME": BillingItem.RESERVATION_TIME,
}
# Items that a tariff names differently, under a restriction to reservations.
_TARIFF_ITEM = {
    BillingItem.RESERVATION_TIME: BillingItem.CHARGING_TIME,
    BillingItem.RESERVATION: BillingItem.FLAT,
}
_TIMES = (BillingItem.CHARGING_TIME, BillingItem.PARKING_TIME)
_FEES = (BillingItem.FLAT, BillingItem.RESERVATION)
_ALWAYS = Restrictions()


class Line(NamedTuple):
    """One priced item; the paths are those of the volume and the price in the record."""

    start: datetime
    end: datetime
    item: BillingItem
    value: Decimal
    price: Decimal
    vat: Decimal | None
    period: int
    until: int | None
    volume_path: str | None
    price_path: str | None
    component: PriceComponent | None = None
    measured: Decimal | None = None
    """The volume in the record, before it was rounded up to a step."""

    @property
    def cost(self) -> Decimal:
        return self.value * self.price


class _Unknown(Exception):
    """The prices cannot be told."""


def priced(cdr: Cdr, zone: ZoneInfo) -> tuple[Line, ...] | None:
    """The lines of a record, in order; None when they cannot be told or miss the total cost."""
    if not cdr.periods or not cdr.tariffs or cdr.total_cost is None:
        return None
    try:
        lines = tuple(_lines(cdr, zone))
    except _Unknown:
        return None
    for attempt in (_stepped(lines), lines):
        if attempt and abs(sum(line.cost for line in attempt) - cdr.total_cost.net) <= CENT:
            return attempt
    return None


def spans(cdr: Cdr) -> Iterator[tuple[int, ChargingPeriod, int | None]]:
    """Each period with its place, and the place of the next; None: it ends with the session."""
    order = sorted(range(len(cdr.periods)), key=lambda place: cdr.periods[place].start)
    for place, later in zip(order, [*order[1:], None], strict=True):
        yield place, cdr.periods[place], later


def _lines(cdr: Cdr, zone: ZoneInfo) -> Iterator[Line]:
    energy, flat = Decimal(0), set()
    for place, period, until in spans(cdr):
        end = cdr.end if until is None else cdr.periods[until].start
        number, tariff = _tariff(cdr, period)
        now = _Moment(period.start.astimezone(zone), period.start - cdr.start, energy)
        reserved = any(each.type.upper() == "RESERVATION_TIME" for each in period.dimensions)
        for item in _FEES:
            found = _component(tariff, item, now, number)
            due = found and item not in flat and reserved is (item is BillingItem.RESERVATION)
            if found and due and found[0].price:
                flat.add(item)
                yield Line(
                    period.start,
                    end,
                    item,
                    Decimal(1),
                    found[0].price,
                    found[0].vat,
                    place,
                    until,
                    None,
                    found[1],
                )
        for each, dimension in enumerate(period.dimensions):
            known = ITEMS.get(dimension.type.upper())
            if known is None or not dimension.volume:
                continue
            found = _component(tariff, known, now, number)
            part = found[0] if found else None
            yield Line(
                period.start,
                end,
                known,
                dimension.volume,
                part.price if part else Decimal(0),
                part.vat if part else None,
                place,
                until,
                f"periods/{place}/dimensions/{each}",
                found[1] if found else None,
                part,
                dimension.volume,
            )
            if known is BillingItem.ENERGY:
                energy += dimension.volume


def _tariff(cdr: Cdr, period: ChargingPeriod) -> tuple[int, Tariff]:
    for number, tariff in enumerate(cdr.tariffs):
        if period.tariff_id is None and len(cdr.tariffs) > 1:
            break
        if period.tariff_id is None or tariff.id.upper() == period.tariff_id.upper():
            return number, tariff
    raise _Unknown


class _Moment(NamedTuple):
    """The start of a period: wall time, time since the start, kWh so far."""

    there: datetime
    elapsed: timedelta
    energy: Decimal


def _component(
    tariff: Tariff, item: BillingItem, now: _Moment, number: int
) -> tuple[PriceComponent, str] | None:
    """The first price of an item whose restrictions hold, and its path; None: it is free."""
    wanted = _TARIFF_ITEM.get(item, item)
    for place, element in enumerate(tariff.elements):
        limits = element.restrictions or _ALWAYS
        if (limits.reservation is not None) != (item in _TARIFF_ITEM):
            continue
        for each, part in enumerate(element.components):
            if part.item is wanted and _holds(limits, now):
                return part, f"tariffs/{number}/elements/{place}/components/{each}"
    return None


def _holds(limits: Restrictions, now: _Moment) -> bool:
    if limits is _ALWAYS:
        return True
    for word in ("min_current", "max_current", "min_power", "max_power", "begin", "end"):
        if getattr(limits, word) is not None:
            raise _Unknown
    if limits.windows or limits.reservation == "RESERVATION_EXPIRES":
        raise _Unknown
    date, clock, seconds = now.there.date().isoformat(), f"{now.there:%H:%M}", now.elapsed
    return (
        (not limits.weekdays or DAYS[now.there.weekday()] in map(str.upper, limits.weekdays))
        and _within(clock, limits.start_time, limits.end_time)
        and (limits.start_date is None or limits.start_date <= date)
        and (limits.end_date is None or date < limits.end_date)
        and (limits.min_kwh is None or limits.min_kwh <= now.energy)
        and (limits.max_kwh is None or now.energy < limits.max_kwh)
        and (limits.min_duration is None or timedelta(seconds=limits.min_duration) <= seconds)
        and (limits.max_duration is None or seconds < timedelta(seconds=limits.max_duration))
    )


def _within(clock: str, start: str | None, end: str | None) -> bool:
    """Whether a wall time lies in a daily window, which may go over midnight."""
    begin, until = start or "00:00", end if end not in (None, "00:00") else "24:00"
    assert until is not None
    if begin < until:
        return begin <= clock < until
    return clock >= begin or clock < until


def _stepped(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """The lines with the last energy and the last time rounded up to their step, once a session.

    Time before parking is not rounded when parking follows.
    """
    result = list(lines)
    parked = any(line.item is BillingItem.PARKING_TIME and line.component for line in lines)
    times = (BillingItem.PARKING_TIME,) if parked else _TIMES
    for items, unit in (((BillingItem.ENERGY,), 1000), (times, 3600)):
        places = [i for i, line in enumerate(result) if line.item in items and line.component]
        if not places:
            continue
        last = result[places[-1]]
        size = last.component.step_size if last.component else None
        total = sum((result[place].value for place in places), Decimal(0))
        if size and size > 1:
            steps = (total * unit / size).to_integral_value(ROUND_CEILING)
            missing = steps * size / unit - total
            result[places[-1]] = last._replace(value=last.value + missing)
    return tuple(result)
