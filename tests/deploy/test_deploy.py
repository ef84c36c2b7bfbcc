"""What ``deploy/`` and the operator's guide name exists: commands, options, figures, files.

No container engine runs here; the partners of the compose file are run beside a real gateway.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer
from twisted.internet import reactor

from gateway.cli.app import app
from gateway.client import HttpClient, Timeouts
from gateway.demo.stage import free_port
from gateway.errors import Unreachable
from gateway.http import HttpCall
from gateway.server.config import load
from gateway.server.figures import _families
from gateway.server.metrics import Metrics
from tests.support.gate import pause

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
GUIDE = ROOT / "docs" / "operations.md"
FILES = sorted([GUIDE, *(each for each in DEPLOY.rglob("*") if each.is_file())])
SUFFIXES = ("_bucket", "_count", "_sum")
ADDRESS = {"ROAMGATE_DATABASE": "postgresql://nobody@127.0.0.1/none"}


def commands():
    """``{(words): {options}}`` of the command line."""
    found = {}

    def walk(command, words):
        found[words] = {option for each in command.params for option in each.opts}
        for name, below in getattr(command, "commands", {}).items():
            walk(below, (*words, name))

    walk(typer.main.get_command(app), ())
    return found


def test_commands_and_options_exist():
    """In the order in which a shell would read them."""
    known, seen = commands(), 0
    for path in FILES:
        text = re.sub(r'",\s*"', " ", path.read_text(encoding="utf-8"))
        for line in re.findall(
            r"(?<![\w./-])(?:/opt/roamgate/bin/)?roamgate ([a-z][^\n`#|)]*)", text
        ):
            words = ()
            for word in line.split():
                if (*words, word) not in known:
                    break
                words = (*words, word)
            if not words:
                continue  # prose
            seen += 1
            for option in re.findall(r"(?<!\S)(--[a-z-]+)", line):
                assert option in known[words], (path.name, line)
    assert seen > 15


def figures():
    """The names of all figures."""
    one = Metrics()
    families = [*one._registry.collect(), *_families([], True, [], None)]
    names = {sample for family in families for sample in (family.name, f"{family.name}_total")}
    return names | {"roamgate_info"}


def test_figures_exist():
    """And those that exist are explained."""
    known, named = figures(), {}
    for path in FILES:
        for name in re.findall(r"\broamgate_[a-z_]+[a-z]", path.read_text(encoding="utf-8")):
            plain = name
            for suffix in SUFFIXES:
                plain = plain.removesuffix(suffix)
            named.setdefault(plain, path.name)
    assert {name: where for name, where in named.items() if name not in known} == {}
    guide = GUIDE.read_text(encoding="utf-8")
    assert [name for name in figures() if not name.endswith("_total") and name not in guide] == []


def test_options_and_files_exist():
    """The configuration is right; what the compose file mounts is there."""
    config = load(DEPLOY / "roamgate.toml", ADDRESS)
    assert {party.id for party in config.parties} == {
        "havenlader", "rijstroom", "clearing", "alpenstrom",
    }  # fmt: skip
    compose = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    mounted = re.findall(r"- (\./\S+?):/", compose)
    assert mounted
    assert [name for name in mounted if not (DEPLOY / name).exists()] == []
    container = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    copied = [
        name
        for line in re.findall(r"^COPY (?!--)(.+) \S+$", container, re.M)
        for name in line.split()
    ]
    assert {"gateway", "adapters", "wsdl", "xsd", "pyproject.toml"} <= set(copied)
    assert [name for name in copied if not (ROOT / name).exists()] == []
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    included = packages["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {each.rstrip("*") for each in included} <= set(copied)


def test_the_dashboard_is_whole():
    """Each panel has an id, a place and a question of its own."""
    board = json.loads((DEPLOY / "grafana/dashboards/roamgate.json").read_text(encoding="utf-8"))
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 10
    assert all(target["expr"] for panel in panels for target in panel["targets"])
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)


@pytest.fixture
def spawn():
    """Starts a process; ends it after the test."""
    started = []

    def run(*arguments, **options):
        started.append(
            subprocess.Popen([sys.executable, *arguments], cwd=ROOT, text=True, **options)
        )
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()


async def test_the_partners_of_the_compose_file(spawn, tmp_path):
    """They find the gateway, and CDRs of one reach another."""
    port, admin, first = free_port(), free_port(), 0
    while not first:
        first = free_port()
        first = first if first < 65000 else 0
    text = (DEPLOY / "roamgate.toml").read_text(encoding="utf-8")
    text = text.replace("gateway:8080", f"127.0.0.1:{port}").replace(
        "0.0.0.0:8080", f"127.0.0.1:{port}"
    )
    text = text.replace("0.0.0.0:8081", f"127.0.0.1:{admin}")
    for place, number in enumerate(("9001", "9002", "9003")):
        text = text.replace(f"partners:{number}", f"127.0.0.1:{first + place}")
    text = text.replace('["10.0.0.0/8", ', '["127.0.0.0/8", "10.0.0.0/8", ')
    text = text.replace('{ env = "ROAMGATE_DATABASE" }', '"sqlite:///gate.db"')
    config = tmp_path / "roamgate.toml"
    config.write_text(text, encoding="utf-8")
    spawn("-m", "gateway", "serve", "--config", str(config), stderr=subprocess.DEVNULL)
    client = HttpClient(reactor, Timeouts(total=10))
    for _ in range(600):
        try:
            url = f"http://127.0.0.1:{admin}/healthz"
            if (await client.fetch(HttpCall(method="GET", url=url))).status == 200:
                break
        except Unreachable:
            await pause(0.1)
    where = [
        "--gateway",
        f"http://127.0.0.1:{port}",
        "--host",
        "127.0.0.1",
        "--listen",
        "127.0.0.1",
    ]
    partners = spawn(
        "deploy/partners.py", *where, "--port", str(first), "--seconds", "0.5", "--rounds", "6",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    while partners.poll() is None:
        await pause(0.1)
    said, errors = partners.communicate()
    assert errors == ""
    assert int(re.findall(r"(\d+) CDRs arrived", said)[-1]) > 0, said
    await client.close()
