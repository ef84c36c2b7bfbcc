"""``roamgate serve``: the gateway until SIGTERM or SIGINT, in one process or in several.

Exit codes: 0 after a stop that was asked for; 1 when it cannot start or does not stop in order; 2
for a configuration that cannot be used.
Why: signals are taken here and not by the reactor, so that a second one ends the process even when
the first one is stuck.
"""

import ctypes
import gc
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from gateway.cli.usage import failed, usage
from gateway.server.notify import notify
from gateway.server.supervisor import WELL, WELL_SECONDS

SWITCH = 0.0005
"""Seconds after which a thread at work lets the reactor go on, for which a request waits."""
_ARENA_MAX = -8
"""``M_ARENA_MAX`` of glibc's ``mallopt``."""
PATIENCE = 5.0
"""Seconds beyond the drain, after the first signal, in which the process ends, in order or not."""


def command(config: Path, workers: int = 1) -> int:
    """``run``; what is wrong with the configuration is told in a line each."""
    with usage():
        return run(config, workers)


def run(path: Path, workers: int = 1) -> int:
    """Read the configuration, run, return the exit code; raises ConfigError."""
    if workers > 1:
        from gateway.cli.workers import supervise

        return supervise(path, workers)
    from gateway.server.config import load

    config = load(path)
    from gateway.server.log import configure_log

    configure_log(level=config.gateway.log_level, final=True)
    return serve(config, shared=None, started=lambda: notify("ready"))


def serve(
    config: Any,
    *,
    shared: Any,
    started: Callable[[], None],
    channel: socket.socket | None = None,
) -> int:
    """Run one process of the gateway; ``channel``: where its supervisor speaks."""
    from twisted.internet import reactor
    from twisted.internet.error import CannotListenError

    from gateway.errors import StoreUnavailable
    from gateway.server.app import App

    steady(reactor)
    _share_heap()
    try:
        app = App(config, reactor, shared=shared)
    except StoreUnavailable as error:
        return failed(str(error))
    try:
        app.start()
    except CannotListenError as error:
        app.close()
        where = f"{error.interface}:{error.port}"
        return failed(f"cannot listen on {where}: {getattr(error.socketError, 'strerror', error)}")
    except BaseException:
        app.close()
        raise
    return _Running(app, reactor, config.gateway.drain.total_seconds()).until_told(started, channel)


def steady(reactor: Any) -> None:
    """Have timers run by the clock that nobody sets. Twisted's run by the time of day: set back by
    an hour, none of them would be called for an hour."""
    reactor.seconds = time.monotonic


class _Running:
    """A process that runs until it is told to stop."""

    def __init__(self, app: Any, reactor: Any, drain: float) -> None:
        self._app, self._reactor, self._patience = app, reactor, drain + PATIENCE
        self._codes: list[int] = []
        self._asked = threading.Event()

    def until_told(self, started: Callable[[], None], channel: socket.socket | None) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told)
        if channel is None:
            signal.signal(signal.SIGHUP, self._told_to_reload)
        else:
            _Channel(channel, self._leave, self._reactor).open()
        self._reactor.callWhenRunning(started)
        _settle()
        self._reactor.run(installSignalHandlers=False)
        return self._codes[0] if self._codes else 1

    def _told(self, number: int, frame: FrameType | None) -> None:
        if self._asked.is_set():
            _end("told twice to stop: ended at once")
        self._asked.set()
        notify("stopping")
        self._stop_within()
        self._reactor.callFromThread(self._stop)

    def _told_to_reload(self, number: int, frame: FrameType | None) -> None:
        """Keys and certificates; what else has changed takes a new process."""
        self._reactor.callFromThread(lambda: self._app.reloading.look(at_once=True))

    def _leave(self) -> None:
        """Others go on in place of this process."""
        self._stop_within()
        self._stop(leaving=True)

    def _stop_within(self) -> None:
        late = threading.Timer(
            self._patience, _end, [f"not stopped within {self._patience:g} s: ended"]
        )
        late.daemon = True
        late.start()

    def _stop(self, *, leaving: bool = False) -> None:
        from twisted.internet.defer import ensureDeferred

        if not self._app.draining:
            ensureDeferred(self._app.stop(leaving=leaving)).addBoth(self._stopped)

    def _stopped(self, result: Any) -> None:
        self._codes.append(0 if result is None else failed(f"not stopped in order: {result}"))
        self._reactor.stop()


class _Channel:
    """What the supervisor says: to leave; nothing more when it has died, which means the same.

    And what it is told as long as the reactor turns.
    """

    def __init__(self, channel: socket.socket, leave: Callable[[], None], reactor: Any) -> None:
        self._channel, self._leave, self._reactor = channel, leave, reactor
        channel.setblocking(False)

    def open(self) -> None:
        self._reactor.addReader(self)
        self._reactor.callLater(WELL_SECONDS, self._well)

    def _well(self) -> None:
        with suppress(OSError):  # it does not listen, or has died
            self._channel.send(WELL)
        self._reactor.callLater(WELL_SECONDS, self._well)

    def fileno(self) -> int:
        return self._channel.fileno()

    def logPrefix(self) -> str:
        return "supervisor"

    def doRead(self) -> None:
        try:
            self._channel.recv(64)
        except BlockingIOError:
            return
        except OSError:
            pass
        self._reactor.removeReader(self)
        self._leave()

    def connectionLost(self, reason: object) -> None:
        """The reactor has ended."""


def _end(why: str) -> None:
    """Leave without finishing anything; what is not done is in the store."""
    failed(why)
    os._exit(1)


def _share_heap() -> None:
    """One heap for all threads: what one has given back serves the next. Before there are any.

    glibc gives each its own, which all grow to what the largest message needs.
    """
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


def _settle() -> None:
    """What was loaded at start is there for good: nobody needs to look through it for garbage.

    That would take a tenth of a second, again and again, for nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    sys.setswitchinterval(SWITCH)
