"""What partners are asked for by schedule, and their answers as if they had sent them.

Source: OCHP 1.4, the download chapters and CheckCDRs; OCPI 2.2.1, the Sender interfaces.
Limits: what a partner refuses to list counts as nothing new, never as an empty list.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

from gateway.adapter import Lists
from gateway.model.charging import CdrState
from gateway.model.message import (
    CdrDecisions,
    CdrList,
    CdrQuery,
    CdrRef,
    CdrUpload,
    LocationList,
    LocationQuery,
    LocationUpload,
    Message,
    ResultCode,
    SessionList,
    SessionQuery,
    SessionUpload,
    StatusList,
    StatusQuery,
    StatusUpload,
    TariffList,
    TariffQuery,
    TariffUpload,
    TokenList,
    TokenQuery,
    TokenUpload,
)
from gateway.routing.exchange import Exchange
from gateway.routing.parties import CPO_SIDE, EMSP_SIDE, Module, Party
from gateway.store import slices

_PART = 500


class Job(NamedTuple):
    """Something that a party is asked for: one row of the tables below."""

    what: str
    module: Module
    side: frozenset[str]
    """What the party has to be."""
    ask: Callable[[datetime | None], Message]
    every: str | None
    """Which interval of the schedule; None: once a day, as a whole list."""
    windowed: bool = True
    """It is asked for what changed since the last time."""


LISTS = (
    Job("locations", "locations", CPO_SIDE, lambda at: LocationQuery(since=at), "locations"),
    Job("tariffs", "tariffs", CPO_SIDE, lambda at: TariffQuery(since=at), "locations"),
    Job("status", "status", CPO_SIDE, lambda at: StatusQuery(since=at), "status"),
    Job("cdrs", "cdrs", CPO_SIDE, lambda at: CdrQuery(), "cdrs", windowed=False),
    Job("tokens", "tokens", EMSP_SIDE, lambda at: TokenQuery(since=at), "tokens"),
    *(
        Job(
            f"{state} cdrs",
            "cdrs",
            EMSP_SIDE,
            lambda at, state=state: CdrQuery(mine=True, state=state),  # type: ignore[misc]
            "cdrs",
            windowed=False,
        )
        for state in (CdrState.DECLINED, CdrState.APPROVED)
    ),
    Job("all locations", "locations", CPO_SIDE, lambda at: LocationQuery(), None),
    Job("all tariffs", "tariffs", CPO_SIDE, lambda at: TariffQuery(), None),
    Job("all tokens", "tokens", EMSP_SIDE, lambda at: TokenQuery(), None),
)
OBJECTS = (
    Job("locations", "locations", CPO_SIDE, lambda at: LocationQuery(since=at), "locations"),
    Job("tariffs", "tariffs", CPO_SIDE, lambda at: TariffQuery(since=at), "locations"),
    Job("sessions", "sessions", CPO_SIDE, lambda at: SessionQuery(since=at), "cdrs"),
    Job("cdrs", "cdrs", CPO_SIDE, lambda at: CdrQuery(since=at), "cdrs"),
    Job("tokens", "tokens", EMSP_SIDE, lambda at: TokenQuery(since=at), "tokens"),
    Job("all locations", "locations", CPO_SIDE, lambda at: LocationQuery(), None),
    Job("all tariffs", "tariffs", CPO_SIDE, lambda at: TariffQuery(), None),
    Job("all tokens", "tokens", EMSP_SIDE, lambda at: TokenQuery(), None),
)


def jobs_of(exchange: Exchange, party: Party) -> Iterator[Job]:
    """What a party is asked for."""
    if not exchange.linked(party):
        return
    for job in LISTS if party.habits.live_apart else OBJECTS:
        if party.is_of(job.side) and job.module in party.policy.pull:
            yield job


def uploads(reply: Any, lists: Lists, *, full: bool) -> Iterator[tuple[Message, Lists]]:
    """A partner's answer as if the partner had sent it, long lists of records in parts; with the
    lists that the partner's message is too long for.

    ``full`` only counts where the answer is complete.
    """
    result = getattr(reply, "result", None)
    if result is not None and result.code is ResultCode.ROAMING:
        return
    whole = full and (result is None or result.code is ResultCode.OK)
    if isinstance(reply, LocationList):
        yield LocationUpload(locations=reply.locations, full=whole), lists
    elif isinstance(reply, TariffList):
        yield TariffUpload(tariffs=reply.tariffs, full=whole), lists
    elif isinstance(reply, TokenList):
        yield TokenUpload(tokens=reply.tokens, full=whole), lists
    elif isinstance(reply, StatusList):
        evses = (*reply.evses, *reply.combined)
        long = [("evses" if field == "combined" else field, items) for field, items in lists]
        yield StatusUpload(evses=evses, parkings=reply.parkings), long
    elif isinstance(reply, SessionList):
        for start in range(0, len(reply.sessions), _PART):
            yield SessionUpload(sessions=reply.sessions[start : start + _PART]), ()
    elif isinstance(reply, CdrList):
        if lists:
            yield CdrUpload(cdrs=()), lists
        for start in range(0, len(reply.cdrs), _PART):
            yield CdrUpload(cdrs=reply.cdrs[start : start + _PART]), ()


def decided(reply: CdrList, lists: Lists) -> Iterator[CdrDecisions]:
    """The CDRs that a clearing house reports as decided, as the home-CSP's decisions, in parts."""
    long = (batch for _, items in lists for batch in items.batches(lambda: _PART))
    for part in chain(slices(reply.cdrs, _PART), long):
        refs = {state: list[CdrRef]() for state in (CdrState.APPROVED, CdrState.DECLINED)}
        for cdr in part:
            if cdr.state in refs:
                refs[cdr.state].append(CdrRef(cdr_id=cdr.id, evse_id=cdr.evse_id))
        approved, declined = map(tuple, refs.values())
        if approved or declined:
            yield CdrDecisions(approved=approved, declined=declined)
