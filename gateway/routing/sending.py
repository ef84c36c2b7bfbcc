"""What a delivery says at the moment when it is sent, and what follows when it has been taken.

Why: of sites, status, tariffs and tokens the present state is sent, so a delivery holds references
only; an agreement that has ended in the meantime ends the delivery too.
"""

from collections.abc import Callable, Iterator, Mapping

from gateway.errors import UnknownId
from gateway.model.message import (
    CdrUpload,
    LocationUpload,
    Message,
    Receipt,
    ResultCode,
    StatusUpload,
    TariffRemoval,
    TariffUpload,
    TokenUpload,
)
from gateway.routing import (
    cdr_told,
    credits,
    live,
    live_lists,
    location_lists,
    locations,
    tariffs,
    tokens,
)
from gateway.routing.parties import Party
from gateway.routing.records import pack, party_of, same_id, unpack, unpack_message
from gateway.routing.work import MODULE_OF, RENEW, RESEND, SELF, Refs, Work
from gateway.store import Delivery, Object

Rows = list[Object]


def _locations(work: Work, party: Party, rows: Rows) -> Iterator[Message]:
    if found := tuple(location_lists.shown(work, party, rows)):
        yield LocationUpload(locations=found)


def _status(work: Work, party: Party, rows: Rows) -> Iterator[Message]:
    if found := tuple(live_lists.statuses(work, party, rows)):
        yield StatusUpload(evses=found)


def _parking(work: Work, party: Party, rows: Rows) -> Iterator[Message]:
    if found := tuple(live_lists.parkings(work, party, rows)):
        yield StatusUpload(parkings=found)


def _tariffs(work: Work, party: Party, rows: Rows) -> Iterator[Message]:
    removed = tuple(row.id for row in rows if row.deleted and party.habits.removes_tariffs)
    there = [row for row in rows if row.id not in removed]
    if found := tuple(tariffs.shown(party, there)):
        yield TariffUpload(tariffs=found)
    if removed:
        yield TariffRemoval(owner=party_of(rows[0].owner), ids=removed)


def _tokens(work: Work, party: Party, rows: Rows) -> Iterator[Message]:
    if found := tuple(tokens.told(party, rows)):
        yield TokenUpload(tokens=found)


_SAID: Mapping[str, Callable[[Work, Party, Rows], Iterator[Message]]] = {
    "location": _locations,
    "evse_status": _status,
    "parking_status": _parking,
    "tariff": _tariffs,
    "token": _tokens,
}


def references(delivery: Delivery) -> Refs | None:
    """What a delivery refers to; None when it holds the message itself."""
    return unpack(Refs, delivery.message[1:]) if delivery.message[:1] == b"@" else None


def packed(refs: Refs, id: str) -> bytes:
    """A delivery of one of several objects."""
    return b"@" + pack(Refs(kind=refs.kind, owner=refs.owner, ids=(id,)))


def messages(work: Work, party: Party, delivery: Delivery) -> list[Message]:
    """What is to be sent now; nothing when there is nothing left to say."""
    refs = references(delivery)
    if refs is None:
        return [unpack_message(delivery.message)]
    deleted = delivery.kind == "tariff"
    found = work.tx.objects.get_many(delivery.kind, refs.owner, refs.ids, deleted=deleted)  # type: ignore[arg-type]
    rows = [found[id] for id in refs.ids if id in found]
    module = MODULE_OF[delivery.kind]
    by_source: dict[str, Rows] = {}
    for row in rows:
        by_source.setdefault(row.source, []).append(row)
    said: list[Message] = []
    for source, mine in by_source.items():
        others = work.acceptors if module == "tokens" else work.receivers
        if any(each.id == party.id for each in others(refs.owner, source, module)):
            said += _SAID[delivery.kind](work, party, mine)
    return said


def refusal(reply: Message) -> tuple[ResultCode, str] | None:
    """Why a partner has not taken all that it was sent; None when it has."""
    if not isinstance(reply, Receipt):
        return None
    code = reply.result.code
    if code is ResultCode.OK and not reply.reasons:
        return None
    text = "; ".join(reply.reasons) or reply.result.text or ""
    refused = ", ".join(reply.cdrs or reply.sessions)
    return code, f"{code}: {text} {refused}".strip()


def was_taken(work: Work, delivery: Delivery) -> None:
    """What follows when a partner has taken a delivery."""
    if delivery.kind != "cdr" or references(delivery):
        return
    message = unpack_message(delivery.message)
    if isinstance(message, CdrUpload):
        owner = delivery.object_key.partition("/")[0]
        for cdr in message.cdrs:
            cdr_told.taken(work, owner, same_id(cdr.id))


DUE: Mapping[str, Callable[[Work, str], None]] = {
    live.LAPSE: live.lapse,
    RESEND: live.send_again,
    locations.TURN: locations.turn,
    tokens.EXPIRE: tokens.expire,
    RENEW: tokens.renew,
    credits.ALONE: credits.alone,
}
"""What the gateway owes to itself, by kind of delivery."""


def do_due(work: Work, delivery: Delivery) -> None:
    """Do what is due now."""
    assert delivery.party == SELF
    if delivery.kind not in DUE:
        raise UnknownId(f"{delivery.kind!r} is nothing that can be due")
    DUE[delivery.kind](work, delivery.object_key)
