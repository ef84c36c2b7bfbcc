"""CDRs for those who ask: the home-CSP's queue and its decisions, the visited-CSO's own.

Source: OCHP 1.4, GetCDRs (accepted and revised until confirmed), CheckCDRs (declined by default),
ConfirmCDRs; OCPI 2.2.1, CDRs module, Sender interface.
Rules: a decision is taken for what is accepted or revised; the same decision again has no effect;
every other one is refused. Who knows no decisions sees all CDRs as they were told.
"""

from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from gateway.model.charging import Cdr, CdrState
from gateway.model.ids import evse_key
from gateway.model.message import CdrDecisions, CdrList, CdrQuery, CdrRef, Receipt
from gateway.routing.cdr_told import decide, for_list
from gateway.routing.location_lists import NO_RELATION
from gateway.routing.parties import CPO_SIDE, EMSP_SIDE
from gateway.routing.records import clean, owner_key, party_of, same_id, unpack
from gateway.routing.work import SLICE, Refusals, Work, at_least_one
from gateway.store import Filter, Kind, Object, slices


def decisions(work: Work, message: CdrDecisions) -> Receipt:
    """Set the home-CSP's word on each CDR, or say why not."""
    refusals = Refusals()
    for approved, refs in ((True, message.approved), (False, message.declined)):
        for ref in refs:
            work.about("cdr", same_id(ref.cdr_id))
            rows = _referred(work, ref)
            word = "approved" if approved else "declined"
            if not rows:
                refusals.add(ref.cdr_id, f"CDR {ref.cdr_id}: is not known")
            elif len(rows) > 1:
                refusals.add(ref.cdr_id, f"CDR {ref.cdr_id}: several have this id; name the EVSE")
            elif not decide(work, rows[0], approved=approved):
                reason = f"CDR {ref.cdr_id}: is {rows[0].state} and cannot be {word}"
                refusals.add(ref.cdr_id, reason)
    return refusals.receipt(len(message.approved) + len(message.declined), "cdrs")


def _referred(work: Work, ref: CdrRef) -> list[Object]:
    rows = [
        row
        for row in work.tx.objects.find("cdr", "id", same_id(ref.cdr_id))
        if row.sort_key == work.asker.id
    ]
    if ref.evse_id is None:
        return rows
    wanted = evse_key(ref.evse_id)
    return [row for row in rows if evse_key(unpack(Cdr, row.body).evse_id) == wanted]


def query(work: Work, message: CdrQuery) -> CdrList:
    """CDRs for the asking home-CSP, or of the asking visited-CSO."""
    wanted = _wanted(work, message)
    if wanted is None:
        return CdrList(result=NO_RELATION)
    if message.id is not None:
        rows = _with_id(work, message, wanted)
        total = len(rows)
    else:
        rows, total = work.listed(_kind(work, message), wanted, message.page)
    return CdrList(cdrs=_shown(work, message, rows), total=total)


def parts(work: Work, message: CdrQuery) -> Iterator[CdrList]:
    """The whole list of ``query`` in parts, at least one."""
    wanted = _wanted(work, message)
    if wanted is None or message.id is not None or message.page is not None:
        yield query(work, message)
        return
    found = slices(work.tx.objects.each(_kind(work, message), wanted), SLICE)
    yield from at_least_one(
        (CdrList(cdrs=_shown(work, message, rows)) for rows in found), CdrList()
    )


def _kind(work: Work, message: CdrQuery) -> Kind:
    return "cdr" if message.mine or work.asker.habits.decides_cdrs else "sent_cdr"


def _wanted(work: Work, message: CdrQuery) -> Filter | None:
    """Which CDRs the caller asks for; None: it has no roaming relation for them."""
    if message.mine:
        return _own(work, message)
    if not work.related("cdrs", CPO_SIDE):
        return None
    states: Iterable[CdrState] | None = None
    if work.asker.habits.decides_cdrs:
        states = [message.state] if message.state else [CdrState.ACCEPTED, CdrState.REVISED]
    return Filter(
        owners=[owner_key(message.owner)] if message.owner else None,
        since=message.since,
        until=message.until,
        key=("to", [work.asker.id]),
        states=None if states is None else [state.value for state in states],
    )


def _own(work: Work, message: CdrQuery) -> Filter | None:
    """The same of what the caller sent."""
    asker = work.asker
    if message.owner:
        owner = clean(message.owner)
        mine = work.directory.speaks_for(asker, owner, CPO_SIDE)
        owners = [owner_key(owner)] if mine else []
    else:
        known = work.tx.objects.owners("cdr")
        owners = [
            name for name in known if work.directory.speaks_for(asker, party_of(name), CPO_SIDE)
        ]
    if not owners and not work.related("cdrs", EMSP_SIDE):
        return None
    state = message.state or CdrState.DECLINED
    return Filter(owners, message.since, message.until, states=[state.value])


def _with_id(work: Work, message: CdrQuery, wanted: Filter) -> list[Object]:
    """The CDRs of one id, in whatever state."""
    id = same_id(message.id or "")
    if message.mine:
        found = (work.tx.objects.get("cdr", name, id) for name in wanted.owners or ())
        return [row for row in found if row]
    return [
        row
        for row in work.tx.objects.find(_kind(work, message), "id", id)
        if row.sort_key == work.asker.id and (not wanted.owners or row.owner in wanted.owners)
    ]


def _shown(work: Work, message: CdrQuery, rows: Sequence[Object]) -> tuple[Cdr, ...]:
    """Stored CDRs as the caller is told them, with what became of its own."""
    if message.mine:
        return tuple(
            replace(unpack(Cdr, row.body), owner=party_of(row.owner), state=_state(row))
            for row in rows
        )
    if work.asker.habits.decides_cdrs:
        return tuple(for_list(work, row, _state(row)) for row in rows)
    if not (message.peek or work.pushes(work.asker, "cdrs")):
        # who is not sent its CDRs has taken what it was given
        work.fetched += ((row.owner, row.id) for row in rows)
    return tuple(unpack(Cdr, row.body) for row in rows)


def _state(row: Object) -> CdrState:
    return CdrState(row.state or "accepted")
