"""The public side: SOAP and JSON services of all adapters behind one router.

Limits: knows no protocol; who asks is found here, what is answered is decided in the exchange.
Why: every request leaves exactly one line in the log, with its correlation id; a path may hold the
number of a card, so a line names the route and never the path.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from msgspec.structs import replace

from gateway import aside, registry
from gateway.adapter import Partner, RestService, Served, SoapAdapter, SoapEndpoint
from gateway.errors import Busy, ConfigError, GatewayError, StoreUnavailable, reason_code
from gateway.http import Begun, Request, Response, Welcome, correlation_id
from gateway.mapping.compile import codec
from gateway.routing import ledger
from gateway.routing.exchange import Exchange
from gateway.routing.parties import Directory
from gateway.routing.threads import Threads
from gateway.schema import contract_file, schema_for
from gateway.security.credentials import Account, Credentials, hash_token, is_stored
from gateway.security.digest import Digests, Password
from gateway.security.json_gate import JsonLimits, read_json, write_json
from gateway.security.replay import Seen
from gateway.server.config_options import Limits
from gateway.server.links import Links, is_lenient
from gateway.server.route_limits import json_limits, list_bytes, share, xml_limits
from gateway.server.router import RouteHandler, Router, json_error
from gateway.server.shares import Shares
from gateway.soap.binding import not_taken
from gateway.soap.contract import Contract
from gateway.soap.desk import SoapDesk
from gateway.soap.security import MessageSecurity
from gateway.soap.service import Connections, SoapService
from gateway.step import STEP
from gateway.store import SeenMessages

log = structlog.get_logger(__name__)

_RETRY_AFTER = "10"
"""Seconds after which a partner may ask again when the database is away."""
Serve = Callable[[Request, Served], Awaitable[Response]]
SLOW_CHECKS = 2
"""Passwords with a slow hash that are checked at the same time, of the reading threads."""


def public_router(
    directory: Directory,
    desk: Exchange,
    links: Links,
    threads: Threads,
    public_url: str,
    security: MessageSecurity | None = None,
    connections: Connections | None = None,
    limits: Limits | None = None,
    shares: Shares | None = None,
) -> Router:
    """Everything that partners can ask. Raises ConfigError."""
    router = Router()
    router.errors("/", _refused)
    limits = limits or Limits()
    hearing = _Hearing(desk, shares or Shares(share(limits.partner), {}, time.monotonic))
    url = public_url.rstrip("/")
    for family in _families():
        adapter = registry.adapter(family)
        if hasattr(adapter, "endpoints"):
            accounts = _Accounts(
                directory, adapter.protocols[0], SeenMessages(desk.store), desk.clock
            )
            _serve_soap(
                router, adapter, hearing, threads, accounts, url, security, connections, limits
            )
        else:
            service = adapter.service(desk, links.fetch_for, url)
            serve = _logged(family, service)
            for prefix in adapter.prefixes:
                bounds = json_limits(limits, prefix)
                router.prefix(
                    prefix,
                    hearing.of(family, serve, bounds),
                    limit=bounds.bytes,
                    takes=adapter.takes,
                    begun=_begun(family, service, bounds.bytes),
                )
                router.errors(prefix, partial(_refused, said=adapter.refused))
            router.route("GET", "/openapi.json", _constant(adapter.openapi(url)))
    return router


def warm_up() -> None:
    """Load and compile at start what would otherwise cost the first messages a second.

    Not what explains a wrong message: it takes 11 MB, and the first wrong one half a second.
    """
    for protocol in registry.protocols():
        adapter = registry.adapter_for(protocol)
        notation = "json"
        if hasattr(adapter, "endpoints"):
            family, _, version = protocol.partition("-")
            schema_for(family, version)
            notation = "xml"
        for form in adapter.forms(protocol).values():
            for direction in ("read", "write"):
                codec(form.record).function(f"{direction}_{notation}")


def _families() -> list[str]:
    return sorted({protocol.partition("-")[0] for protocol in registry.protocols()})


# -- SOAP --------------------------------------------------------------------------------------


class _Accounts:
    """The names that the parties of a protocol present, and how each proves its own."""

    def __init__(
        self, directory: Directory, protocol: str, seen: Seen, clock: Callable[[], datetime]
    ) -> None:
        self.names: dict[str, str] = {}
        """Party by username."""
        texts: dict[str, Account] = {}
        basics: dict[str, Account] = {}
        digests: dict[str, Password] = {}
        for party in directory.parties.values():
            options = party.partner.options
            name, password = options.get("username_in"), options.get("password_in")
            if party.partner.protocol != protocol or not name or not password:
                continue
            if name in self.names:
                raise ConfigError(f"two parties present the username {name!r}")
            self.names[name] = party.id
            following, how = options.get("password_in_next"), options.get("wsse_in")
            if how != "digest":
                every = (password, following) if following else (password,)
                account = Account(tuple(map(_stored, every)), party.partner)
                (basics if how == "basic" else texts)[name] = account
            if how in ("digest", "either"):
                digests[name] = Password(password, party.partner, next=following)
        self.texts = Credentials(texts)
        self.basics = Credentials(basics) if basics else None
        self.digests = Digests(digests, seen, clock)


def _serve_soap(
    router: Router,
    adapter: Any,
    hearing: "_Hearing",
    threads: Threads,
    accounts: _Accounts,
    url: str,
    security: MessageSecurity | None,
    connections: Connections | None,
    limits: Limits,
) -> None:
    family, _, version = adapter.protocols[0].partition("-")
    answers = SoapDesk(adapter, hearing.exchange)
    every = {port_type for endpoint in adapter.endpoints for port_type in endpoint.port_types}
    for endpoint in adapter.endpoints:
        path = contract_file(endpoint.wsdl)
        bounds = xml_limits(limits, endpoint.path)
        service = SoapService(
            Contract(
                path,
                family,
                version,
                endpoint.port_types,
                _published_elsewhere(adapter, endpoint, url),
            ),
            schema_for(family, version),
            answers.answer,
            _Authenticate(threads, accounts.texts),
            f"{url}{endpoint.path}",
            bounds,
            lenient=adapter.mend,
            mends=lambda party: is_lenient(party.options),
            answer_error=answers.answer_error,
            tolerated=Contract(path, family, version, every),
            security=security,
            lists=answers.lists,
            items=answers.items,
            digests=accounts.digests.check,
            basic=_Authenticate(threads, accounts.basics) if accounts.basics else None,
            claimed=accounts.names.get,
            connections=connections,
        )
        handler = hearing.of(family, _with_object(adapter, service.handle))
        router.errors(endpoint.path, partial(_refused, said=service.refused))
        longest = list_bytes(limits, endpoint.path)
        router.route("GET", endpoint.path, handler)
        router.route(
            "POST",
            endpoint.path,
            handler,
            limit=longest,
            takes=not_taken,
            begun=partial(service.begun, longest=longest),
        )


def _published_elsewhere(adapter: Any, endpoint: SoapEndpoint, url: str) -> dict[str, str]:
    """What the first endpoint of a contract publishes beside its own part: all the rest of it, so
    that one WSDL tells every operation and where it is served."""
    first, *rest = (each for each in adapter.endpoints if each.wsdl == endpoint.wsdl)
    if endpoint is not first:
        return {}
    return {port_type: f"{url}{each.path}" for each in rest for port_type in each.port_types}


def _stored(password: str) -> str:
    """What is kept of a password: the stored form of the configuration, or one of our own that
    costs little, because the configuration has the password itself."""
    return password if is_stored(password) else hash_token(password)


class _Authenticate:
    """Checks names and passwords; slow ones in a thread, and not many at a time."""

    def __init__(self, threads: Threads, credentials: Credentials) -> None:
        self._threads, self._credentials, self._running = threads, credentials, 0

    async def __call__(self, username: str, password: str) -> Partner | None:
        check = self._credentials
        if not check.slow:
            return check.check(username, password)
        known: Partner | None = check.known(username, password)
        if known is not None:
            return known
        if self._running >= SLOW_CHECKS:  # wrong passwords must not take the threads of the others
            raise Busy("too many passwords to check")
        self._running += 1
        try:
            return await self._threads.in_thread(
                lambda: check.check(username, password), writing=False
            )
        finally:
            self._running -= 1


def _with_object(adapter: SoapAdapter, serve: Serve) -> Serve:
    """A service that tells what its operation is about."""

    async def handle(request: Request, served: Served) -> Response:
        response = await serve(request, served)
        operation = adapter.operations.get(served.operation)
        served.object = operation.request.object if operation else ""
        return response

    return handle


# -- JSON --------------------------------------------------------------------------------------


def _begun(family: str, service: RestService, most: int) -> Begun:
    """Long bodies are taken of those only who are known by the head of their request."""

    async def begun(request: Request) -> Welcome | Response:
        started, served = time.perf_counter(), Served()
        refusal = await service.begun(request, served)
        if refusal is None:
            assert served.partner is not None
            return Welcome(sender=served.partner.id, most=most)
        _log_call(family, request, served, refusal, started)
        return refusal

    return begun


def _logged(family: str, serve: Serve) -> Serve:
    """A service with a line for each request."""

    async def handle(request: Request, served: Served) -> Response:
        started = time.perf_counter()
        response = await serve(request, served)
        _log_call(family, request, served, response, started)
        return response

    return handle


def _log_call(
    family: str, request: Request, served: Served, response: Response, started: float
) -> None:
    error, about = served.error, dict[str, Any]()
    if error is not None:
        about["error"], about["code"] = type(error).__name__, reason_code(error)
    if isinstance(error, GatewayError):
        about["problems"] = len(error.problems)
        about["places"] = [each.path for each in error.problems[:3] if each.path]
    elif error is not None:
        about["exc_info"] = error
    write = log.info if isinstance(error, GatewayError | None) else log.error
    write(
        f"{family} call",
        operation=served.operation or None,
        party=served.partner.id if served.partner else None,
        outcome="ok" if error is None else "refused",
        status=response.status,
        duration_ms=round((time.perf_counter() - started) * 1000, 3),
        bytes_in=len(request.body),
        bytes_out=len(response.body) if isinstance(response.body, bytes) else None,
        correlation_id=served.correlation_id,
        **about,
    )


class _Hearing:
    """Services that read the path themselves. Every request of a partner stands in the ledger, is
    read within the limits of its route, and has its turn among those of the partner."""

    def __init__(self, exchange: Exchange, shares: Shares) -> None:
        self.exchange, self._shares = exchange, shares

    def of(self, family: str, serve: Serve, limits: JsonLimits | None = None) -> RouteHandler:
        """The handler of a route."""
        tally = self.exchange.tally
        read = partial(read_json, limits=limits) if limits else None

        async def handle(request: Request, values: Mapping[str, str]) -> Response:
            started = time.perf_counter()
            heard, turn = self.exchange.heard(request), self._shares.turn(request.gone)
            served = heard.served
            served.admit, served.read_json = turn.enter, read
            short = request.file is None
            if short:
                aside.begin()
            try:
                response = await serve(request, served)
                await STEP
                if isinstance(served.error, StoreUnavailable):
                    headers = {"Retry-After": _RETRY_AFTER, **response.headers}
                    response = replace(response, headers=headers)
                response = heard.answered(response)
                return served.seal(response) if served.seal else response
            finally:
                if short:
                    aside.end()
                turn.leave()
                tally.answered(
                    family,
                    served.operation,
                    served.partner.id if served.partner else "",
                    "ok" if served.error is None else ledger.error_of(served.error),
                    time.perf_counter() - started,
                )
                served.let_go()

        return handle


def _constant(value: Any) -> RouteHandler:
    """A handler that answers the same JSON to everybody."""
    answer = Response(headers={"Content-Type": "application/json"}, body=write_json(value))

    async def handle(request: Request, values: Mapping[str, str]) -> Response:
        return answer

    return handle


# -- no route ----------------------------------------------------------------------------------


def _refused(
    request: Request,
    status: int,
    code: str,
    reason: str,
    said: Callable[[Request, int, str], Response] | None = None,
) -> Response:
    """An error page; ``said`` writes it in the words of a protocol."""
    routing = code in ("not-found", "method-not-allowed", "path")
    event, about = ("no such route", {}) if routing else ("request refused", {"reason": reason})
    id = correlation_id(request.headers)
    log.info(
        event,
        code=code,
        method=request.method,
        party=request.sender or None,
        peer=request.peer,
        correlation_id=id,
        **about,
    )
    if said is None:
        response = json_error(request, status, code, reason)
    else:
        response = said(request, status, reason)
    headers = {**response.headers, "X-Correlation-ID": id}
    return Response(status=status, headers=headers, body=response.body)
