"""Tariff elements of several components, in the form of OCHP: one price each, weekly windows.

Source: OCHP 1.4, TariffElementType, TariffRestrictionType; OCPI 2.2.1, Tariff elements and
TariffRestrictions.
Limits: OCHP knows no current, no reservation that expires, no tax. An element restricted by what
OCHP cannot say is left out: without the restriction its price would hold where it should not.
Why: the order is kept, since the first element that fits counts in OCPI and OCHP names no order.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, time
from decimal import ROUND_FLOOR, Context, Decimal

from msgspec.structs import replace

from adapters.ochp.shape import zone_of
from gateway import iso
from gateway.mapping.context import Context as Encoding
from gateway.model.tariff import (
    BillingItem,
    PriceComponent,
    Restrictions,
    Tariff,
    TariffElement,
    WeeklyWindow,
)

DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
_MOST_WINDOWS = 14
_SEVEN_DIGITS = Context(prec=7, rounding=ROUND_FLOOR)
_FEES = (BillingItem.FLAT, BillingItem.RESERVATION)
_RESERVED = {
    BillingItem.FLAT: BillingItem.RESERVATION,
    BillingItem.CHARGING_TIME: BillingItem.RESERVATION_TIME,
}


def split(tariff: Tariff, ctx: Encoding) -> tuple[TariffElement, ...]:
    """One element per price, in order; what cannot be said is noted as dropped."""
    made: list[TariffElement] = []
    for place, element in enumerate(tariff.elements):
        path = f"elements/{place}"
        limits = element.restrictions or Restrictions()
        why = _unsayable(limits)
        if why:
            ctx.dropped(path, "restriction-not-in-ochp", why)
            continue
        said = restrictions(tariff, limits, f"{path}/restrictions", ctx)
        spans = _spans(tariff, limits, f"{path}/restrictions", ctx) if ctx.traced else []
        if not limits.windows:
            for window in said.windows:
                ctx.came_from(window, *_window_origins(window, limits, f"{path}/restrictions"))
        for number, part in enumerate(element.components):
            where = f"{path}/components/{number}"
            component = _component(part, limits.reservation is not None, where, ctx)
            if component is None:
                continue
            step = () if component.item in _FEES else (f"{where}/step_size",)
            for chunk in _chunks(said):
                one = TariffElement(components=(component,), restrictions=chunk)
                made.append(ctx.came_from(one, *_origins(path, where, step), *spans))
    return tuple(made)


def _origins(path: str, where: str, step: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Where a made element came from: the element ``path`` and its component ``where``."""
    limits = f"{path}/restrictions"
    return (
        ("components/0", where),
        ("components/0/item", f"{where}/item"),
        ("components/0/item", f"{limits}/reservation"),
        *(("components/0/step", origin) for origin in (*step, f"{where}/item")),
        ("restrictions", limits),
    )


def _spans(tariff: Tariff, limits: Restrictions, path: str, ctx: Encoding) -> list[tuple[str, str]]:
    """Where the bounds of a made restriction came from: the narrowest of those that are said."""
    begins, ends = _bounds(tariff, limits, path, ctx)
    origins = [("restrictions/begin", o) for o, at in begins.items() if at == max(begins.values())]
    return origins + [("restrictions/end", o) for o, at in ends.items() if at == min(ends.values())]


def _window_origins(
    window: WeeklyWindow, limits: Restrictions, path: str
) -> tuple[tuple[str, str], ...]:
    """Of a window over midnight, the second half stands on the day after its weekday."""
    pairs = []
    if window.begin == limits.start_time:
        pairs.append(("begin", f"{path}/start_time"))
    if limits.end_time is not None and window.end in (limits.end_time, "24:00"):
        pairs.append(("end", f"{path}/end_time"))
    second = window.begin != (limits.start_time or "00:00")
    day = DAYS[(window.weekday - (2 if second else 1)) % 7]
    for place, each in enumerate(limits.weekdays):
        if each.upper() == day:
            pairs.append(("weekday", f"{path}/weekdays/{place}"))
    return tuple(pairs)


def _unsayable(limits: Restrictions) -> str | None:
    if limits.min_current is not None or limits.max_current is not None:
        return "no restriction by current"
    if limits.reservation not in (None, "RESERVATION"):
        return f"no restriction {limits.reservation}"
    return None


def _component(
    part: PriceComponent, reserved: bool, path: str, ctx: Encoding
) -> PriceComponent | None:
    item = _RESERVED.get(part.item) if reserved else part.item
    if item is None:
        ctx.dropped(path, "item-not-in-ochp", f"no {part.item} of a reservation")
        return None
    if part.vat is not None:
        ctx.dropped(f"{path}/vat", "no-tax-in-tariffs")
    step = part.step
    if item in _FEES and part.step_size is not None:
        ctx.dropped(f"{path}/step_size", "fee-has-no-step")
    if step is None:
        step, exact = step_of(item, part.step_size)
        if not exact:
            ctx.approximated(f"{path}/step_size", "individualTariff", "step-in-hours")
    return replace(part, item=item, step=step, step_size=None, vat=None)


def step_of(item: BillingItem, size: int | None) -> tuple[Decimal, bool]:
    """A step in Wh or s as kWh, h or pieces, and whether it says the same.

    One second is the finest step of OCPI and means exact billing, which OCHP says as 0. Hours have
    seven digits and are rounded down, so that rounding up to seconds gives the same step.

    >>> step_of(BillingItem.ENERGY, 500), step_of(BillingItem.CHARGING_TIME, 900)
    ((Decimal('0.5'), True), (Decimal('0.25'), True))
    >>> step_of(BillingItem.CHARGING_TIME, 600), step_of(BillingItem.FLAT, 1)
    ((Decimal('0.1666666'), False), (Decimal('1'), True))
    """
    if item in _FEES:
        return Decimal(1), True
    if not size:
        return Decimal(0), True
    if item in (BillingItem.ENERGY, BillingItem.PEAK_POWER):
        return (Decimal(size) / 1000).normalize(), True
    if size == 1:
        return Decimal(0), True
    hours = _SEVEN_DIGITS.divide(Decimal(size), Decimal(3600))
    return hours, hours * 3600 == size


def restrictions(tariff: Tariff, limits: Restrictions, path: str, ctx: Encoding) -> Restrictions:
    """Restrictions in OCHP's words: weekly windows, instants, kWh, kW, seconds."""
    begins, ends = _bounds(tariff, limits, path, ctx)
    begin, end = max(begins.values(), default=None), min(ends.values(), default=None)
    for bound, said in ((begin, begins), (end, ends)):
        for origin, each in said.items():
            if each == bound and bound.microsecond:
                ctx.approximated(origin, "individualTariff", "whole-seconds")
    return Restrictions(
        windows=limits.windows or weekly(limits.start_time, limits.end_time, limits.weekdays),
        begin=begin and begin.replace(microsecond=0),
        end=end and end.replace(microsecond=0),
        min_kwh=limits.min_kwh,
        max_kwh=limits.max_kwh,
        min_power=limits.min_power,
        max_power=limits.max_power,
        min_duration=limits.min_duration,
        max_duration=limits.max_duration,
    )


def _midnight(date: str | None, tariff: Tariff, ctx: Encoding) -> datetime | None:
    """The instant at which a local date begins where the tariff holds."""
    if date is None:
        return None
    zone = zone_of(ctx, None, iso.alpha3(tariff.owner.country) if tariff.owner else None)
    return datetime.combine(datetime.fromisoformat(date), time(), zone).astimezone(UTC)


def _bounds(
    tariff: Tariff, limits: Restrictions, path: str, ctx: Encoding
) -> tuple[dict[str, datetime], dict[str, datetime]]:
    """From when on and until when something holds, by each field that says so."""
    begins = {
        "begin": tariff.begin,
        f"{path}/begin": limits.begin,
        f"{path}/start_date": _midnight(limits.start_date, tariff, ctx),
    }
    ends = {
        "end": tariff.end,
        f"{path}/end": limits.end,
        f"{path}/end_date": _midnight(limits.end_date, tariff, ctx),
    }
    return (
        {origin: each for origin, each in begins.items() if each is not None},
        {origin: each for origin, each in ends.items() if each is not None},
    )


def weekly(
    start: str | None, end: str | None, weekdays: tuple[str, ...]
) -> tuple[WeeklyWindow, ...]:
    """A daily window on some weekdays as weekly windows; one over midnight becomes two.

    >>> [(w.weekday, w.begin, w.end) for w in weekly("22:00", "06:00", ("SUNDAY",))]
    [(7, '22:00', '24:00'), (1, '00:00', '06:00')]
    """
    begin = start or "00:00"
    until = "24:00" if end in (None, "00:00") else str(end)
    if not weekdays and (begin, until) == ("00:00", "24:00"):
        return ()
    windows: list[WeeklyWindow] = []
    for day in sorted({DAYS.index(day.upper()) for day in weekdays} or range(7)):
        if begin < until:
            windows.append(WeeklyWindow(weekday=day + 1, begin=begin, end=until))
        else:
            windows.append(WeeklyWindow(weekday=day + 1, begin=begin, end="24:00"))
            windows.append(WeeklyWindow(weekday=(day + 1) % 7 + 1, begin="00:00", end=until))
    return tuple(windows)


def _chunks(said: Restrictions) -> Iterator[Restrictions]:
    """The same restrictions with at most fourteen windows each."""
    if len(said.windows) <= _MOST_WINDOWS:
        yield said
        return
    for place in range(0, len(said.windows), _MOST_WINDOWS):
        yield replace(said, windows=said.windows[place : place + _MOST_WINDOWS])
