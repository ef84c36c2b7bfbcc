"""A listener on a real socket, and a client that sends exactly the bytes it is told."""

import json
import socket
import time

import pytest
import pytest_twisted
from msgspec import Struct
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from gateway.http import Request, Response
from gateway.server.http import HttpServer, Limits
from tests.support.gate import PHP_IS_MISSING, REQUIRED


def pytest_terminal_summary(terminalreporter):
    if PHP_IS_MISSING and not REQUIRED:
        terminalreporter.write_line(f"examples: not tested with PHP: {PHP_IS_MISSING}")


async def echo(request: Request) -> Response:
    """Say what arrived."""
    said = {
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "headers": request.headers,
        "body": request.body.decode("latin-1"),
    }
    return Response(headers={"Content-Type": "application/json"}, body=json.dumps(said).encode())


class Answer(Struct):
    """One HTTP answer as read from the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        """The body as JSON."""
        return json.loads(self.body)


class Client:
    """A blocking socket; tests run its methods in a thread."""

    def __init__(self, port, tls=None, timeout=5.0, source="127.0.0.1"):
        place = ("127.0.0.1", port)
        self._socket = socket.create_connection(place, timeout=timeout, source_address=(source, 0))
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname="localhost")
        self._read = b""
        self.port = self._socket.getsockname()[1]

    def send(self, *pieces, pause=0.0):
        """Send each piece as a segment of its own."""
        for piece in pieces:
            self._socket.sendall(piece)
            time.sleep(pause)
        return self

    def end(self):
        """Say that nothing more will be sent."""
        self._socket.shutdown(socket.SHUT_WR)
        return self

    def rest(self):
        """Everything until the server closes."""
        parts = [self._read]
        self._read = b""
        while data := self._socket.recv(65536):
            parts.append(data)
        return b"".join(parts)

    def until(self, end):
        """Everything up to and with ``end``."""
        while end not in self._read:
            data = self._socket.recv(65536)
            if not data:
                raise EOFError(self._read)
            self._read += data
        found, _, self._read = self._read.partition(end)
        return found + end

    def exactly(self, size):
        """So many bytes."""
        parts, missing = [self._read], size - len(self._read)
        while missing > 0:
            data = self._socket.recv(65536)
            if not data:
                raise EOFError(b"".join(parts))
            parts.append(data)
            missing -= len(data)
        read = b"".join(parts)
        found, self._read = read[:size], read[size:]
        return found

    def answer(self, head_only=False):
        """One answer."""
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        body = b""
        if not head_only:
            if headers.get("transfer-encoding") == "chunked":
                while size := int(self.until(b"\r\n"), 16):
                    body += self.exactly(size)
                    self.exactly(2)
                self.exactly(2)
            elif "content-length" in headers:
                body = self.exactly(int(headers["content-length"]))
            elif status not in (204, 304):
                body = self.rest()
        return Answer(status, headers, body)

    def closed(self):
        """Whether the server has closed, waiting for it."""
        try:
            return self.rest() == b""
        except ConnectionError:
            return True

    def close(self):
        """Go away."""
        self._socket.close()


@pytest.fixture
def connect():
    """Makes clients and closes them after the test."""
    clients = []

    def make(port, **options):
        client = Client(port, **options)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def serve():
    """Starts listeners: gives (server, port)."""
    servers = []

    def start(handler=echo, *, tls=None, bound=None, begun=None, page_for=None, **limits):
        server = HttpServer(
            handler, Limits(**limits), reactor, bound=bound, begun=begun, page_for=page_for
        )
        servers.append(server)
        return server, server.listen(0, tls=tls)

    yield start
    for server in servers:
        for connection in list(server._connections):
            connection.abort()
        pytest_twisted.blockon(server.drain())


@pytest.fixture
def ask(connect):
    """Sends bytes and gives all answers until the server closes."""

    def whole(port, data, options):
        client = connect(port, **options).send(data)
        answers = []
        while True:
            try:
                answers.append(client.answer())
            except EOFError:
                return answers

    def run(port, data, **options):
        return deferToThread(whole, port, data, options)

    return run


@pytest.fixture
def thread():
    """Runs a function of a client in a thread."""
    return deferToThread


@pytest.fixture
def sleep():
    """Lets the reactor run for so many seconds."""

    def wait(seconds):
        done = Deferred()
        reactor.callLater(seconds, done.callback, None)
        return done

    return wait
