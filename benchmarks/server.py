"""A server as a contender: on the first core, while everything else runs on the last."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.load import CONNECTIONS, ask, by_python, by_wrk, listening
from benchmarks.measure import ROOT, Sample, cores, peak_memory, pinned, processor_time
from gateway.demo.stage import free_port


def write_requests(requests: Sequence[bytes]) -> Path:
    """A file for wrk."""
    handle, name = tempfile.mkstemp(prefix="roamgate-bench-", suffix=".requests")
    with open(handle, "wb") as out:
        for each in requests:
            out.write(b"%d\n%s" % (len(each), each))
    return Path(name)


WARM = 40.0
"""Seconds for warming up at most."""


@dataclass
class Server:
    """A server process; what is counted is its processor time for a request.

    ``command`` gets the port; ``expect`` has to stand in the answer to the first request, which is
    asked before anything is measured; ``prepare(port)`` fills it before that; ``once``: requests
    that are good only once, made for each turn.
    """

    command: Callable[[int], Sequence[str]]
    requests: Sequence[bytes] = ()
    expect: bytes = b""
    env: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[int], None] | None = None
    once: Callable[[int], list[bytes]] | None = None
    count: int | None = None
    """How many of those are asked in a turn; as many as fit into its time when left out."""
    everywhere: bool = False
    """Not kept to one core, and neither is the load."""
    close_with: Callable[[], None] | None = None
    connections: int = CONNECTIONS
    warmed: int = 0
    """Requests before anything is measured, for those that compile while they run."""
    process: Any = field(init=False)
    port: int = field(init=False)
    _file: Path | None = field(init=False, default=None)
    lasted: float = field(init=False, default=0.0)
    """Seconds of the last turn."""
    _rate: float = field(init=False, default=1000.0)

    def __post_init__(self) -> None:
        self.port = free_port()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self.process = subprocess.Popen(
            self.command(self.port)
            if self.everywhere
            else pinned(self.command(self.port), cores()[0]),
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            env={**os.environ, **self.env},
            cwd=ROOT,
        )
        try:
            listening(self.port, self._look)
            if self.prepare:
                self.prepare(self.port)
            first = self.once(1)[0] if self.once else self.requests[0]
            status, body = ask(self.port, first)
            if status != 200 or self.expect not in body:
                raise RuntimeError(f"wrong answer: {status} {body[:300]!r}")
        except BaseException:
            self.close()
            raise
        if not self.once:
            self._file = write_requests(self.requests)
            self._warm(self._file)

    def _warm(self, file: Path) -> None:
        done, until = 0, time.monotonic() + WARM
        while done < self.warmed and time.monotonic() < until:
            done += by_wrk(self.port, file, 2.0, self.connections).requests

    def _look(self) -> None:
        if self.process.poll() is not None:
            self._errors.seek(0)
            raise RuntimeError(f"did not start: {self._errors.read()[-300:].decode()}")

    def turn(self, seconds: float) -> Sample:
        count = self.count or int(self._rate * seconds) + CONNECTIONS
        fresh = self.once(count) if self.once else []
        before = processor_time(self.process.pid)
        if self._file:
            load = by_wrk(self.port, self._file, seconds, self.connections, self.everywhere)
        else:
            load = by_python(
                self.port, iter(fresh), 60 if self.count else seconds, self.connections
            )
        spent, self.lasted = processor_time(self.process.pid) - before, load.seconds
        if load.errors or not load.requests:
            raise RuntimeError(f"{load.errors} of {load.requests} requests failed")
        return Sample(
            cpu=spent / load.requests,
            rate=load.requests / load.seconds,
            p50=load.p50,
            p99=load.p99,
            # of workers beside it nothing is known here
            peak=None if self.everywhere else peak_memory(self.process.pid),
        )

    def during(self, work: Callable[[], object]) -> Sample:
        """What one piece of work costs the server."""
        before, began = processor_time(self.process.pid), time.monotonic()
        work()
        took = time.monotonic() - began
        spent = processor_time(self.process.pid) - before
        return Sample(cpu=spent, rate=1 / took, peak=peak_memory(self.process.pid))

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._errors.close()
        if self._file:
            self._file.unlink()
        if self.close_with:
            self.close_with()
