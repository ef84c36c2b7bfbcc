"""Run as a program: forks ``roamgate serve``, so that a start costs a tenth of a second.

A line on standard input: ``start CONFIG LOG LEASE WORKERS HOST`` (seconds, 0 for the usual; name
of a machine, ``-`` for this one) or ``wait PID``. The answer is a line: ``started PID``, ``ended
PID CODE``. What serves is the very command, in a process of its own; only reading the modules and
compiling the tables has been done before (not for the workers of a supervisor, which are fresh
processes with the usual lease).
"""

import ctypes
import os
import random
import signal
import socket
import sys
from datetime import timedelta

from gateway.cli.app import app
from gateway.routing import delivery, worker
from gateway.server.front import warm_up

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUTS = 0x04000000


def serve(config: str, log: str, lease: float, workers: str, host: str) -> None:
    """Become a gateway; ends with its exit code, and with the nursery."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    random.seed()
    if host != "-":  # as far as processes can tell, another machine
        assert ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWUTS) == 0, ctypes.get_errno()
        socket.sethostname(host)
        worker._PLACE = worker._place()
    if lease:
        delivery.LEASE = timedelta(seconds=lease)
    try:
        app(["serve", "--config", config, "--workers", workers])
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else 1)
    os._exit(1)


def main() -> None:
    warm_up()
    assert "twisted.internet.reactor" not in sys.modules, "a reactor cannot be forked"
    print("ready", flush=True)
    for line in sys.stdin:
        what, *rest = line.split()
        if what == "wait":
            _, status = os.waitpid(int(rest[0]), 0)
            print("ended", rest[0], os.waitstatus_to_exitcode(status), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            try:
                serve(rest[0], rest[1], float(rest[2]), *rest[3:])
            finally:
                os._exit(1)
        print("started", pid, flush=True)


main()
