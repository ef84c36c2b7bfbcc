"""Health of the process."""

import json

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from gateway.http import Request
from gateway.server.admin import CHECK_SECONDS, add_health
from gateway.server.router import Router


async def fine():
    """A check that holds."""
    return None


async def slow_disk():
    """A check that knows why not."""
    return "the disk is full"


async def broken():
    """A check that fails itself."""
    raise ConnectionError("store is gone")


def ask(router, path):
    """The answer once it is there."""
    return Deferred.fromCoroutine(router(Request(method="GET", path=path)))


def body(answer):
    """JSON of an answer."""
    return json.loads(answer.body)


async def test_alive():
    """The process is alive whatever the checks say."""
    router = Router()
    add_health(router, {"store": broken}, Clock())
    answer = await ask(router, "/healthz")
    assert (answer.status, body(answer)) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("checks", "status", "reasons"),
    [
        ({}, 200, {}),
        ({"store": fine, "queue": fine}, 200, {"store": None, "queue": None}),
        (
            {"store": broken, "disk": slow_disk, "queue": fine},
            503,
            {
                "store": "ConnectionError: store is gone",
                "disk": "the disk is full",
                "queue": None,
            },
        ),
    ],
)
async def test_ready(checks, status, reasons):
    """Every check is named, with its reason; one that fails is enough for 503."""
    router = Router()
    add_health(router, checks, Clock())
    answer = await ask(router, "/readyz")
    said = body(answer)
    assert answer.status == status
    assert said["ready"] == (status == 200)
    assert {name: row["reason"] for name, row in said["checks"].items()} == reasons
    assert {name: row["ok"] for name, row in said["checks"].items()} == {
        name: reason is None for name, reason in reasons.items()
    }


async def test_a_check_that_hangs():
    """A check without an answer fails after its time; the others are asked meanwhile."""
    clock, router, asked = Clock(), Router(), []

    async def notes():
        asked.append(True)

    add_health(router, {"hangs": Deferred, "notes": notes}, clock)
    answer = ask(router, "/readyz")
    assert asked == [True]
    assert not answer.called
    clock.advance(CHECK_SECONDS)
    answer = await answer
    assert answer.status == 503
    assert body(answer)["checks"]["hangs"]["reason"].startswith("TimeoutError")
    assert body(answer)["checks"]["notes"]["ok"]
