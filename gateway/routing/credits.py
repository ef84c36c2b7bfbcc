"""CDRs that are never changed, only credited and replaced; and what that is to who revises.

Source: OCPI 2.2.1, CDRs module, credit CDRs; OCHP 1.4, life cycle of a CDR.
Rules, towards a home-CSP that revises under the same id:

- a credit is kept, and nothing is told yet; the CDR that follows for the same session is the
  revision of the credited one, under that one's id;
- a credit that nothing follows within ``GRACE`` gives up a declined CDR (rejected);
- a credit alone of a CDR that was not declined cannot be said: that is a finding;
- what the home-CSP has approved, or the operator given up, cannot be credited: refused.

A CDR is credited once, and a credit does not ask for money.

Towards a home-CSP that knows credits both are told as they came.
"""

from datetime import timedelta

from msgspec.structs import replace

from gateway.model.base import PartyId
from gateway.model.charging import Cdr, CdrState
from gateway.model.message import ResultCode
from gateway.routing.cdr_told import CHANGEABLE, DECLINED, Told, follows, list_id, told
from gateway.routing.cdr_told import original as original_of
from gateway.routing.parties import Party
from gateway.routing.records import cdr_item, owner_key, same_cdr, same_id, unpack
from gateway.routing.revisions import replaces
from gateway.routing.work import Work
from gateway.store import CdrState as State
from gateway.store import Item, Object

ALONE = "credit-alone"
GRACE = timedelta(minutes=15)
_OPEN: State = "accepted"
_USED: State = "approved"
"""States of a kept credit: waiting for what follows, or done with."""

Refused = tuple[str, ResultCode] | None


def take(work: Work, cdr: Cdr, owner: PartyId, home: Party) -> Refused:
    """A CDR, or a credit for one."""
    name, id = owner_key(owner), same_id(cdr.id)
    item = _item(cdr, owner, home)
    stored = work.tx.objects.get("cdr", name, id)
    if stored is not None:
        if stored.digest == item.digest or same_cdr(stored.body, cdr):
            return None
        return "the id is taken by other content; a CDR is posted once", ResultCode.FORMAT
    if cdr.end < cdr.start:
        return "ends before it starts", ResultCode.FORMAT
    if cdr.credit and (wrong := _no_credit(work, cdr, name)):
        return wrong, ResultCode.FORMAT
    if not home.habits.revises_cdrs:
        return _as_it_came(work, cdr, name, home)
    if cdr.credit:
        return _credit(work, cdr, name, home)
    if credit := _followed(work, cdr, name):
        return _replace(work, cdr, owner, home, credit)
    work.tx.cdrs.add(name, {id: item}, work.by, by=work.by)
    told(work, home, Told(name, id, cdr, CdrState.ACCEPTED))
    return None


def _no_credit(work: Work, cdr: Cdr, owner: str) -> str | None:
    """What a credit cannot be: for nothing, for more money, or for what was credited already."""
    reference = cdr.credit_reference_id
    if not reference:
        return "a credit names the CDR that it is for"
    if cdr.total_cost is not None and cdr.total_cost.net > 0:
        return f"a credit takes back: its total cost is not {cdr.total_cost.net}"
    for row in work.tx.objects.find("cdr", "credit for", same_id(reference)):
        if row.owner == owner:
            return f"CDR {reference} is credited already, by {unpack(Cdr, row.body).id}"
    return None


def _credit_keys(cdr: Cdr) -> list[tuple[str, str]]:
    return [("credit for", same_id(cdr.credit_reference_id or ""))] if cdr.credit else []


def _as_it_came(work: Work, cdr: Cdr, owner: str, home: Party) -> Refused:
    if cdr.credit and original_of(work, owner, cdr.credit_reference_id or "") is None:
        return f"credits CDR {cdr.credit_reference_id}, which is not known", ResultCode.INVALID_ID
    id = same_id(cdr.id)
    work.tx.cdrs.add(owner, {id: cdr_item(cdr, home.id, *_credit_keys(cdr))}, work.by, by=work.by)
    told(work, home, Told(owner, id, cdr, CdrState.ACCEPTED))
    return None


def _credit(work: Work, cdr: Cdr, owner: str, home: Party) -> Refused:
    reference = cdr.credit_reference_id or ""
    original = original_of(work, owner, reference)
    if original is None or original.sort_key != home.id:
        return f"credits CDR {reference}, which is not known", ResultCode.INVALID_ID
    if original.state in ("approved", "rejected"):
        reason = f"CDR {reference} is {original.state}; {home.id} takes no credit for it"
        return reason, ResultCode.INVALID_ID
    id = same_id(cdr.id)
    # in nobody's list: the home-CSP knows no credits
    item = cdr_item(cdr, None, ("credit of", original.id), *_credit_keys(cdr))
    work.tx.cdrs.add(owner, {id: item}, work.by, by=work.by)
    if original.state == "declined":
        work.later(ALONE, f"{owner}/{id}", work.now + GRACE)
    else:
        why = f"credit of CDR {reference} waits for what replaces it; {home.id} is told then"
        work.note(f"cdr {cdr.id}", "credit-alone", why)
    return None


def _followed(work: Work, cdr: Cdr, owner: str) -> tuple[Object, Object] | None:
    """The open credit that a CDR follows, and the CDR that was credited."""
    keys = [f"{owner} {key}" for key in _session_keys(cdr)]
    for rows in work.tx.objects.find_many("cdr", "session", keys).values():
        for original in rows:
            for credit in work.tx.objects.find("cdr", "credit of", original.id):
                open_ = credit.owner == owner == original.owner and credit.state == _OPEN
                if open_ and replaces(cdr, unpack(Cdr, original.body)):
                    return credit, original
    return None


def _item(cdr: Cdr, owner: PartyId, home: Party) -> Item:
    sessions = [("session", f"{owner_key(owner)} {key}") for key in _session_keys(cdr)]
    return cdr_item(cdr, home.id, ("id", list_id(owner, cdr.id, listed=False)), *sessions)


def _session_keys(cdr: Cdr) -> list[str]:
    """Under which keys a CDR of the same charging session is looked for."""
    keys = [f"at {cdr.evse_id.upper()} {cdr.start.timestamp()}"]
    return [*keys, f"id {cdr.session_id.upper()}"] if cdr.session_id else keys


def _replace(
    work: Work, cdr: Cdr, owner: PartyId, home: Party, found: tuple[Object, Object]
) -> Refused:
    credit, original = found
    before = unpack(Cdr, original.body)
    if original.state in ("approved", "rejected"):
        reason = f"follows the credit of CDR {before.id}, which is {original.state} by now"
        return reason, ResultCode.INVALID_ID
    id, name = same_id(cdr.id), owner_key(owner)
    after = replace(cdr, id=before.id)
    work.tx.cdrs.move(credit.owner, credit.id, (_OPEN,), _USED, by=work.by)
    item = _item(after, owner, home)
    work.tx.cdrs.move(name, original.id, CHANGEABLE, "revised", by=work.by, item=item)
    work.tx.cdrs.add(name, {id: cdr_item(cdr, None)}, work.by, by=work.by)
    follows(work, name, id, original.id)
    told(work, home, Told(name, original.id, after, CdrState.REVISED, before))
    return None


def alone(work: Work, place: str) -> None:
    """Nothing has followed a credit: a declined CDR is given up."""
    owner, _, id = place.partition("/")
    credit = work.tx.objects.get("cdr", owner, id)
    if credit is None or credit.state != _OPEN:
        return
    cdr = unpack(Cdr, credit.body)
    original = original_of(work, owner, cdr.credit_reference_id or "")
    home = work.directory.parties.get(original.sort_key or "") if original else None
    if original is None or home is None or original.state != "declined":
        return
    work.tx.cdrs.move(owner, id, (_OPEN,), _USED, by=work.by)
    work.tx.cdrs.move(owner, original.id, DECLINED, "rejected", by=work.by)
    before = unpack(Cdr, original.body)
    told(work, home, Told(owner, original.id, before, CdrState.REJECTED, before))
