"""What a partner cannot make the gateway call: other origins, inner addresses, in any spelling."""

import json
import socket

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IHostnameResolver, IReactorPluggableNameResolver
from twisted.internet.threads import deferToThread
from zope.interface import implementer

from gateway.client import HttpClient, Timeouts
from gateway.errors import Refused, Unreachable
from gateway.http import HttpCall, Request, Response
from gateway.server.app import App
from gateway.server.config import load
from gateway.server.http import HttpServer, Limits
from gateway.server.reach import Reach, network, origin
from tests.support.gate import token_header

LOOPBACK = network("127.0.0.0/8")


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1"),
        *("169.254.169.254", "100.64.0.1", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
        *("224.0.0.1", "239.1.1.1", "255.255.255.255", "240.0.0.1", "198.18.0.1", "192.0.2.1"),
        *("::", "::1", "fe80::1", "fe80::1%1", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:169.254.169.254", "::127.0.0.1"),
        *("::7f00:1", "64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "2002:7f00:1::", "2002:a9fe:a9fe::"),
        *("2001:0:4136:e378:8000:63bf:80ff:fffe", "2001:db8::1", "100::1", "3fff::1"),
        *("::ffff:0:7f00:1", "::ffff:0:10.0.0.1", "4000::1", "5f00::1", "192.88.99.1"),
    ],
)
def test_inner_addresses_are_refused(address):
    """Whatever is not somebody's on the internet, and what is that only in disguise."""
    with pytest.raises(Refused, match="may not be called"):
        Reach().address(address)


@pytest.mark.parametrize(
    "address", ["9.9.9.9", "2620:fe::fe", "::ffff:9.9.9.9", "64:ff9b::9.9.9.9", "2002:909:909::"]
)
def test_addresses_of_the_internet_pass(address):
    Reach().address(address)


def test_allowed_networks_open_what_they_say_and_no_more():
    """A network counts for the IPv4 address inside an IPv6 address too."""
    reach = Reach(networks=[network("10.1.0.0/16"), network("fd12::/32")])
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "fd12::1"):
        reach.address(address)
    for address in ("10.2.0.1", "127.0.0.1", "fd13::1", "169.254.169.254"):
        with pytest.raises(Refused):
            reach.address(address)


NAMED = Reach(["https://ocpi.example/versions", "http://plain.example:8080/x"])


@pytest.mark.parametrize(
    "url",
    ["https://ocpi.example/a?b=c", "https://OCPI.example:443/", "http://plain.example:8080/y"],
)
def test_what_the_operator_has_written_down_may_be_called(url):
    NAMED.url(url)


@pytest.mark.parametrize(
    "url",
    [
        *("http://ocpi.example/", "https://ocpi.example:8443/", "https://ocpi.example./"),
        *("https://ocpi.example@evil.example/", "https://evil.example/ocpi.example"),
        *("https://ocpi.example.evil.example/", "https://sub.ocpi.example/", "file:///etc/passwd"),
        *("http://2130706433/", "http://0x7f.1/", "http://127.0.0.1/", "https://[::1]/"),
        *("https://plain.example:8080/", "gopher://ocpi.example:443/", "https://", "", "https:///"),
        *("https://ocpi.example:0/", "https://ocpi.example:99999/", "https://ocpi.example:x/"),
        *("https://evil.example\\@ocpi.example/", "https://ocpi.example\\.evil.example/"),
        *("https://ocpi.example%2eevil.example/", "//ocpi.example/", "https://ocpi。example/"),
    ],
)
def test_nothing_else_is(url):
    with pytest.raises(Refused):
        NAMED.url(url)


def test_without_any_written_down_https_on_its_port_alone():
    Reach().url("https://anybody.example/x")
    Reach().url("https://anybody.example:443/x")
    for url in ("http://anybody.example/", "https://anybody.example:22/"):
        with pytest.raises(Refused):
            Reach().url(url)


def test_what_is_written_down_and_can_never_be_called():
    """Told at start: an operator who tries things out on one machine should not have to search."""
    urls = ["http://127.0.0.1:1/", "http://localhost:2/", "https://10.1.2.3/", "https://a.example/"]
    assert Reach(urls).closed() == [
        *("http://127.0.0.1:1", "http://localhost:2", "https://10.1.2.3:443"),
    ]
    assert Reach(urls, [LOOPBACK]).closed() == ["https://10.1.2.3:443"]


def test_an_origin_has_one_spelling():
    assert origin("HTTPS://Ocpi.Example/x") == origin("https://ocpi.example:443") != ""
    assert origin("https://[2620:fe::FE]/") == "https://[2620:fe::fe]:443"


# -- with a client, on real sockets --------------------------------------------------------------


class Names:
    """A reactor whose names resolve as a hostile name server says, each time otherwise."""

    def __init__(self, *answers):
        self._answers = list(answers)
        self.asked = []
        self.nameResolver = self

    def __getattr__(self, name):
        return getattr(reactor, name)

    def installNameResolver(self, resolver):
        raise NotImplementedError

    def resolveHostName(self, receiver, host, portNumber=0, *args, **kwargs):
        self.asked.append(host)
        addresses = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        receiver.resolutionBegan(self)
        for address in addresses:
            kind = IPv6Address if ":" in address else IPv4Address
            receiver.addressResolved(kind("TCP", address, portNumber))
        receiver.resolutionComplete()


hostile = implementer(IReactorPluggableNameResolver, IHostnameResolver)(Names)


@pytest.fixture
def inner():
    """A service on loopback that nobody outside should reach, and its requests."""
    seen = []

    async def handler(request):
        seen.append(request.path)
        return Response(body=b"inner")

    server = HttpServer(handler, Limits(), reactor)
    port = server.listen(0)
    yield port, seen
    for connection in list(server._connections):
        connection.abort()
    pytest_twisted.blockon(server.drain())


@pytest.fixture
def client():
    made = []

    def make(reach, names=reactor):
        made.append(HttpClient(names, Timeouts(connect=1, total=3), guard=reach))
        return made[-1]

    yield make
    for one in made:
        pytest_twisted.blockon(one.close())


def get(url):
    return HttpCall(method="GET", url=url)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "0", "[::1]",
     "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "127.0.0.1.", "localhost."],
)  # fmt: skip
async def test_loopback_in_any_spelling(client, inner, host):
    """Even where an operator has written the very URL down: the address decides."""
    port, seen = inner
    url = f"http://{host}:{port}/"
    with pytest.raises((Refused, Unreachable)):
        await client(Reach([url])).fetch(get(url))
    assert seen == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_loopback_where_it_is_allowed(client, inner, host):
    """As for the demo and the tests."""
    port, _ = inner
    url = f"http://{host}:{port}/"
    answer = await client(Reach([url], [LOOPBACK])).fetch(get(url))
    assert answer.body == b"inner"


async def test_a_name_that_leads_inside(client, inner):
    """The name is the partner's, the address is ours."""
    port, seen = inner
    url = f"http://partner.example:{port}/"
    for addresses in (["127.0.0.1"], ["10.0.0.1", "127.0.0.1", "::1"], ["::ffff:127.0.0.1"]):
        with pytest.raises(Refused, match="an address that may not be called"):
            await client(Reach([url]), hostile(addresses)).fetch(get(url))
    assert seen == []


async def test_a_name_that_changes_its_mind(client, inner):
    """First a good address, then an inner one: a name is asked once, and that answer is judged."""
    port, seen = inner
    url = f"http://partner.example:{port}/"
    names = hostile(["9.9.9.9"], ["127.0.0.1"])
    guard = Reach([url])
    guard.address("9.9.9.9")  # what a check before the connection would have seen
    names._answers.pop(0)
    with pytest.raises(Refused):
        await client(guard, names).fetch(get(url))
    assert names.asked == ["partner.example"]
    assert seen == []


async def test_of_several_addresses_those_that_may_be_called_are_tried(client, inner):
    port, _ = inner
    url = f"http://partner.example:{port}/"
    names = hostile(["10.0.0.1", "127.0.0.1"])
    answer = await client(Reach([url], [LOOPBACK]), names).fetch(get(url))
    assert answer.body == b"inner"


async def test_a_redirect_is_not_a_way_inside(client, inner):
    """To another origin it is not followed at all."""
    port, seen = inner
    with socket.create_server(("127.0.0.1", 0)) as outer:
        outer.settimeout(5)

        def play():
            connection, _ = outer.accept()
            with connection:
                connection.recv(65536)
                head = f"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:{port}/\r\n"
                connection.sendall(f"{head}Content-Length: 0\r\n\r\n".encode())

        playing = deferToThread(play)
        url = f"http://127.0.0.1:{outer.getsockname()[1]}/"
        with pytest.raises(Exception, match="another origin"):
            await client(Reach([url], [LOOPBACK])).fetch(get(url))
        await playing
    assert seen == []


CONFIG = """
[gateway]
public_url = "https://gw.example"
country = "SE"
party = "HUB"
name = "Hub"
database = "sqlite:///gateway.db"
{network}

[[party]]
id = "emsp"
name = "Provider"
roles = ["emsp"]
country = "NL"
codes = ["NL*EVP"]
protocol = "ocpi-2.2.1"
[party.ocpi]
token_in = "token-a-of-the-provider"
callback_origins = ["http://127.0.0.1:{port}"]
"""


@pytest.mark.parametrize(
    ("path", "network", "reached"),
    [
        ("{}/versions", 'allow_networks = ["127.0.0.0/8"]', True),
        ("{}/versions", "", False),
        ("http://127.0.0.1:1/versions", 'allow_networks = ["127.0.0.0/8"]', False),
    ],
)
async def test_a_registration_makes_the_gateway_call_no_inner_service(
    tmp_path, inner, path, network, reached
):
    """The url of an OCPI credentials object: refused with a word, not called."""
    port, seen = inner
    config = tmp_path / "gateway.toml"
    config.write_text(CONFIG.format(port=port, network=network))
    app = App(load(config), reactor)
    body = {
        "token": "token-b",
        "url": path.format(f"http://127.0.0.1:{port}"),
        "roles": [{"role": "EMSP", "country_code": "NL", "party_id": "EVP"}],
    }
    headers = {
        "authorization": token_header("token-a-of-the-provider"),
        "content-type": "application/json",
    }
    try:
        answer = await app.router(
            Request(
                method="POST",
                path="/ocpi/2.2.1/credentials",
                headers=headers,
                body=json.dumps(body).encode(),
            )
        )
    finally:
        await app.links.close()
        app.close()
    assert json.loads(answer.body)["status_code"] == 3001  # it is no OCPI in any case
    assert seen == (["/versions"] if reached else [])
