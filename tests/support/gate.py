"""A running gateway on free ports of this machine, between simulated partners that can fail.

The partners are those of the demo: they speak raw XML and JSON and check what they get. Polls are
stopped, so that nothing happens but what a test does.
"""

import base64
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from twisted.internet import reactor
from twisted.internet.task import deferLater

from gateway.client import HttpClient, Timeouts
from gateway.demo.ochp import OchpCaller, OchpHub, wrapped
from gateway.demo.ocpi import OcpiPartner
from gateway.demo.stage import free_port
from gateway.errors import Unreachable
from gateway.http import Handler, HttpAnswer, HttpCall, Request, Response
from gateway.routing.attempt import Effort
from gateway.routing.poll import _Turn
from gateway.routing.poll_jobs import LISTS, OBJECTS
from gateway.server.app import App, utc_now
from gateway.server.config import load
from gateway.server.http import HttpServer, Limits
from gateway.server.log import configure_log
from gateway.store.tables import metadata

CONFIG = """
[gateway]
public_url = "http://127.0.0.1:{port}"
listen = "127.0.0.1:{port}"
admin = "127.0.0.1:{admin}"
allow_networks = ["127.0.0.0/8"]
country = "NL"
party = "RGW"
name = "Gate"
database = "{database}"

[[party]]
id = "havenlader"
name = "Havenlader"
roles = ["cpo"]
country = "NL"
codes = {havenlader}
protocol = "ocpi-2.2.1"
time_zone = "Europe/Amsterdam"
authorise_within = "5s"
answer_timeout = "5s"
[party.ocpi]
token_in = "token-a-of-havenlader"
callback_origins = ["{cpo}"]
pull = []

[[party]]
id = "rijstroom"
name = "Rijstroom"
roles = ["emsp"]
country = "NL"
codes = {rijstroom}
protocol = "ocpi-2.2.1"
authorise_within = "5s"
answer_timeout = "5s"
[party.ocpi]
token_in = "token-a-of-rijstroom"
callback_origins = ["{emsp}"]
pull = []

[[party]]
id = "clearing"
name = "Clearing house"
roles = ["hub"]
country = "DE"
codes = {clearing}
protocol = "ochp-1.4"
authorise_within = "5s"
answer_timeout = "5s"
[party.ochp]
address = "{hub}/ochp/1.4"
live_address = "{hub}/ochp/1.4/live"
username_out = "roamgate"
password_out = "secret-of-the-hub"

[[party]]
id = "alpenstrom"
name = "Alpenstrom"
roles = ["cpo"]
country = "AT"
codes = {alpenstrom}
protocol = "ochp-1.4"
[party.ochp]
username_in = "alpenstrom"
password_in = "secret-of-alpenstrom"
mode = "strict"

[[party]]
id = "nordlicht"
name = "Nordlicht"
roles = ["cpo"]
country = "DE"
codes = {nordlicht}
protocol = "ochp-1.4"
[party.ochp]
username_in = "nordlicht"
password_in = "secret-of-nordlicht"

[[party]]
id = "fahrstrom"
name = "Fahrstrom"
roles = ["emsp"]
country = "DE"
codes = {fahrstrom}
protocol = "ochp-1.4"
[party.ochp]
username_in = "fahrstrom"
password_in = "secret-of-fahrstrom"
"""
PAIRS = (
    ("havenlader", "fahrstrom"),
    ("havenlader", "rijstroom"),
    ("havenlader", "clearing"),
    ("alpenstrom", "rijstroom"),
    ("alpenstrom", "fahrstrom"),
    ("nordlicht", "fahrstrom"),
    ("clearing", "rijstroom"),
)
CODES = {
    "havenlader": ["NL*HAV"],
    "rijstroom": ["NL-RYS"],
    "clearing": ["DE*HUB", "DE-HUB"],
    "alpenstrom": ["AT*ALP"],
    "nordlicht": ["DE*NOR"],
    "fahrstrom": ["DE-FST"],
}
ROOT = Path(__file__).parents[2]
REQUIRED = os.environ.get("ROAMGATE_REQUIRE_SERVICES") == "1"


def _php() -> str | None:
    """Why PHP cannot be a partner here; None when it can."""
    php = shutil.which("php")
    if php is None:
        return "there is no php"
    modules = subprocess.run([php, "-m"], capture_output=True, text=True, check=True).stdout
    return None if "soap" in modules.lower().split() else "php has no SOAP extension"


PHP_IS_MISSING = _php()
_PATIENCE = 10.0
_LEDGER = {"messages", "message_contents", "message_identifiers", "fresh_identifiers", "meta"}


def _party(codes: list[str]) -> tuple[str, str]:
    return codes[0][:2], codes[0][3:]


async def pause(seconds: float) -> None:
    """Let the reactor run."""
    await deferLater(reactor, seconds)


def token_header(token: str) -> str:
    """How an OCPI partner presents a token."""
    return "Token " + base64.b64encode(token.encode()).decode()


async def until(ready: Callable[[], Any], what: str = "", patience: float = _PATIENCE) -> None:
    """Wait until something is so; raises AssertionError after a while."""
    waited = 0.0
    while not ready():
        assert waited < patience, what or "it has not come"
        await pause(0.02)
        waited += 0.02


class Place:
    """A partner's server; ``trouble`` answers instead of the partner, who may also be down."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.trouble: Callable[[Request], Awaitable[Response]] | None = None
        self.requests: list[Request] = []
        self._server: HttpServer | None = None
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.up()

    def up(self) -> None:
        """Listen again."""
        limits = Limits(drain_seconds=0.5, linger_seconds=0.2)
        self._server = HttpServer(self._handle, limits, reactor)
        self._server.listen(self.port, "127.0.0.1")

    async def down(self) -> None:
        """Refuse connections."""
        server, self._server = self._server, None
        if server is not None:
            await server.drain()

    async def _handle(self, request: Request) -> Response:
        self.requests.append(request)
        if self.trouble is not None:
            return await self.trouble(request)
        return await self._handler(request)


class Gate:
    """The gateway and its partners. ``database``: address; a file in ``folder`` by default.
    ``codes``: who speaks for which, where that is not as in ``CODES``."""

    def __init__(
        self, folder: Path, database: str = "sqlite:///gate.db", **codes: list[str]
    ) -> None:
        codes = CODES | codes
        self.client = HttpClient(reactor, Timeouts(total=20))
        fetch = self.client.fetch
        self.cpo = OcpiPartner(fetch, "CPO", *_party(codes["havenlader"]), "Havenlader")
        self.emsp = OcpiPartner(fetch, "EMSP", *_party(codes["rijstroom"]), "Rijstroom")
        self.hub = OchpHub("roamgate", "secret-of-the-hub")
        self.places = {
            "havenlader": Place(self.cpo.handle),
            "rijstroom": Place(self.emsp.handle),
            "clearing": Place(self.hub.handle),
        }
        self.cpo.url = self.places["havenlader"].url
        self.emsp.url = self.places["rijstroom"].url
        self.port, self.admin_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.soap = f"{self.url}/ochp/1.4"
        self.alpen = OchpCaller(fetch, self.soap, "alpenstrom", "secret-of-alpenstrom")
        self.nord = OchpCaller(fetch, self.soap, "nordlicht", "secret-of-nordlicht")
        self.fahr = OchpCaller(fetch, self.soap, "fahrstrom", "secret-of-fahrstrom")
        self.config = folder / "gate.toml"
        pairs = (f'[[agreement]]\ncpo = "{cpo}"\nemsp = "{emsp}"\n' for cpo, emsp in PAIRS)
        text = CONFIG.format(
            port=self.port,
            admin=self.admin_port,
            database=database,
            cpo=self.cpo.url,
            emsp=self.emsp.url,
            hub=self.places["clearing"].url,
            **{party: json.dumps(own) for party, own in codes.items()},
        )
        self.config.write_text(text + "\n".join(pairs), encoding="utf-8")
        self.app: App | None = None
        self._processes: list[subprocess.Popen[bytes]] = []

    def wait_for_partners(self, span: str) -> None:
        """How long the gateway waits for their answers, once it is started."""
        text = self.config.read_text(encoding="utf-8")
        assert '= "5s"' in text
        self.config.write_text(text.replace('= "5s"', f'= "{span}"'), encoding="utf-8")

    # -- the gateway ---------------------------------------------------------------------------

    async def start(self, clock: Any = utc_now, retry_after: timedelta | None = None) -> None:
        """Start the gateway in this process, without polls."""
        self.app = App(load(self.config), reactor, clock)
        if retry_after is not None:
            self.app.deliveries._effort = Effort(first=retry_after)
        self.app.start()
        await self.app.polls.stop()

    async def poll(self, party: str, what: str) -> None:
        """Ask a party for one of its lists, as the schedule would."""
        assert self.app is not None
        asked = self.app.exchange.directory.parties[party]
        lists = OBJECTS if asked.partner.protocol.startswith("ocpi") else LISTS
        job = next(job for job in lists if job.what == what)
        now = self.app.exchange.clock()
        await self.app.polls._fetch(_Turn(asked, job, now), now)

    def spawn(self, *options: str, log: int = subprocess.PIPE) -> "subprocess.Popen[bytes]":
        """Start the gateway as a process of its own (``roamgate serve``)."""
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve", "--config", str(self.config), *options],
            stdout=subprocess.DEVNULL,
            stderr=log,
            cwd=ROOT,
        )
        self._processes.append(process)
        return process

    async def ready(self) -> None:
        """Wait until the process says that it is ready."""
        url = f"http://127.0.0.1:{self.admin_port}/readyz"
        for _ in range(200):
            try:
                if (await self.client.fetch(HttpCall(method="GET", url=url))).status == 200:
                    return
            except Unreachable:
                pass
            await pause(0.1)
        raise AssertionError("the gateway is not ready")

    async def stop(self) -> None:
        """Stop the gateway as SIGTERM does."""
        if self.app is not None:
            await self.app.stop()
        self.app = None

    async def close(self) -> None:
        """Stop everything."""
        await self.stop()
        for process in self._processes:
            process.kill()
            process.wait()
            if process.stderr:
                process.stderr.close()
        for place in self.places.values():
            await place.down()
        await self.client.close()

    async def register(self) -> None:
        """The handshakes of the OCPI partners."""
        await self.cpo.register(f"{self.url}/ocpi/versions", "token-a-of-havenlader")
        await self.emsp.register(f"{self.url}/ocpi/versions", "token-a-of-rijstroom")

    def dump(self, *without: str) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of all tables but those of the ledger."""
        assert self.app is not None
        with self.app.store.read() as tx:
            return {
                name: sorted(map(tuple, tx.execute(select(table))), key=repr)
                for name, table in metadata.tables.items()
                if name not in _LEDGER and name not in without
            }

    def owed(self, *states: str) -> list[Any]:
        """Deliveries to partners in these states (pending, done, dead)."""
        assert self.app is not None
        with self.app.store.read() as tx:
            found = [row for state in states for row in tx.outbox.find(state, limit=1000)]  # type: ignore[arg-type]
        return [row for row in found if row.party != "@gateway"]

    def nothing_owed(self) -> bool:
        """Whether partners have been given everything; what waits is looked for at once."""
        assert self.app is not None
        self.app.deliveries.wake()
        return not self.owed("pending")

    async def quiet(self) -> None:
        """Wait until partners have been given everything."""
        await until(self.nothing_owed, "something is still owed")

    def findings(self, correlation: str) -> bytes:
        """What stands in the ledger on a message, JSON."""
        assert self.app is not None
        with self.app.store.read() as tx:
            entries = [
                tx.ledger.get(row.entry.id) for row in tx.ledger.find(correlation=correlation)
            ]
        return b"".join(entry.findings or b"" for entry in entries if entry)

    # -- calls ---------------------------------------------------------------------------------

    async def call(self, method: str, path: str, body: bytes = b"", **headers: str) -> HttpAnswer:
        """Any HTTP call; underscores in the names of headers are hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named.setdefault("x-correlation-id", "the-id")
        return await self.client.fetch(
            HttpCall(method=method, url=self.url + path, headers=named, body=body)
        )

    async def post_soap(self, body: bytes, path: str = "/ochp/1.4", **headers: str) -> HttpAnswer:
        """A POST with the headers of SOAP 1.1."""
        headers = {"content-type": "text/xml; charset=utf-8", "soapaction": '""', **headers}
        return await self.call("POST", path, body, **headers)

    def signed(self, root: str, inner: str = "", who: str = "alpenstrom") -> bytes:
        """A message of a known OCHP party."""
        return wrapped(root, inner, who, f"secret-of-{who}")


@contextmanager
def logged(level: str = "info") -> Iterator["Lines"]:
    """Collects the log, as JSON."""
    lines = Lines()
    undo = configure_log(level=level, human=False, stream=lines)
    try:
        yield lines
    finally:
        undo()


class Lines(io.StringIO):
    """The log lines so far."""

    def all(self) -> list[dict[str, Any]]:
        """Each line, parsed."""
        return [json.loads(line) for line in self.getvalue().splitlines()]

    def of(self, correlation: str) -> list[dict[str, Any]]:
        """Those with a correlation id."""
        return [line for line in self.all() if line.get("correlation_id") == correlation]
