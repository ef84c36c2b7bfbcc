"""Gateways as processes that can be killed: their configuration, start and end."""

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
from psycopg import sql

from gateway.demo.stage import free_port
from gateway.server.app import utc_now
from gateway.store import Store
from tests.crash.wire import call

ROOT = Path(__file__).parents[2]
CONFIG = """
[gateway]
public_url = "http://127.0.0.1:{port}"
listen = "127.0.0.1:{port}"
admin = "127.0.0.1:{admin}"
country = "NL"
party = "RGW"
name = "Gate"
database = "{database}"
log_level = "warning"
allow_networks = ["127.0.0.0/8"]

[outbox]
first_pause = "1s"
longest_pause = "2s"

[[party]]
id = "havenlader"
name = "Havenlader"
roles = ["cpo"]
country = "NL"
codes = ["NL*HAV"]
protocol = "ocpi-2.2.1"
[party.ocpi]
token_in = "of-havenlader"
token_out = "to-havenlader"
versions_url = "http://127.0.0.1:9/versions"
handshake = false
push = []
pull = []

[[party]]
id = "rijstroom"
name = "Rijstroom"
roles = ["emsp"]
country = "NL"
codes = ["NL-RYS"]
protocol = "ocpi-2.2.1"
answer_timeout = "1s"
[party.ocpi]
token_in = "of-rijstroom"
token_out = "to-rijstroom"
handshake = false
versions_url = "{emsp}/versions"
pull = []

[[party]]
id = "clearing"
name = "Clearing house"
roles = ["hub"]
country = "DE"
codes = ["DE*HUB", "DE-HUB"]
protocol = "ochp-1.4"
answer_timeout = "1s"
[party.ochp]
address = "{hub}/ochp/1.4"
username_out = "roamgate"
password_out = "to-the-hub"

[[party]]
id = "alpenstrom"
name = "Alpenstrom"
roles = ["cpo"]
country = "AT"
codes = ["AT*ALP"]
protocol = "ochp-1.4"
[party.ochp]
username_in = "alpenstrom"
password_in = "of-alpenstrom"

[[party]]
id = "fahrstrom"
name = "Fahrstrom"
roles = ["emsp"]
country = "DE"
codes = ["DE-FST"]
protocol = "ochp-1.4"
[party.ochp]
username_in = "fahrstrom"
password_in = "of-fahrstrom"
"""
START = 300.0
"""Seconds until a gateway is ready at the latest: a supervisor starts workers that are killed again
and again after pauses of up to 30 s only, and on a busy machine each takes long."""
PAIRS = (
    ("havenlader", "fahrstrom"),
    ("havenlader", "rijstroom"),
    ("havenlader", "clearing"),
    ("alpenstrom", "rijstroom"),
    ("clearing", "rijstroom"),
)


@contextmanager
def database(address: str, folder: Path) -> Iterator[str]:
    """The address of an empty database: a file for ``sqlite``, a new one on a PostgreSQL server."""
    if address == "sqlite":
        for old in folder.glob("gate.db*"):
            old.unlink()
        yield f"sqlite:///{folder}/gate.db"
        return
    parts = urlsplit(address)
    name = f"roamgate_crash_{uuid4().hex[:12]}"
    admin = urlunsplit(parts._replace(scheme="postgresql", path="/postgres"))
    with psycopg.connect(admin, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield urlunsplit(parts._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(admin, autocommit=True) as server:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            server.execute(drop.format(sql.Identifier(name)))


class Nursery:
    """Starts gateways; see ``nursery.py``."""

    async def __aenter__(self) -> "Nursery":
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("nursery.py")),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        self._asking = asyncio.Lock()
        assert await self._line() == ["ready"]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._process.kill()
        await self._process.wait()

    async def _line(self) -> list[str]:
        assert self._process.stdout
        return (await self._process.stdout.readline()).decode().split()

    async def ask(self, *words: object) -> list[str]:
        """The answer to a line."""
        assert self._process.stdin
        async with self._asking:
            self._process.stdin.write((" ".join(map(str, words)) + "\n").encode())
            return await self._line()


class Process:
    """A place where a gateway runs, dies and is started again."""

    def __init__(
        self,
        nursery: Nursery,
        folder: Path,
        database: str,
        emsp: str,
        hub: str,
        *,
        lease: float = 0,
        workers: int = 1,
        host: str = "-",
    ) -> None:
        self._nursery, self._lease, self._workers, self._host = nursery, lease, workers, host
        self.port, self.admin = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._config = folder / f"gate-{self.port}.toml"
        self.log = folder / f"gate-{self.port}.log"
        agreements = (f'[[agreement]]\ncpo = "{cpo}"\nemsp = "{emsp}"\n' for cpo, emsp in PAIRS)
        text = CONFIG.format(
            port=self.port, admin=self.admin, database=database, emsp=emsp, hub=hub
        )
        self._config.write_text(text + "\n".join(agreements), encoding="utf-8")
        self.pid = 0

    async def start(self) -> None:
        """Start it; it serves a moment later."""
        answer = await self._nursery.ask(
            "start", self._config, self.log, self._lease, self._workers, self._host
        )
        self.pid = int(answer[1])

    async def ready(self) -> None:
        """Wait until it says that it is ready."""
        end = asyncio.get_running_loop().time() + START
        while asyncio.get_running_loop().time() < end:
            if self._workers > 1 and not _lives(self.pid):
                await self.ended()
                await self.start()  # as a service manager does; what it said is an error
            try:
                answer = await call("GET", f"http://127.0.0.1:{self.admin}/readyz", {})
                if answer.status == 200:
                    return
            except (OSError, EOFError, TimeoutError):
                pass
            await asyncio.sleep(0.05)
        raise AssertionError(f"the gateway is not ready: {self.log.read_text()[-2000:]}")

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    async def ended(self) -> int:
        """Wait for its end; its exit code."""
        answer = await self._nursery.ask("wait", self.pid)
        return int(answer[2])

    async def killed(self) -> None:
        """Kill it where it stands."""
        self.signal(signal.SIGKILL)
        await self.ended()

    async def struck(self, chance: random.Random) -> str:
        """Kill something of it and have it go on; what it was. With workers it may also be told to
        replace them, in the middle of whatever is going on."""
        if self._workers == 1:
            await self.killed()
            await self.start()
            return "process"
        what = chance.choices(list(_BLOWS), list(_BLOWS.values()))[0]
        workers = _children(self.pid)
        if what == "reload":
            self.signal(signal.SIGHUP)
        elif what == "worker" and workers:
            _kill(chance.choice(workers))
        else:
            what = "supervisor" if what == "worker" else what
            await self.killed()
            for pid in workers if what == "all" else ():
                _kill(pid)
            await self._start_until_it_runs(workers)
        return what

    async def _start_until_it_runs(self, before: Sequence[int]) -> None:
        """As a service manager would: those that lost their supervisor have the port until they
        have left."""
        while any(map(_lives, before)):
            await asyncio.sleep(0.05)
        await self.start()

    def errors(self) -> list[str]:
        """What it said that no kill explains: internal errors."""
        found = []
        for line in self.log.read_text(encoding="utf-8").splitlines():
            try:
                said = json.loads(line)
            except ValueError:
                said = {"level": "error"}
            by_a_kill = said.get("event") in _OF_A_KILL and said.get("exit_code") == -signal.SIGKILL
            if (said.get("level") == "error" and not by_a_kill) or "Traceback" in line:
                found.append(line)
        return found


_BLOWS = {"worker": 6, "supervisor": 1, "all": 2, "reload": 2}
"""What happens to a gateway with workers, and how often."""
_OF_A_KILL = ("worker ended", "workers are not replaced")
"""What a supervisor says of a worker that was killed."""


def _children(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def opened(database: str) -> Store:
    """The store of a database, beside the gateways."""
    return Store(database, utc_now)
