"""Certificates, keys and trust, read again when their files change; no connection is dropped.

Limits: a change is noticed within two looks; which files they are stands in the configuration,
which is read at start only.
Why: a certificate and its key are two files and are not written at the same moment, so a change is
taken over when the files have stood still for one look. What cannot be used changes nothing: the
old keys go on, the log says why, and ``/readyz`` shows it until it is mended.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from twisted.internet.task import LoopingCall

from gateway.errors import ConfigError

log = structlog.get_logger(__name__)

SECONDS = 5.0
Seen = tuple[tuple[int, int, int] | None, ...]


class _Source(NamedTuple):
    """Something that is read from files."""

    name: str
    files: tuple[Path, ...]
    reload: Callable[[], None]


class Reloading:
    """Looks at files, and has what they belong to read again."""

    def __init__(self, reactor: Any) -> None:
        self._sources: list[_Source] = []
        self._used: dict[str, Seen] = {}
        self._last: dict[str, Seen] = {}
        self.faults: dict[str, str] = {}
        """Why the newest files of something are not in use, by its name."""
        self._loop = LoopingCall(self.look)
        self._loop.clock = reactor

    def add(self, name: str, files: Iterable[Path | None], reload: Callable[[], None]) -> None:
        """Have ``reload`` called when one of the files changes; it raises ConfigError."""
        known = tuple(path for path in files if path is not None)
        if known:
            self._sources.append(_Source(name, known, reload))
            self._used[name] = self._last[name] = _seen(known)

    def start(self) -> None:
        self._loop.start(SECONDS, now=False)

    def stop(self) -> None:
        if self._loop.running:
            self._loop.stop()

    def look(self, *, at_once: bool = False) -> None:
        """Read again what has changed; ``at_once``: without waiting for it to stand still."""
        for source in self._sources:
            now = _seen(source.files)
            still = at_once or now == self._last[source.name]
            self._last[source.name] = now
            if now != self._used[source.name] and still:
                self._used[source.name] = now
                self._reload(source)

    def _reload(self, source: _Source) -> None:
        try:
            source.reload()
        except ConfigError as error:
            self.faults[source.name] = str(error)
            log.error("changed files are not used", about=source.name, reason=str(error))
        else:
            self.faults.pop(source.name, None)
            log.info("read again", about=source.name, files=[str(path) for path in source.files])


def _seen(files: Iterable[Path]) -> Seen:
    return tuple(map(_state, files))


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
