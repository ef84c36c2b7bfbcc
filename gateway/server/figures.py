"""What the database and the key files say of the gateway's state: for ``/metrics`` and ``/readyz``.

Limits: asked once for each look, in a thread; key files are read at most once a minute.
Why: a partner that is away makes its backlog grow and is no reason to send partners elsewhere; a
delivery that could go and that nobody sends is one.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from gateway.routing.threads import Threads
from gateway.routing.work import SELF
from gateway.server import admin, inventory
from gateway.server.config import Config
from gateway.server.metrics import Metrics, gauge
from gateway.store import Backlog, Store

LATE = timedelta(minutes=2)
"""What could be sent should not wait longer: outboxes are looked into every second."""
_READ_AGAIN = timedelta(minutes=1)


class Figures:
    """Looks when it is asked."""

    def __init__(
        self,
        metrics: Metrics,
        config: Config,
        store: Store,
        threads: Threads,
        clock: Callable[[], datetime],
    ) -> None:
        self._metrics, self._config, self._store = metrics, config, store
        self._threads, self._clock = threads, clock
        self._keys: tuple[datetime, list[inventory.Row]] | None = None

    async def text(self) -> bytes:
        """All figures, in Prometheus' text form."""
        return await self._threads.in_thread(self._text, writing=False)

    def _text(self) -> bytes:
        now = self._clock()
        backlog, up = self._backlog()
        keys = self._rows(now)
        return self._metrics.text(lambda: _families(backlog, up, keys, now))

    def _backlog(self) -> tuple[list[Backlog], bool]:
        try:
            with self._store.read() as tx:
                return tx.outbox.backlog(), True
        except Exception:  # noqa: BLE001 - that it cannot be asked is a figure too
            return [], False

    async def outbox(self, left_alone: Collection[str]) -> str | None:
        """Why deliveries that could go are not sent; None when they are. Raises StoreUnavailable.

        ``left_alone``: parties that nothing is sent to for a while.
        """

        def look() -> list[Backlog]:
            with self._store.read() as tx:
                return tx.outbox.backlog()

        now = self._clock()
        late = [
            f"{each.party} since {now - each.due}"
            for each in await self._threads.in_thread(look, writing=False)
            if each.state == "pending" and each.due < now - LATE and each.party not in left_alone
        ]
        return admin.Remark(f"deliveries wait: {', '.join(sorted(late))}") if late else None

    async def keys(self) -> str | None:
        """Which of the gateway's keys and certificates are over; None when none is.

        Only that the listener's own is over is a reason to hold back traffic: where a file cannot
        be read, what was read before is still in use.
        """
        now = self._clock()
        rows = await self._threads.in_thread(lambda: self._rows(now), writing=False)
        bad = [row for row in rows if row.state(now) in ("over", "broken")]
        if not bad:
            return None
        said = "; ".join(f"{row.party}: {row.use}: {row.state(now)}" for row in bad)
        ours = any(
            row.party == inventory.EVERYBODY
            and row.use.startswith("own")
            and row.state(now) == "over"
            for row in bad
        )
        return said if ours else admin.Remark(said)

    def _rows(self, now: datetime) -> list[inventory.Row]:
        if self._keys is None or not timedelta() <= now - self._keys[0] < _READ_AGAIN:
            self._keys = (now, inventory.rows(self._config))
        return self._keys[1]


def _families(
    backlog: list[Backlog], up: bool, keys: list[inventory.Row], now: datetime
) -> Iterable[Any]:
    yield gauge("database_up", "1: the database answers", [], [(int(up),)])
    for name, what, state in (
        ("outbox_pending", "Deliveries that are owed", "pending"),
        ("outbox_dead", "Deliveries that were given up and not dropped", "dead"),
    ):
        rows = [(each.party, each.number) for each in backlog if each.state == state]
        yield gauge(name, what, ["party"], rows)
    yield gauge(
        "outbox_age_seconds",
        "For how long the oldest delivery has been owed",
        ["party"],
        [(each.party, _age(each, now)) for each in backlog if each.state == "pending"],
    )
    ends: dict[tuple[str, str], float] = {}
    for row in keys:
        if row.ends is not None:
            key = (row.party, row.use)
            ends[key] = min(ends.get(key, float("inf")), row.ends.timestamp())
    yield gauge(
        "certificate_ends_timestamp_seconds",
        "When the first certificate (or waiver) of this use ends",
        ["party", "use"],
        [(*key, end) for key, end in sorted(ends.items())],
    )


def _age(each: Backlog, now: datetime) -> float:
    """Of what the gateway owes itself at a later time, only what is overdue has an age."""
    since = each.due if each.party == SELF else each.since
    return max(0.0, (now - since).total_seconds())
