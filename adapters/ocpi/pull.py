"""Questions to an OCPI partner: its lists and single objects, and may this token charge.

Source: OCPI 2.2.1, GET of the Sender interfaces; POST authorize.
Rules: an object of a list that breaks OCPI is left out, and the result says so: partly.
Limits: only locations have a single GET; other objects are found in their list. A list of sessions
always has a ``date_from``. OCPI has no list of live status: it is read off the locations. What a
partner holds of our CDRs can be asked one by one, at the URL that it gave.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from msgspec.structs import replace

from adapters.ocpi.crawl import Crawl
from adapters.ocpi.envelope import an_object, code, read
from adapters.ocpi.merge import same
from adapters.ocpi.paging import CEILINGS, segment
from adapters.ocpi.push import cdr_key
from adapters.ocpi.settings import origin
from adapters.ocpi.talk import Talk
from gateway.errors import BadAnswer, Inexpressible, Malformed, UnknownId
from gateway.http import HttpAnswer
from gateway.model.base import PartyId
from gateway.model.charging import CdrState
from gateway.model.location import Location
from gateway.model.message import (
    OK,
    AuthorisationQuery,
    AuthorisationReply,
    CdrList,
    CdrQuery,
    LocationList,
    LocationQuery,
    Page,
    Result,
    ResultCode,
    SessionList,
    SessionQuery,
    StatusList,
    StatusQuery,
    StatusScope,
    TariffList,
    TariffQuery,
    TokenList,
    TokenQuery,
)
from gateway.model.status import EvseStatus
from gateway.model.token import Allowed

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Listed(NamedTuple):
    """Objects of a partner's list, and what could not be read."""

    items: tuple[Any, ...]
    total: int | None
    faults: tuple[str, ...]

    @property
    def result(self) -> Result:
        if not self.faults:
            return OK
        text = f"{len(self.faults)} left out: {'; '.join(self.faults)}"
        return Result(code=ResultCode.PARTLY, text=text[:1000])


async def _list(
    talk: Talk,
    module: str,
    name: str,
    *,
    since: datetime | None,
    until: datetime | None,
    owner: PartyId | None,
    page: Page | None,
) -> Listed:
    async def get(url: str) -> HttpAnswer:
        return await talk.send("GET", url, to=talk.to(owner), sender=talk.sender())

    limit = talk.options.page_limit or CEILINGS[module]
    maximum = page.limit if page else None
    crawl = Crawl(
        get,
        talk.endpoint(module, "SENDER"),
        since,
        until,
        min(limit, maximum or limit),
        page.offset if page else 0,
        maximum,
    )
    await crawl.run()
    items, faults = _decoded(talk, name, crawl.items[:maximum])
    mine = tuple(item for item in items if owner is None or item.owner in (None, owner))
    total = crawl.total if len(mine) == len(items) else None
    return Listed(mine, total, faults)


def _decoded(talk: Talk, name: str, values: Sequence[Any]) -> tuple[list[Any], tuple[str, ...]]:
    items, faults = [], []
    for place, value in enumerate(values):
        try:
            items.append(talk.codec.decode(name, value))
        except Malformed as error:
            known = value if isinstance(value, dict) else {}
            faults.append(f"{known.get('id') or known.get('uid') or '?'}: {error}"[:300])
            talk.ctx.dropped(f"{name}s/{place}", "refused", faults[-1])
    return items, tuple(faults)


async def locations(talk: Talk, query: LocationQuery) -> LocationList:
    """The list, or the one location named by its id."""
    if query.id is not None:
        found = await _location(talk, query.id, query.owner)
        mine = tuple(item for item in found if query.owner in (None, item.owner))
        return LocationList(locations=mine, total=len(mine))
    listed = await _list(
        talk,
        "locations",
        "location",
        since=query.since,
        until=query.until,
        owner=query.owner,
        page=query.page,
    )
    return LocationList(locations=listed.items, total=listed.total, result=listed.result)


async def _location(talk: Talk, id_: str, owner: PartyId | None) -> tuple[Location, ...]:
    named = talk.facts.wire_id("location", id_) or id_
    address = f"{talk.endpoint('locations', 'SENDER')}/{segment(named)}"
    try:
        value = an_object(await talk.call("GET", address, to=talk.to(owner), sender=talk.sender()))
        return (talk.codec.decode("location", value),)
    except UnknownId:
        return ()
    except Malformed as error:
        raise BadAnswer(error.problems) from None


async def status(talk: Talk, query: StatusQuery) -> StatusList:
    """The states of the EVSEs of all locations that changed."""
    if query.scope is StatusScope.PARKING:
        raise Inexpressible("OCPI 2.2.1 has no status of parking spots")
    listed = await _list(
        talk, "locations", "location", since=query.since, until=None, owner=None, page=None
    )
    states = tuple(
        EvseStatus(
            evse_id=evse.evse_id,
            evse_uid=evse.uid,
            location_id=location.id,
            state=evse.state,
            updated=evse.updated,
        )
        for location in listed.items
        for evse in location.evses
        if query.since is None or evse.updated is None or evse.updated >= query.since
    )
    return StatusList(evses=states, result=listed.result)


async def tariffs(talk: Talk, query: TariffQuery) -> TariffList:
    listed = await _named(talk, "tariffs", "tariff", query, query.id, "id")
    return TariffList(tariffs=listed.items, total=listed.total, result=listed.result)


async def tokens(talk: Talk, query: TokenQuery) -> TokenList:
    listed = await _named(talk, "tokens", "token", query, query.uid, "uid")
    return TokenList(tokens=listed.items, total=listed.total, result=listed.result)


async def sessions(talk: Talk, query: SessionQuery) -> SessionList:
    asked = replace(query, since=query.since or _EPOCH)
    listed = await _named(talk, "sessions", "session", asked, query.id, "id")
    return SessionList(sessions=listed.items, total=listed.total, result=listed.result)


async def cdrs(talk: Talk, query: CdrQuery) -> CdrList:
    if query.mine:
        return await _posted(talk, query)
    if query.state not in (None, CdrState.NEW, CdrState.ACCEPTED):
        raise Inexpressible(f"OCPI has no CDRs that are {query.state}")
    listed = await _named(talk, "cdrs", "cdr", query, query.id, "id")
    return CdrList(cdrs=listed.items, total=listed.total, result=listed.result)


async def _named(
    talk: Talk, module: str, name: str, query: Any, wanted: str | None, key: str
) -> Listed:
    """A list, or what is left of it for one id."""
    listed = await _list(
        talk,
        module,
        name,
        since=query.since,
        until=query.until,
        owner=query.owner,
        page=None if wanted else query.page,
    )
    if wanted is None:
        return listed
    named = talk.facts.wire_id(name, wanted) or wanted
    items = tuple(item for item in listed.items if same(getattr(item, key), named))
    return Listed(items, len(items), listed.faults)


async def _posted(talk: Talk, query: CdrQuery) -> CdrList:
    """A CDR of ours, as the partner holds it."""
    if query.id is None or query.owner is None:
        raise Inexpressible("the CDRs that a partner holds can only be asked for one by one")
    named = talk.facts.wire_id("cdr", query.id) or query.id
    key = cdr_key(query.owner.country, query.owner.code, named)
    posted = await talk.desk.recall(talk.partner, key)
    address = (posted or {}).get("url")
    if address is None or origin(address) != origin(talk.endpoint("cdrs", "RECEIVER")):
        return CdrList(total=0)
    answer = await talk.send("GET", address, to=talk.to(), sender=talk.sender(query.owner))
    try:
        cdr = talk.codec.decode("cdr", an_object(read(answer)))
    except UnknownId:
        return CdrList(total=0)
    except Malformed as error:
        raise BadAnswer(error.problems) from None
    return CdrList(cdrs=(cdr,), total=1)


async def authorisation(talk: Talk, query: AuthorisationQuery) -> AuthorisationReply:
    """May this token charge? Unknown is an answer; 2002 without a location is Inexpressible."""
    question = talk.encode("question", query)
    address = f"{talk.endpoint('tokens', 'SENDER')}/{segment(question['token_uid'])}/authorize"
    place = question.get("location")
    answer = await talk.send(
        "POST",
        f"{address}?type={question['type']}",
        *([place] if place else []),
        to=talk.to(query.token.owner),
        sender=talk.sender(),
    )
    if code(answer) == 2002:
        raise Inexpressible("the home-CSP needs to know where")
    try:
        return talk.codec.decode("authorisation", an_object(read(answer)))  # type: ignore[no-any-return]
    except UnknownId as error:
        unknown = Result(code=ResultCode.INVALID_ID, text=str(error) or None)
        return AuthorisationReply(allowed=Allowed.UNKNOWN_TOKEN, result=unknown)
    except Malformed as error:
        raise BadAnswer(error.problems) from None
