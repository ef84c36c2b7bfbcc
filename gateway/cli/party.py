"""``roamgate party``: registering with a partner whose protocol wants that, by an operator's word.

Source: OCPI 2.2.1, credentials module: POST, PUT when registered already, DELETE.
Rules: each call stands in the ledger, without the tokens.
Limits: works beside a running gateway, on its database; the partner calls that gateway back during
the registration, so one has to run.
"""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from gateway.adapter import Registering
from gateway.errors import ConfigError, GatewayError
from gateway.routing import ledger
from gateway.server.app import App
from gateway.server.config import load
from gateway.store import Entry

_Act = Callable[[Registering, str], Awaitable[Any]]


def register(path: Path, id: str) -> int:
    """Register with a party, or renew the registration and the tokens of both sides."""
    return _do(path, id, "register", lambda link, about: link.connect(about), "registered with")


def unregister(path: Path, id: str) -> int:
    """End the registration with a party."""
    done = "no longer registered with"
    return _do(path, id, "unregister", lambda link, about: link.disconnect(about), done)


def _do(path: Path, id: str, word: str, act: _Act, done: str) -> int:
    from twisted.internet import reactor as installed
    from twisted.internet.defer import ensureDeferred

    reactor: Any = installed
    config = load(path)
    if id not in {party.id for party in config.parties}:
        raise ConfigError(f"{path.name} has no party {id!r}")
    app = App(config, reactor)
    errors: list[BaseException] = []

    async def work() -> None:
        party = app.directory.parties[id]
        link, said = app.exchange.said_to(party) or (None, None)
        if said is None or not isinstance(link, Registering):
            raise ConfigError(f"{id} speaks {party.partner.protocol}, in which nobody registers")
        begun, about = app.exchange.clock(), app.exchange.new_id()
        outcome, reason = "ok", None
        try:
            await act(link, about)
        except GatewayError as error:
            outcome, reason = ledger.error_of(error), ledger.reason_of(error)
            raise
        finally:
            entry = Entry(
                id=app.exchange.new_id(),
                at=begun,
                direction="out",
                party=id,
                protocol=party.partner.protocol,
                operation=word,
                correlation=about,
                outcome=outcome,
                reason=reason,
                duration=app.exchange.clock() - begun,
                request=b"",
            )
            app.exchange.record(*said.entries(entry, ()))

    def finish(result: Any) -> None:
        if result is not None:
            errors.append(result.value)
        reactor.stop()

    reactor.callWhenRunning(lambda: ensureDeferred(work()).addBoth(finish))
    try:
        reactor.run()
    finally:
        app.close()
    for error in errors:
        if isinstance(error, ConfigError) or not isinstance(error, GatewayError):
            raise error
        print(f"roamgate: {id}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(f"{done} {id}")
    return 0
