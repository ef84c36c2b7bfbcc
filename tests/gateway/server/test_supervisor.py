"""The supervisor, with workers that are a few lines long and do as a file says."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.server.notify import notify
from gateway.server.supervisor import HOPELESS

ROOT = Path(__file__).parents[3]
SUPERVISOR = """
import subprocess, sys
from pathlib import Path
from gateway.server import supervisor
from gateway.server.log import configure_log
from gateway.server.supervisor import Supervisor
supervisor.SILENT_SECONDS = 2.0
supervisor.PAUSES = supervisor.PAUSES[:2] + (0.1,)
folder = Path(sys.argv[1])
configure_log(human=False, stream=sys.stdout)
def start(number, channel):
    return subprocess.Popen(
        [sys.executable, str(folder / "worker.py"), str(folder), str(channel.fileno())],
        pass_fds=[channel.fileno()], process_group=0)
def reload():
    return (folder / "refusal").read_text() if (folder / "refusal").exists() else None
def tell(what):
    print('{"event": "told %s"}' % what, flush=True)
sys.exit(Supervisor(2, start, reload=reload, patience=lambda: 0.7, tell=tell).run())
"""
WORKER = """
import socket, sys, os, signal
from pathlib import Path
how = (Path(sys.argv[1]) / "how").read_text()
if how.startswith("exit"):
    sys.exit(int(how.split()[1]))
signal.signal(signal.SIGTERM, signal.SIG_IGN if how == "stubborn" else lambda *_: sys.exit(0))
channel = socket.socket(fileno=int(sys.argv[2]))
if how != "silent":
    channel.sendall(b"ready\\n")
channel.settimeout(0.1)
while True:
    try:
        said = channel.recv(64)
    except TimeoutError:
        channel.send(b".")
    else:
        sys.exit(0 if said == b"leave\\n" else 7)
"""


class Supervised:
    """A supervisor, its log, and how workers that start now behave."""

    def __init__(self, folder):
        self.folder = folder
        self.workers("well")
        (folder / "worker.py").write_text(WORKER)
        self._log = (folder / "log").open("w+")
        self.process = None

    def workers(self, how):
        (self.folder / "how").write_text(how)

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISOR, str(self.folder)], stdout=self._log, cwd=ROOT
        )

    def lines(self, event=None):
        text = (self.folder / "log").read_text()
        lines = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
        return [line for line in lines if event in (None, line["event"])]

    def until(self, event, count=1):
        end = time.monotonic() + 30
        while len(self.lines(event)) < count:
            assert time.monotonic() < end, (event, self.lines())
            assert self.process.poll() is None or self.lines(event), self.lines()
            time.sleep(0.02)

    def living(self):
        """The pids of workers that were started and have not ended."""
        ended = {line["pid"] for line in self.lines() if "exit_code" in line}
        return {line["pid"] for line in self.lines("worker started")} - ended

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


@pytest.fixture
def supervised(tmp_path):
    found = Supervised(tmp_path)
    yield found
    if found.process is not None:
        found.process.kill()
        found.process.wait()
    for pid in found.living():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("code", [1, 2])
def test_workers_that_cannot_start(supervised, code):
    """It ends with their exit code, at once."""
    supervised.workers(f"exit {code}")
    supervised.start()
    assert supervised.process.wait(20) == code
    assert supervised.lines("workers cannot start")


def test_what_has_served_goes_on_trying(supervised):
    """Whatever its workers end of: what is in their way may come back."""
    supervised.start()
    supervised.until("all workers are ready")
    supervised.workers("exit 1")
    for pid in supervised.living():
        os.kill(pid, signal.SIGKILL)
    supervised.until("worker ended", 2 * (HOPELESS + 2))
    assert not supervised.lines("workers cannot start")
    supervised.workers("well")
    started = len(supervised.lines("worker started"))
    supervised.until("worker started", started + 1)
    assert supervised.stop() == 0


def test_a_stop_in_order(supervised):
    """All are told, and told about; exit code 0."""
    supervised.start()
    supervised.until("all workers are ready")
    assert supervised.stop() == 0
    told = [line["event"] for line in supervised.lines() if line["event"].startswith("told")]
    assert told == ["told ready", "told stopping"]
    assert supervised.living() == set() or not any(map(_lives, supervised.living()))


def test_a_worker_that_dies_is_started_again_after_longer_and_longer(supervised):
    """The first time at once."""
    supervised.start()
    supervised.until("all workers are ready")
    for count in (1, 2):
        os.kill(supervised.lines("worker started")[-1]["pid"], signal.SIGKILL)
        supervised.until("worker started", 2 + count)
    assert [line["pause"] for line in supervised.lines("worker ended")] == [0.0, 1.0]
    assert supervised.stop() == 0


def test_a_worker_that_hangs_is_killed_and_replaced(supervised):
    """The others stay."""
    supervised.start()
    supervised.until("all workers are ready")
    hangs, other = (line["pid"] for line in supervised.lines("worker started"))
    os.kill(hangs, signal.SIGSTOP)
    supervised.until("worker started", 3)
    assert [line["pid"] for line in supervised.lines("worker hangs: killed")] == [hangs]
    assert other in supervised.living()
    assert supervised.stop() == 0


def test_workers_are_not_blamed_when_the_supervisor_stood_still(supervised):
    """With all of them, as when a machine is suspended: on waking up nobody is killed."""
    supervised.start()
    supervised.until("all workers are ready")
    pids = [*supervised.living(), supervised.process.pid]
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in reversed(pids) if number == signal.SIGCONT else pids:
            os.kill(pid, number)
        time.sleep(3)
    assert supervised.lines("worker hangs: killed") == []
    assert supervised.stop() == 0


def test_all_are_replaced(supervised):
    """One by one; the old ones leave when the new ones are ready."""
    supervised.start()
    supervised.until("all workers are ready")
    before = supervised.living()
    supervised.process.send_signal(signal.SIGHUP)
    supervised.until("workers have been replaced")
    supervised.until("worker has left", 2)
    assert len(supervised.living()) == 2
    assert not supervised.living() & before
    assert {line["exit_code"] for line in supervised.lines("worker has left")} == {0}
    assert supervised.stop() == 0


def test_a_configuration_that_cannot_be_used_changes_nothing(supervised):
    """It is told, and the workers stay."""
    supervised.start()
    supervised.until("all workers are ready")
    before = supervised.living()
    (supervised.folder / "refusal").write_text("line 3: no")
    supervised.process.send_signal(signal.SIGHUP)
    supervised.until("configuration not taken: everything stays as it is")
    assert supervised.living() == before
    assert supervised.stop() == 0


def test_a_new_worker_that_does_not_come_up_changes_nothing(supervised):
    """The old ones go on, all of them."""
    supervised.start()
    supervised.until("all workers are ready")
    before = supervised.living()
    supervised.workers("exit 1")
    supervised.process.send_signal(signal.SIGHUP)
    supervised.until("workers are not replaced")
    assert supervised.living() == before
    assert supervised.stop() == 0


def test_a_worker_that_does_not_stop_is_killed(supervised):
    """Within the patience; that is no stop in order."""
    supervised.workers("stubborn")
    supervised.start()
    supervised.until("all workers are ready")
    assert supervised.stop() == 1
    assert len(supervised.lines("worker killed")) == 2


def test_a_supervisor_that_is_killed_takes_its_workers_along(supervised):
    """They notice that nobody speaks to them any more."""
    supervised.start()
    supervised.until("all workers are ready")
    workers = supervised.living()
    supervised.process.kill()
    supervised.process.wait()
    end = time.monotonic() + 20
    while any(map(_lives, workers)):
        assert time.monotonic() < end
        time.sleep(0.02)


def _lives(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_the_service_manager_is_told(tmp_path):
    """By datagrams; where nobody listens nothing happens."""
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        said = []
        for what in ("ready", "reloading", "stopping"):
            notify(what, environment)
            said.append(manager.recv(200).decode())
    assert said[0] == "READY=1"
    assert said[1].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert said[2] == "STOPPING=1"
    notify("ready", environment)
    notify("ready", {})
