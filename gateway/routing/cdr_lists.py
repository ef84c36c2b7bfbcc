"""CDRs for those who ask: the home-CSP's queue and its decisions, the visited-CSO's own.

Source: OCHP 1.4, GetCDRs (accepted and revised until confirmed), CheckCDRs (declined by default),
ConfirmCDRs; OCPI 2.2.1, CDRs module, Sender interface.
Rules: a decision is taken for what is accepted or revised; the same decision again has no effect;
every other one is refused. Who knows no decisions sees all CDRs as they were told.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from gateway.model.charging import Cdr, CdrState
from gateway.model.ids import evse_key
from gateway.model.message import CdrDecisions, CdrList, CdrQuery, CdrRef, Receipt
from gateway.routing.cdr_told import decide, for_list
from gateway.routing.location_lists import NO_RELATION
from gateway.routing.parties import CPO_SIDE, EMSP_SIDE
from gateway.routing.records import clean, owner_key, party_of, same_id, unpack
from gateway.routing.work import Refusals, Work
from gateway.store import Filter, Object


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
    if message.mine:
        return _own(work, message)
    if not work.related("cdrs", CPO_SIDE):
        return CdrList(result=NO_RELATION)
    decides = work.asker.habits.decides_cdrs
    states: Iterable[CdrState] | None = None
    if decides:
        states = [message.state] if message.state else [CdrState.ACCEPTED, CdrState.REVISED]
    wanted = Filter(
        owners=[owner_key(message.owner)] if message.owner else None,
        since=message.since,
        until=message.until,
        key=("to", [work.asker.id]),
        states=None if states is None else [state.value for state in states],
    )
    if message.id is not None:
        found = work.tx.objects.find("cdr" if decides else "sent_cdr", "id", same_id(message.id))
        rows = [
            row
            for row in found
            if row.sort_key == work.asker.id and (not wanted.owners or row.owner in wanted.owners)
        ]
        total = len(rows)
    else:
        rows, total = work.listed("cdr" if decides else "sent_cdr", wanted, message.page)
    if decides:
        shown = [for_list(work, row, CdrState(row.state or "accepted")) for row in rows]
    else:
        shown = [unpack(Cdr, row.body) for row in rows]
        if not (message.peek or work.pushes(work.asker, "cdrs")):
            # who is not sent its CDRs has taken what it was given
            work.fetched += ((row.owner, row.id) for row in rows)
    return CdrList(cdrs=tuple(shown), total=total)


def _own(work: Work, message: CdrQuery) -> CdrList:
    """What the caller sent, with what became of it."""
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
        return CdrList(result=NO_RELATION)
    if message.id is not None:
        found = (work.tx.objects.get("cdr", name, same_id(message.id)) for name in owners)
        rows = [row for row in found if row]
        total = len(rows)
    else:
        state = message.state or CdrState.DECLINED
        wanted = Filter(owners, message.since, message.until, states=[state.value])
        rows, total = work.listed("cdr", wanted, message.page)
    shown = (
        replace(
            unpack(Cdr, row.body),
            owner=party_of(row.owner),
            state=CdrState(row.state or "accepted"),
        )
        for row in rows
    )
    return CdrList(cdrs=tuple(shown), total=total)
