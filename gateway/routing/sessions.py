"""Sessions: what a visited-CSO tells of them, to the home-CSP that they belong to.

Source: OCPI 2.2.1, Sessions module.
Rules: a session that is completed or invalid does not become active again; updates reach the
home-CSP in the order in which they came.
"""

from msgspec.structs import replace

from gateway.model.charging import Session, SessionState
from gateway.model.message import Receipt, ResultCode, SessionList, SessionQuery, SessionUpload
from gateway.routing.home import provider_of
from gateway.routing.ledger import of_session
from gateway.routing.location_lists import NO_RELATION
from gateway.routing.parties import CPO_SIDE
from gateway.routing.records import clean, owner_key, same_id, session_item, unpack
from gateway.routing.work import Refusals, Work
from gateway.store import Filter

_FINAL = frozenset({SessionState.COMPLETED, SessionState.INVALID})


def upload(work: Work, message: SessionUpload) -> Receipt:
    """Store what changed, owe it to the home-CSP."""
    refusals = Refusals()
    for session in message.sessions:
        _take(work, session, refusals)
    return refusals.receipt(len(message.sessions), "sessions")


def _take(work: Work, session: Session, refusals: Refusals) -> None:
    owner = clean(session.owner) if session.owner else work.sole_code()
    if reason := work.foreign(owner, CPO_SIDE):
        refusals.add(session.id, f"session {session.id}: {reason}")
        return
    assert owner is not None
    provider = provider_of(work, session.token)
    home = work.directory.home_of(provider, work.asker, "sessions", work.now, owner)
    if home is None:
        reason = f"nobody is connected for contract {session.token.contract_id}"
        refusals.add(session.id, f"session {session.id}: {reason}", ResultCode.ROAMING)
        return
    name, id = owner_key(owner), same_id(session.id)
    stored = work.tx.objects.get("session", name, id)
    if stored:
        old = unpack(Session, stored.body)
        if old.updated and session.updated and session.updated < old.updated:
            return
        if old.state in _FINAL and session.state not in _FINAL:
            refusals.add(
                session.id, f"session {session.id} is {old.state} already", ResultCode.FORMAT
            )
            return
    change = work.tx.objects.put("session", name, id, session_item(session, home.id), work.by)
    if change != "same":
        work.about_all(of_session(session))
        told = SessionUpload(sessions=(replace(session, owner=owner),))
        work.send(home, told, "session", f"{name}/{id}", f"session {name}/{id}")


def query(work: Work, message: SessionQuery) -> SessionList:
    """The sessions of the caller's customers; its own, asked for by ``owner``."""
    owner = clean(message.owner) if message.owner else None
    own = owner is not None and work.directory.speaks_for(work.asker, owner, CPO_SIDE)
    if not own and not work.related("sessions", CPO_SIDE):
        return SessionList(result=NO_RELATION)
    if message.id is not None:
        names = [owner_key(owner)] if owner else list(work.tx.objects.owners("session"))
        found = (work.tx.objects.get("session", name, same_id(message.id)) for name in names)
        rows = [row for row in found if row and (own or row.sort_key == work.asker.id)]
        total = len(rows)
    else:
        wanted = Filter(
            owners=None if owner is None else [owner_key(owner)],
            since=message.since,
            until=message.until,
            key=None if own else ("to", [work.asker.id]),
        )
        rows, total = work.listed("session", wanted, message.page)
    return SessionList(sessions=tuple(unpack(Session, row.body) for row in rows), total=total)
