"""Price elements of other protocols as OCPI tariff elements.

Source: OCPI 2.2.1 Tariffs, TariffElement, PriceComponent, TariffRestrictions; OCHP 1.4 TariffInfo.
Rule: one element per distinct restriction, with all prices under it; elements with a restriction
stand before those without, because in OCPI the first that matches counts. Weekly windows of the
same hours become one element for their days. Steps become seconds and Wh, rounded up.
Limits: OCPI has no price of power. A span of validity that all elements share is the tariff's; one
element's own is said in local dates, and where it does not begin and end at local midnight, an
element that is not in force now is not said. Of several tariffs for
different receivers the one for ``options["recipients"]`` is said, else the one for everybody.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, time
from decimal import ROUND_CEILING, Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from adapters.ocpi.fates import cannot
from gateway import iso
from gateway.mapping.context import Context
from gateway.model.ids import tariff_owner
from gateway.model.tariff import (
    BillingItem,
    IndividualTariff,
    PriceComponent,
    Restrictions,
    Tariff,
    TariffElement,
    WeeklyWindow,
)

_DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
# Items that OCPI says as another item under a reservation restriction.
_RESERVED = {
    BillingItem.RESERVATION: BillingItem.FLAT,
    BillingItem.RESERVATION_TIME: BillingItem.CHARGING_TIME,
}
_STEPS = {
    BillingItem.ENERGY: 1000,
    BillingItem.CHARGING_TIME: 3600,
    BillingItem.PARKING_TIME: 3600,
}
_OWN_ITEMS = (*_STEPS, BillingItem.FLAT)


def step_size(item: BillingItem, step: Decimal | None) -> int:
    """A step of kWh or h in Wh or s, rounded up, at least 1.

    >>> step_size(BillingItem.ENERGY, Decimal("0.5")), step_size(BillingItem.FLAT, Decimal(1))
    (500, 1)
    """
    if step is None or item not in _STEPS:
        return 1
    return max(1, int((step * _STEPS[item]).to_integral_value(ROUND_CEILING)))


def individual(obj: Tariff, ctx: Context) -> tuple[int, IndividualTariff] | None:
    """The part of a tariff that is meant for the receiver, and its place."""
    if not obj.individual:
        return None
    wanted = {_bare(str(party)) for party in ctx.options.get("recipients") or ()}
    places = list(enumerate(obj.individual))
    for place, part in places:
        if wanted.intersection(map(_bare, part.recipients)):
            return place, part
    for place, part in places:
        if not part.recipients:
            return place, part
    if wanted:
        raise cannot(ctx, "elements", "the tariff is not meant for this receiver")
    return places[0]


def _bare(party: str) -> str:
    """A party id as recipients are written: upper case, no separators."""
    return party.replace("*", "").replace("-", "").upper()


def currency(obj: Tariff, ctx: Context) -> str | None:
    """The currency of the tariff, or of the part of it that is said."""
    chosen = individual(obj, ctx) if obj.currency is None else None
    if chosen is None:
        return obj.currency
    ctx.carried(f"individual/{chosen[0]}/currency", "currency")
    return chosen[1].currency


class _Placed(NamedTuple):
    """One price with its restriction, and where both came from."""

    component: PriceComponent
    restrictions: Restrictions | None
    price_origin: str
    origin: str
    windows: tuple[int, ...]


def elements(obj: Tariff, ctx: Context) -> tuple[TariffElement, ...]:
    """The elements as OCPI says them; OCPI's own pass untouched."""
    base, source = "elements", obj.elements
    if not source:
        chosen = individual(obj, ctx)
        if chosen is None:
            return ()
        base, source = f"individual/{chosen[0]}/elements", chosen[1].elements
        for place, part in enumerate(obj.individual):
            if place != chosen[0]:
                ctx.dropped(f"individual/{place}", "other-recipient")
            elif part.recipients:
                ctx.dropped(f"individual/{place}/recipients", "said-to-the-recipient")
    if all(_native(element) for element in source):
        if source is not obj.elements:
            for place, element in enumerate(source):
                ctx.came_from(element, ("", f"{base}/{place}"))
        return source
    prices = list(_prices(obj, source, base, ctx))
    if not prices:
        raise cannot(ctx, "elements", "no price of this tariff can be said")
    return _regrouped(prices, ctx)


def _native(element: TariffElement) -> bool:
    limits = element.restrictions
    return all(
        component.step_size is not None and component.item in _OWN_ITEMS
        for component in element.components
    ) and (limits is None or not (limits.windows or limits.begin or limits.end))


def begin(obj: Tariff, ctx: Context) -> Any:
    """From when on the tariff holds: its own word, else what all its elements say."""
    return _span(obj, "begin", "start_date_time", ctx)


def end(obj: Tariff, ctx: Context) -> Any:
    """Until when the tariff holds."""
    return _span(obj, "end", "end_date_time", ctx)


def _span(obj: Tariff, name: str, wire: str, ctx: Context) -> Any:
    own = getattr(obj, name)
    if own is not None:
        return own
    chosen = individual(obj, ctx) if not obj.elements else None
    source = chosen[1].elements if chosen else obj.elements
    shared = _common(source, name)
    if shared is not None:
        base = f"individual/{chosen[0]}/elements" if chosen else "elements"
        for place in range(len(source)):
            ctx.carried(f"{base}/{place}/restrictions/{name}", wire)
    return shared


def _common(source: tuple[TariffElement, ...], name: str) -> Any:
    said = {getattr(e.restrictions, name) if e.restrictions else None for e in source}
    return said.pop() if len(said) == 1 else None


def _prices(
    obj: Tariff, source: tuple[TariffElement, ...], base: str, ctx: Context
) -> Iterator[_Placed]:
    for place, element in enumerate(source):
        here = f"{base}/{place}"
        dates = _in_force(obj, element, source, here, ctx)
        if dates is None:
            continue
        weekly = element.restrictions.windows if element.restrictions else ()
        for number, window in enumerate(weekly):
            if window.begin == "24:00":
                ctx.dropped(f"{here}/restrictions/windows/{number}", "window-of-no-time")
        for number, component in enumerate(element.components):
            origin = f"{here}/components/{number}"
            if component.item is BillingItem.PEAK_POWER:
                ctx.dropped(origin, "no-power-price")
                continue
            said = _component(component, origin, ctx)
            for limits, spans in _restrictions(element.restrictions, component.item, dates):
                yield _Placed(said, limits, origin, here, spans)


def _in_force(
    obj: Tariff, element: TariffElement, source: tuple[TariffElement, ...], here: str, ctx: Context
) -> dict[str, str] | None:
    """The local dates of an element's own span; None for one that does not hold now."""
    limits, now, dates = element.restrictions, ctx.facts.now(), {}
    for name in ("begin", "end"):
        value = getattr(limits, name, None)
        if value is None or value == _common(source, name):
            continue
        date = _local_date(obj, value, ctx)
        if date is not None:
            dates["start_date" if name == "begin" else "end_date"] = date
        elif (name == "begin" and now < value) or (name == "end" and value <= now):
            ctx.dropped(here, "not-in-force", "OCPI has no instants for one element")
            return None
        else:
            ctx.dropped(f"{here}/restrictions/{name}", "no-span-of-element")
    return dates


def _local_date(obj: Tariff, instant: datetime, ctx: Context) -> str | None:
    """The date that begins at an instant where the tariff holds; None at any other time of day."""
    owner = obj.owner or tariff_owner(obj.id)
    country = iso.alpha3(owner.country) if owner else None
    zone = country and (ctx.facts.time_zone(evse_id=None, country=country) or iso.zone(country))
    if not zone:
        return None
    there = instant.astimezone(ZoneInfo(zone))
    return f"{there:%Y-%m-%d}" if there.time() == time() else None


def _component(component: PriceComponent, origin: str, ctx: Context) -> PriceComponent:
    item = _RESERVED.get(component.item, component.item)
    size = component.step_size
    if size is None:
        size = step_size(item, component.step)
        exact = component.step is not None and component.step * _STEPS.get(item, 1) == size
        if not exact and component.step is not None:
            ctx.approximated(f"{origin}/step", "elements", "step-rounded-up")
    return msgspec.structs.replace(component, item=item, step_size=size, step=None)


def _restrictions(
    limits: Restrictions | None, item: BillingItem, dates: Mapping[str, str]
) -> Iterator[tuple[Restrictions | None, tuple[int, ...]]]:
    """The restrictions of one price, one for each span of hours, and the windows they come from."""
    reservation = "RESERVATION" if item in _RESERVED else None
    if limits is None:
        yield Restrictions(reservation=reservation) if reservation else None, ()
        return
    base = msgspec.structs.replace(limits, windows=(), begin=None, end=None, extras=None, **dates)
    if reservation:
        base = msgspec.structs.replace(base, reservation=reservation)
    for span in windows(limits.windows):
        made = base
        if span.places:
            made = msgspec.structs.replace(
                base, start_time=span.start, end_time=span.end, weekdays=span.days
            )
        yield None if made == Restrictions() else made, span.places


class Span(NamedTuple):
    """A daily window in OCPI's terms, and which weekly windows it is made of."""

    start: str | None
    end: str | None
    days: tuple[str, ...]
    places: tuple[int, ...]


def windows(weekly: tuple[WeeklyWindow, ...]) -> list[Span]:
    """Weekly windows, one span for each pair of times; no window is one span without limits.

    A window that begins when its day is over is none. Times of a whole day and a full week of
    days are not said.

    >>> windows((WeeklyWindow(weekday=1, begin="08:00", end="24:00"),))
    [Span(start='08:00', end='00:00', days=('MONDAY',), places=(0,))]
    """
    if not weekly:
        return [Span(None, None, (), ())]
    found: dict[tuple[str, str], dict[int, int]] = {}
    for place, window in enumerate(weekly):
        if window.begin == "24:00":
            continue
        found.setdefault((window.begin, window.end), {}).setdefault(window.weekday, place)
    result = []
    for (start, end), days in found.items():
        numbers = sorted(days)
        whole = (start, end) in (("00:00", "24:00"), ("00:00", "00:00"))
        names = () if len(numbers) == 7 else tuple(_DAYS[number - 1] for number in numbers)
        places = tuple(days[number] for number in numbers)
        until = "00:00" if end == "24:00" else end
        limits = (None, None) if whole else (start, until)
        result.append(Span(limits[0], limits[1], names, places))
    return result


def _regrouped(prices: list[_Placed], ctx: Context) -> tuple[TariffElement, ...]:
    """One element per restriction and repetition of an item, restricted ones first."""
    groups: list[tuple[Restrictions | None, list[_Placed]]] = []
    for price in sorted(prices, key=lambda price: price.restrictions is None):
        for limits, members in groups:
            taken = any(member.component.item is price.component.item for member in members)
            if limits == price.restrictions and not taken:
                members.append(price)
                break
        else:
            groups.append((price.restrictions, [price]))
    result = []
    for limits, members in groups:
        made = TariffElement(
            components=tuple(price.component for price in members), restrictions=limits
        )
        result.append(ctx.came_from(made, *_origins(members)))
    return tuple(result)


def _origins(members: list[_Placed]) -> Iterator[tuple[str, str]]:
    for place, price in enumerate(members):
        here = f"components/{place}"
        yield here, price.price_origin
        for name in ("step", "item"):
            yield f"{here}/step_size", f"{price.price_origin}/{name}"
        limits = f"{price.origin}/restrictions"
        yield "restrictions", limits
        for number, window in enumerate(price.windows):
            yield f"restrictions/weekdays/{number}", f"{limits}/windows/{window}/weekday"
            yield "restrictions/start_time", f"{limits}/windows/{window}/begin"
            yield "restrictions/end_time", f"{limits}/windows/{window}/end"
        yield "restrictions/start_date", f"{limits}/begin"
        yield "restrictions/end_date", f"{limits}/end"
        yield "restrictions/reservation", f"{price.price_origin}/item"
