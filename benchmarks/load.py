"""The load on a server: as much as it takes, each request once, or at a steady rate.

wrk asks on 16 kept connections as fast as answers come; requests that are good only once come from
Python instead, which is slower and costs the server the same. All of it runs on the last core.
"""

import selectors
import socket
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.measure import cores, pinned
from benchmarks.peers import HERE

CONNECTIONS = 16
START = 60.0


class Load(msgspec.Struct):
    """What came of it."""

    requests: int
    seconds: float
    p50: float
    p99: float
    errors: int


def listening(port: int, look: Callable[[], object] = lambda: None) -> None:
    """Wait until somebody listens; ``look`` raises when nobody ever will."""
    until = time.monotonic() + START
    while time.monotonic() < until:
        look()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("did not listen in time")


def ask(port: int, request: bytes, seconds: float = 60) -> tuple[int, bytes]:
    """One request on a connection of its own: status and body."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(request)
        return Answer(connection).read()


class Answer:
    """Reads answers from a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._read = connection, b""

    def read(self) -> tuple[int, bytes]:
        while b"\r\n\r\n" not in self._read:
            self._more()
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        low = head.lower()
        body = b""
        if b"transfer-encoding: chunked" in low:
            while size := int(self._line(), 16):
                body += self._exactly(size + 2)[:-2]
            self._exactly(2)
        elif b"content-length:" in low:
            body = self._exactly(int(low.partition(b"content-length:")[2].split(b"\r\n")[0]))
        return int(head.split(b" ", 2)[1]), body

    def _more(self) -> None:
        piece = self._connection.recv(1 << 20)
        if not piece:
            raise EOFError("the server closed the connection")
        self._read += piece

    def _line(self) -> bytes:
        while b"\r\n" not in self._read:
            self._more()
        line, _, self._read = self._read.partition(b"\r\n")
        return line

    def _exactly(self, size: int) -> bytes:
        parts, missing = [self._read], size - len(self._read)
        while missing > 0:
            self._read = b""
            self._more()
            parts.append(self._read)
            missing -= len(self._read)
        whole = b"".join(parts)
        self._read = whole[size:]
        return whole[:size]


def by_wrk(
    port: int,
    requests: Path,
    seconds: float,
    connections: int = CONNECTIONS,
    everywhere: bool = False,
) -> Load:
    """All that wrk gets through."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "20s"]
    command += ["-s", str(HERE / "peers/load.lua"), f"http://127.0.0.1:{port}", "--", str(requests)]
    if not everywhere:
        command = pinned(command, cores()[1])
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return msgspec.json.decode(done.stdout.strip().splitlines()[-1], type=Load)


def by_python(
    port: int, requests: Iterator[bytes], seconds: float, connections: int = CONNECTIONS
) -> Load:
    """Each request once, for so long or until there are no more."""
    selector = selectors.DefaultSelector()
    begun = time.monotonic()
    open_ones = 0
    times: list[float] = []
    errors = 0
    for _ in range(connections):
        request = next(requests, None)
        if request is None:
            break
        connection = socket.create_connection(("127.0.0.1", port))
        connection.sendall(request)
        selector.register(connection, selectors.EVENT_READ, [Answer(connection), time.monotonic()])
        open_ones += 1
    while open_ones:
        for key, _ in selector.select(30) or _stuck():
            status, _ = key.data[0].read()
            now = time.monotonic()
            times.append(now - key.data[1])
            errors += status != 200
            request = next(requests, None) if now - begun < seconds else None
            connection = key.fileobj
            if request is None:
                selector.unregister(connection)
                connection.close()
                open_ones -= 1
            else:
                key.data[1] = now
                connection.sendall(request)
    return _load(times, time.monotonic() - begun, errors)


def at_rate(
    port: int, requests: Iterator[bytes], rate: float, seconds: float, connections: int = 32
) -> Load:
    """So many requests a second, whatever the answers do; times from when each was due."""
    selector = selectors.SelectSelector()  # to the microsecond
    idle: list[Any] = []
    for _ in range(connections):
        connection = socket.create_connection(("127.0.0.1", port))
        selector.register(connection, selectors.EVENT_READ, [Answer(connection), 0.0])
        idle.append(connection)
    begun = time.monotonic()
    sent, total, errors = 0, int(rate * seconds), 0
    times: list[float] = []
    while len(times) < total:
        due = begun + sent / rate
        now = time.monotonic()
        if sent < total and now >= due and idle:
            connection = idle.pop()
            selector.get_key(connection).data[1] = due
            connection.sendall(next(requests))
            sent += 1
            continue
        wait = max(0.0, due - now) if sent < total and idle else 30.0
        for key, _ in selector.select(wait) or (() if wait < 30 else _stuck()):
            status, _ = key.data[0].read()
            times.append(time.monotonic() - key.data[1])
            errors += status != 200
            idle.append(key.fileobj)
    for key in list(selector.get_map().values()):
        key.fileobj.close()
    return _load(times, time.monotonic() - begun, errors)


def _stuck() -> Any:
    raise TimeoutError("no answer within 30 s")


def _load(times: list[float], seconds: float, errors: int) -> Load:
    ordered = sorted(times)
    last = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return Load(len(times), seconds, statistics.median(ordered), last, errors)
