"""The bill items of a CDR whose protocol tells periods, tariffs and totals.

Source: OCHP 1.4, CdrPeriodType; OCPI 2.2.1, CDR object.
Rule: the tariffs kept in the record price each period, when that adds up to the total; otherwise
the totals are billed, each over the whole session, and what remains of the total cost stands as a
service fee, so that the sum is the same to the last digit.
Limits: a tax rate is a whole percentage; one that is not is left out when that matters by more than
a cent. Currents, powers and states of charge have no bill item.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from decimal import Context as DecimalContext
from typing import Any
from zoneinfo import ZoneInfo

from adapters.ochp.pricing import CENT, ITEMS, Line, priced
from adapters.ochp.shape import local, zone_of
from gateway.mapping.context import Context
from gateway.mapping.record import value_at
from gateway.model.charging import BillItem, Cdr
from gateway.model.tariff import BillingItem, Price

_SUMS = (
    *("total_energy", "total_energy_cost", "total_time_cost", "total_parking_time"),
    *("total_parking_cost", "total_fixed_cost", "total_reservation_cost"),
)
_SIX = Decimal("0.000001")
# Products and sums of two numbers of the longest kind are exact, and no quotient overflows.
_EXACT = DecimalContext(prec=120)


def items(cdr: Cdr, ctx: Context) -> tuple[BillItem, ...]:
    """The bill items, at least one."""
    if cdr.items:
        return cdr.items
    with localcontext(_EXACT):
        return _items(cdr, ctx)


def _items(cdr: Cdr, ctx: Context) -> tuple[BillItem, ...]:
    zone = zone_of(ctx, cdr.evse_id, cdr.address.country)
    _note_dimensions(cdr, ctx)
    lines = priced(cdr, zone)
    if lines is not None:
        made = tuple(_of_line(cdr, line, n, zone, ctx) for n, line in enumerate(lines, 1))
        for name in _SUMS:
            if getattr(cdr, name) is not None:
                ctx.dropped(name, "sum-of-items", "the items tell it")
        rated = [number for number, item in enumerate(made, 1) if item.tax_rate is not None]
        for number in rated[:1]:
            target = f"chargingPeriods[{number}]/taxrate"
            ctx.inferred("total_cost/gross", target, "gross-by-tax-rate")
    else:
        if cdr.periods:
            why = "its tariffs do not give the total cost" if cdr.tariffs else "it has no tariffs"
            ctx.approximated("periods", "chargingPeriods", "totals-as-items", why)
        made = tuple(_of_totals(cdr, zone, ctx))
    if cdr.tariffs:
        ctx.dropped("tariffs", "prices-in-items", "a record carries no tariff of its own")
    gross = cdr.total_cost.gross if cdr.total_cost is not None else None
    if gross is not None and all(item.tax_rate is None for item in made):
        ctx.dropped("total_cost/gross", "tax-not-a-whole-percentage")
    return made


def _note_dimensions(cdr: Cdr, ctx: Context) -> None:
    for place, period in enumerate(cdr.periods):
        for number, dimension in enumerate(period.dimensions):
            if dimension.type.upper() not in ITEMS:
                path = f"periods/{place}/dimensions/{number}"
                ctx.dropped(path, "dimension-not-in-ochp", dimension.type)


def _of_line(cdr: Cdr, line: Line, number: int, zone: ZoneInfo, ctx: Context) -> BillItem:
    here = f"chargingPeriods[{number}]"
    if line.measured is not None and line.measured != line.value:
        for target in (f"{here}/billingValue", f"{here}/periodCost"):
            ctx.approximated(f"{line.volume_path}/volume", target, "rounded-up-to-step")
            ctx.inferred(f"{line.price_path}/step_size", target, "rounded-up-to-step")
    rate = whole_rate(line.vat, line.cost)
    if line.vat is not None and rate is None and line.price_path:
        ctx.dropped(f"{line.price_path}/vat", "tax-not-a-whole-percentage")
    made = BillItem(
        start=local(line.start, zone),
        end=local(line.end, zone),
        item=line.item,
        value=line.value,
        unit_price=line.price,
        cost=line.cost,
        tax_rate=rate,
    )
    if ctx.traced:
        start = f"periods/{line.period}/start"
        end = "end" if line.until is None else f"periods/{line.until}/start"
        _note_times(cdr, start, end, here, ctx)
        ctx.came_from(made, ("start", start), ("end", end), *_origins(line))
    return made


def _origins(line: Line) -> Iterator[tuple[str, str]]:
    """Where the parts of an item came from, besides its times."""
    if line.volume_path:
        yield "item", f"{line.volume_path}/type"
        yield "value", f"{line.volume_path}/volume"
        yield "cost", f"{line.volume_path}/volume"
    if line.price_path:
        yield "item", f"{line.price_path}/item"
        yield "unit_price", f"{line.price_path}/price"
        yield "cost", f"{line.price_path}/price"
        yield "tax_rate", f"{line.price_path}/vat"


def whole_rate(rate: Decimal | None, net: Decimal) -> int | None:
    """A tax rate as a whole percentage, when that is the same tax within a cent.

    >>> whole_rate(Decimal("21"), Decimal(100)), whole_rate(Decimal("5.5"), Decimal(100))
    (21, None)
    """
    if rate is None:
        return None
    near = rate.to_integral_value(ROUND_HALF_EVEN)
    return int(near) if abs(net * (rate - near) / 100) <= CENT else None


def rate_of(price: Price | None) -> Decimal | None:
    """The tax rate, in percent, between a net and a gross amount."""
    if price is None or price.gross is None or not price.net:
        return None
    return (price.gross / price.net - 1) * 100


def _note_times(cdr: Cdr, start: str, end: str, here: str, ctx: Context) -> None:
    """Fractions of a second are not said."""
    for path, wire in ((start, "startDateTime"), (end, "endDateTime")):
        if value_at(cdr, path).microsecond:
            ctx.inferred(path, f"{here}/{wire}/LocalDateTime", "whole-seconds")


class _Totals:
    """Builds the items of a whole session from its totals."""

    def __init__(self, cdr: Cdr, zone: ZoneInfo, ctx: Context) -> None:
        self.cdr, self.ctx = cdr, ctx
        self.start, self.end = local(cdr.start, zone), local(cdr.end, zone)
        self.sum = Decimal(0)
        self.made: list[BillItem] = []
        self.rate = rate_of(cdr.total_cost)

    def add(
        self,
        item: BillingItem,
        value: Decimal,
        value_from: tuple[str, ...],
        cost: Price | None,
        cost_from: str,
    ) -> None:
        """An item over the whole session; nothing of nothing costs nothing."""
        net = cost.net if cost is not None and value else Decimal(0)
        rate = rate_of(cost)
        made = BillItem(
            start=self.start,
            end=self.end,
            item=item,
            value=value,
            unit_price=per_unit(net, value),
            cost=net,
            tax_rate=whole_rate(rate if rate is not None else self.rate, net),
        )
        self.sum += net
        self.made.append(made)
        origins = [("start", "start"), ("end", "end")]
        paid = (f"{cost_from}/net",) if net else ()
        origins += [("cost", path) for path in paid]
        if len(value_from) == 1:
            origins += [("value", path) for path in value_from]
        self.ctx.came_from(made, *origins)
        here = f"chargingPeriods[{len(self.made)}]"
        _note_times(self.cdr, "start", "end", here, self.ctx)
        if item is BillingItem.RESERVATION_TIME:
            for path in value_from:
                kind = f"{path.removesuffix('volume')}type"
                self.ctx.carried(kind, f"{here}/billingItem/BillingItemType")
                for wire in ("billingValue", "itemPrice"):
                    self.ctx.inferred(kind, f"{here}/{wire}", "sum-of-volumes")
        for path in value_from if len(value_from) > 1 else ():
            self.ctx.inferred(path, f"{here}/billingValue", "sum-of-volumes")
        for path in value_from if not value else ():
            self.ctx.inferred(path, f"{here}/periodCost", "nothing-costs-nothing")
        for path in (*paid, *value_from):
            self.ctx.inferred(path, f"{here}/itemPrice", "cost-per-unit")
        for part in ("net", "gross"):
            taxed = cost_from if rate is not None else "total_cost"
            self.ctx.inferred(f"{taxed}/{part}", f"{here}/taxrate", "rate-of-gross")


def per_unit(cost: Decimal, value: Decimal) -> Decimal:
    """The price of one unit, exact where six decimals say it exactly, else rounded to these.

    >>> per_unit(Decimal("5.7"), Decimal("14.25")), per_unit(Decimal(1), Decimal(3))
    (Decimal('0.4'), Decimal('0.333333'))
    """
    if not value or not cost:
        return Decimal(0)
    price = cost / value
    return price if price == price.quantize(_SIX) else price.quantize(_SIX)


def _of_totals(cdr: Cdr, zone: ZoneInfo, ctx: Context) -> list[BillItem]:
    totals = _Totals(cdr, zone, ctx)
    one, nothing = Decimal(1), Decimal(0)
    parked = cdr.total_parking_time or nothing
    charged = max((cdr.total_time or nothing) - parked, nothing)
    times = ("total_time", "total_parking_time") if parked else ("total_time",)
    volumes = {
        f"periods/{place}/dimensions/{number}/volume": each.volume
        for place, period in enumerate(cdr.periods)
        for number, each in enumerate(period.dimensions)
        if each.type.upper() == "RESERVATION_TIME"
    }
    reserved = sum(volumes.values(), nothing)
    rows: list[tuple[BillingItem, Decimal, tuple[str, ...], str]] = [
        (BillingItem.ENERGY, cdr.total_energy or nothing, ("total_energy",), "total_energy_cost"),
        (BillingItem.CHARGING_TIME, charged, times, "total_time_cost"),
        (BillingItem.PARKING_TIME, parked, ("total_parking_time",), "total_parking_cost"),
        (BillingItem.RESERVATION_TIME, reserved, tuple(volumes), "total_reservation_cost")
        if reserved
        else (BillingItem.RESERVATION, one, (), "total_reservation_cost"),
        (BillingItem.FLAT, one, (), "total_fixed_cost"),
    ]
    for item, value, value_from, cost_from in rows:
        cost: Price | None = getattr(cdr, cost_from)
        always = item is BillingItem.ENERGY and (cdr.total_energy is not None or cost is not None)
        if always or cost is not None or (item is BillingItem.PARKING_TIME and value):
            totals.add(item, value, value_from, cost, cost_from)
    rest = cdr.total_cost.net - totals.sum if cdr.total_cost is not None else nothing
    if rest:
        why = f"{rest} of the total cost stand under no other item"
        ctx.approximated("total_cost", "chargingPeriods", "rest-as-service-fee", why)
        totals.add(BillingItem.FLAT, one, (), Price(net=rest), "total_cost")
        here = f"chargingPeriods[{len(totals.made)}]"
        for _, value, value_from, cost_from in rows:
            for path in (f"{cost_from}/net", *(() if value else value_from)):
                for wire in ("itemPrice", "periodCost"):
                    ctx.inferred(path, f"{here}/{wire}", "rest-as-service-fee")
    if not totals.made:
        totals.add(BillingItem.ENERGY, nothing, (), None, "")
    return totals.made


def local_time(field: str, target: str) -> Any:
    """The ``write`` of an instant as local time of the site; what OCHP said keeps its offset."""

    def write(cdr: Cdr, ctx: Context) -> datetime:
        value: datetime = getattr(cdr, field)
        if cdr.items:
            return value
        if value.microsecond:
            ctx.approximated(field, target, "whole-seconds")
        return local(value, zone_of(ctx, cdr.evse_id, cdr.address.country))

    return write
