"""Charge detail records: the list for who pays, and the post of who bills.

Source: OCPI 2.2.1, CDRs module, Sender and Receiver interfaces.
Rules: a CDR is posted once and never changed. Posting it again gives the same ``Location`` and
changes nothing; one that differs is refused, because a CDR is corrected by a credit CDR and a new
one.
Limits: ``last_updated`` is not compared, since several peers set it to now on every export.
"""

from typing import Any

from msgspec.structs import replace

from adapters.ocpi.envelope import Declined, Reply
from adapters.ocpi.merge import same
from adapters.ocpi.paging import segment
from adapters.ocpi.serving import Asked, accepted, missing, page, window
from adapters.ocpi.settings import party_of
from gateway.errors import Inexpressible, Problem
from gateway.model.base import PartyId
from gateway.model.charging import Cdr
from gateway.model.message import CdrQuery, CdrUpload


async def get_list(asked: Asked) -> Reply:
    """CDRs for this partner."""
    wanted = window(asked, "cdrs")
    found = await asked.ask(
        CdrQuery(
            since=wanted.since,
            until=wanted.until,
            owner=asked.directed,
            page=wanted.page,
            peek=asked.head,
        )
    )
    return page(asked, wanted, "cdr", found.cdrs, found, lambda item: item.id)


async def get_stored(asked: Asked) -> Reply:
    """A CDR that the partner posted, at the URL that it was told."""
    owner, wanted = asked.owner(), asked.params["cdr"]
    known = await _known(asked, owner, wanted)
    if known is None:
        raise missing("cdr", f"CDR {wanted!r}")
    return Reply(data=asked.json("cdr", known))


async def post_cdr(asked: Asked) -> Reply:
    body = asked.content()
    owner = _owner(asked, body)
    cdr: Cdr = asked.codec.decode("cdr", body)
    async with asked.desk.alone(asked.partner, f"cdr/{owner}/{cdr.id.lower()}"):
        known = await _known(asked, owner, cdr.id)
        location = {"Location": address(asked.public_url, owner, known.id if known else cdr.id)}
        if known is not None:
            differs = _content(asked, known) != _content(
                asked, replace(cdr, id=known.id, owner=owner)
            )
            if differs:
                reason = "known already with other content: send a credit CDR and a new one"
                raise Declined(2001, reason, headers=location)
            # the very same again has no effect, but its request is kept before it is answered
            accepted(await asked.ask(CdrUpload(cdrs=(known,))))
            return Reply(headers=location, message="known already; unchanged")
        accepted(await asked.ask(CdrUpload(cdrs=(replace(cdr, owner=owner),))))
    return Reply(status=asked.created(True), headers=location)


def address(public_url: str, owner: PartyId, id_: str) -> str:
    """Where a CDR can be fetched again by who posted it."""
    path = "/".join(map(segment, (owner.country, owner.code, id_)))
    return f"{public_url}/ocpi/2.2.1/receiver/cdrs/{path}"


def _owner(asked: Asked, body: dict[str, Any]) -> PartyId:
    """The party that bills; it has to be one of the caller's (or the caller a hub)."""
    try:
        found = party_of(str(body.get("country_code")), str(body.get("party_id")))
    except ValueError as error:
        raise Declined(2001, Problem("/party_id", str(error))) from None
    if found not in asked.partner.parties and "hub" not in asked.partner.roles:
        raise Declined(
            2001, Problem("/party_id", f"{found} is no party of the caller"), rule="foreign-party"
        )
    return found


async def _known(asked: Asked, owner: PartyId, wanted: str) -> Cdr | None:
    found = await asked.ask(CdrQuery(mine=True, id=wanted, owner=owner))
    return next((cdr for cdr in found.cdrs if same(cdr.id, wanted)), None)


def _content(asked: Asked, cdr: Cdr) -> Any:
    try:
        said = dict(asked.plain_json("cdr", cdr))
    except Inexpressible:
        return None
    said.pop("last_updated", None)
    return {name: value for name, value in said.items() if value is not None and value != []}
