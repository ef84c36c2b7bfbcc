"""What was converted or lost in writing, until it stands in the ledger.

Why: an encoder reports while it writes, in the thread that runs the network. The entry of the
message takes the report along; a report that no entry takes gets one of its own.
"""

import logging
from collections.abc import Callable, Sequence

import msgspec

from gateway.errors import GatewayError
from gateway.mapping.context import Note
from gateway.routing import ledger
from gateway.routing.parties import Directory
from gateway.routing.runtime import Runtime
from gateway.store import Clock, Store, Transaction

_log = logging.getLogger(__name__)

UNCLAIMED = 5.0
"""Seconds after which a report that nobody took gets an entry of its own."""
Rows = list[dict[str, str | None]]


class Reports:
    """The reports of messages that have no entry yet."""

    def __init__(
        self,
        directory: Directory,
        store: Store,
        clock: Clock,
        runtime: Runtime,
        new_id: Callable[[], str],
    ) -> None:
        self._directory = directory
        self._store = store
        self._clock = clock
        self._runtime = runtime
        self._new_id = new_id
        self._rows: dict[tuple[str, str], Rows] = {}

    def add(self, party: str, correlation: str, notes: Sequence[Note]) -> None:
        """Keep what was noted on a message for a party."""
        if not notes:
            return
        if not self._rows:
            self._runtime.later(UNCLAIMED, lambda: self._runtime.start(self._write()))
        self._rows.setdefault((party, correlation), []).extend(map(ledger.row_of, notes))

    def take(self, party: str, correlation: str) -> bytes | None:
        """What was noted on a message, JSON, once."""
        rows = self._rows.pop((party, correlation), None)
        return msgspec.json.encode(rows) if rows else None

    async def _write(self) -> None:
        left, self._rows = self._rows, {}
        now, parties = self._clock(), self._directory.parties
        entries = [
            ledger.report(self._new_id(), now, parties[party], correlation, rows)
            for (party, correlation), rows in left.items()
            if party in parties
        ]

        def write(tx: Transaction) -> None:
            for entry in entries:
                tx.ledger.write(entry)

        try:
            await self._runtime.in_thread(lambda: self._store.run(write), writing=True)
        except GatewayError as error:
            _log.error("%d reports of what was lost are not in the ledger: %s", len(left), error)
