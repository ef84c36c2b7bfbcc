"""How PostgreSQL is opened: every wait has an end, on both sides.

Why apart from ``engine.py``: the driver is loaded by who has such a database.
"""

import time
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import psycopg
from sqlalchemy import URL, Engine, create_engine, event

T = TypeVar("T")
REST = 5.0
"""Seconds in which nobody tries again to connect to a server that did not answer."""


class Bounded(psycopg.Connection[Any]):
    """A connection that waits for the answer to a statement for so many seconds, then breaks."""

    patience: float | None = None

    def wait(
        self, gen: Generator[Any, Any, T], interval: float = 0.1, timeout: float | None = None
    ) -> T:
        return super().wait(self._in_time(gen), interval)

    def _in_time(self, gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        """What is waited for, step by step; a step of nothing comes every ``interval``."""
        end = time.monotonic() + self.patience if self.patience else float("inf")
        try:
            step = next(gen)
            while True:
                ready = yield step
                if not ready and time.monotonic() > end:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"no answer within {self.patience:g} s")
                step = gen.send(ready)
        except StopIteration as done:
            result: T = done.value
            return result


def open_postgresql(url: URL, wait: float) -> Engine:
    """An engine for a server; waits for locks and connections ``wait`` seconds."""
    options = (
        f"-c lock_timeout={int(wait * 1000)} -c synchronous_commit=on -c timezone=UTC"
        f" -c idle_in_transaction_session_timeout={max(2000, int(wait * 2000))}"
    )
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_timeout=wait,
        connect_args={
            "connect_timeout": max(2, int(wait)),
            "options": options,
            "client_encoding": "utf8",
            # a server that is gone without a word is noticed too
            "keepalives_idle": max(2, int(wait)),
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": max(2, int(wait)) * 2000,
        },
    )
    event.listen(engine, "do_connect", _connecting(wait * 1.5))
    return engine


def _connecting(patience: float) -> Callable[..., Bounded]:
    """How connections are made. Who waits behind one that was tried in vain does not wait as long
    again: for a while all are refused at once."""
    rests_until = 0.0

    def connect(dialect: Any, record: Any, arguments: Any, options: Any) -> Bounded:
        nonlocal rests_until
        if time.monotonic() < rests_until:
            raise psycopg.OperationalError("the server did not answer a moment ago")
        try:
            made = Bounded.connect(*arguments, **options)
        except psycopg.errors.ConnectionTimeout:
            rests_until = time.monotonic() + REST
            raise
        encoding = made.info.parameter_status("server_encoding")
        if encoding != "UTF8":  # it could not hold every name, or would not know what it holds
            made.close()
            raise psycopg.OperationalError(f"its encoding is {encoding}; it has to be UTF8")
        made.patience = patience
        return made

    return connect
