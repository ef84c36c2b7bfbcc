"""The HTTP interface of OCPI 2.2.1: who is asking, which route, and the envelope around it all.

Source: OCPI 2.2.1, transport chapter. Order of the checks: token (401), path (404), method (405),
media type (415), registration tokens outside versions and credentials (401), routing headers (2001,
4001), then the route's own function.
Limits: an error that is none of ``gateway.errors`` is ours: 3000, and the caller is told no more.
Why: an unknown caller learns nothing, not even which paths exist.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from adapters.ocpi import registration, trace
from adapters.ocpi.auth import candidates
from adapters.ocpi.codec import Codec, context
from adapters.ocpi.envelope import Declined, Reply, refusal, write
from adapters.ocpi.paging import read_query
from adapters.ocpi.routes import Route, match
from adapters.ocpi.serving import Asked
from adapters.ocpi.settings import Settings, settings
from gateway.adapter import Desk, FetchFor, Partner, Served
from gateway.errors import ConfigError, GatewayError, StoreUnavailable, Untrusted
from gateway.http import Request, Response, media_type
from gateway.mapping.context import NoFacts
from gateway.model.base import PartyId
from gateway.step import STEP

PROTOCOL = "ocpi-2.2.1"
PREFIX = "/ocpi"
UNKNOWN = "no token, or an unknown one"
_SEGMENT = 255
_JSON = re.compile(r"((application|text)/([a-z0-9.-]+\+)?json|text/plain)?")
"""Media types of bodies: JSON in any spelling, or none that says otherwise."""


class _Caller:
    """What is known of a request's sender, as far as it came."""

    def __init__(self, served: Served, desk: Desk) -> None:
        self.served, self.desk = served, desk

    route: Route | None = None
    to: PartyId | None = None
    sender: PartyId | None = None


class _Known(NamedTuple):
    """What is known of a sender with a good token."""

    state: registration.Registration
    slot: str


class Service:
    """Answers everything below ``/ocpi``."""

    def __init__(self, desk: Desk, fetch_for: FetchFor, public_url: str, codec: Codec) -> None:
        self._desk, self._fetch_for, self._codec = desk, fetch_for, codec
        self._public_url = public_url.rstrip("/")
        self._settings: dict[str, tuple[Mapping[str, Any], Settings]] = {}

    async def __call__(self, request: Request, served: Served | None = None) -> Response:
        """The response to one request; never raises."""
        served = served or Served()
        caller = _Caller(served, served.desk or self._desk)
        return await self._response_of(self._answer(request, caller), request, caller)

    async def begun(self, request: Request, served: Served) -> Response | None:
        """What refuses a long request by its head; see ``RestService``. Signature and share are
        for when it is whole."""
        caller = _Caller(served, self._desk)

        async def look() -> Reply:
            partner, token = await self._identify(request, caller.desk)
            await self._known(partner, token, recent=True)
            caller.served.partner = partner
            self._find(request, caller)
            return Reply()

        response = await self._response_of(look(), request, caller)
        return None if served.error is None else response

    async def _response_of(
        self, answer: Awaitable[Reply], request: Request, caller: _Caller
    ) -> Response:
        served = caller.served
        request_id, served.correlation_id = trace.ids(request.headers)
        headers = {trace.REQUEST_ID: request_id, trace.CORRELATION_ID: served.correlation_id}
        try:
            reply = await answer
            await STEP
        except (ConfigError, StoreUnavailable) as error:
            served.error, reply = error, _unable(error)
        except GatewayError as error:
            served.error = error
            reply = refusal(error, caller.route.object if caller.route else "")
        except Exception as error:  # noqa: BLE001 - a fault of ours; who logs the call tells it
            served.error = error
            reply = refusal(GatewayError("internal error"))
        response = self._response(reply, caller, headers)
        if served.keep is not None and isinstance(response.body, bytes):
            try:
                await served.keep(response.status, response.body)
            except StoreUnavailable as error:
                served.error = error
                response = self._response(_unable(error), caller, headers)
        return response

    def _response(self, reply: Reply, caller: _Caller, headers: dict[str, str]) -> Response:
        partner = caller.served.partner
        facts = caller.desk.facts(partner) if partner else NoFacts()
        if partner and caller.route and caller.route.functional:
            headers = headers | self._answer_route(caller)
        return write(reply, facts.now(), headers)

    async def _known(self, partner: Partner, token: str, *, recent: bool = False) -> _Known:
        """Of a token that is good: at this moment, or (``recent``) some seconds ago."""
        state = await registration.recall(self._desk, partner, recent=recent)
        slot = state.slot(token, self.options(partner))
        if slot is None and recent:
            return await self._known(partner, token)
        if slot is None:
            raise _unauthorized("this token is not good any longer", "token-old")
        return _Known(state, slot)

    @staticmethod
    def _find(request: Request, caller: _Caller) -> tuple[Route, Mapping[str, str]]:
        """The route and the parameters of its path."""
        found = match(segments(request.path))
        if found is None:
            raise Declined(2000, "there is nothing at this path", 404, rule="not-found")
        route = found.routes.get(request.method)
        if route is None:
            allowed = ", ".join(sorted(found.routes))
            raise Declined(
                2000,
                f"{request.method} is not possible here",
                405,
                {"Allow": allowed},
                "method-not-allowed",
            )
        caller.route = route
        caller.served.operation, caller.served.object = str(route), route.object
        if request.body and (why := not_taken(request.headers)):
            raise Declined(2000, why, 415, rule="media-type")
        return route, found.params

    async def _answer(self, request: Request, caller: _Caller) -> Reply:
        partner, token = await self._identify(request, caller.desk)
        state, slot = await self._known(partner, token, recent=True)
        await STEP
        caller.served.partner = partner
        if caller.served.admit:
            await caller.served.admit(partner)
        route, params = self._find(request, caller)
        if not route.functional:
            # whoever changes a registration has to know how it is; what opens one is good once
            state, slot = await self._known(partner, token)
        if state.seen(token) != state:
            state = await registration.change(self._desk, partner, lambda now: now.seen(token))
        if route.functional:
            if slot == registration.REGISTRATION:
                raise _unauthorized(
                    "a registration token opens versions and credentials only", "token-registration"
                )
            self._route(request, partner, self.options(partner), caller)
        ctx = context(caller.desk.facts(partner), partner)
        reply = await route.function(
            Asked(
                desk=caller.desk,
                fetch=self._fetch_for(partner),
                codec=self._codec,
                partner=partner,
                options=self.options(partner),
                registration=state,
                token=token,
                slot=slot,
                public_url=self._public_url,
                head=request.method == "HEAD",
                path=request.path.rstrip("/"),
                params=params,
                query=read_query(request.query),
                body=request.body,
                correlation_id=caller.served.correlation_id,
                ctx=ctx,
                to=caller.to,
                sender=caller.sender,
                read_json=caller.served.read_json,
            )
        )
        if ctx.notes:
            caller.desk.report(partner, caller.served.correlation_id, ctx.notes)
        return reply

    async def _identify(self, request: Request, desk: Desk) -> tuple[Partner, str]:
        """The partner and the token that it presented, of the readings of its header."""
        presented = candidates(request.headers.get("authorization"))
        found = await self._presenting(presented, desk)
        if not found and presented:
            found = await self._presenting(presented, desk, anew=True)
        if not found or len({partner.id for partner, _ in found}) > 1:
            raise _unauthorized(UNKNOWN, "token")
        return found[0]

    async def _presenting(
        self, presented: tuple[str, ...], desk: Desk, *, anew: bool = False
    ) -> list[tuple[Partner, str]]:
        found: list[tuple[Partner, str]] = []
        for place, candidate in enumerate(presented):
            try:
                partner = await desk.identify(PROTOCOL, (candidate,), anew=anew and not place)
            except Untrusted as error:  # a good token over a connection that is not the partner's
                raise _unauthorized(UNKNOWN, getattr(error, "code", "connection")) from error
            if partner is not None:
                found.append((partner, candidate))
        return found

    def options(self, partner: Partner) -> Settings:
        """The partner's settings, read once per configuration."""
        known = self._settings.get(partner.id)
        if known is None or known[0] is not partner.options:
            known = self._settings[partner.id] = (partner.options, settings(partner.options))
        return known[1]

    def _route(
        self, request: Request, partner: Partner, options: Settings, caller: _Caller
    ) -> None:
        """Check the routing headers: who sends, and whether we are who shall receive."""
        caller.sender = trace.read_route(request.headers, "from")
        to = trace.read_route(request.headers, "to")
        if caller.sender not in (None, *partner.parties) and "hub" not in partner.roles:
            raise Declined(
                2001, f"OCPI-from: {caller.sender} is no party of the caller", rule="foreign-party"
            )
        if to is not None and to not in {own.party for own in options.we}:
            hub = any(own.role == "HUB" for own in options.we)
            if not hub or self._desk.facts(partner).party_name(to) is None:
                raise Declined(4001, f"OCPI-to: {to} is not known here", rule="unknown-receiver")
        caller.to = to

    def _answer_route(self, caller: _Caller) -> dict[str, str]:
        """The routing headers of an answer: those of the request, swapped."""
        partner = caller.served.partner
        assert partner is not None
        own = self.options(partner).we
        return trace.write_route(
            caller.sender or next(iter(partner.parties), None),
            caller.to or (own[0].party if own else None),
        )


def not_taken(headers: Mapping[str, str]) -> str | None:
    """Why a body with these header fields is not taken; None: it is."""
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        return f"Content-Encoding {coding[:60]!r} is not supported"
    media = media_type(headers)
    return None if _JSON.fullmatch(media) else f"Content-Type {media[:60]!r} is not JSON"


def _unable(error: GatewayError) -> Reply:
    """It is ours that is wrong, and for now."""
    told = refusal(error)
    return Reply(code=told.code, status=told.status, message="not able to answer now")


def _unauthorized(reason: str, rule: str) -> Declined:
    return Declined(2000, reason, 401, {"WWW-Authenticate": "Token"}, rule)


def segments(path: str) -> tuple[str, ...]:
    """The decoded segments below ``/ocpi``; slashes at the end do not count.

    >>> segments("/ocpi/2.2.1/sender/locations/DE%2AACM%2F1//")
    ('2.2.1', 'sender', 'locations', 'DE*ACM/1')
    """
    _, _, rest = path.partition(f"{PREFIX}/")
    try:
        found = tuple(unquote(part, errors="strict") for part in rest.rstrip("/").split("/"))
    except UnicodeDecodeError:
        raise Declined(2001, "the path is no UTF-8", 404) from None
    if any(len(part) > _SEGMENT or not part.isprintable() for part in found):
        raise Declined(2001, "the path has a segment that is no id", 404)
    return found


def service(
    desk: Desk, fetch_for: FetchFor, public_url: str, codec: Codec
) -> Callable[[Request], Awaitable[Response]]:
    """The handler of everything below ``/ocpi``."""
    return Service(desk, fetch_for, public_url, codec)
