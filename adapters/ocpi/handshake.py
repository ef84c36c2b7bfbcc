"""Registration in both directions: who starts posts its credentials, the other side calls back.

Source: OCPI 2.2.1, credentials module; version information endpoint; 3001, 3002, 3003, 405.
Order: the starter reads versions and details, accepts its new token B, then posts it; the other
side reads the starter's versions and details with B before it answers with its own new token C.
So B must be good before the POST is sent, and both sides serve calls while they wait.
Limits: only the versions of ``VERSIONS`` are spoken; of others a partner learns by 3002.
"""

from typing import Any, NamedTuple

import msgspec

from adapters.ocpi import registration
from adapters.ocpi.auth import digest, new_token
from adapters.ocpi.calls import Line
from adapters.ocpi.envelope import Declined, a_list, an_object, read
from adapters.ocpi.registration import Registration
from adapters.ocpi.settings import Settings, origin, party, url
from gateway.adapter import Desk, Fetch, Partner
from gateway.errors import BadAnswer, ConfigError, GatewayError, Malformed, Problem, Refused
from gateway.model.base import PartyId

VERSIONS = ("2.2.1",)
"""What we speak, best first. 2.2 is not 2.2.1: its CdrToken has other fields."""

MODULES = ("cdrs", "locations", "sessions", "tariffs", "tokens")
"""The functional modules that are served and used."""


class Credentials(NamedTuple):
    """A partner's Credentials object, checked."""

    token: str
    url: str
    roles: tuple[dict[str, Any], ...]
    parties: frozenset[PartyId]


class Found(NamedTuple):
    """What a partner's version endpoints say."""

    version: str
    endpoints: dict[str, str]


def own_credentials(token: str, public_url: str, options: Settings) -> dict[str, Any]:
    """Our Credentials object for a partner; ``token`` is the one that it shall present."""
    if not options.we:
        raise ConfigError(Problem("we", "no role of ours towards this partner is configured"))
    absent = {"website": None, "logo": None} if options.explicit_nulls else {}
    return {
        "token": token,
        "url": f"{public_url}/ocpi/versions",
        "roles": [
            {
                "role": own.role,
                "country_code": own.party.country,
                "party_id": own.party.code,
                "business_details": {"name": own.name, **absent},
            }
            for own in options.we
        ],
    }


def read_credentials(body: dict[str, Any]) -> Credentials:
    """A Credentials object; raises Malformed with every problem."""
    problems: list[Problem] = []
    token, address, roles = body.get("token"), body.get("url"), body.get("roles")
    fine = isinstance(token, str) and 1 <= len(token) <= 64
    if not fine or not all("!" <= character <= "~" for character in str(token)):
        problems.append(Problem("/token", "is no token of 1 to 64 printable characters"))
    try:
        url(address)
    except ValueError as error:
        problems.append(Problem("/url", str(error)))
    parties = set()
    if not isinstance(roles, list) or not roles:
        problems.append(Problem("/roles", "is no list of at least one role"))
        roles = []
    for place, role in enumerate(roles):
        try:
            if not isinstance(role, dict) or not isinstance(role.get("role"), str):
                raise ValueError("is no object with a role")
            parties.add(party(f"{role.get('country_code')}{role.get('party_id')}"))
        except ValueError as error:
            problems.append(Problem(f"/roles/{place}", str(error)))
    if problems:
        raise Malformed(problems)
    return Credentials(str(token), str(address), tuple(roles), frozenset(parties))


async def discover(line: Line, address: str, options: Settings, correlation_id: str) -> Found:
    """A partner's best common version and its endpoints.

    Raises Declined 3002 (no common version) and 3003 (an endpoint that is needed is missing);
    otherwise as a call does.
    """
    _check_origin(address, options)
    offered: dict[str, Any] = {}
    for entry in a_list(read(await line.send("GET", address, correlation_id))):
        if isinstance(entry, dict) and isinstance(entry.get("version"), str):
            offered.setdefault(entry["version"], entry.get("url"))
    version = next((known for known in VERSIONS if known in offered), None)
    if version is None:
        shown = ", ".join(sorted(offered)) or "none"
        raise Declined(3002, f"no common version: {', '.join(VERSIONS)} here, {shown} there"[:500])
    try:
        at = url(offered[version])
    except ValueError as error:
        raise BadAnswer(Problem("/url", str(error))) from None
    _check_origin(at, options)
    details = an_object(read(await line.send("GET", at, correlation_id)))
    endpoints = _endpoints(details, options)
    missing = [
        name for name in options.needs if name not in {*endpoints, *(options.endpoints or {})}
    ]
    if missing:
        raise Declined(3003, f"endpoints missing: {', '.join(missing)}")
    return Found(version, endpoints)


def _endpoints(details: dict[str, Any], options: Settings) -> dict[str, str]:
    """``module/ROLE`` to URL. The role of ``credentials`` means nothing; unknown modules are left
    out; a known one that cannot be used is an error."""
    result: dict[str, str] = {}
    problems: list[Problem] = []
    listed = details.get("endpoints")
    for place, entry in enumerate(listed if isinstance(listed, list) else []):
        module = entry.get("identifier") if isinstance(entry, dict) else None
        if module not in (*MODULES, "credentials"):
            continue
        role = "SENDER" if module == "credentials" else entry.get("role")
        try:
            if role not in ("SENDER", "RECEIVER"):
                raise ValueError("has no role SENDER or RECEIVER")
            address = url(entry.get("url"))
            _check_origin(address, options)
            result.setdefault(f"{module}/{role}", address)
        except (ValueError, Refused) as error:
            problems.append(Problem(f"/endpoints/{place}", f"{module}: {error}"))
    if problems:
        raise BadAnswer(problems)
    if not result:
        raise BadAnswer(Problem("/endpoints", "lists no endpoint of a known module"))
    return result


def _check_origin(address: str, options: Settings) -> None:
    """Tokens go to origins that the operator has named, where any are named."""
    named = options.callback_origins or ((options.versions_url,) if options.versions_url else ())
    if named and origin(address) not in {origin(known) for known in named}:
        scheme, host, port = origin(address)
        raise Refused(f"{scheme}://{host}:{port} is no origin agreed with this partner")


# -- the partner starts ----------------------------------------------------------------------


async def accept(
    desk: Desk,
    fetch: Fetch,
    partner: Partner,
    options: Settings,
    presented: str,
    body: dict[str, Any],
    public_url: str,
    correlation_id: str,
) -> dict[str, Any]:
    """Answer a POST or PUT of credentials: call back, take over, hand out a new token.

    Raises Malformed, Declined 3001, 3002, 3003; then nothing has changed.
    """
    theirs = read_credentials(body)
    if partner.parties and "hub" not in partner.roles and not theirs.parties & {*partner.parties}:
        known = ", ".join(str(known) for known in partner.parties)
        raise Declined(2001, [Problem("/roles", f"none is of the party agreed, {known}")])
    line = Line(fetch, theirs.token, options)
    try:
        found = await discover(line, theirs.url, options, correlation_id)
    except Declined:
        raise
    except GatewayError as error:
        raise Declined(3001, f"your interface cannot be used: {error}") from None
    ours = new_token()
    result = own_credentials(ours, public_url, options)

    def taken(state: Registration) -> Registration:
        slot = state.slot(presented, options)
        if slot is None:
            raise Declined(2000, "another registration has gone before this one", 405)
        first = slot == registration.REGISTRATION
        return msgspec.structs.replace(
            _agreed(state, theirs, found, line),
            # a registration token is dead from now on; any other stays good until ours was seen
            secrets=(digest(ours),) if first else (digest(ours), digest(presented)),
            spent=(*state.spent, digest(presented)) if first else state.spent,
            pending=None,
        )

    await registration.change(desk, partner, taken)
    return result


def _agreed(state: Registration, theirs: Credentials, found: Found, line: Line) -> Registration:
    return msgspec.structs.replace(
        state,
        version=found.version,
        send=theirs.token,
        url=theirs.url,
        roles=theirs.roles,
        endpoints=found.endpoints,
        encoding=line.encoding if line.encoding != "auto" else None,
    )


async def forget(desk: Desk, partner: Partner) -> None:
    """Unregistered by either side: no token of this connection is good any longer."""
    await registration.change(desk, partner, lambda state: Registration(spent=state.spent))


# -- we start --------------------------------------------------------------------------------


async def start(
    desk: Desk,
    fetch: Fetch,
    partner: Partner,
    options: Settings,
    correlation_id: str,
) -> Registration:
    """Register with a partner, or renew the registration and both tokens when there is one.

    Raises ConfigError, Declined 3002 and 3003, Refused, Untrusted, Unreachable, BadAnswer; then
    the state is as before.
    """
    if not options.handshake:
        raise Refused("this partner's tokens are fixed by configuration")
    before = await registration.recall(desk, partner)
    token, address = present(before, options)
    line = Line(fetch, token, options, before.encoding)
    found = await discover(line, address, options, correlation_id)
    named = (options.endpoints or {}).get("credentials/SENDER")
    endpoint = named or found.endpoints.get("credentials/SENDER")
    if endpoint is None:
        raise Declined(3003, "endpoints missing: credentials")
    ours = new_token()
    body = own_credentials(ours, options.public_url, options)
    await registration.change(desk, partner, lambda state: state.with_pending(ours))
    theirs = None
    try:
        answer = await line.send(
            "PUT" if before.registered else "POST",
            endpoint.rstrip("/"),
            correlation_id,
            body=body,
        )
        try:
            theirs = read_credentials(an_object(read(answer)))
        except Malformed as error:
            raise BadAnswer(error.problems) from None
    finally:
        if theirs is None:
            await registration.change(desk, partner, lambda state: _undone(state, ours))
    agreed = theirs

    def taken(state: Registration) -> Registration:
        return msgspec.structs.replace(_agreed(state, agreed, found, line), pending=None)

    return await registration.change(desk, partner, taken)


def _undone(state: Registration, token: str) -> Registration:
    return state.without_pending() if state.pending == digest(token) else state


def outgoing(state: Registration, options: Settings) -> str | None:
    """The token that we present: as configured when tokens are fixed, else as agreed."""
    return (state.send if options.handshake else None) or options.token_out


def present(state: Registration, options: Settings) -> tuple[str, str]:
    """The token that we present now and the partner's versions endpoint; raises ConfigError."""
    token = outgoing(state, options)
    address = options.versions_url or state.url
    if token is None or address is None:
        raise ConfigError(
            [
                Problem(name, "is needed to call this partner")
                for name, value in (("token_out", token), ("versions_url", address))
                if value is None
            ]
        )
    return token, address


async def refresh(
    desk: Desk, fetch: Fetch, partner: Partner, options: Settings, correlation_id: str
) -> Registration:
    """Read a partner's version and endpoints again, with the token in force."""
    before = await registration.recall(desk, partner)
    if options.handshake and not before.registered:
        raise Refused("not registered with this partner")
    token, address = present(before, options)
    line = Line(fetch, token, options, before.encoding)
    found = await discover(line, address, options, correlation_id)

    def taken(state: Registration) -> Registration:
        return msgspec.structs.replace(
            state,
            version=found.version,
            endpoints=found.endpoints,
            encoding=line.encoding if line.encoding != "auto" else None,
        )

    return await registration.change(desk, partner, taken)


async def leave(
    desk: Desk, fetch: Fetch, partner: Partner, options: Settings, correlation_id: str
) -> None:
    """Unregister from a partner (DELETE); raises as a call does, then still registered."""
    state = await registration.recall(desk, partner)
    endpoint = state.endpoint("credentials", "SENDER", options)
    if not state.registered or state.send is None or endpoint is None:
        raise Refused("not registered with this partner")
    read(
        await Line(fetch, state.send, options, state.encoding).send(
            "DELETE", endpoint, correlation_id
        )
    )
    await forget(desk, partner)
