"""``roamgate demo``: stage, gateway and flows in one process on real sockets, then a table."""

import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from gateway.demo.flows import Flows
from gateway.demo.stage import Stage, build


class Printer:
    """Tells the story on a console."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def step(self, title: str) -> None:
        """A flow begins."""
        self._console.print(f"\n[bold]{title}[/bold]")

    def line(self, what: str) -> None:
        """Something has arrived."""
        self._console.print(f"   [green]ok[/green] {what}", highlight=False)


def run(*, serve: bool) -> int:
    """Go through all flows; the exit code: 0 when nothing is missing."""
    console = Console(soft_wrap=True)
    console.print("A gateway and its partners start: a few seconds ...")

    from twisted.internet import reactor as installed
    from twisted.internet.defer import ensureDeferred
    from twisted.python.failure import Failure

    from gateway.client import HttpClient, Timeouts
    from gateway.server.log import configure_log

    reactor: Any = installed
    configure_log(level="error")
    codes: list[int] = []
    with tempfile.TemporaryDirectory(prefix="roamgate-demo-") as folder:

        async def play() -> None:
            fetch = HttpClient(reactor, Timeouts(total=30)).fetch
            stage = build(Path(folder), reactor, fetch)
            codes.append(await _play(stage, console, reactor))
            if serve:
                await _stay(stage, console)

        def finish(result: Any) -> None:
            if isinstance(result, Failure):
                console.print(f"[red]the demo broke off[/red]: {result.getErrorMessage()}")
                codes.append(1)
            if reactor.running:
                reactor.stop()

        reactor.callWhenRunning(lambda: ensureDeferred(play()).addBoth(finish))
        reactor.run()
    return max(codes, default=0)


async def _play(stage: Stage, console: Console, reactor: Any) -> int:
    from twisted.internet.defer import ensureDeferred
    from twisted.internet.task import deferLater

    from gateway.server.app import App
    from gateway.server.config import load

    app = App(load(stage.config), reactor)
    # whatever ends the demo, Ctrl-C too: the gateway finishes what it does, its threads end
    reactor.addSystemEventTrigger("before", "shutdown", lambda: ensureDeferred(app.stop()))
    app.start()
    console.print(f"[bold]Roamgate demo[/bold]: a gateway at {stage.url} and five partners")

    async def pause(seconds: float) -> None:
        await deferLater(reactor, seconds)

    started = time.monotonic()
    printer = Printer(console)
    flows = Flows(stage, printer, pause)
    missing: list[str] = []
    for title, flow in flows.each():
        printer.step(title)
        try:
            await flow()
        except Exception as error:  # noqa: BLE001 - told, counted, and the exit code says it
            missing.append(f"{title}: {error or type(error).__name__}")
            console.print(f"   [red]missing[/red] {error}", highlight=False)
    missing.extend(flows.faults())
    table(app, flows, console, time.monotonic() - started)
    for what in missing:
        console.print(f"[red]missing or wrong[/red]: {what}", highlight=False)
    return 1 if missing else 0


async def _stay(stage: Stage, console: Console) -> None:
    from twisted.internet.defer import Deferred

    from gateway.server.config import load

    gateway = load(stage.config).gateway
    console.print(
        f"\nThe gateway stays at {stage.url} (Ctrl-C ends it). Try:\n"
        f"  curl '{stage.url}/ochp/1.4?wsdl'\n"
        f"  curl http://{gateway.admin.host}:{gateway.admin.port}/readyz\n"
        f"  .venv/bin/python examples/zeep_caller.py '{stage.url}/ochp/1.4?wsdl' "
        "fahrstrom demo-fahrstrom\n"
        f"  .venv/bin/python examples/ocpi_partner.py {stage.url}/ocpi/versions "
        f"demo-token-a-visitor NL VIS {stage.visitor}\n"
        f"  .venv/bin/roamgate messages find --cdr ATALP000000000003 --config {stage.config}",
        highlight=False,
    )
    await Deferred()


def table(app: Any, flows: Flows, console: Console, seconds: float) -> None:
    """What happened, in numbers."""
    tally = app.exchange.tally
    stage = flows.stage
    points = flows.evse_count + len(flows.alpen) + len(stage.hub.own_charge_points)
    outcomes: Counter[str] = Counter()
    for (_, outcome, _), count in tally.findings.items():
        outcomes[outcome] += count
    figures = Table(title="What went through", title_justify="left", show_header=False)
    figures.add_row("charge points", str(points))
    figures.add_row("messages answered", str(sum(tally.messages.values())))
    figures.add_row("objects and messages written", str(sum(tally.written.values())))
    for outcome, count in sorted(outcomes.items()):
        rules = Counter({rule: n for (_, o, rule), n in tally.findings.items() if o == outcome})
        named = ", ".join(f"{rule} {n}" for rule, n in rules.most_common(4))
        figures.add_row(f"findings: {outcome}", f"{count}  ({named})")
    figures.add_row("CDRs sent", str(flows.cdrs_sent))
    figures.add_row("CDRs confirmed", str(flows.cdrs_confirmed))
    figures.add_row("seconds", f"{seconds:.1f}")
    console.print()
    console.print(figures)
