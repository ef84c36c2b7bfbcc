"""What all tests share: the reactor in this process, and handlers on real sockets.

A test that is an ``async def`` runs on the reactor and may await Deferreds.
"""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor

from gateway.http import Handler
from gateway.server.http import HttpServer, Limits


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if inspect.iscoroutinefunction(getattr(item, "obj", None)):
            item.obj = pytest_twisted.ensureDeferred(item.obj)


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """``serve(handler, tls=None) -> base URL``: the handler on a free port of this machine."""
    servers = []

    def start(handler: Handler, tls: Any = None) -> str:
        servers.append(HttpServer(handler, Limits(drain_seconds=1, linger_seconds=0.2), reactor))
        port = servers[-1].listen(0, tls=tls)
        return f"http{'s' if tls else ''}://localhost:{port}"

    yield start
    for server in servers:
        pytest_twisted.blockon(server.drain())
