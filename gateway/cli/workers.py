"""``roamgate serve --workers N``: the supervisor, and what each of its workers runs.

Why: a worker is a fresh process and not a copy of this one, so that a rolling restart brings a new
release into service too, and no lock, thread or connection is shared by accident.
"""

import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

from gateway.cli.serve import PATIENCE, serve
from gateway.cli.usage import failed
from gateway.errors import ConfigError
from gateway.server import board, metrics
from gateway.server.config import Config, load
from gateway.server.listeners import CannotListen, Listeners
from gateway.server.log import configure_log
from gateway.server.notify import notify
from gateway.server.supervisor import READY, Supervisor


def supervise(path: Path, count: int) -> int:
    """Run so many workers; the exit code. Raises ConfigError."""
    config = load(path)
    configure_log(level=config.gateway.log_level)
    try:
        listeners = Listeners.bound(config.gateway.listen, config.gateway.admin)
    except CannotListen as error:
        return failed(str(error))
    with (
        tempfile.TemporaryFile() as shared,
        tempfile.TemporaryDirectory(prefix="roamgate-figures-") as figures,
    ):
        return _supervise(path, config, count, listeners, shared, Path(figures))


def _supervise(
    path: Path,
    config: Config,
    count: int,
    listeners: Listeners,
    shared: IO[bytes],
    figures: Path,
) -> int:
    settings, counts = _Settings(path, config), board.new(shared)

    def start(number: int, channel: socket.socket) -> "subprocess.Popen[bytes]":
        ends = (listeners.public, listeners.admin, shared, channel)
        inherited = [end.fileno() for end in ends]
        numbers = (count, number, *inherited)
        return subprocess.Popen(  # noqa: S603 - this program itself
            [sys.executable, "-m", __name__, str(path), str(figures), *map(str, numbers)],
            pass_fds=inherited,
            process_group=0,  # what a terminal sends reaches the supervisor alone
        )

    def ended(number: int) -> None:
        counts.leave(number)
        metrics.forget(figures, number)

    supervisor = Supervisor(
        count,
        start,
        reload=settings.reload,
        patience=settings.patience,
        ended=ended,
        tell=notify,
    )
    return supervisor.run()


class _Settings:
    """The configuration as the supervisor needs it."""

    def __init__(self, path: Path, config: Config) -> None:
        self._path, self._config = path, config

    def reload(self) -> str | None:
        """Look at the file again; why it cannot be used without a restart."""
        try:
            fresh = load(self._path)
        except ConfigError as error:
            return str(error)
        before, after = self._config.gateway, fresh.gateway
        if (before.listen, before.admin) != (after.listen, after.admin):
            return "listen or admin has changed: that needs a restart"
        self._config = fresh
        return None

    def patience(self) -> float:
        """Seconds that a worker may take to stop."""
        return self._config.gateway.drain.total_seconds() + PATIENCE + 1.0


def work(
    path: Path,
    figures: Path,
    count: int,
    number: int,
    public: int,
    admin: int,
    counts: int,
    channel: int,
) -> int:
    """One worker of ``count``, on sockets that it has inherited; the exit code."""
    try:
        config = load(path)
    except ConfigError as error:
        failed(str(error))
        return 2
    configure_log(level=config.gateway.log_level, worker=number, final=True)
    metrics.share(figures, number)
    supervisor = socket.socket(fileno=channel)
    try:
        return serve(
            config,
            shared=Listeners.inherited(public, admin, counts, number, count),
            started=lambda: _say_ready(supervisor),
            channel=supervisor,
        )
    except ConfigError as error:
        failed(str(error))
        return 2


def _say_ready(supervisor: socket.socket) -> None:
    with suppress(OSError):  # it has died meanwhile, which is noticed where it would speak
        supervisor.sendall(READY)


if __name__ == "__main__":
    path, figures, *numbers = sys.argv[1:]
    sys.exit(work(Path(path), Path(figures), *map(int, numbers)))
