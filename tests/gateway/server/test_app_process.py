"""``roamgate serve`` as a process: how it stops, and how it ends when it cannot start.

Exit codes: 0 asked to stop, 1 cannot start or told twice, 2 configuration; always with one line
that says why, and within seconds.
"""

import json
import signal
import socket
import sqlite3
import subprocess
import threading
import time

import pytest
import pytest_twisted
from twisted.internet.defer import ensureDeferred
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.threads import deferToThread
from typer.testing import CliRunner

from gateway.cli.app import app
from gateway.cli.serve import steady
from gateway.demo import data
from gateway.http import Response
from tests.support.gate import Gate, pause, until

SITE = data.ocpi_locations("NL", "HAV", 1, seed=1)[0]


@pytest.fixture
def gate(tmp_path):
    gate = Gate(tmp_path)
    yield gate
    pytest_twisted.blockon(ensureDeferred(gate.close()))


async def ended(process, within):
    """Exit code and log of a process that ends by itself."""
    try:
        _, errors = await deferToThread(process.communicate, timeout=within)
    except subprocess.TimeoutExpired:
        pytest.fail(f"it has not ended within {within} s")
    return process.returncode, errors.decode()


async def test_a_stop_that_is_asked_for(gate):
    """SIGTERM while a partner hangs and another client waits: it ends well, before they do."""
    gate.wait_for_partners("1s")
    process = gate.spawn()
    await gate.ready()
    await gate.register()
    hanging = []

    async def hang(request):
        hanging.append(request)
        await pause(30)
        return Response(status=204)

    gate.places["rijstroom"].trouble = gate.places["clearing"].trouble = hang
    await gate.cpo.put("locations", SITE)
    await until(lambda: len(hanging) >= 2, "deliveries are under way")
    idle = socket.create_connection(("127.0.0.1", gate.port), timeout=20)
    # answered once: a connection that nobody has accepted yet is reset, not closed
    idle.sendall(b"GET / HTTP/1.1\r\nHost: gate\r\n\r\n")
    assert (await deferToThread(idle.recv, 4096)).startswith(b"HTTP/1.1 404")

    process.send_signal(signal.SIGTERM)
    code, log = await ended(process, within=20)
    assert code == 0
    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert "gateway stopped" in events
    assert "Traceback" not in log
    assert idle.recv(1) == b""
    idle.close()


async def test_told_twice(gate):
    """The second signal ends it at once."""
    gate.wait_for_partners("1s")
    process = gate.spawn()
    await gate.ready()
    await gate.register()
    hanging = []

    async def hang(request):
        hanging.append(request)
        await pause(30)
        return Response(status=204)

    gate.places["rijstroom"].trouble = hang
    await gate.cpo.put("locations", SITE)
    await until(lambda: hanging, "a delivery is under way")
    process.send_signal(signal.SIGTERM)
    await pause(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    code, log = await ended(process, within=20)
    assert code == 1
    assert log.splitlines()[-1] == "roamgate: told twice to stop: ended at once"


def taken(port):
    """Somebody else on a port."""
    other = socket.socket()
    other.bind(("127.0.0.1", port))
    other.listen()
    return other


def port_in_use(gate):
    return taken(gate.port)


def admin_port_in_use(gate):
    return taken(gate.admin_port)


def no_database(gate):
    (gate.config.parent / "gate.db").write_bytes(b"no database at all" * 400)


def directory_for_database(gate):
    (gate.config.parent / "gate.db").mkdir()


def newer_database(gate):
    with sqlite3.connect(gate.config.parent / "gate.db") as database:
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
        database.execute("INSERT INTO alembic_version VALUES ('9999')")


def nobody_at_postgresql(gate):
    replaced(gate, "sqlite:///gate.db", "postgresql://nobody@127.0.0.1:1/nothing")


def replaced(gate, old, new):
    text = gate.config.read_text(encoding="utf-8")
    assert old in text
    gate.config.write_text(text.replace(old, new), encoding="utf-8")


def no_file(gate):
    gate.config.unlink()


def no_toml(gate):
    gate.config.write_text("[gateway", encoding="utf-8")


def unknown_option(gate):
    replaced(gate, "[gateway]\n", "[gateway]\ncolour = 'red'\n")


def same_username_twice(gate):
    replaced(gate, 'username_in = "nordlicht"', 'username_in = "alpenstrom"')


def no_certificate(gate):
    text = gate.config.read_text(encoding="utf-8")
    tls = '[gateway.tls]\ncert = "none.pem"\nkey = "none.pem"\n\n[[party]]'
    gate.config.write_text(text.replace("[[party]]", tls, 1), encoding="utf-8")


CANNOT_START = {
    # what is wrong: (exit code, part of the line)
    port_in_use: (1, "Address already in use"),
    admin_port_in_use: (1, "Address already in use"),
    no_database: (1, "file is not a database"),
    directory_for_database: (1, "gate.db"),
    newer_database: (1, "9999"),
    nobody_at_postgresql: (1, "refused"),
    no_file: (2, "gate.toml"),
    no_toml: (2, "gate.toml"),
    unknown_option: (2, "colour"),
    same_username_twice: (2, "alpenstrom"),
    no_certificate: (2, "none.pem"),
}


@pytest.fixture
def spoiled(tmp_path):
    """``spoiled(what) -> Gate`` that cannot start for that reason."""
    gates, held = [], []

    def spoil(what):
        folder = tmp_path / what.__name__
        folder.mkdir()
        gates.append(Gate(folder))
        held.append(what(gates[-1]))
        return gates[-1]

    yield spoil
    for gate in gates:
        pytest_twisted.blockon(ensureDeferred(gate.close()))
    for other in filter(None, held):
        other.close()


def check_line(what, code, errors):
    """The exit code, a line that names the reason, nothing that is nobody's business."""
    expected, reason = CANNOT_START[what]
    assert code == expected, errors
    lines = [line for line in errors.splitlines() if line.startswith("roamgate: ")]
    assert any(reason in line for line in lines), errors
    assert "Traceback" not in errors
    assert "secret-of" not in errors


@pytest.mark.parametrize("what", CANNOT_START)
def test_what_keeps_it_from_starting(spoiled, what, monkeypatch):
    """In this process: it gives up, and leaves no thread that would keep a process alive."""
    monkeypatch.setattr("gateway.server.log.configure_log", lambda **options: None)
    before = set(threading.enumerate())
    result = CliRunner().invoke(app, ["serve", "--config", str(spoiled(what).config)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    check_line(what, result.exit_code, result.stderr)
    assert [thread for thread in set(threading.enumerate()) - before if not thread.daemon] == []


async def test_a_process_that_cannot_start_ends(spoiled):
    """The same as processes of their own, for one reason of each kind."""
    reasons = (port_in_use, nobody_at_postgresql, unknown_option)
    processes = {what: spoiled(what).spawn() for what in reasons}
    for what, process in processes.items():
        check_line(what, *await ended(process, within=30))


def test_a_clock_that_is_set_back_stops_no_timer():
    """What was planned before is called in time; else retries, deadlines and polls would wait."""
    called, now = [], time.time()
    one = SelectReactor()
    one.seconds = lambda: now
    steady(one)
    one.callLater(0, called.append, "before")
    now -= 3600
    one.runUntilCurrent()
    assert called == ["before"]
    one.fireSystemEvent("shutdown")
