"""Several worker processes on the same sockets: started, restarted, replaced, stopped.

Rules: a worker that dies is started again, after pauses that grow while it keeps dying. On SIGHUP
each worker is replaced by one that has read the configuration anew: the new one is ready before the
old one is asked to leave, and if it does not come up everything stays as it was. On SIGTERM all
stop; who has not stopped in time is killed.
A worker that says nothing for ``SILENT_SECONDS`` hangs: it is killed, and so replaced.
Limits: nothing passes through here but processes; the sockets are bound once, so another address
needs a restart.
Why: no library and no thread, so that the one process that must not fail has little that can. Each
worker holds one end of a channel: it says ``ready``, then now and then that its reactor turns, is
told ``leave``, and notices when the supervisor has died.
"""

import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType

import structlog

READY, LEAVE, WELL = b"ready\n", b"leave\n", b"."
WELL_SECONDS = 2.0
"""Between two times that a worker says that it is well."""
SILENT_SECONDS = 30.0
"""After which one that says nothing hangs; what it was sending may be taken over by then."""
START_SECONDS = 60.0
"""In which a worker has to be ready."""
STEADY_SECONDS = 30.0
"""After which a worker that dies is no failure to start."""
PAUSES = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Before a place is filled again, by failures in a row."""
HOPELESS = 5
"""Failures in a row after which it ends, when it has never served: what has served was configured
well, and what is in its way now (a database, memory) may come back."""

log = structlog.get_logger(__name__)

Start = Callable[[int, socket.socket], "subprocess.Popen[bytes]"]
"""Starts the worker of a number; it inherits its end of the channel."""


@dataclass
class Worker:
    """One process."""

    number: int
    """Of the living ones each has its own; small numbers are used again."""
    process: "subprocess.Popen[bytes]"
    channel: socket.socket
    started: float
    heard: float
    """When it last said something."""
    ready: bool = False
    killed: bool = False
    """By the supervisor, which waits for its end."""


@dataclass
class Place:
    """Where there should always be a worker."""

    worker: Worker | None = None
    failures: int = 0
    not_before: float = 0.0


class Supervisor:
    """Keeps ``count`` workers running until a signal says otherwise.

    ``reload`` looks at the configuration and says why it cannot be used, None when it can;
    ``patience`` gives the seconds a worker may take to stop; ``ended`` is told the number of one
    that has; ``tell`` is called with ``ready``, ``reloading`` or ``stopping`` when that is so.
    """

    def __init__(
        self,
        count: int,
        start: Start,
        *,
        reload: Callable[[], str | None],
        patience: Callable[[], float],
        ended: Callable[[int], None] = lambda number: None,
        tell: Callable[[str], None] = lambda what: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start, self._reload, self._patience = start, reload, patience
        self._tell, self._ended, self._clock = tell, ended, clock
        self._places = [Place() for _ in range(count)]
        self._leaving: list[Worker] = []
        self._to_replace: list[Place] = []
        self._fresh: Worker | None = None
        """Will take the place of the first of ``_to_replace``."""
        self._begun = False
        self._stops = 0
        """Signals to stop."""
        self._stop_by: float | None = None
        self._code = 0
        self._told_to_reload = False
        self._looked = clock()
        self._waiting = selectors.DefaultSelector()
        self._wake, wakes = socket.socketpair()
        for end in (self._wake, wakes):
            end.setblocking(False)
        self._wakes = wakes
        self._waiting.register(self._wake, selectors.EVENT_READ)

    def run(self) -> int:
        """Until all is over; the exit code."""
        before = {
            number: signal.signal(number, self._told)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
        }
        wakeup = signal.set_wakeup_fd(self._wakes.fileno(), warn_on_full_buffer=False)
        try:
            self._look()
            while self._stop_by is None or self._all():
                for key, _ in self._waiting.select(self._pause()):
                    self._hear(key.data)
                self._look()
            return self._code
        finally:
            for worker in self._all():
                worker.process.kill()
                worker.process.wait()
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._waiting.close()
            self._wake.close()
            self._wakes.close()

    # -- what happens --------------------------------------------------------------------------

    def _told(self, number: int, frame: FrameType | None) -> None:
        """A signal: only noted here; ``_look`` acts on it."""
        if number == signal.SIGHUP:
            self._told_to_reload = True
        elif number in (signal.SIGTERM, signal.SIGINT):
            self._stops += 1

    def _hear(self, worker: Worker | None) -> None:
        if worker is None:
            with suppress(BlockingIOError):
                while self._wake.recv(4096):
                    pass
            return
        said = b""
        with suppress(OSError):
            said = worker.channel.recv(64)
        worker.heard = self._clock()
        if READY in said:
            worker.ready = True
        elif not said:  # it has died, or soon will have; SIGCHLD tells when
            self._waiting.unregister(worker.channel)

    def _all(self) -> list[Worker]:
        placed = (place.worker for place in self._places)
        return [each for each in (*placed, self._fresh, *self._leaving) if each is not None]

    def _pause(self) -> float:
        """Seconds until something is due without a signal."""
        now = self._clock()
        due = [now + WELL_SECONDS]
        if self._stop_by is not None:
            due.append(self._stop_by)
        if self._stop_by is None:
            due += [place.not_before for place in self._places if place.worker is None]
        starting = (each for each in self._all() if not (each.ready or each.killed))
        due += [each.started + START_SECONDS for each in starting]
        return max(0.0, min(due) - now)

    # -- what is done about it -----------------------------------------------------------------

    def _look(self) -> None:
        now = self._clock()
        for worker in self._all():
            if worker.process.poll() is not None:
                self._ended(worker.number)
                self._take_out(worker, now)
        if self._stops and self._stop_by is None:
            self._stop(now)
        if self._stop_by is not None:
            self._hurry(now)
            return
        stood_still = now >= self._looked + SILENT_SECONDS / 2  # this process itself
        self._looked = now
        for worker in self._all():
            if stood_still:
                worker.heard = now
            late = now >= worker.started + START_SECONDS
            if worker.killed or not (
                now >= worker.heard + SILENT_SECONDS if worker.ready else late
            ):
                continue
            what = "worker hangs: killed" if worker.ready else "worker is not ready in time"
            log.error(what, worker=worker.number, pid=worker.process.pid)
            worker.killed = True
            worker.process.kill()
        for place in self._places:
            if place.worker is None and now >= place.not_before:
                place.worker = self._started(now)
        if not self._begun and all(each.worker and each.worker.ready for each in self._places):
            self._begun = True
            log.info("all workers are ready", workers=len(self._places))
            self._tell("ready")
        if self._begun:
            self._replace(now)

    def _started(self, now: float) -> Worker:
        used = {worker.number for worker in self._all()}
        number = next(each for each in range(len(used) + 1) if each not in used)
        ours, its = socket.socketpair()
        with its:
            worker = Worker(number, self._start(number, its), ours, now, now)
        ours.setblocking(False)
        self._waiting.register(ours, selectors.EVENT_READ, worker)
        log.info("worker started", worker=number, pid=worker.process.pid)
        return worker

    def _take_out(self, worker: Worker, now: float) -> None:
        """A worker has ended."""
        code = worker.process.returncode
        with suppress(KeyError):
            self._waiting.unregister(worker.channel)
        worker.channel.close()
        about = {"worker": worker.number, "pid": worker.process.pid, "exit_code": code}
        if worker in self._leaving:
            self._leaving.remove(worker)
            (log.info if code == 0 else log.warning)("worker has left", **about)
        elif worker is self._fresh:
            self._fresh = None
            self._give_up_replacing("the new worker ended", **about)
        else:
            place = next(each for each in self._places if each.worker is worker)
            place.worker = None
            if self._stop_by is None:
                self._count_failure(place, worker, now, about)
        if self._stop_by is not None and worker.ready and code != 0:
            log.error("worker not stopped in order", **about)
            self._code = 1

    def _count_failure(
        self, place: Place, worker: Worker, now: float, about: dict[str, int]
    ) -> None:
        steady = worker.ready and now >= worker.started + STEADY_SECONDS
        place.failures = 1 if steady else place.failures + 1
        pause = PAUSES[min(place.failures, len(PAUSES)) - 1]
        place.not_before = now + pause
        log.error("worker ended", pause=pause, **about)
        anybody = any(each.ready for each in self._all())
        ended_by_itself = about["exit_code"] >= 0  # nobody has killed it
        hopeless = ended_by_itself or place.failures >= HOPELESS
        if not self._begun and not anybody and hopeless:
            log.error("workers cannot start", failures=place.failures)
            self._stop(now, 2 if about["exit_code"] == 2 else 1)

    def _replace(self, now: float) -> None:
        """One step further with a rolling restart."""
        if self._told_to_reload and not self._to_replace:
            self._told_to_reload = False
            if (why := self._reload()) is not None:
                log.error("configuration not taken: everything stays as it is", reason=why)
                return
            log.info("workers are being replaced")
            self._tell("reloading")
            self._to_replace = list(self._places)
        if not self._to_replace:
            return
        if self._fresh is None:
            self._fresh = self._started(now)
        elif self._fresh.ready:
            place = self._to_replace.pop(0)
            if place.worker is not None:
                self._leave(place.worker)
            place.worker, place.failures, self._fresh = self._fresh, 0, None
            if self._to_replace:
                self._fresh = self._started(now)
            else:
                log.info("workers have been replaced")
                self._tell("ready")

    def _leave(self, worker: Worker) -> None:
        self._leaving.append(worker)
        with suppress(OSError):
            worker.channel.send(LEAVE)

    def _give_up_replacing(self, why: str, **about: int) -> None:
        if self._stop_by is None:
            log.error("workers are not replaced", reason=why, **about)
            self._tell("ready")
        self._to_replace = []

    # -- the end -------------------------------------------------------------------------------

    def _stop(self, now: float, code: int = 0) -> None:
        log.info("workers are being stopped")
        self._tell("stopping")
        self._stop_by, self._code = now + self._patience(), code
        for worker in self._all():
            worker.process.terminate()

    def _hurry(self, now: float) -> None:
        """Kill those who have not stopped, when time is over or it was told twice."""
        assert self._stop_by is not None
        if self._stops < 2 and now < self._stop_by:
            return
        for worker in self._all():
            log.error("worker killed", worker=worker.number, pid=worker.process.pid)
            worker.process.kill()
            self._code = self._code or 1
        self._stop_by = now + 1.0
