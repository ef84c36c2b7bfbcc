"""``roamgate party``: registering with a partner whose protocol wants that, by an operator's word.

Source: OCPI 2.2.1, credentials module: POST, PUT when registered already, DELETE.
Limits: works beside a running gateway, on its database; the partner calls that gateway back during
the registration, so one has to run.
"""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from gateway.adapter import Registering
from gateway.errors import ConfigError, GatewayError
from gateway.server.app import App
from gateway.server.config import load

_Act = Callable[[Registering, str], Awaitable[Any]]


def register(path: Path, id: str) -> int:
    """Register with a party, or renew the registration and the tokens of both sides."""
    return _do(path, id, lambda link, about: link.connect(about), "registered with")


def unregister(path: Path, id: str) -> int:
    """End the registration with a party."""
    return _do(path, id, lambda link, about: link.disconnect(about), "no longer registered with")


def _do(path: Path, id: str, act: _Act, done: str) -> int:
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
        way = app.exchange.said_to(party)
        if way is None or not isinstance(way[0], Registering):
            raise ConfigError(f"{id} speaks {party.partner.protocol}, in which nobody registers")
        await act(way[0], app.exchange.new_id())

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
