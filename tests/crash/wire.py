"""HTTP by hand, on both ends: a server whose answers can go wrong, and one-shot calls.

Limits: HTTP/1.1 with Content-Length; what the gateway and the partners of the harness need.
Why: it shares no code with the gateway, so that both do not make the same mistake.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

HANG = 1.6
"""Seconds that a partner stays silent; the gateway waits for one second."""


@dataclass
class Asked:
    """A request as a partner sees it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def correlation(self) -> str:
        return self.headers.get("x-correlation-id", "")


@dataclass
class Said:
    """An answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def bytes(self) -> bytes:
        named = {"Content-Type": "text/plain", **self.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        head = f"HTTP/1.1 {self.status} X\r\n{lines}Content-Length: {len(self.body)}\r\n\r\n"
        return head.encode() + self.body


Process = Callable[[Asked], Said]
Trouble = Callable[[Asked, Process, asyncio.StreamWriter], Awaitable[bool]]
"""Answers in place of the partner; gives whether the connection goes on."""


async def _error(asked: Asked, process: Process, out: asyncio.StreamWriter) -> bool:
    out.write(Said(500, b"oops").bytes())
    return True


async def _busy(asked: Asked, process: Process, out: asyncio.StreamWriter) -> bool:
    out.write(Said(503, b"later", {"Retry-After": "1"}).bytes())
    return True


async def _reset_before(asked: Asked, process: Process, out: asyncio.StreamWriter) -> bool:
    out.transport.abort()
    return False


async def _reset_after(asked: Asked, process: Process, out: asyncio.StreamWriter) -> bool:
    process(asked)
    out.transport.abort()
    return False


async def _half(asked: Asked, process: Process, out: asyncio.StreamWriter) -> bool:
    whole = process(asked).bytes()
    out.write(whole[: len(whole) // 2])
    return False


async def _hang(asked: Asked, process: Process, out: asyncio.StreamWriter) -> bool:
    process(asked)
    await asyncio.sleep(HANG)
    return False


async def _garbage(asked: Asked, process: Process, out: asyncio.StreamWriter) -> bool:
    process(asked)
    out.write(Said(200, b"\x00<html>{]").bytes())
    return True


async def _twice(asked: Asked, process: Process, out: asyncio.StreamWriter) -> bool:
    answer = process(asked).bytes()
    out.write(answer + answer)
    return True


async def _slow(asked: Asked, process: Process, out: asyncio.StreamWriter) -> bool:
    answer = process(asked)
    await asyncio.sleep(0.3)
    out.write(answer.bytes())
    return True


TROUBLES: dict[str, Trouble] = {
    "error": _error,
    "busy": _busy,
    "reset before": _reset_before,
    "reset after": _reset_after,
    "half an answer": _half,
    "silence after": _hang,
    "garbage after": _garbage,
    "two answers": _twice,
    "slow": _slow,
}
"""What can go wrong; ``after`` means that the partner has processed the request."""


class Server:
    """A partner on a socket. ``trouble``: the share of requests that go wrong."""

    def __init__(self, process: Process, chance: random.Random) -> None:
        self._process, self._chance = process, chance
        self.trouble = 0.0
        self.kinds: tuple[str, ...] = tuple(TROUBLES)
        self.url = ""
        self.faults: list[str] = []
        """What the gateway said that the partner could not read."""
        self._server: asyncio.Server | None = None

    async def start(self) -> "Server":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    def close(self) -> None:
        if self._server:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        try:
            while asked := await _request(reader):
                if not await self._answer(asked, out):
                    break
                await out.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        except Exception as error:  # noqa: BLE001 - it is judged with everything else
            self.faults.append(f"{type(error).__name__}: {error}")
        finally:
            out.close()

    async def _answer(self, asked: Asked, out: asyncio.StreamWriter) -> bool:
        if self._chance.random() < self.trouble:
            kind = self._chance.choice(self.kinds)
            return await TROUBLES[kind](asked, self._process, out)
        out.write(self._process(asked).bytes())
        return True


async def _head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]] | None:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    return first, {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _request(reader: asyncio.StreamReader) -> Asked | None:
    try:
        found = await _head(reader)
    except asyncio.IncompleteReadError:
        return None
    assert found
    first, headers = found
    method, path, _ = first.split(" ")
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(method, path, headers, body)


async def call(
    method: str, url: str, headers: Mapping[str, str], body: bytes = b"", seconds: float = 40
) -> Said:
    """One request on a connection of its own. Raises OSError, EOFError or TimeoutError."""
    async with asyncio.timeout(seconds):
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        reader, out = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            named: dict[str, Any] = {
                "Host": parts.netloc,
                "Connection": "close",
                "Content-Length": len(body),
                **headers,
            }
            lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
            out.write(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode() + body)
            await out.drain()
            found = await _head(reader)
            assert found
            first, got = found
            size = got.get("content-length")
            content = await (reader.read() if size is None else reader.readexactly(int(size)))
            return Said(int(first.split(" ")[1]), content, got)
        except asyncio.IncompleteReadError as error:
            raise EOFError(str(error)) from None
        finally:
            out.close()
