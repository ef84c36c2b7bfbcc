"""The works of one server over HTTP: small requests, signed ones, records by the thousand."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from benchmarks import samples, servers
from benchmarks.gateway_server import Gateway
from benchmarks.measure import (
    Contender,
    Session,
    Work,
    Worker,
)
from benchmarks.operations import PASSWORD, USER
from benchmarks.server import Server
from benchmarks.servers import NODE_ENV, Command, python

OK = b">ok<"
WITHOUT = "Roamgate without ledger"
_FULL = "gate, UsernameToken, XSD"
ALL = f"{_FULL}, ledger"
PATH = "/ochp/1.4"
_RECORDS = 1000
_COMPILED = 40_000
"""Requests after which virtual machines have compiled what they run."""


def row(name: str, start: Callable[[], Session], checks: str = "none", *needs: str) -> Contender:
    return Contender(name, "peer", start, checks, ("wrk", *needs))


def floor(name: str, start: Callable[[], Session], *needs: str) -> Contender:
    return Contender(name, "floor", start, "none", ("wrk", *needs))


def _served(command: Command, *arguments: Any, **options: Any) -> Callable[[], Session]:
    return lambda: Server(command, *arguments, **options)


def gateway(*arguments: Any, options: dict[str, Any] | None = None, **more: Any) -> Any:
    """The gateway with a store of its own; ``options`` are those of ``Gateway``."""

    def start() -> Session:
        one = Gateway(**(options or {}))
        return Server(one.command, *arguments, prepare=one.fill, close_with=one.remove, **more)

    return start


def http_alone() -> Work:
    asked = samples.questions(PATH, USER, PASSWORD)
    ours = _served(python("floor", "listener"), asked, OK)
    return Work(
        "http",
        "HTTP alone: the same requests, a constant answer",
        "The gateway's listener with its limits, timeouts and checks, without anything behind it.",
        (
            Contender("Roamgate's listener", "ours", ours, "HTTP limits", ("wrk",)),
            row("twisted.web", _served(python("floor", "web"), asked, OK)),
            floor("Twisted + httptools", _served(python("floor", "echo"), asked, OK)),
        ),
        seconds=1,
        warm=1,
        over_http=True,
    )


def authorise() -> Work:
    asked = samples.questions(PATH, USER, PASSWORD)
    at_port = samples.questions("/service/ochp/v1.4", USER, PASSWORD)
    without = gateway(asked, OK, options={"ledger": False})
    return Work(
        "authorise-http",
        "GetSingleRoamingAuthorisation over HTTP/1.1, one core, 16 connections",
        "Ours is the complete path: HTTP, gate, UsernameToken, schema, dispatch, decode, a look "
        "into the store, the ledger on disk, encode. The peers do the bare stub work: they answer "
        "a constant, check no password and, unless the row says so, no schema.",
        (
            Contender("Roamgate", "ours", gateway(asked, OK), ALL, ("wrk",)),
            row(WITHOUT, without, _FULL),
            row(
                "JAX-WS RI",
                _served(servers.java("plain"), asked, OK, warmed=_COMPILED),
                "none",
                "JAX-WS RI",
            ),
            row(
                "JAX-WS RI, XSD",
                _served(servers.java("xsd"), asked, OK, warmed=_COMPILED),
                "XSD",
                "JAX-WS RI",
            ),
            row(
                "node-soap",
                _served(servers.node, at_port, OK, env=NODE_ENV, warmed=_COMPILED),
                "none",
                "node-soap",
            ),
            row("gSOAP", _served(servers.gsoap, asked, OK), "names, code lists", "gSOAP"),
            row("spyne in Twisted", _served(python("spyne_server"), asked, OK), "libxml2 XSD"),
            floor("Twisted + httptools echo", _served(python("floor", "echo"), asked, OK)),
            floor("nginx", _served(servers.nginx_constant(), asked, b"aaa"), "nginx"),
        ),
        seconds=2,
        warm=1,
        over_http=True,
    )


def signed() -> Work:
    from benchmarks.signing import sign_all

    bodies = [
        samples.envelope(samples.question(number), USER, PASSWORD)
        for number in range(samples.TOKENS)
    ]

    def fresh(count: int) -> list[bytes]:
        return sign_all(bodies, count, datetime.now(UTC))

    ours = gateway(expect=OK, once=fresh, options={"signed": True})
    return Work(
        "authorise-signed",
        "The same with WS-Security signatures both ways (RSA-2048, SHA-256)",
        "Every request is signed anew, verified and looked for among those seen; every answer is "
        "signed. The floor is one operation with the private and one with the public key.",
        (
            Contender("Roamgate", "ours", ours, f"{ALL}, signature, replay"),
            Contender("private + public key", "floor", partial(Worker, "keys/both"), "none"),
        ),
        seconds=2,
        warm=1,
        over_http=True,
    )


# -- a thousand records in one request -------------------------------------------------------


def _uploads(path: str) -> Callable[[int], list[bytes]]:
    """Uploads of records that nobody has seen yet."""
    numbers = itertools.count()

    def make(count: int) -> list[bytes]:
        return [
            samples.http(
                path,
                samples.envelope(samples.cdrs(_RECORDS, next(numbers) * _RECORDS), USER, PASSWORD),
                "AddCDRs",
            )
            for _ in range(count)
        ]

    return make


def records() -> Work:
    def served(command: Command, path: str = PATH, **options: Any) -> Callable[[], Session]:
        return lambda: Server(command, expect=OK, once=_uploads(path), **same, **options)

    same: dict[str, Any] = {"count": 4, "connections": 1}
    at_port = served(servers.node, "/service/ochp/v1.4", env=NODE_ENV)
    stored = "plausibility, stored, ledger, outbox"
    return Work(
        "cdrs-http",
        "AddCDRs with 1,000 CDRs (1.4 MB) in one request over HTTP, one connection",
        "Ours checks each record, stores it and its delivery on disk before it answers; the peers "
        "count the records and forget them.",
        (
            Contender(
                "Roamgate",
                "ours",
                lambda: gateway(expect=OK, once=_uploads(PATH), **same)(),
                f"{_FULL}, {stored}",
            ),
            row("JAX-WS RI", served(servers.java("plain")), "none", "JAX-WS RI"),
            row("JAX-WS RI, XSD", served(servers.java("xsd")), "XSD", "JAX-WS RI"),
            row("node-soap", at_port, "none", "node-soap"),
            row("gSOAP", served(servers.gsoap), "names, code lists", "gSOAP"),
            row("spyne in Twisted", served(python("spyne_server")), "libxml2 XSD"),
            Contender("libxml2 parse + XSD", "floor", partial(Worker, "cdrs/libxml2"), "XSD"),
        ),
        warm=1,
        over_http=True,
    )


def works() -> list[Work]:
    return [http_alone(), authorise(), signed(), records()]
