"""Calls to JSON partners: every one ends, with an answer or with a reason."""

import contextlib
import socket
import ssl
import subprocess
import threading
import time

import pytest
import pytest_twisted
import trustme
from cryptography import x509
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.threads import deferToThread

from gateway.client import ANYWHERE, HttpClient, Limits, Timeouts
from gateway.demo.stage import free_port
from gateway.errors import BadAnswer, Refused, Unreachable
from gateway.http import HttpCall, Response
from gateway.server.http import HttpServer
from gateway.server.http import Limits as ServerLimits
from gateway.server.tls import client_tls, key_pin, server_tls

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def partner():
    """A partner of which every byte is known: a socket and a function that plays it."""
    sockets = []

    def start(play):
        listening = socket.create_server(("127.0.0.1", 0))
        sockets.append(listening)

        def run():
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                sockets.append(connection)
                connection.settimeout(5)
                with contextlib.suppress(OSError):
                    play(connection)

        threading.Thread(target=run, daemon=True).start()
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    yield start
    for one in sockets:
        one.close()


def says(*pieces, pause=0.0, close=True):
    """A partner that reads a request and says this."""

    def play(connection):
        connection.recv(65536)
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)
        if close:
            connection.close()

    return play


@pytest.fixture
def client():
    """Makes clients and closes them after the test."""
    made = []

    def make(total=5.0, connect=2.0, tls=None, guard=ANYWHERE, **limits):
        timeouts = Timeouts(connect=connect, total=total)
        made.append(HttpClient(reactor, timeouts, Limits(**limits), tls, guard))
        return made[-1]

    yield make
    for one in made:
        pytest_twisted.blockon(one.close())


@pytest.fixture
def gateway():
    """A listener of our own: ``gateway(handler, tls) -> origin``, and the requests it got."""
    servers = []

    def start(handler, tls=None):
        server = HttpServer(handler, ServerLimits(), reactor)
        servers.append(server)
        scheme = "http" if tls is None else "https"
        return f"{scheme}://localhost:{server.listen(0, tls=tls)}"

    yield start
    for server in servers:
        for connection in list(server._connections):
            connection.abort()
        pytest_twisted.blockon(server.drain())


class Seeing:
    """A guard that lets everything pass and remembers it."""

    def __init__(self, seen):
        self.url = self.address = seen.append


def get(url):
    """A plain call."""
    return HttpCall(method="GET", url=url)


async def test_a_call(gateway, client):
    """Method, path, query, headers and body go out; status, headers and body come back."""
    asked = []

    async def handler(request):
        asked.append(request)
        headers = {"X-Request-Id": "1", "Content-Type": "application/json"}
        return Response(status=201, headers=headers, body=b'{"a":1}')

    origin = gateway(handler)
    call = HttpCall(
        method="PUT",
        url=f"{origin}/a%2Fb?c=%20d#frag",
        headers={"Authorization": "Token x", "content-type": "application/json"},
        body=b'{"b":2}',
    )
    answer = await client().fetch(call)
    assert (answer.status, answer.headers["x-request-id"], answer.body) == (201, "1", b'{"a":1}')
    [request] = asked
    assert (request.method, request.path, request.query) == ("PUT", "/a%2Fb", "c=%20d")
    assert request.headers["authorization"] == "Token x"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == "roamgate"
    assert "accept-encoding" not in request.headers
    assert request.body == b'{"b":2}'


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST", "PATCH", "HEAD", "OPTIONS"])
async def test_methods(gateway, client, method):
    """Every method works without a body, and with an answer that has none."""

    async def handler(request):
        length = request.headers.get("content-length", "none")
        return Response(status=204, headers={"X-Asked": f"{request.method} {length}"})

    answer = await client().fetch(HttpCall(method=method, url=gateway(handler)))
    length = "0" if method in ("POST", "PATCH") else "none"
    assert (answer.status, answer.headers["x-asked"]) == (204, f"{method} {length}")


async def test_connections_are_kept(client, partner):
    """One connection serves calls that follow one another."""
    connections = []

    def play(connection):
        connections.append(connection)
        while connection.recv(65536):
            connection.sendall(OK)

    url, http = partner(play), client()
    for _ in range(5):
        assert (await http.fetch(get(url))).body == b"ok"
    assert len(connections) == 1


async def test_a_kept_connection_that_has_ended(client, partner):
    """What may be asked twice is asked again on another one; what may not fails."""
    connections = []

    def play(connection):
        connections.append(connection)
        connection.recv(65536)
        connection.sendall(OK)
        connection.recv(65536)  # the next one is read, and gets no answer
        connection.close()

    url, http = partner(play), client()
    assert (await http.fetch(get(url))).body == b"ok"
    assert (await http.fetch(get(url))).body == b"ok"
    assert len(connections) == 2
    with pytest.raises(Unreachable, match="closed the connection"):
        await http.fetch(HttpCall(method="POST", url=url, body=b"x"))
    assert len(connections) == 2


@pytest.mark.parametrize(
    "more",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"x", b"\r\nHTTP/1.1 200 OK\r\n\r\n"],
)
async def test_an_answer_to_nothing_is_given_to_nobody(client, partner, more):
    """What a partner says unasked, with an answer or after it, ends the connection."""

    def play(connection):
        connection.recv(65536)
        connection.sendall(OK + more)
        time.sleep(0.05)
        connection.sendall(more)

    url, http = partner(play), client()
    for _ in range(3):
        assert (await http.fetch(get(url))).body == b"ok"


async def test_unused_connections_are_closed(client, partner):
    """After their time, whether anybody calls or not; in order, no reset in the partner's log."""
    ended, last = threading.Event(), []

    def play(connection):
        connection.recv(65536)
        connection.sendall(OK)
        try:
            last.append(connection.recv(65536))
        except ConnectionError as error:
            last.append(error)
        ended.set()

    http = client()
    http._timeouts = Timeouts(idle=0.05)
    await http.fetch(get(partner(play)))
    assert await deferToThread(ended.wait, 5)
    assert last == [b""]


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b"])
async def test_a_header_is_one_line(client, value):
    """What would become a field or a request of its own does not go out."""
    call = HttpCall(method="GET", url="http://127.0.0.1:9/", headers={"X": value})
    with pytest.raises(Refused, match="line break"):
        await client().fetch(call)


async def test_any_status_is_an_answer(gateway, client):
    """404 and 500 are for the caller to judge, and so are redirects that change the method."""

    async def handler(request):
        headers = {"Location": "/elsewhere"}
        return Response(status=int(request.path[1:]), headers=headers, body=b"why")

    origin, http = gateway(handler), client()
    for status in (200, 301, 302, 303, 404, 500, 599):
        answer = await http.fetch(get(f"{origin}/{status}"))
        assert (answer.status, answer.body) == (status, b"why")


@pytest.mark.parametrize("status", [307, 308])
async def test_redirects_within_the_origin(gateway, client, status):
    """Method, headers and body are sent again; the guard sees every address."""
    asked, seen = [], []

    async def handler(request):
        asked.append(request)
        if request.path == "/end":
            return Response(body=b"end")
        number = int(request.path[1:])
        target = "/end" if number == 1 else f"{number - 1}"
        return Response(status=status, headers={"Location": target})

    origin = gateway(handler)
    call = HttpCall(method="POST", url=f"{origin}/3", headers={"X": "y"}, body=b"data")
    answer = await client(guard=Seeing(seen)).fetch(call)
    assert answer.body == b"end"
    paths = [url.removeprefix(origin) for url in seen if url.startswith("http")]
    assert paths == ["/3", "/", "/2", "/1", "/end"]  # and the origin, when it is connected to
    assert {url for url in seen if not url.startswith("http")} <= {"127.0.0.1", "::1"}
    assert {(one.method, one.headers["x"], one.body) for one in asked} == {("POST", "y", b"data")}
    with pytest.raises(BadAnswer, match="more than 3 times"):
        await client().fetch(get(f"{origin}/4"))


@pytest.mark.parametrize(
    "location",
    [
        *(
            "http://localhost:1/",
            "https://{host}/",
            "http://127.0.0.1.example/",
            "//evil.example/x",
        ),
        *("http://user@{host}/", "http://[::1", "file:///etc/passwd", "", "https:///x"),
    ],
)
async def test_redirects_elsewhere(gateway, client, location):
    """A body and its credentials are not carried to another origin."""
    asked = []

    async def handler(request):
        asked.append(request.path)
        target = location.replace("{host}", request.headers["host"])
        return Response(status=307, headers={"Location": target} if target else {})

    with pytest.raises(BadAnswer, match="redirected to another origin or nowhere"):
        await client().fetch(get(gateway(handler)))
    assert asked == ["/"]


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://a/", "file:///etc/passwd", "gopher://a/", "/path", "", "http://", "http:///a"),
        *("http://a:99999/", "http://[::1/", "http://a b/", "http://ä/", "http://user:pw@a/"),
        *("http://a/\r\nX: y", "http://a/\0", "javascript:alert(1)"),
    ],
)
async def test_urls_that_are_not_called(client, url):
    """A URL from a partner's data may be anything; these are refused before anything happens."""
    with pytest.raises(Refused):
        await client().fetch(get(url))


async def test_the_guard_decides(client):
    """What the guard refuses is not called."""

    class Never:
        def url(self, url):
            raise Refused("not this one")

    with pytest.raises(Refused, match="not this one"):
        await client(guard=Never()).fetch(get("http://127.0.0.1:9/"))


# partners that do not answer


def silent(connection):
    """Reads and says nothing."""
    while connection.recv(65536):
        pass


SLOW = {
    "says nothing": silent,
    "does not even read": lambda connection: None,
    "drips its head": says(*[b"HTTP/1.1 200 OK\r\n"] + [b"X: y\r\n"] * 30, pause=0.05),
    "drips its body": says(OK.replace(b"h: 2", b"h: 99"), *[b"x"] * 30, pause=0.05),
    "stops midway": says(OK.replace(b"h: 2", b"h: 99"), close=False),
    "drips interim answers": says(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 30, pause=0.05),
}


@pytest.mark.parametrize("play", SLOW.values(), ids=SLOW.keys())
async def test_total_time(client, partner, play):
    """However a partner spends the time, it ends; the connection is not kept."""
    http, began = client(total=0.3), time.monotonic()
    call = HttpCall(method="POST", url=partner(play), body=b"x" * 8_000_000)
    with pytest.raises(Unreachable, match=r"did not answer within 0\.3 s"):
        await http.fetch(call)
    assert time.monotonic() - began < 10
    settled = Deferred()
    reactor.callLater(0.05, settled.callback, None)
    await settled
    open_sockets = reactor.getReaders() + reactor.getWriters()
    open_clients = [one for one in open_sockets if "Client" in type(one).__name__]
    assert open_clients == []


async def test_time_of_one_call(client, partner):
    """A call may ask for less time than the client grants, not for more."""
    url = partner(silent)
    with pytest.raises(Unreachable, match=r"did not answer within 0\.2 s"):
        await client(total=5).fetch(HttpCall(method="GET", url=url, timeout=0.2))
    with pytest.raises(Unreachable, match=r"did not answer within 0\.3 s"):
        await client(total=0.3).fetch(HttpCall(method="GET", url=url, timeout=60))


async def test_no_connection(client):
    """Nobody listens there: at once, with the place in the reason."""
    port = free_port()
    with pytest.raises(Unreachable, match=f"http://127.0.0.1:{port}: Connection was refused"):
        await client().fetch(get(f"http://127.0.0.1:{port}/secret?token=x"))


async def test_connect_timeout(client):
    """A listener that accepts nobody."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        address = listening.getsockname()
        fill = [socket.socket() for _ in range(4)]
        for one in fill:
            one.setblocking(False)
            one.connect_ex(address)
        with pytest.raises(Unreachable, match="does not accept a connection in time"):
            await client(connect=0.2).fetch(get(f"http://127.0.0.1:{address[1]}/"))
        for one in fill:
            one.close()


async def test_unknown_host(client):
    """A name that does not exist."""
    with pytest.raises(Unreachable, match=r"no\.such\.host\.invalid"):
        await client(total=3).fetch(get("http://no.such.host.invalid/"))


# partners that answer badly

BROKEN = {
    "closes at once": (lambda connection: connection.close(), Unreachable),
    "closes after the request": (says(), Unreachable),
    "closes in the head": (says(b"HTTP/1.1 200 OK\r\nX: y\r\n"), Unreachable),
    "closes in the body": (says(OK.replace(b"h: 2", b"h: 9")), Unreachable),
    "closes in a chunk": (
        says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
        Unreachable,
    ),
    "speaks something else": (says(b"SSH-2.0-OpenSSH_9.6\r\n", close=False), BadAnswer),
    "speaks HTTP badly": (says(b"HTTP/1.1 abc OK\r\n\r\n", close=False), BadAnswer),
    "has a field without colon": (says(b"HTTP/1.1 200 OK\r\nX\r\n\r\n", close=False), BadAnswer),
    "has two lengths": (
        says(OK.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n"), close=False),
        BadAnswer,
    ),
    "has a bad chunk": (
        says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", close=False),
        BadAnswer,
    ),
    "has an unknown coding": (
        says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", close=False),
        BadAnswer,
    ),
    "compresses unasked": (
        says(OK.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n"), close=False),
        BadAnswer,
    ),
    "has an endless line": (says(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 40_000), BadAnswer),
    "has endless fields": (says(b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n" * 1000] * 60), BadAnswer),
    "has endless interim answers": (
        says(*[b"HTTP/1.1 100 Continue\r\n\r\n" * 100] * 20),
        BadAnswer,
    ),
    "has a body too large": (says(OK.replace(b"h: 2", b"h: 9999"), b"x" * 9997), BadAnswer),
    "has an endless body": (
        says(b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 1000] * 100, close=False),
        BadAnswer,
    ),
    "has endless chunks": (
        says(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            *[b"1;" + b"y" * 900 + b"\r\nx\r\n"] * 200,
            close=False,
        ),
        BadAnswer,
    ),
}


@pytest.mark.parametrize(("play", "error"), BROKEN.values(), ids=BROKEN.keys())
async def test_broken_partner(client, partner, play, error):
    """Each fault is one clear error that names the partner, long before time is over."""
    url, began = partner(play), time.monotonic()
    with pytest.raises(error) as raised:
        await client(body=1000, head=20_000).fetch(get(url))
    assert str(raised.value).count(url) == 1
    assert "Traceback" not in str(raised.value)
    assert time.monotonic() - began < 10


async def test_body_until_close(client, partner):
    """An answer without length ends with the connection, as old partners do it."""
    url = partner(says(b"HTTP/1.0 200 OK\r\nX: a\r\nX: b\r\n\r\n", b"all"))
    answer = await client().fetch(get(url))
    assert (answer.body, answer.headers["x"]) == (b"all", "a, b")


async def test_body_of_exactly_the_limit(client, partner):
    """The limit itself is allowed."""
    url = partner(says(OK.replace(b"h: 2", b"h: 1000") + b"x" * 998))
    assert len((await client(body=1000).fetch(get(url))).body) == 1000


async def test_many_calls_at_once(gateway, client):
    """Calls do not wait for one another: none is answered before all have come."""
    waiting = []

    async def handler(request):
        waiting.append(Deferred())
        if len(waiting) == 50:
            for each in waiting:
                each.callback(None)
        await waiting[-1]
        return Response(body=request.path.encode())

    origin, http = gateway(handler), client()
    calls = [Deferred.fromCoroutine(http.fetch(get(f"{origin}/{n}"))) for n in range(50)]
    answers = await DeferredList(calls)
    assert [answer.body for _, answer in answers] == [b"/%d" % n for n in range(50)]


async def test_cancelled_call(client, partner):
    """A caller that gives up frees the connection."""
    call = Deferred.fromCoroutine(client().fetch(get(partner(silent))))
    reactor.callLater(0.1, call.cancel)
    with pytest.raises(CancelledError):
        await call


# TLS


@pytest.fixture(scope="module")
def ca():
    """An authority."""
    return trustme.CA()


@pytest.fixture
def pem(tmp_path):
    """Writes what trustme issued: ``pem(issued) -> (certificate, key)``."""

    def write(issued):
        name = str(len(list(tmp_path.iterdir())))
        certificate, key = tmp_path / f"{name}.pem", tmp_path / f"{name}.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(key))
        return certificate, key

    return write


@pytest.fixture
def authority(tmp_path, ca):
    """Path of the authority's certificate."""
    path = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return path


async def who(request):
    """Name the client."""
    shown = request.client_certificate
    return Response(body=(shown.subject.rfc4514_string() if shown else "nobody").encode())


async def test_mutual_tls(gateway, client, ca, pem, authority):
    """The partner is trusted by its authority, and sees our certificate."""
    origin = gateway(who, server_tls(*pem(ca.issue_cert("localhost")), client_ca=authority))
    own = pem(ca.issue_cert("us.example", common_name="roamgate"))
    answer = await client(tls=client_tls(authority, *own)).fetch(get(origin))
    assert b"CN=roamgate" in answer.body
    with pytest.raises(Unreachable, match=r"https://localhost:.*: TLS: .*certificate required"):
        await client(tls=client_tls(authority)).fetch(get(origin))


async def test_untrusted_partner(gateway, client, ca, pem):
    """An authority that we do not know."""
    origin = gateway(who, server_tls(*pem(ca.issue_cert("localhost"))))
    with pytest.raises(Unreachable, match="TLS: certificate verify failed"):
        await client().fetch(get(origin))


async def test_partner_with_another_name(gateway, client, ca, pem, authority):
    """A good certificate, but of somebody else."""
    origin = gateway(who, server_tls(*pem(ca.issue_cert("other.example"))))
    with pytest.raises(Unreachable, match="TLS: the certificate is for another name"):
        await client(tls=client_tls(authority)).fetch(get(origin))


async def test_partner_with_old_tls(client, ca, authority):
    """TLS 1.2 is spoken by flag alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    ca.issue_cert("localhost").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(5)

        def answer_two():
            for _ in range(2):
                connection, _ = listening.accept()
                try:
                    with context.wrap_socket(connection, server_side=True) as secure:
                        secure.recv(65536)
                        secure.sendall(OK)
                except OSError:
                    connection.close()

        serving = deferToThread(answer_two)
        url = f"https://localhost:{listening.getsockname()[1]}/"
        with pytest.raises(Unreachable, match="TLS: "):
            await client(tls=client_tls(authority)).fetch(get(url))
        answer = await client(tls=client_tls(authority, tls_1_2=True)).fetch(get(url))
        assert answer.body == b"ok"
        await serving


async def test_partner_without_tls(client, partner, authority):
    """Plain HTTP on the other side of https."""
    url = partner(says(OK)).replace("http:", "https:")
    with pytest.raises(Unreachable, match="TLS: "):
        await client(tls=client_tls(authority)).fetch(get(url))


# the partner's certificate, pinned


def issued(ca, write, name="localhost"):
    """A server's certificate: paths of it and its key, and the certificate."""
    made = ca.issue_cert(name)
    certificate, key = write(made)
    return certificate, key, x509.load_pem_x509_certificate(certificate.read_bytes())


async def test_pinned_certificates(gateway, client, ca, pem, authority):
    """One of two, the present and the next; no authority is needed, another certificate is none."""
    first, second, other = (issued(ca, pem) for _ in range(3))
    tls = client_tls(pinned=[first[0], second[0]])
    for certificate, key, _ in (first, second):
        answer = await client(tls=tls).fetch(get(gateway(who, server_tls(certificate, key))))
        assert answer.body == b"nobody"
    with pytest.raises(Unreachable, match="TLS: certificate verify failed"):
        await client(tls=tls).fetch(get(gateway(who, server_tls(*other[:2]))))


async def test_pinned_among_the_certificates_of_an_authority(gateway, client, ca, pem, authority):
    """The authority vouches for both, but only one is pinned; nothing is sent to the other."""
    first, other = issued(ca, pem), issued(ca, pem)
    asked = []

    async def handler(request):
        asked.append(request)
        return Response(body=b"ok")

    def over(served, **pins):
        return client(tls=client_tls(authority, **pins)).fetch(
            HttpCall(method="POST", url=gateway(handler, server_tls(*served[:2])), body=b"secret")
        )

    for pins in ({"pinned": [first[0]]}, {"pinned_keys": [key_pin(first[2])]}):
        assert (await over(first, **pins)).body == b"ok"
        asked.clear()
        with pytest.raises(Unreachable, match="TLS: the certificate is none of those pinned"):
            await over(other, **pins)
        assert asked == []
    both = {"pinned": [first[0]], "pinned_keys": [key_pin(other[2])]}
    assert [(await over(each, **both)).body for each in (first, other)] == [b"ok", b"ok"]


async def test_a_pinned_key_alone_is_no_trust(gateway, client, ca, pem):
    """An authority that we do not know, for a key that we do."""
    served = issued(ca, pem)
    tls = client_tls(pinned_keys=[key_pin(served[2])])
    with pytest.raises(Unreachable, match="TLS: certificate verify failed"):
        await client(tls=tls).fetch(get(gateway(who, server_tls(*served[:2]))))


async def test_a_pinned_certificate_of_another_name(gateway, client, ca, pem):
    """The name is checked all the same."""
    served = issued(ca, pem, "other.example")
    with pytest.raises(Unreachable, match="TLS: the certificate is for another name"):
        await client(tls=client_tls(pinned=[served[0]])).fetch(
            get(gateway(who, server_tls(*served[:2])))
        )


def test_a_pin_is_what_other_programs_write(ca, pem):
    """As curl's --pinnedpubkey: the Base64 of the SHA-256 of the SubjectPublicKeyInfo."""
    path, _, certificate = issued(ca, pem)
    pipe = f"openssl x509 -in {path} -pubkey -noout | openssl pkey -pubin -outform der"
    pipe += " | openssl dgst -sha256 -binary | openssl enc -base64"
    said = subprocess.run(["sh", "-c", pipe], capture_output=True, text=True, check=True)
    assert key_pin(certificate) == f"sha256//{said.stdout.strip()}"
