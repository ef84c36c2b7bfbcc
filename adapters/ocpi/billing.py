"""Bill items as charging periods, totals and an embedded tariff.

Source: OCPI 2.2.1 CDRs, ChargingPeriod, CdrDimension; OCHP 1.4 CdrPeriodType.
Rule: OCPI periods follow one another, bill items may overlap. Time is cut at every start and end of
an item; time items are shared out by overlap, energy and power stay whole in the slice where their
item starts, so that totals are exact and no profile is invented. Fees have no dimension in OCPI,
they are in the totals and in the tariff.
Limits: OCPI's TIME is time of charging, OCHP's usage time is time of use; a price of power is only
in the total cost.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from decimal import Context as Arithmetic
from functools import reduce
from typing import NamedTuple

from gateway.mapping.context import Context
from gateway.model.charging import BillItem, Cdr, ChargingPeriod, Dimension
from gateway.model.ids import evse_owner
from gateway.model.tariff import (
    BillingItem,
    Price,
    PriceComponent,
    Restrictions,
    Tariff,
    TariffElement,
)

DIMENSIONS = {
    BillingItem.ENERGY: "ENERGY",
    BillingItem.CHARGING_TIME: "TIME",
    BillingItem.PARKING_TIME: "PARKING_TIME",
    BillingItem.PEAK_POWER: "MAX_POWER",
    BillingItem.RESERVATION_TIME: "RESERVATION_TIME",
}
_TIMES = (BillingItem.CHARGING_TIME, BillingItem.PARKING_TIME, BillingItem.RESERVATION_TIME)
_COMPONENTS = {
    BillingItem.ENERGY: (BillingItem.ENERGY, None),
    BillingItem.CHARGING_TIME: (BillingItem.CHARGING_TIME, None),
    BillingItem.PARKING_TIME: (BillingItem.PARKING_TIME, None),
    BillingItem.FLAT: (BillingItem.FLAT, None),
    BillingItem.RESERVATION: (BillingItem.FLAT, "RESERVATION"),
    BillingItem.RESERVATION_TIME: (BillingItem.CHARGING_TIME, "RESERVATION"),
}
_FEES = (BillingItem.FLAT, BillingItem.RESERVATION)
_ENERGY, _PARKING = (BillingItem.ENERGY,), (BillingItem.PARKING_TIME,)
_PLACES = Decimal("0.0001")
_MICROSECOND = timedelta(microseconds=1)
# More digits than any sum or product of wire numbers has: nothing is rounded unasked.
_EXACT = Arithmetic(prec=200)


_NOTHING = Decimal(0)


def _sum(numbers: Iterable[Decimal]) -> Decimal:
    return reduce(_EXACT.add, numbers, _NOTHING)


def _rounded(number: Decimal) -> Decimal:
    """To four decimals, without zeros at the end.

    >>> _rounded(Decimal("1.50004")), _rounded(Decimal("20.00"))
    (Decimal('1.5'), Decimal('20'))
    """
    return _short(number.quantize(_PLACES, ROUND_HALF_UP, _EXACT))


def _short(number: Decimal) -> Decimal:
    whole = number.to_integral_value()
    return whole if number == whole else number.normalize(_EXACT)


def hours(span: timedelta) -> Decimal:
    """A span in hours, to four decimals.

    >>> hours(timedelta(minutes=90)), hours(timedelta(seconds=1))
    (Decimal('1.5'), Decimal('0.0003'))
    """
    return _rounded(Decimal(span // _MICROSECOND) / 3_600_000_000)


# -- periods ---------------------------------------------------------------------------------


class _Measured(NamedTuple):
    """An item with a dimension, and its times in UTC."""

    place: int
    item: BillItem
    start: datetime
    end: datetime


class _Part(NamedTuple):
    """What one item gives to one slice."""

    slice: int
    dimension: str
    volume: Decimal
    item: int


def periods(obj: Cdr, ctx: Context) -> tuple[ChargingPeriod, ...]:
    """The charging periods: OCPI's own, else made of bill items, else one for the whole session."""
    if obj.periods:
        return obj.periods
    if not obj.items:
        return (_whole(obj, ctx),)
    _note_items(obj, ctx)
    measured = [
        _Measured(place, item, item.start.astimezone(UTC), item.end.astimezone(UTC))
        for place, item in enumerate(obj.items)
        if item.item in DIMENSIONS
    ]
    starts = _slices(obj, measured)
    parts = [part for each in measured for part in _shares(starts, each)]
    tariff_id = embedded_id(obj, ctx)
    if ctx.traced:
        _note_times(obj, starts, parts, ctx)
    return tuple(
        _period(obj, number, start, [p for p in parts if p.slice == number], tariff_id, ctx)
        for number, start in enumerate(starts)
    )


def _note_items(obj: Cdr, ctx: Context) -> None:
    for place, item in enumerate(obj.items):
        here = f"items/{place}"
        if item.item is BillingItem.CHARGING_TIME:
            ctx.approximated(f"{here}/item", "charging_periods", "usage-as-charging-time")
        elif item.item is BillingItem.PEAK_POWER:
            _note_power_price(obj, item, f"{here}/unit_price", ctx)


def _note_power_price(obj: Cdr, item: BillItem, field: str, ctx: Context) -> None:
    """The price of power stands in no tariff; it may be part of the total cost."""
    rule, summed = "power-price-in-total-only", cost(obj.items)
    parts = {
        "excl_vat": obj.total_cost is None,
        "incl_vat": summed is not None and _gross_of_items(obj, summed) is not None,
    }
    told = [part for part, counts in parts.items() if counts and item.cost is None]
    for part in told:
        ctx.approximated(field, f"total_cost/{part}", rule)
    if not told:
        ctx.dropped(field, rule)


def _note_times(obj: Cdr, starts: list[datetime], parts: list[_Part], ctx: Context) -> None:
    """Ends that start no period, and times of fees, which have no place in a period."""
    last = max((each.end for each in obj.items if each.item in DIMENSIONS), default=obj.end)
    for place, item in enumerate(obj.items):
        here = f"items/{place}"
        if item.item not in DIMENSIONS:
            ctx.dropped(f"{here}/start", "fee-has-no-time")
            ctx.dropped(f"{here}/end", "fee-has-no-time")
        elif item.end.astimezone(UTC) not in starts and item.end == last:
            ctx.inferred(f"{here}/end", "end_date_time", "ends-with-session")


def _whole(obj: Cdr, ctx: Context) -> ChargingPeriod:
    """One period with the totals, where the record has nothing finer."""
    dimensions = [Dimension(type="ENERGY", volume=obj.total_energy or Decimal(0))]
    span = obj.total_time if obj.total_time is not None else hours(obj.end - obj.start)
    dimensions.append(Dimension(type="TIME", volume=span - (obj.total_parking_time or 0)))
    if obj.total_parking_time:
        dimensions.append(Dimension(type="PARKING_TIME", volume=obj.total_parking_time))
    ctx.approximated("start", "charging_periods", "totals-as-one-period")
    for field in ("total_time", "total_parking_time"):
        ctx.inferred(field, "charging_periods/0/dimensions/1/volume", "totals-as-one-period")
    if obj.total_time is None:
        for field in ("start", "end"):
            ctx.inferred(field, "charging_periods/0/dimensions/1/volume", "totals-as-one-period")
    made = ChargingPeriod(start=obj.start, dimensions=tuple(dimensions))
    return ctx.came_from(  # type: ignore[no-any-return]
        made,
        ("start", "start"),
        ("dimensions/0/volume", "total_energy"),
        ("dimensions/2/volume", "total_parking_time"),
    )


def _slices(obj: Cdr, items: list[_Measured]) -> list[datetime]:
    """The starts of the periods: every start of an item, and every end that ends something."""
    if not items:
        return [obj.start.astimezone(UTC)]
    starts = {each.start for each in items}
    ends = {each.end for each in items}
    last = max(ends)
    return sorted(starts | {end for end in ends if end < last or last < obj.end})


def _shares(starts: list[datetime], measured: _Measured) -> Iterator[_Part]:
    """A measured item shared out over the slices; the last share takes what rounding leaves."""
    place, item, start, end = measured
    name = DIMENSIONS[item.item]
    if item.item not in _TIMES or end <= start:
        yield _Part(starts.index(start), name, item.value, place)
        return
    inside = [number for number, begin in enumerate(starts) if start <= begin < end]
    left = item.value
    for number in inside[:-1]:
        share = (starts[number + 1] - starts[number]) // _MICROSECOND
        part = _rounded(_EXACT.multiply(item.value, share) / ((end - start) // _MICROSECOND))
        left = _EXACT.subtract(left, part)
        yield _Part(number, name, part, place)
    yield _Part(inside[-1], name, left, place)


def _period(
    obj: Cdr, number: int, start: datetime, parts: list[_Part], tariff_id: str | None, ctx: Context
) -> ChargingPeriod:
    volumes: dict[str, list[_Part]] = {}
    for part in parts:
        volumes.setdefault(part.dimension, []).append(part)
    dimensions = [
        Dimension(
            type=name,
            volume=max(p.volume for p in found)
            if name == "MAX_POWER"
            else _sum(p.volume for p in found),
        )
        for name, found in volumes.items()
    ]
    if not dimensions:
        # Nothing is measured here: a period that only ends the one before it.
        dimensions = [Dimension(type="TIME", volume=Decimal(0))]
    made = ChargingPeriod(
        start=start, dimensions=tuple(dimensions), tariff_id=tariff_id if parts else None
    )
    if ctx.traced:
        ctx.came_from(made, *_period_origins(obj, start, volumes))
        _note_volumes(obj, f"charging_periods/{number}/dimensions", volumes, ctx)
    return made


def _note_volumes(obj: Cdr, here: str, volumes: dict[str, list[_Part]], ctx: Context) -> None:
    """Volumes that are not simply an item's value: shares of one, or several together."""
    for number, (name, found) in enumerate(volumes.items()):
        target = f"{here}/{number}/volume"
        for part in found:
            item, path = obj.items[part.item], f"items/{part.item}"
            if name == "MAX_POWER" and len(found) > 1:
                ctx.inferred(f"{path}/value", target, "highest-power")
            elif part.volume != item.value:
                ctx.carried(f"{path}/value", target, "shared-by-time")
                for field in ("start", "end"):
                    ctx.inferred(f"{path}/{field}", target, "shared-by-time")
                for place, other in enumerate(obj.items):
                    for field in ("start", "end"):
                        if item.start <= getattr(other, field) <= item.end:
                            ctx.inferred(f"items/{place}/{field}", target, "shared-by-time")
            elif len(found) > 1:
                ctx.carried(f"{path}/value", target, "summed")


def _period_origins(
    obj: Cdr, start: datetime, volumes: dict[str, list[_Part]]
) -> Iterator[tuple[str, str]]:
    if not any(item.item in DIMENSIONS for item in obj.items):
        yield "start", "start"
    for place, item in enumerate(obj.items):
        if item.item in DIMENSIONS:
            for field in ("start", "end"):
                if getattr(item, field) == start:
                    yield "start", f"items/{place}/{field}"
    for number, found in enumerate(volumes.values()):
        for part in found:
            yield f"dimensions/{number}/type", f"items/{part.item}/item"
            yield f"dimensions/{number}/volume", f"items/{part.item}/value"
    yield "tariff_id", "id" if obj.connector.tariff_id is None else "connector/tariff_id"


# -- costs and totals ------------------------------------------------------------------------


def item_cost(item: BillItem) -> Decimal:
    """The net cost of an item: as stated, else value times price."""
    return item.cost if item.cost is not None else _EXACT.multiply(item.value, item.unit_price)


def _gross(item: BillItem) -> Decimal | None:
    if item.tax_rate is None:
        return None
    return _EXACT.multiply(item_cost(item), 100 + item.tax_rate).scaleb(-2, _EXACT)


def cost(items: Iterable[BillItem]) -> Price | None:
    """The sum of items net, and gross when each has a tax rate; None for no items."""
    found = list(items)
    if not found:
        return None
    net = _sum(map(item_cost, found))
    taxed = [gross for gross in map(_gross, found) if gross is not None]
    return Price(net=net, gross=_short(_sum(taxed)) if len(taxed) == len(found) else None)


def _of(obj: Cdr, kinds: tuple[BillingItem, ...]) -> list[BillItem]:
    return [item for item in obj.items if item.item in kinds]


def cost_of(obj: Cdr, ctx: Context, *kinds: BillingItem) -> Price | None:
    """The cost of the items of these kinds, with its origins."""
    found = _of(obj, kinds)
    if not found:
        return None
    made = cost(found)
    if made is not None and ctx.traced:
        ctx.came_from(made, *_cost_origins(obj, kinds, ("net", "gross")))
    return made


def _cost_origins(
    obj: Cdr, kinds: Iterable[BillingItem], parts: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    """What the parts of a summed price were made of."""
    for place, item in enumerate(obj.items):
        if item.item in kinds:
            names = ["cost"] if item.cost is not None else ["value", "unit_price"]
            for name in names:
                yield from ((part, f"items/{place}/{name}") for part in parts)
            if "gross" in parts:
                yield "gross", f"items/{place}/tax_rate"


def total_cost(obj: Cdr, ctx: Context) -> Price | None:
    """The cost of the session; gross where every item tells its tax and the sum is the total."""
    stated, summed = obj.total_cost, cost(obj.items)
    if stated is None:
        return cost_of(obj, ctx, *BillingItem)
    gross = None if summed is None else _gross_of_items(obj, summed)
    if gross is None or stated.gross is not None:
        return stated
    made = Price(net=stated.net, gross=gross, extras=stated.extras)
    if ctx.traced:
        origins = _cost_origins(obj, tuple(BillingItem), ("gross",))
        ctx.came_from(made, ("", "total_cost"), *origins)
    return made


def _gross_of_items(obj: Cdr, summed: Price) -> Decimal | None:
    """The gross total that the items give, if their net sum is the total that is stated."""
    if obj.total_cost is None or summed.gross is None:
        return summed.gross
    # A credit negates the total and copies everything else.
    sign = -1 if obj.credit else 1
    same = obj.total_cost.gross is None and obj.total_cost.net == sign * summed.net
    return sign * summed.gross if same else None


def total_energy(obj: Cdr, ctx: Context) -> Decimal | None:
    """kWh: as stated, else of the energy items; None without any."""
    if obj.total_energy is not None:
        return obj.total_energy
    found = _of(obj, _ENERGY)
    if not found:
        return None
    _note_sum(obj, BillingItem.ENERGY, "total_energy", ctx)
    return _sum(item.value for item in found)


def _note_sum(obj: Cdr, kind: BillingItem, target: str, ctx: Context) -> None:
    if not ctx.traced:
        return
    places = [place for place, item in enumerate(obj.items) if item.item is kind]
    for place in places:
        ctx.carried(f"items/{place}/value", target, "summed" if len(places) > 1 else "")
        ctx.inferred(f"items/{place}/item", target, "summed")


def total_time(obj: Cdr, ctx: Context) -> Decimal:
    """Hours: as stated, else from the start to the end."""
    if obj.total_time is not None:
        return obj.total_time
    if obj.billed_duration is not None:
        ctx.carried("billed_duration", "total_time", "duration-in-hours")
        return hours(obj.billed_duration)
    for field in ("start", "end"):
        ctx.carried(field, "total_time", "duration-in-hours")
    return hours(obj.end - obj.start)


def total_parking_time(obj: Cdr, ctx: Context) -> Decimal | None:
    """Hours: as stated, else of the parking items."""
    if obj.total_parking_time is not None:
        return obj.total_parking_time
    found = _of(obj, _PARKING)
    if not found:
        return None
    _note_sum(obj, BillingItem.PARKING_TIME, "total_parking_time", ctx)
    return _sum(item.value for item in found)


# -- the tariff that was applied -------------------------------------------------------------


class _Priced(NamedTuple):
    """Items of one kind under one price; ``timed`` when the kind has several prices."""

    places: tuple[int, ...]
    timed: bool


def embedded_id(obj: Cdr, ctx: Context) -> str | None:
    """The id of the tariff that bill items imply; None when none of them has a price OCPI knows."""
    if not any(item.item in _COMPONENTS for item in obj.items):
        return None
    own = obj.connector.tariff_id
    if own is None:
        return f"{obj.id[:34]}-T"
    return ctx.facts.wire_id("tariff", own) or own


def tariffs(obj: Cdr, ctx: Context) -> tuple[Tariff, ...]:
    """The tariffs of the session: OCPI's own, else one that the bill items imply."""
    number = embedded_id(obj, ctx)
    if obj.tariffs or number is None:
        return obj.tariffs
    priced = _priced(obj.items)
    made = Tariff(
        id=number,
        owner=obj.owner or evse_owner(obj.evse_id),
        currency=obj.currency,
        elements=tuple(
            _element(obj, group, f"tariffs/0/elements/{number}", ctx)
            for number, group in enumerate(priced)
        ),
        updated=obj.updated or obj.end,
    )
    when = "end" if obj.updated is None else "updated"
    ctx.carried(when, "tariffs/0/last_updated", "time-of-use")
    if ctx.traced:
        ctx.came_from(made, *_tariff_origins(obj, priced))
    return (made,)


def _priced(items: tuple[BillItem, ...]) -> list[_Priced]:
    """Items by kind and price. A fee is one sum, however many items it has."""
    by_price: dict[tuple[BillingItem, Decimal | None, int | None], list[int]] = {}
    for place, item in enumerate(items):
        if item.item in _FEES:
            by_price.setdefault((item.item, None, None), []).append(place)
        elif item.item in _COMPONENTS:
            by_price.setdefault((item.item, item.unit_price, item.tax_rate), []).append(place)
    prices: dict[BillingItem, int] = {}
    for kind, _, _ in by_price:
        prices[kind] = prices.get(kind, 0) + 1
    result: list[_Priced] = []
    for (kind, _, _), places in by_price.items():
        if prices[kind] > 1:
            result.extend(_Priced((place,), True) for place in places)
        else:
            result.append(_Priced(tuple(places), False))
    return result


def _element(obj: Cdr, group: _Priced, here: str, ctx: Context) -> TariffElement:
    items = [obj.items[place] for place in group.places]
    first = items[0]
    item, reservation = _COMPONENTS[first.item]
    price = first.unit_price
    if first.item in _FEES:
        price = _sum(map(item_cost, items))
        if len(items) > 1 or first.value != 1:
            target = f"{here}/price_components/0/price"
            ctx.approximated(f"items/{group.places[0]}/value", target, "fees-as-one-sum")
    rates = {each.tax_rate for each in items}
    rate = rates.pop() if len(rates) == 1 else None
    start = end = None
    if group.timed and first.end - first.start < timedelta(days=1):
        start, end = f"{first.start:%H:%M}", f"{first.end + timedelta(seconds=59):%H:%M}"
        rule, item_path = "price-by-time-of-day", f"items/{group.places[0]}"
        ctx.approximated(f"{item_path}/unit_price", f"{here}/price_components/0/price", rule)
        ctx.inferred(f"{item_path}/start", f"{here}/restrictions/start_time", rule)
        ctx.inferred(f"{item_path}/end", f"{here}/restrictions/end_time", rule)
    limits = None
    if start or reservation:
        limits = Restrictions(start_time=start, end_time=end, reservation=reservation)
    component = PriceComponent(
        item=item, price=price, vat=None if rate is None else Decimal(rate), step_size=1
    )
    return TariffElement(components=(component,), restrictions=limits)


def _tariff_origins(obj: Cdr, priced: list[_Priced]) -> Iterator[tuple[str, str]]:
    yield "id", "id" if obj.connector.tariff_id is None else "connector/tariff_id"
    for part in ("country", "code"):
        yield f"owner/{part}", "evse_id" if obj.owner is None else f"owner/{part}"
    yield "currency", "currency"
    yield "updated", "end" if obj.updated is None else "updated"
    for number, group in enumerate(priced):
        here = f"elements/{number}"
        for place in group.places:
            item = f"items/{place}"
            names = ["unit_price"]
            if obj.items[place].item in _FEES:
                stated = obj.items[place].cost is not None
                names = ["cost"] if stated else ["value", "unit_price"]
            for name in names:
                yield f"{here}/components/0/price", f"{item}/{name}"
            yield f"{here}/components/0/item", f"{item}/item"
            yield f"{here}/components/0/vat", f"{item}/tax_rate"
            yield f"{here}/restrictions/reservation", f"{item}/item"
