"""Processes that take ports on this machine at the same time never take the same one."""

import subprocess
import sys

TAKE = """
from gateway.demo.stage import free_port
print(*{free_port() for _ in range(300)}, flush=True)
input()
"""


def test_no_two_processes_are_given_one_port() -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TAKE], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(3)
    ]
    taken: list[bytes] = []
    for process in processes:
        assert process.stdout is not None
        taken += process.stdout.readline().split()
    for process in processes:
        process.communicate(b"\n")
        assert process.returncode == 0
    assert len(taken) == len(set(taken)) > 800
