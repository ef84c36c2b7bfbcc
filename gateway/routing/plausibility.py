"""Plausibility of an uploaded CDR: a table of named checks, each with its rule.

Source: OCHP 1.4, CDRInfo and CdrPeriodType, the life cycle of CDRs; the list that a clearing house
really uses is not published, these are the checks that follow from the published rules.
Limits: sums are compared with a tolerance, because peers compute in binary floating point and round
each period; a price of zero is legal (unrated).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.iso import CURRENCIES
from gateway.model.base import PartyId
from gateway.model.charging import Cdr, CdrState
from gateway.model.ids import evse_owner
from gateway.model.tariff import BillingItem

_CENT = Decimal("0.01")
_RELATIVE = Decimal("0.0001")
_PIECES = frozenset({BillingItem.FLAT, BillingItem.RESERVATION})
REQUESTS = frozenset({None, CdrState.NEW, CdrState.REVISED, CdrState.REJECTED})


@dataclass(frozen=True)
class Known:
    """What a check may know besides the CDR."""

    owner: PartyId
    """On whose behalf the uploader speaks here."""
    strangers: frozenset[PartyId] = frozenset()
    """Codes that belong to other parties."""
    routed: bool = True
    """Somebody is connected who may receive it."""
    zone: str | None = None
    """IANA zone of the site."""
    session_start: object = None
    """Start of the remote session whose id the token names, where it is known."""


Check = Callable[[Cdr, Known], Iterator[str]]


class Row(NamedTuple):
    """A check: its name, what it holds against a CDR, the rule."""

    name: str
    check: Check
    rule: str


def _currency(cdr: Cdr, known: Known) -> Iterator[str]:
    if cdr.currency not in CURRENCIES:
        yield f"{cdr.currency!r} is no currency"


def _owner(cdr: Cdr, known: Known) -> Iterator[str]:
    owner = evse_owner(cdr.evse_id)
    if owner is not None and owner != known.owner:
        yield f"EVSE {cdr.evse_id} is not of {known.owner}"
    start = cdr.id.replace("*", "")[:5].upper()
    if any(start == code.country + code.code for code in known.strangers):
        yield f"the id begins with the code of another operator, {start}"


def _relation(cdr: Cdr, known: Known) -> Iterator[str]:
    if not known.routed:
        yield f"no relation with the provider of contract {cdr.token.contract_id}"


def _order(cdr: Cdr, known: Known) -> Iterator[str]:
    if cdr.start > cdr.end:
        yield "ends before it starts"
    for place, item in enumerate(cdr.items, 1):
        if item.start > item.end:
            yield f"period {place} ends before it starts"
        elif item.start < cdr.start or item.end > cdr.end:
            yield f"period {place} is not within the CDR"


def _duration(cdr: Cdr, known: Known) -> Iterator[str]:
    if cdr.billed_duration is None:
        return
    # the wire form has whole seconds, the instants may not
    if abs(cdr.billed_duration - (cdr.end - cdr.start)) >= timedelta(seconds=1):
        yield f"duration {cdr.billed_duration} is not {cdr.end - cdr.start}"


def _pieces(cdr: Cdr, known: Known) -> Iterator[str]:
    for place, item in enumerate(cdr.items, 1):
        if item.item in _PIECES and item.value != 1:
            yield f"period {place}: a fee is charged {item.value} times, not once"


def _near(one: Decimal, other: Decimal, terms: int) -> bool:
    """Equal but for the rounding of ``terms`` amounts to cents and of a seven-digit float."""
    return abs(one - other) <= max(_CENT * terms, _RELATIVE * max(abs(one), abs(other)))


def _sums(cdr: Cdr, known: Known) -> Iterator[str]:
    total = Decimal(0)
    for place, item in enumerate(cdr.items, 1):
        due = item.value * item.unit_price
        if item.cost is not None and not _near(item.cost, due, 1):
            yield f"period {place}: cost {item.cost} is not {item.value} times {item.unit_price}"
        total += due if item.cost is None else item.cost
    if cdr.items and cdr.total_cost is not None:
        net = cdr.total_cost.net
        if not _near(net, total, len(cdr.items)):
            yield f"total cost {net} is not the sum of the periods, {total}"


def _offset(cdr: Cdr, known: Known) -> Iterator[str]:
    if known.zone is None:
        return
    try:
        zone = ZoneInfo(known.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return
    times = [("start", cdr.start), ("end", cdr.end)]
    for place, item in enumerate(cdr.items, 1):
        times += [(f"period {place} start", item.start), (f"period {place} end", item.end)]
    for name, at in times:
        local = at.astimezone(zone)
        if at.utcoffset() != local.utcoffset():
            yield f"{name} {at.isoformat()} has not the offset of {known.zone}, {local:%z}"


def _remote(cdr: Cdr, known: Known) -> Iterator[str]:
    if known.session_start is not None and known.session_start != cdr.start:
        yield f"does not start when session {cdr.token.uid} was selected"


def _state(cdr: Cdr, known: Known) -> Iterator[str]:
    if cdr.state not in REQUESTS:
        yield f"status {cdr.state} is not an uploader's to set"


CHECKS = (
    Row("currency", _currency, "currency is of ISO 4217"),
    Row("owner", _owner, "EVSE id and prefix of the id belong to the uploader"),
    Row("relation", _relation, "the provider of the contract is connected"),
    Row("order", _order, "start <= end; every period within the CDR"),
    Row("duration", _duration, "duration = end - start"),
    Row("pieces", _pieces, "service fee and reservation are charged once"),
    Row("sums", _sums, "cost = value x price; total = sum of costs, within rounding"),
    Row("offset", _offset, "local times have the offset of the site at that instant"),
    Row("remote", _remote, "a remote session starts when the EVSE was selected"),
    Row("state", _state, "an upload asks for new, revised or rejected"),
)


def implausible(cdr: Cdr, known: Known) -> list[str]:
    """Everything that speaks against a CDR, each with the name of its check."""
    return [f"{row.name}: {reason}" for row in CHECKS for reason in row.check(cdr, known)]
