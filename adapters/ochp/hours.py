"""Opening times within OCHP's seven weekly windows.

Source: OCHP 1.4, HoursType: either weekly windows (seven at most, all days together) or always
open, then exceptions; closedCharging is mandatory.
"""

from datetime import datetime

from msgspec.structs import replace

from gateway.mapping.context import Context
from gateway.model.location import Location, OpeningHours, Period, RegularHours

_MOST = 7


def opening(location: Location, ctx: Context) -> OpeningHours | None:
    """The opening times with at most seven windows and a word on charging while closed."""
    hours = location.opening
    if hours is None:
        if location.closed_charging is not None:
            ctx.dropped("closed_charging", "no-opening-times")
        return None
    regular, always = hours.regular, hours.twentyfourseven
    if always and regular:
        ctx.dropped("opening/regular", "always-open")
        regular = ()
    if len(regular) > _MOST:
        regular = _fewer(regular, ctx)
    if regular:
        if always is not None:
            target = "openingTimes/regularHours[1]/@weekday"
            ctx.carried("opening/twentyfourseven", target, "weekly-windows")
        always = None
    elif always is None:
        always = False
        ctx.defaulted("openingTimes/twentyfourseven", "exceptions-only")
    closed = hours.closed_charging
    if closed is None:
        closed = location.closed_charging
    if closed is None:
        closed = True
        ctx.defaulted("openingTimes/closedCharging", "charging-when-closed")
    made = replace(
        hours,
        regular=regular,
        twentyfourseven=always,
        closed_charging=closed,
        openings=_whole(hours.openings, "opening/openings", ctx),
        closings=_whole(hours.closings, "opening/closings", ctx),
    )
    if made == hours:
        return hours
    ctx.came_from(made, ("closed_charging", "closed_charging"), ("", "opening"))
    return made


def _fewer(windows: tuple[RegularHours, ...], ctx: Context) -> tuple[RegularHours, ...]:
    """At most seven windows: touching ones as one, then the longest of each day."""
    said = joined(windows)
    rule = "joined-windows"
    if len(said) > _MOST:
        rule, said = "widest-window-a-day", widest(said)
        ctx.approximated("opening/regular", "openingTimes/regularHours", rule)
    if ctx.traced:
        for number, each in enumerate(said, 1):
            covered = [
                place
                for place, other in enumerate(windows)
                if other.weekday == each.weekday and each.begin <= other.begin <= each.end
            ]
            for place in covered:
                for part, wire in _PARTS:
                    target = f"openingTimes/regularHours[{number}]/@{wire}"
                    ctx.inferred(f"opening/regular/{place}/{part}", target, rule)
            ctx.came_from(each, ("", "opening/no-window-of-its-own"))
    return said


_PARTS = (("weekday", "weekday"), ("begin", "periodBegin"), ("end", "periodEnd"))


def joined(windows: tuple[RegularHours, ...]) -> tuple[RegularHours, ...]:
    """Windows of a day that touch or overlap, as one.

    >>> [(w.begin, w.end) for w in joined((
    ...     RegularHours(weekday=1, begin="08:00", end="12:00"),
    ...     RegularHours(weekday=1, begin="12:00", end="18:00"),
    ... ))]
    [('08:00', '18:00')]
    """
    made: list[RegularHours] = []
    for window in sorted(windows, key=lambda each: (each.weekday, each.begin)):
        last = made[-1] if made else None
        if last is not None and last.weekday == window.weekday and window.begin <= last.end:
            made[-1] = replace(last, end=max(last.end, window.end))
        else:
            made.append(window)
    return tuple(made)


def widest(windows: tuple[RegularHours, ...]) -> tuple[RegularHours, ...]:
    """The longest window of each day."""

    def length(window: RegularHours) -> int:
        (begin, begun), (end, ended) = (
            map(int, text.split(":")) for text in (window.begin, window.end)
        )
        return (end - begin) * 60 + ended - begun

    best: dict[int, RegularHours] = {}
    for window in windows:
        known = best.get(window.weekday)
        if known is None or length(window) > length(known):
            best[window.weekday] = window
    return tuple(best[day] for day in sorted(best))


def _whole(periods: tuple[Period, ...], field: str, ctx: Context) -> tuple[Period, ...]:
    return tuple(whole_period(each, f"{field}/{place}", ctx) for place, each in enumerate(periods))


def whole_period(period: Period, field: str, ctx: Context) -> Period:
    """The period in whole seconds."""

    def cut(instant: datetime) -> datetime:
        return instant.replace(microsecond=0)

    if not (period.begin.microsecond or period.end.microsecond):
        return period
    ctx.approximated(field, "openingTimes", "whole-seconds")
    made = replace(period, begin=cut(period.begin), end=cut(period.end))
    ctx.came_from(made, ("", field))
    return made
