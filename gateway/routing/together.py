"""Transactions that many requests share: the write queue, and the same for small look-ups.

Rules: what asks while a transaction is under way waits, and the next one takes all that wait; each
is answered when its transaction is on disk. Work that fails takes nothing along: the transaction is
undone and each piece is done again alone, so that an error is told to whom it belongs.
Limits: work may be done more than once, as in ``Store.run``. Where transactions run side by side
(PostgreSQL), work that takes locks is not put together with other work: two such heaps, each in an
order of its own, would wait for each other.
Why: a commit waits for the disk for milliseconds, whatever is in it; a thread for each request
costs more than what is done in it.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from gateway.errors import StoreUnavailable
from gateway.routing.runtime import Do, Outcome, Rest, Runtime
from gateway.store import Contended, Store, Transaction

TRIES = 20
"""How often the turn to write is asked for, while another one has it, before a thread waits."""
_log = logging.getLogger(__name__)
T = TypeVar("T")
Work = Callable[[Transaction], Any]


class Together:
    """Reads and writes of a store, many in one transaction."""

    def __init__(self, store: Store, runtime: Runtime) -> None:
        self._store, self._runtime = store, runtime
        # SQLite is in this process and lets nobody wait for reading: a thread would cost more
        self._reading = runtime.together(self._read, "here" if store.one_writer else "reading")
        do: Do = self._write_here if store.one_writer else self._write
        self._in_vain = 0
        self._writing = runtime.together(do, "here" if store.one_writer else "writing")

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """The result of a small look-up."""
        found: T = await self._reading(work)
        return found

    async def write(self, work: Callable[[Transaction], T], *, locking: bool = False) -> T:
        """The result of small work, once it is on disk; ``locking``: it may wait for others."""
        if locking and not self._store.one_writer:
            return await self._runtime.in_thread(lambda: self._store.run(work), writing=True)
        done: T = await self._writing(work)
        return done

    def _read(self, works: Sequence[Work]) -> list[Outcome]:
        return _shared(works, self._store.look, self._read_alone)

    def _read_alone(self, work: Work) -> Any:
        with self._store.look() as tx:
            return work(tx)

    def _write(self, works: Sequence[Work]) -> list[Outcome]:
        return _shared(works, self._store.begin, self._store.run)

    def _write_here(self, works: Sequence[Work]) -> Rest | list[Outcome] | None:
        """With SQLite a thread that does the work would fight with this one for the interpreter,
        which costs several times the work: only what may wait is left to a thread."""
        begun = self._store.begin_now()
        self._in_vain = self._in_vain % TRIES + 1 if begun is None else 0
        if begun is None:
            return (lambda: self._write(works)) if self._in_vain == TRIES else None
        try:
            results = begun.do(lambda tx: [work(tx) for work in works])
            begun.commit()
        except StoreUnavailable as error:
            return [Outcome(error=error)] * len(works)
        except Exception as error:  # noqa: BLE001 - whose it is shows when each is done alone
            _log.info("not done together: %s", type(error).__name__)
            return lambda: _one_by_one(works, self._store.run)
        if self._store.log_is_long:
            self._runtime.start(self._runtime.in_thread(self._store.move_log, writing=True))
        return lambda: self._on_disk(results)

    def _on_disk(self, results: Sequence[Any]) -> list[Outcome]:
        """The results, once they are on disk."""
        try:
            self._store.settle()
        except StoreUnavailable as error:
            return [Outcome(error=error)] * len(results)
        return [Outcome(result) for result in results]


def _shared(
    works: Sequence[Work],
    begin: Callable[[], AbstractContextManager[Transaction]],
    alone: Callable[[Work], Any],
) -> list[Outcome]:
    """All in one transaction; if that fails, each in its own."""
    if len(works) > 1:
        try:
            with begin() as tx:
                results = [work(tx) for work in works]
            return [Outcome(result) for result in results]
        except Contended:
            pass
        except StoreUnavailable as error:
            return [Outcome(error=error)] * len(works)
        except Exception as error:  # noqa: BLE001 - whose it is shows when each is done alone
            _log.info("not done together: %s", type(error).__name__)
    return _one_by_one(works, alone)


def _one_by_one(works: Sequence[Work], alone: Callable[[Work], Any]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for work in works:
        try:
            outcomes.append(Outcome(alone(work)))
        except StoreUnavailable as error:
            # not to wait as long again for each of the others
            return outcomes + [Outcome(error=error)] * (len(works) - len(outcomes))
        except Exception as error:  # noqa: BLE001 - it is told to who asked
            outcomes.append(Outcome(error=error))
    return outcomes
