"""A cable between the gateway and its database, which a test can cut."""

import asyncio
from contextlib import suppress

from gateway.demo.stage import free_port


class Cable:
    """Passes TCP connections on to an address; ``cut`` breaks them and refuses new ones, ``freeze``
    takes what comes and passes nothing on, until ``thaw``."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self.port = free_port()

    async def mend(self) -> "Cable":
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self.port)
        return self

    def cut(self) -> None:
        assert self._server
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    def freeze(self) -> None:
        self._passing.clear()

    def thaw(self) -> None:
        self._passing.set()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._passing.wait()
        try:
            beyond, out = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.close()
            return
        ends = {writer, out}
        self._writers |= ends
        try:
            await asyncio.gather(self._copy(reader, out), self._copy(beyond, writer))
        finally:
            self._writers -= ends

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._passing.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
