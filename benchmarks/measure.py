"""What a process costs: its processor time, its peak memory; and statistics of samples in turns."""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

_TICKS = os.sysconf("SC_CLK_TCK")
ROOT = Path(__file__).resolve().parent.parent
Role = Literal["ours", "peer", "floor"]


class Sample(msgspec.Struct, frozen=True, omit_defaults=True):
    """One turn of one contender. Times in seconds."""

    cpu: float
    """Processor time of the contender for one operation."""
    rate: float | None = None
    """Operations a second that were reached, by the clock."""
    peak: int | None = None
    """Bytes resident at most."""
    p50: float | None = None
    p99: float | None = None
    extra: dict[str, float] = {}


class Session(Protocol):
    """A contender that is ready to work."""

    def turn(self, seconds: float) -> Sample:
        """Work for about so long."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Contender:
    """``start`` makes it ready; ``needs`` names peers (``peers.py``)."""

    name: str
    role: Role
    start: Callable[[], Session]
    checks: str
    needs: tuple[str, ...] = ()
    items: int | None = None
    """Items of one operation where they are fewer than the work's: its figures are scaled up."""


@dataclass(frozen=True)
class Work:
    """What is compared; ``says`` explains the row in a sentence."""

    key: str
    title: str
    says: str
    contenders: Sequence[Contender]
    items: int = 1
    seconds: float = 1.0
    """Of a turn; a contender that runs once to its end takes what it takes."""
    warm: float = 0.5
    rounds: int | None = None
    over_http: bool = False
    measure: str = "processor time"


class Measured(msgspec.Struct):
    """All turns of a contender."""

    name: str
    role: Role
    checks: str
    samples: list[Sample] = []
    scaled_from: int | None = None

    def median(self, name: str = "cpu") -> float | None:
        values = [getattr(each, name) for each in self.samples]
        return statistics.median(values) if values and None not in values else None

    def spread(self) -> tuple[float, float]:
        values = [each.cpu for each in self.samples]
        return min(values), max(values)


def ratio(other: Measured, ours: Measured, name: str = "cpu") -> float | None:
    """How many times ours the other takes: the median over pairs of the same round."""
    pairs = zip(other.samples, ours.samples, strict=False)
    values = [(getattr(a, name), getattr(b, name)) for a, b in pairs]
    if not values or any(a is None or not b for a, b in values):
        return None
    return statistics.median(a / b for a, b in values)


def in_turns(
    contenders: Sequence[Contender],
    work: Work,
    rounds: int,
    say: Callable[[str], None],
    until: float = float("inf"),
) -> tuple[list[Measured], dict[str, str]]:
    """Every contender once in each round; and those that failed, with the reason.

    After ``until`` (of the monotonic clock) no other round is begun.
    """
    sessions: dict[str, Session] = {}
    measured = {
        each.name: Measured(each.name, each.role, each.checks, scaled_from=each.items)
        for each in contenders
    }
    failed: dict[str, str] = {}

    def attempt(each: Contender, step: Callable[[], Any]) -> Any:
        if each.name in failed:
            return None
        try:
            return step()
        except Exception as error:  # noqa: BLE001 - a peer that breaks is named, the rest goes on
            failed[each.name] = f"{type(error).__name__}: {error}"[:300]
            return None

    try:
        for each in contenders:
            sessions[each.name] = attempt(each, each.start)
            if work.warm:
                attempt(each, lambda each=each: sessions[each.name].turn(work.warm))
        for number in range(rounds):
            if number and time.monotonic() > until:
                break
            for each in contenders:
                sample = attempt(each, lambda each=each: sessions[each.name].turn(work.seconds))
                if sample is not None:
                    if each.items:
                        sample = scaled(sample, work.items / each.items)
                    measured[each.name].samples.append(sample)
            say(f"{work.key}: round {number + 1} of {rounds}")
    finally:
        for session in sessions.values():
            if session is not None:
                session.close()
    return [each for each in measured.values() if each.samples], failed


def scaled(sample: Sample, times: float) -> Sample:
    """The figures of a smaller piece of work, as if it grew in line. Memory is not scaled."""
    return msgspec.structs.replace(sample, cpu=sample.cpu * times)


# -- processes -------------------------------------------------------------------------------


def cores() -> tuple[str, str]:
    """The core of who is measured, and that of everybody else."""
    free = sorted(os.sched_getaffinity(0))
    return str(free[0]), str(free[-1])


def pinned(command: Sequence[str], core: str) -> list[str]:
    return ["taskset", "-c", core, *command]


def processor_time(pid: int) -> float:
    """Of a process and of its children that live, all threads."""
    spent = 0.0
    for each in (pid, *_children(pid)):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        spent += (int(fields[11]) + int(fields[12])) / _TICKS
    return spent


def main_thread_time(pid: int) -> float:
    """Of the first thread of a process."""
    fields = Path(f"/proc/{pid}/task/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak_memory(pid: int) -> int:
    """Bytes resident at most, of the process alone."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _watched(pid: int) -> int:
    """Peak memory of a child until it has ended, looked at every few milliseconds. Those of its
    own children are added, what they share with it counted for each."""
    peaks: dict[int, int] = {}
    while not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        for each in (pid, *_children(pid)):
            with suppress(OSError):
                peaks[each] = max(peaks.get(each, 0), peak_memory(each))
        time.sleep(0.005)
    return sum(peaks.values())


def _children(pid: int) -> list[int]:
    try:
        found = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return found + [below for each in found for below in _children(each)]


@dataclass
class Worker:
    """Works in a process of its own: ``python -m benchmarks.inside NAME`` on the first core."""

    name: str
    module: str = "benchmarks.inside"
    arguments: tuple[str, ...] = ()
    core: str = field(default_factory=lambda: cores()[0])
    process: Any = field(init=False)

    def __post_init__(self) -> None:
        command = [sys.executable, "-m", self.module, self.name, *self.arguments]
        self.process = subprocess.Popen(
            pinned(command, self.core),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def turn(self, seconds: float) -> Sample:
        self.begin(seconds)
        return self.result()

    def begin(self, seconds: float) -> None:
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()

    def result(self) -> Sample:
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with {self.process.wait()}")
        return msgspec.json.decode(line, type=Sample)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(10)


@dataclass(frozen=True)
class Clocked:
    """A contender of which the time by the clock counts, all its processes together."""

    session: Session

    def turn(self, seconds: float) -> Sample:
        sample = self.session.turn(seconds)
        return msgspec.structs.replace(sample, cpu=1 / (sample.rate or 1.0))

    def close(self) -> None:
        self.session.close()


@dataclass
class Apart:
    """An operation by several processes at once that share nothing, each on a core of its own."""

    name: str
    count: int
    workers: list[Worker] = field(init=False)

    def __post_init__(self) -> None:
        self.workers = [Worker(self.name, core=core) for core in cores()[: self.count]]

    def turn(self, seconds: float) -> Sample:
        for each in self.workers:
            each.begin(seconds)
        samples = [each.result() for each in self.workers]
        cpu = statistics.mean(each.cpu for each in samples)
        return Sample(cpu=cpu, rate=sum(each.rate or 0.0 for each in samples))

    def close(self) -> None:
        for each in self.workers:
            each.close()


@dataclass(frozen=True)
class Command:
    """Runs a command to its end, each turn anew."""

    command: Sequence[str]
    output: Path = Path(os.devnull)
    everywhere: bool = False
    """Not kept to one core."""

    def turn(self, seconds: float) -> Sample:
        command = self.command if self.everywhere else pinned(self.command, cores()[0])
        began = time.monotonic()
        with self.output.open("wb") as out, tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(command, stdout=out, stderr=errors, cwd=ROOT)
            peak = _watched(process.pid)
            _, status, usage = os.wait4(process.pid, 0)
            errors.seek(0)
            said = errors.read()[-200:].decode()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"exit code {process.returncode}: {said}")
        took = time.monotonic() - began
        cpu = usage.ru_utime + usage.ru_stime
        most = usage.ru_maxrss * 1024
        if most > peak and most > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024:
            peak = most  # below that it is what this process had when it forked
        return Sample(cpu=cpu, peak=peak, rate=1 / took)

    def close(self) -> None: ...
