"""How a home-CSP is told of a CDR, and under which id.

Source: OCHP 1.4, CdrId (1 to 36 letters and digits, unique with the operator's id in front) and
status of a CDR; OCPI 2.2.1, credit CDRs.
Rules: who revises under the same id gets the CDR with its state; who does not gets the CDR, then
for each revision a credit and a new one (``X-C``, ``X-R1``), each of which is kept as it was told.
Why: an id that a list cannot hold is replaced here and kept as a second key, because the home-CSP's
decision comes back with that id.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from typing import NamedTuple

from msgspec.structs import replace

from gateway.model.base import PartyId
from gateway.model.charging import Cdr, CdrState
from gateway.model.message import CdrDecisions, CdrRef, CdrUpload
from gateway.routing import revisions
from gateway.routing.home import plain, provider_of
from gateway.routing.parties import Party
from gateway.routing.records import cdr_item, party_of, same_id, unpack
from gateway.routing.work import Work
from gateway.store import CdrState as State
from gateway.store import Object

CHANGEABLE: tuple[State, ...] = ("accepted", "declined", "revised")
"""States in which a CDR can be revised."""
UNDECIDED: tuple[State, ...] = ("accepted", "revised")
"""States in which it waits for the home-CSP's decision."""
DECLINED: tuple[State, ...] = ("declined",)
_LISTED = re.compile(r"[0-9A-Z]{1,36}")


class Told(NamedTuple):
    """What happened to a CDR: where it is stored, its content now, its state, what it was."""

    owner: str
    id: str
    cdr: Cdr
    state: CdrState
    before: Cdr | None = None


def list_id(owner: PartyId, id: str, *, listed: bool) -> str:
    """The id of a CDR in a list: its own where that is possible and unique, else a surrogate.

    ``listed``: it comes from a list itself. A surrogate is the operator's code and a hash.

    >>> list_id(PartyId(country="NL", code="TNM"), "NLTNM0001", listed=False)
    'NLTNM0001'
    >>> list_id(PartyId(country="NL", code="TNM"), "cdr-1", listed=False)
    'NLTNMIZV5PLO2WMSTNJKLVAJ2OJPV4AWR6MM'
    """
    prefix, upper = owner.country + owner.code, id.upper()
    if _LISTED.fullmatch(upper) and (listed or upper.startswith(prefix)):
        return upper
    digest = hashlib.sha256(upper.encode()).digest()
    return prefix + base64.b32encode(digest).decode()[: 36 - len(prefix)]


def told(work: Work, home: Party, about: Told) -> None:
    """Owe the home-CSP what happened; count it as approved where nobody is going to say so."""
    if home.habits.revises_cdrs:
        stored = None
        if work.pushes(home, "cdrs"):
            stored = work.tx.objects.get("cdr", about.owner, about.id)
        state = CdrState.NEW if about.state is CdrState.ACCEPTED else about.state
        if stored:
            _send(work, home, about, for_list(work, stored, state))
    else:
        for cdr in _as_told(work, about):
            ref = plain(work, cdr.token)
            token = replace(ref, owner=ref.owner or provider_of(work, ref))
            # said once, so that the same CDR is the same whenever it is sent again
            at = cdr.updated or work.now
            home_form = replace(cdr, owner=party_of(about.owner), token=token, updated=at)
            item = cdr_item(home_form, home.id)
            work.tx.objects.put("sent_cdr", about.owner, same_id(cdr.id), item, work.by)
            if about.state is CdrState.REVISED and not cdr.credit:
                follows(work, about.owner, cdr.id, about.id)
            _send(work, home, about, home_form)
    if not home.habits.decides_cdrs and about.state is not CdrState.REJECTED:
        sender = work.caller
        if sender and sender.policy.confirm == "immediate":
            confirm(work, about.owner, about.id, "immediate")


def for_list(work: Work, stored: Object, state: CdrState) -> Cdr:
    """A stored CDR as it stands in a list."""
    cdr, owner = unpack(Cdr, stored.body), party_of(stored.owner)
    sender = work.directory.parties.get(stored.source)
    listed = sender is not None and sender.habits.revises_cdrs
    return replace(cdr, id=list_id(owner, cdr.id, listed=listed), owner=owner, state=state)


def _as_told(work: Work, about: Told) -> Iterator[Cdr]:
    """The records that say it to who knows no revisions."""
    if about.state is CdrState.ACCEPTED:
        yield replace(about.cdr, state=None)
        return
    number = revision(work, about.owner, about.id)
    if about.state is CdrState.REVISED and about.before:
        yield revisions.credit_of(about.before, revisions.revision_id(about.before.id, number - 1))
        yield revisions.revision_of(about.cdr, number)
    elif about.state is CdrState.REJECTED and about.before:
        yield revisions.credit_of(about.before, revisions.revision_id(about.before.id, number))


def revision(work: Work, owner: str, id: str) -> int:
    """How often a CDR was revised."""
    return sum(step.to_state == "revised" for step in work.tx.cdrs.history(owner, id))


def _send(work: Work, home: Party, about: Told, cdr: Cdr) -> None:
    place = f"{about.owner}/{about.id}"
    work.send(home, CdrUpload(cdrs=(cdr,)), "cdr", place, f"cdr {place}")


# -- decisions -------------------------------------------------------------------------------


def confirm(work: Work, owner: str, id: str, when: str) -> None:
    """Approve a CDR for a home-CSP that says nothing, if the policy for its sender says now."""
    stored = work.tx.objects.get("cdr", owner, id)
    if stored is None:
        return
    sender = work.directory.parties.get(stored.source)
    if sender and sender.policy.confirm == when:
        decide(work, stored, approved=True)


def decide(work: Work, stored: Object, *, approved: bool) -> bool:
    """Set the home-CSP's decision, owe it to a sender that is to be told; False: not possible."""
    state: State = "approved" if approved else "declined"
    moved = work.tx.cdrs.move(stored.owner, stored.id, UNDECIDED, state, by=work.by)
    if not moved:
        return stored.state == state
    sender = work.directory.parties.get(stored.source)
    if sender and sender.habits.decides_cdrs and sender.id != work.by:
        cdr = unpack(Cdr, stored.body)
        ref = (CdrRef(cdr_id=cdr.id, evse_id=cdr.evse_id),)
        decisions = CdrDecisions(approved=ref) if approved else CdrDecisions(declined=ref)
        place = f"{stored.owner}/{stored.id}"
        work.send(sender, decisions, "cdr", place, f"cdr {place}")
    return True


def taken(work: Work, owner: str, id: str) -> None:
    """The home-CSP has taken what it was told under an id: by that the CDR may be approved.

    Only the last that it was told of a CDR counts: an original that arrives while its revision is
    on the way says nothing about the revision.
    """
    stored = original(work, owner, id)
    if stored is None:
        return
    home = work.directory.parties.get(stored.sort_key or "")
    last = revisions.revision_id(unpack(Cdr, stored.body).id, revision(work, owner, stored.id))
    if home and not home.habits.decides_cdrs and same_id(id) == same_id(last):
        confirm(work, owner, stored.id, "after")


# -- ids that stand for the same CDR ---------------------------------------------------------

_ORIGINAL = "cdr-original"


def original(work: Work, owner: str, id: str) -> Object | None:
    """The CDR that an id stands for, under the id that it had first."""
    found = same_id(id)
    while earlier := work.tx.ids.canonical(owner, _ORIGINAL, found):
        found = earlier
    return work.tx.objects.get("cdr", owner, found)


def follows(work: Work, owner: str, id: str, first: str) -> None:
    """From now on ``id`` stands for the CDR ``first`` too. The ids of a CDR are a chain."""
    latest = same_id(first)
    while later := work.tx.ids.foreign(owner, _ORIGINAL, latest):
        latest = later
    if latest != same_id(id):
        work.tx.ids.canonical_for(owner, _ORIGINAL, same_id(id), latest)
