"""What every route has at hand: one authenticated request, and the questions to the desk.

Source: OCPI 2.2.1, transport chapter: client owned objects, pagination, message routing.
What is relied on from ``Desk.ask(partner, message, correlation_id)``:

- A single object is asked for with ``id`` (a token with ``uid``) and, on the receiver interface,
  ``owner``; ids are found without regard to case. A query whose ``owner`` is a party of the asking
  partner gives what that partner uploaded itself (OCPI: GET so that the owner can compare).
- One ``Location`` per OCPI location, with all of its EVSEs; uploads replace the whole object.
- Lists are asked for with ``Page(offset, limit)``, in a stable order of creation; ``total`` counts
  all matches of the filter that this partner may see.
- Uploads are answered by ``Receipt``: result OK, or the refused object with its reason.
- ``StatusUpload`` sets the EVSE's state and its ``updated``, and raises the location's.
- ``CdrQuery(mine=True)`` finds what the partner posted, ``mine=False`` what it may fetch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.ocpi import paging
from adapters.ocpi.codec import Codec, encode_item
from adapters.ocpi.envelope import Declined, Reply, body_of
from adapters.ocpi.merge import same
from adapters.ocpi.registration import Registration
from adapters.ocpi.results import RESULTS, UNKNOWN
from adapters.ocpi.settings import Settings, party_of
from gateway.adapter import Desk, Fetch, Partner
from gateway.errors import Inexpressible, Problem
from gateway.mapping.context import Context, Facts
from gateway.mapping.kinds import parse_instant
from gateway.model.base import PartyId
from gateway.model.message import Message, Receipt, ResultCode


@dataclass(frozen=True)
class Asked:
    """One request of a known partner, on its way to the function of its route."""

    desk: Desk
    fetch: Fetch
    codec: Codec
    partner: Partner
    options: Settings
    registration: Registration
    token: str
    """The token that was presented, as it is."""
    slot: str
    public_url: str
    head: bool
    """Only the head of the answer goes out."""
    path: str
    params: Mapping[str, str]
    """The decoded path segments, by the names of the route."""
    query: Mapping[str, str]
    body: bytes
    correlation_id: str
    ctx: Context
    """What answers are written with; its notes are reported when the answer is ready."""
    to: PartyId | None = None
    sender: PartyId | None = None
    read_json: Callable[[bytes], Any] | None = None
    """Reads a body within the limits of its route."""

    @property
    def facts(self) -> Facts:
        return self.ctx.facts

    def content(self) -> dict[str, Any]:
        """The JSON object in the body; see ``envelope.body_of``."""
        return body_of(self.body, self.read_json)

    async def ask(self, message: Message) -> Any:
        return await self.desk.ask(self.partner, message, self.correlation_id)

    def json(self, name: str, obj: Any) -> Any:
        """An object as this partner gets it."""
        return self.codec.encode(name, obj, self.ctx)

    def plain_json(self, name: str, obj: Any) -> Any:
        """An object to be merged with a PATCH, as it came."""
        return self.codec.encode(name, obj, Context(facts=self.facts, quiet=True, verbatim=True))

    @property
    def directed(self) -> PartyId | None:
        """The one party of ours that is asked; None: all (open routing, or the hub is asked)."""
        hubs = {own.party for own in self.options.we if own.role == "HUB"}
        return None if self.to in hubs else self.to

    def owner(self) -> PartyId:
        """The party in the path of a receiver interface; 404 when it is none of the caller's."""
        try:
            found = party_of(self.params["country"], self.params["party"])
        except ValueError as error:
            raise Declined(2001, f"the path names no party: {error}", 404) from None
        if found not in self.partner.parties and "hub" not in self.partner.roles:
            raise Declined(2001, f"{found} is no party of the caller", 404, rule="foreign-party")
        return found

    def created(self, is_new: bool) -> int:
        """The HTTP status of a PUT or POST."""
        return 201 if is_new and not self.options.created_as_200 else 200


def missing(name: str, what: str) -> Declined:
    """There is no such object: HTTP 404 with the code that OCPI has for it."""
    return Declined(UNKNOWN.get(name, 2000), f"{what} is not known", 404)


def agree(body: Mapping[str, Any], owner: PartyId | None, **ids: str) -> None:
    """The ids in a body have to be those of the path (2001); what is absent the table tells."""
    expected = dict(ids)
    if owner is not None:
        expected |= {"country_code": owner.country, "party_id": owner.code}
    problems = [
        Problem(f"/{name}", f"{str(body[name])[:60]!r} is not {value!r} as in the path")
        for name, value in expected.items()
        if body.get(name) is not None and not same(body[name], value)
    ]
    if problems:
        raise Declined(2001, problems)


def changed(body: Mapping[str, Any]) -> datetime:
    """``last_updated`` of a PATCH; 2001 when it is missing or no instant."""
    try:
        if not isinstance(body.get("last_updated"), str):
            raise ValueError("is required in a PATCH")
        return parse_instant(body["last_updated"])
    except ValueError as error:
        raise Declined(2001, Problem("/last_updated", str(error))) from None


def stale(stored: datetime | None, sent: datetime | None) -> bool:
    """Whether a change is older than what is known."""
    return stored is not None and sent is not None and sent < stored


IGNORED = Reply(message="older than what is known; ignored")


def latest(*times: datetime | None) -> datetime | None:
    """The newest of some instants."""
    return max((time for time in times if time is not None), default=None)


def accepted(receipt: Receipt) -> None:
    """Nothing, or the reason why an uploaded object was not taken."""
    if receipt.result.code is ResultCode.OK and not receipt.reasons:
        return
    code = RESULTS[receipt.result.code] if receipt.result.code is not ResultCode.OK else 2001
    reasons = [Problem("", reason) for reason in receipt.reasons]
    raise Declined(code, reasons or receipt.result.text or f"not taken: {receipt.result.code}")


_LISTED = (ResultCode.OK, ResultCode.PARTLY, ResultCode.ROAMING)


def page(
    asked: Asked,
    window: paging.Window,
    name: str,
    items: Sequence[Any],
    found: Any,
    label: Callable[[Any], str],
) -> Reply:
    """A page of a list. What OCPI cannot say is left out, counted, and named in the message.

    ``found`` is the reply that has the items, its result and the total. Who has no relation to
    anybody gets an empty list and is told.
    """
    if found.result.code not in _LISTED:
        raise Declined(RESULTS[found.result.code], found.result.text or str(found.result.code))
    data, left_out = [], []
    for place, item in enumerate(items):
        try:
            data.append(encode_item(asked.codec, name, item, asked.ctx, f"{name}s", place))
        except Inexpressible as error:
            asked.ctx.dropped(f"{name}s/{place}", "inexpressible", str(error))
            left_out.append(f"{label(item)} ({error})")
    message = found.result.text
    if left_out:
        message = f"{len(left_out)} of {len(items)} left out: {'; '.join(left_out)}"[:1000]
    address = f"{asked.public_url}{asked.path}"
    return Reply(
        data=data,
        message=message,
        headers=paging.headers(address, asked.query, window, len(items), found.total),
    )


def window(asked: Asked, module: str, *, needs_from: bool = False) -> paging.Window:
    """The window of a list request."""
    ceiling = asked.options.page_limit or paging.CEILINGS[module]
    return paging.window(asked.query, ceiling, needs_from=needs_from)
