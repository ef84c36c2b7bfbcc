"""Figures for Prometheus: what was asked, said, converted, sent; how the processes are.

Limits: a label's value is a party or protocol of the configuration, an operation of a contract, or
a word of our own; nothing that a message says. Several workers count in files that they share, each
under its number, so any of them tells the sum and a killed one's counts stay (of what was not
carried, those until its last look).
Why: on the way of a request a figure costs one addition; what the database knows is asked when
somebody looks.
"""

import os
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import prometheus_client as prometheus
from prometheus_client import values
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway import __version__
from gateway.routing.tally import Tally

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Bounds of the classes of durations."""
CONTENT_TYPE = prometheus.CONTENT_TYPE_LATEST
_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
_PAGE = resource.getpagesize()

_library: Any = prometheus
_library.disable_created_metrics()


def share(directory: Path, worker: int) -> None:
    """Count together with other workers; before any ``Metrics`` is made in this process."""
    os.environ[_DIRECTORY] = str(directory)
    shared: Any = values
    shared.ValueClass = shared.MultiProcessValue(lambda: worker)


def forget(directory: Path, worker: int) -> None:
    """A worker has ended: how it was is no longer so; what it counted stays."""
    for file in directory.glob(f"gauge_live*_{worker}.db"):
        file.unlink(missing_ok=True)


class Metrics(Tally):
    """The figures of one process. Safe to use from several threads."""

    def __init__(self, worker: int = 0) -> None:
        super().__init__()
        self._registry = prometheus.CollectorRegistry()
        self._worker = str(worker)
        self._known: dict[tuple[Any, ...], Any] = {}
        self._cpu, self._ticked = 0.0, 0.0
        self.requests = self._counter(
            "requests", "Requests of partners", "protocol", "operation", "party", "outcome"
        )
        self.request_seconds = self._histogram("request_seconds", "Until answered", "protocol")
        self.refused = self._counter(
            "refused", "Requests refused before anybody looked at them", "code"
        )
        self.translations = self._counter(
            "translations", "Objects and messages written for partners", "protocol", "name"
        )
        self.found = self._counter("findings", "What was not carried", "protocol", "outcome")
        self.deliveries = self._counter(
            "deliveries", "Attempts to send", "party", "operation", "outcome"
        )
        self.delivery_seconds = self._histogram(
            "delivery_seconds", "From owing to taken", "party", bounds=(*SECONDS, 60, 300, 3600)
        )
        self.polls = self._counter("polls", "Questions by schedule", "party", "what", "outcome")
        self.starts = self._counter("starts", "Processes started")
        self.cpu = self._counter("cpu_seconds", "Processor time used", "worker")
        self.breaker = self._gauge(
            "breaker_open", "1: a partner is out of reach and left alone", "party", mode="livemax"
        )
        self.under_way = self._gauge("requests_under_way", "Being answered now")
        self.connections = self._gauge("connections", "Clients connected now")
        self.held = self._gauge("body_bytes", "Bodies in memory")
        self.lag = self._gauge("loop_lag_seconds", "How late the loop was last", "worker")
        self.memory = self._gauge("resident_bytes", "Memory in use", "worker")
        self.files = self._gauge("open_files", "Open descriptors", "worker")
        self.starts.inc()

    def _counter(self, name: str, what: str, *labels: str) -> prometheus.Counter:
        return prometheus.Counter(f"roamgate_{name}", what, labels, registry=self._registry)

    def _gauge(self, name: str, what: str, *labels: str, mode: Any = "livesum") -> prometheus.Gauge:
        return prometheus.Gauge(
            f"roamgate_{name}", what, labels, registry=self._registry, multiprocess_mode=mode
        )

    def _histogram(
        self, name: str, what: str, *labels: str, bounds: Sequence[float] = SECONDS
    ) -> prometheus.Histogram:
        return prometheus.Histogram(
            f"roamgate_{name}", what, labels, registry=self._registry, buckets=bounds
        )

    def _of(self, metric: Any, *labels: str) -> Any:
        """A figure by its labels; looked up by the library only once."""
        key = (metric, *labels)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = metric.labels(*labels)
        return found

    # -- what happens --------------------------------------------------------------------------

    def _counted(
        self, written: Counter[tuple[str, str]], findings: Counter[tuple[str, str, str]]
    ) -> None:
        for names, count in written.items():
            self._of(self.translations, *names).inc(count)
        for (protocol, outcome, _), count in findings.items():
            self._of(self.found, protocol, outcome).inc(count)

    def answered(
        self, protocol: str, operation: str, party: str, outcome: str, seconds: float
    ) -> None:
        self._of(self.requests, protocol, operation, party, outcome).inc()
        self._of(self.request_seconds, protocol).observe(seconds)

    def sent(self, party: str, operation: str, outcome: str) -> None:
        self._of(self.deliveries, party, operation, outcome).inc()

    def taken(self, party: str, seconds: float) -> None:
        self._of(self.delivery_seconds, party).observe(seconds)

    def polled(self, party: str, what: str, outcome: str) -> None:
        self._of(self.polls, party, what, outcome).inc()

    def turned_away(self, code: str) -> None:
        """A request that nobody looked at."""
        self._of(self.refused, code).inc()

    # -- how things are ------------------------------------------------------------------------

    def look(self, under_way: int, connections: int, held: int, resting: Iterable[str]) -> None:
        """Take down how this process is, and what it counted."""
        self.count()
        self.under_way.set(under_way)
        self.connections.set(connections)
        self.held.set(held)
        for (metric, *_), figure in list(self._known.items()):
            if metric is self.breaker:
                figure.set(0)
        for party in resting:
            self._of(self.breaker, party).set(1)
        used = time.process_time()
        self._of(self.cpu, self._worker).inc(max(0.0, used - self._cpu))
        self._cpu = used
        if memory := _resident():
            self._of(self.memory, self._worker).set(memory)
            self._of(self.files, self._worker).set(len(os.listdir("/proc/self/fd")))

    def late(self, seconds: float) -> None:
        """How late something was that was to be done at a time."""
        self._of(self.lag, self._worker).set(seconds)

    def text(self, *more: Callable[[], Iterable[Any]]) -> bytes:
        """All figures, of all workers (those of others up to their last look, a few seconds ago);
        ``more`` gives those that are worked out now."""
        self.count()
        registry: Any = self._registry
        if directory := os.environ.get(_DIRECTORY):
            from prometheus_client import multiprocess

            registry = prometheus.CollectorRegistry()
            collect: Any = multiprocess.MultiProcessCollector
            collect(registry, path=directory)
        now = prometheus.CollectorRegistry()
        for each in (_about, *more):
            now.register(_Now(each))
        return prometheus.generate_latest(registry) + prometheus.generate_latest(now)


class _Now(Collector):
    """Figures that are worked out when somebody looks."""

    def __init__(self, families: Callable[[], Iterable[Any]]) -> None:
        self._families = families

    def collect(self) -> Iterable[Any]:
        return self._families()


def gauge(name: str, what: str, labels: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> Any:
    """A family of figures; the last of each row is the figure."""
    family = GaugeMetricFamily(f"roamgate_{name}", what, labels=labels)
    for *named, figure in rows:
        family.add_metric([str(each) for each in named], figure)
    return family


def _about() -> Iterable[Any]:
    yield gauge("info", "Always 1", ["version"], [(__version__, 1)])


def _resident() -> int:
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0
