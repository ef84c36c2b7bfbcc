"""Health of the process, on the admin port.

Limits: ``/healthz`` says that the process answers; ``/readyz`` asks every check, each with a time
limit. Checks are given by name; what they look at is their own affair.
Why: an orchestrator restarts on the first and holds back traffic on the second.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import structlog
from twisted.internet.defer import Deferred, DeferredList

from gateway.http import Request, Response
from gateway.server.router import Router

log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[str | None]]
"""None when all is well, else the reason why not; whatever it raises is a reason too."""


class Remark(str):
    """Something an operator should know that is no reason to hold back traffic."""

    __slots__ = ()


CHECK_SECONDS = 5.0


def add_metrics(router: Router, text: Callable[[], Awaitable[bytes]], kind: str) -> None:
    """Add ``/metrics``; ``text`` gives all figures in the form that ``kind`` names."""

    async def metrics(request: Request, values: Mapping[str, str]) -> Response:
        return Response(headers={"Content-Type": kind}, body=await text())

    router.route("GET", "/metrics", metrics, limit=0)


def add_health(router: Router, checks: Mapping[str, Check], reactor: Any) -> None:
    """Add ``/healthz`` and ``/readyz``."""

    async def healthz(request: Request, values: Mapping[str, str]) -> Response:
        return _json(200, {"status": "ok"})

    async def readyz(request: Request, values: Mapping[str, str]) -> Response:
        results = await _results(checks, reactor)
        rows = {
            name: {
                "ok": reason is None or isinstance(reason, Remark),
                "reason": reason and str(reason),
            }
            for name, reason in results.items()
        }
        ready = all(row["ok"] for row in rows.values())
        return _json(200 if ready else 503, {"ready": ready, "checks": rows})

    router.route("GET", "/healthz", healthz, limit=0)
    router.route("GET", "/readyz", readyz, limit=0)


async def _results(checks: Mapping[str, Check], reactor: Any) -> dict[str, str | None]:
    """The reason of each check that fails, None for the others; all run at the same time."""
    asked = []
    for check in checks.values():
        result = Deferred.fromCoroutine(_run(check))
        asked.append(result.addTimeout(CHECK_SECONDS, reactor))
    done: Any = await DeferredList(asked, consumeErrors=True)
    results: dict[str, str | None] = {}
    for name, (fine, outcome) in zip(checks, done, strict=True):
        if fine:
            results[name] = outcome or None
        else:
            error = outcome.value
            log.warning("check failed", check=name, error=repr(error))
            results[name] = f"{type(error).__name__}: {error}".rstrip(": ")
    return results


async def _run(check: Check) -> str | None:
    return await check()


def _json(status: int, body: object) -> Response:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return Response(status=status, headers=headers, body=msgspec.json.encode(body))
