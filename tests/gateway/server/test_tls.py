"""TLS on real sockets: versions, certificates of clients, and what goes wrong."""

import ssl

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from structlog.testing import capture_logs

from gateway.errors import ConfigError
from gateway.http import Response
from gateway.server.tls import client_tls, server_tls
from tests.gateway.server.test_hostile import eventually

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def ca():
    """An authority."""
    return trustme.CA()


@pytest.fixture(scope="module")
def stranger():
    """An authority that nobody trusts."""
    return trustme.CA()


@pytest.fixture
def files(tmp_path, ca):
    """Paths of the server's certificate, its key and the authority."""
    issued = ca.issue_cert("localhost")
    certificate, key, authority = (tmp_path / name for name in ("cert.pem", "key.pem", "ca.pem"))
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(key))
    ca.cert_pem.write_to_path(str(authority))
    return certificate, key, authority


def client_context(ca, shown=None, version=None):
    """What a client trusts, shows and speaks."""
    context = ssl.create_default_context()
    ca.configure_trust(context)
    if shown is not None:
        shown.configure_cert(context)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


async def who(request):
    """Name the client."""
    shown = request.client_certificate
    name = shown.subject.rfc4514_string() if shown is not None else "nobody"
    return Response(headers={"X-Secure": str(request.secure)}, body=name.encode())


async def test_tls_1_3(serve, connect, thread, files, ca):
    """TLS 1.3 is spoken; a client without certificate is nobody."""
    certificate, key, _ = files
    _, port = serve(who, tls=server_tls(certificate, key))

    def dialogue():
        client = connect(port, tls=client_context(ca)).send(GET)
        return client._socket.version(), client.answer(), client.send(GET + GET).answer()

    version, answer, _ = await thread(dialogue)
    assert version == "TLSv1.3"
    assert (answer.body, answer.headers["x-secure"]) == (b"nobody", "true")


async def test_tls_1_2_only_by_flag(serve, connect, thread, files, ca):
    """A partner that knows TLS 1.2 alone needs the flag."""
    certificate, key, _ = files
    _, strict = serve(who, tls=server_tls(certificate, key))
    _, lenient = serve(who, tls=server_tls(certificate, key, tls_1_2=True))
    old = client_context(ca, version=ssl.TLSVersion.TLSv1_2)
    with pytest.raises(ssl.SSLError):
        await thread(lambda: connect(strict, tls=old))
    version = await thread(lambda: connect(lenient, tls=old)._socket.version())
    assert version == "TLSv1.2"


@pytest.mark.parametrize(
    ("ciphers", "spoken"),
    [
        ("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256", True),
        ("ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-CHACHA20-POLY1305", True),
        ("ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA", False),
        ("AES128-GCM-SHA256:AES256-GCM-SHA384", False),
        ("DHE-RSA-AES128-GCM-SHA256", False),
    ],
)
async def test_ciphers_of_tls_1_2(serve, connect, thread, files, ca, ciphers, spoken):
    """Forward secrecy and authenticated encryption, or nothing (RFC 9325, 4.2)."""
    certificate, key, _ = files
    _, port = serve(who, tls=server_tls(certificate, key, tls_1_2=True))
    old = client_context(ca, version=ssl.TLSVersion.TLSv1_2)
    old.set_ciphers(ciphers)
    if spoken:
        name = await thread(lambda: connect(port, tls=old)._socket.cipher()[0])
        assert name in ciphers.split(":")
    else:
        with pytest.raises(ssl.SSLError):
            await thread(lambda: connect(port, tls=old))


async def test_mutual_tls(serve, connect, thread, files, ca):
    """The certificate that the client showed reaches the handler."""
    certificate, key, authority = files
    _, port = serve(who, tls=server_tls(certificate, key, client_ca=authority))
    shown = ca.issue_cert("partner.example", common_name="DE*ABC")
    context = client_context(ca, shown)
    answer = await thread(lambda: connect(port, tls=context).send(GET).answer())
    assert b"CN=DE*ABC" in answer.body


@pytest.mark.parametrize("required", [True, False])
async def test_without_client_certificate(serve, connect, thread, files, ca, required):
    """Refused where it is required, nobody where it is not."""
    certificate, key, authority = files
    tls = server_tls(certificate, key, client_ca=authority, client_required=required)
    _, port = serve(who, tls=tls)

    def dialogue():
        try:
            return connect(port, tls=client_context(ca)).send(GET).answer().body
        except (ssl.SSLError, ConnectionError):
            return None

    assert await thread(dialogue) == (None if required else b"nobody")


@pytest.mark.parametrize("required", [True, False])
async def test_client_certificate_of_a_stranger(
    serve, connect, thread, sleep, files, ca, stranger, required
):
    """A certificate that nobody vouches for is refused even where none would do; it is logged."""
    certificate, key, authority = files
    tls = server_tls(certificate, key, client_ca=authority, client_required=required)
    server, port = serve(who, tls=tls)
    context = client_context(ca, stranger.issue_cert("partner.example"))

    def dialogue():
        try:
            return connect(port, tls=context).send(GET).answer().body
        except (ssl.SSLError, ConnectionError, EOFError):
            return None

    with capture_logs() as lines:
        assert await thread(dialogue) is None
        for _ in range(200):
            if server.connections:
                await sleep(0.01)
    assert "connection failed" in [line["event"] for line in lines]


async def test_limits_hold_before_the_handshake(serve, connect, thread, files):
    """Who connects and does not shake hands is closed; plain HTTP gets no answer."""
    certificate, key, _ = files
    _, port = serve(who, tls=server_tls(certificate, key), head_seconds=0.2)
    assert await thread(lambda: connect(port).closed())
    assert b"HTTP/1.1 200" not in await thread(lambda: connect(port).send(GET).rest())


async def test_refusals_and_streams_over_tls(serve, connect, thread, files, ca):
    """Backpressure, errors and closing work as they do without TLS."""

    async def stream(request):
        return Response(body=(b"x" * 100_000 for _ in range(200)))

    certificate, key, _ = files
    _, port = serve(stream, tls=server_tls(certificate, key), body=1000)

    def dialogue():
        client = connect(port, tls=client_context(ca)).send(GET)
        body = client.answer().body
        refused = client.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n"
        ).answer()
        return len(body), refused.status, client.closed()

    assert await thread(dialogue) == (20_000_000, 413, True)


async def test_reader_that_does_not_read_over_tls(serve, connect, thread, sleep, files, ca):
    """A stalled client is cut under TLS too, and no more is made than there is room for."""
    made = []

    def body():
        for number in range(1000):
            made.append(number)
            yield b"x" * 1_000_000

    async def stream(request):
        return Response(body=body())

    certificate, key, _ = files
    server, port = serve(stream, tls=server_tls(certificate, key), write_seconds=0.4)
    await thread(lambda: connect(port, tls=client_context(ca)).send(GET))
    await sleep(1)
    assert server.connections == 0
    assert len(made) < 20


async def test_drain_with_idle_tls_clients(serve, connect, thread, files, ca):
    """An idle client that does not react to the closing alert does not hold up the stop."""
    certificate, key, _ = files
    server, port = serve(who, tls=server_tls(certificate, key), linger_seconds=0.2)
    await thread(lambda: connect(port, tls=client_context(ca)).send(GET).answer())
    await server.drain()
    assert server.connections == 0


def test_faults_of_files_are_named(tmp_path, files, ca):
    """Each fault is one sentence with the file's name, and nothing of its content."""
    certificate, key, authority = files
    other = tmp_path / "other.pem"
    ca.issue_cert("localhost").private_key_pem.write_to_path(str(other))
    locked = tmp_path / "locked.pem"
    private = load_pem_private_key(key.read_bytes(), None)
    locked.write_bytes(
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    )
    missing = tmp_path / "missing.pem"
    for arguments, fault in [
        ((missing, key), "missing.pem cannot be read: No such file or directory"),
        ((certificate, missing), "missing.pem cannot be read: No such file or directory"),
        ((key, key), "key.pem holds no PEM certificate"),
        ((certificate, authority), "ca.pem holds no PEM private key"),
        ((certificate, other), "other.pem is not the key of"),
        ((certificate, locked), "locked.pem is protected by a passphrase"),
    ]:
        with pytest.raises(ConfigError, match=fault):
            server_tls(*arguments)
        with pytest.raises(ConfigError, match=fault):
            client_tls(authority, *arguments)
    with pytest.raises(ConfigError, match="needs its key"):
        client_tls(authority, certificate)
    with pytest.raises(ConfigError, match="holds no PEM certificate"):
        server_tls(certificate, key, client_ca=key)


async def test_handshakes_of_one_address_are_limited(serve, connect, thread, files, ca):
    """Whoever begins too often is cut off before the handshake; others are not."""
    turned = []
    server, port = serve(who, tls=server_tls(*files[:2]), handshakes=0.001, handshakes_at_once=2)
    server.turned_away = turned.append
    context = client_context(ca)

    def dialogue():
        for _ in range(2):
            assert connect(port, tls=context).send(GET).answer().status == 200
        with pytest.raises((ssl.SSLError, OSError)):
            connect(port, tls=context)
        assert connect(port, tls=context, source="127.0.0.2").send(GET).answer().status == 200

    with capture_logs() as lines:
        await thread(dialogue)
    assert turned == ["handshakes"]
    assert [line["peer"] for line in lines if line.get("code") == "handshakes"] == ["127.0.0.1"]


async def test_a_handshake_that_never_comes(serve, connect, thread, files):
    """It has the time of a request's head and no more."""
    server, port = serve(who, tls=server_tls(*files[:2]), head_seconds=0.2, linger_seconds=0.1)
    for sent in (b"", b"\x16\x03\x01\x02\x00"):
        assert await thread(lambda sent=sent: connect(port).send(sent).closed())
    await thread(lambda: eventually(lambda: server.connections == 0))
