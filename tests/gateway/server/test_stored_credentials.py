"""Passwords and tokens by their stored forms, two at a time, and what wrong ones cost."""

import json

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList

from gateway.demo.ochp import wrapped
from gateway.errors import Busy, ConfigError
from gateway.http import Request
from gateway.security.credentials import Account, Credentials, hash_password, hash_token
from gateway.server import front
from gateway.server.app import App
from gateway.server.config import load
from tests.support.gate import token_header

CONFIG = """
[gateway]
public_url = "https://gw.example"
country = "SE"
party = "HUB"
name = "Hub"
database = "sqlite:///gateway.db"

[[party]]
id = "acme"
name = "Acme"
roles = ["cpo"]
country = "DE"
codes = ["DE*ACM"]
protocol = "ochp-1.4"
[party.ochp]
username_in = "acme"
{ochp}

[[party]]
id = "abc"
name = "ABC"
roles = ["emsp"]
country = "NL"
codes = ["NL-ABC"]
protocol = "ocpi-2.2.1"
[party.ocpi]
versions_url = "https://abc.example/versions"
handshake = false
token_out = "token-that-we-present"
{ocpi}
"""
PLAIN_OCHP, PLAIN_OCPI = 'password_in = "word"', 'token_in = "token-in-0123456789"'


@pytest.fixture
def app(tmp_path):
    made = []

    def make(ochp=PLAIN_OCHP, ocpi=PLAIN_OCPI):
        path = tmp_path / "gateway.toml"
        path.write_text(CONFIG.format(ochp=ochp, ocpi=ocpi))
        made.append(App(load(path), reactor))
        return made[-1]

    yield make
    for one in made:
        one.close()


async def soap(app, password):
    """Whether a SOAP question with this password is answered."""
    answer = await app.router(
        Request(
            method="POST",
            path="/ochp/1.4",
            headers={"content-type": "text/xml; charset=utf-8", "soapaction": '""'},
            body=wrapped("GetRoamingAuthorisationListRequest", "", "acme", password),
        )
    )
    assert (answer.status == 200) != (b"FailedAuthentication" in answer.body)
    return answer.status == 200


async def ocpi(app, token):
    headers = {"authorization": token_header(token)}
    answer = await app.router(Request(method="GET", path="/ocpi/versions", headers=headers))
    return json.loads(answer.body)["status_code"] == 1000


@pytest.mark.parametrize("make", [str, hash_password, hash_token])
async def test_a_password_and_the_next_one(app, make):
    """Each is good in any form; nothing else is, least of all the stored form itself."""
    first, second = make("first"), make("second")
    gate = app(ochp=f'password_in = "{first}"\npassword_in_next = "{second}"')
    for _ in range(2):  # checked, and remembered
        assert await soap(gate, "first")
        assert await soap(gate, "second")
    for wrong in ("", "third", "firstsecond", *({first, second} - {"first", "second"})):
        assert not await soap(gate, wrong)
    assert not await soap(app(ochp=f'password_in = "{second}"'), "first")


@pytest.mark.parametrize("make", [str, hash_token])
async def test_a_token_and_the_next_one(app, make):
    first, second = make("token-first-0123456789"), make("token-second-012345678")
    gate = app(ocpi=f'token_in = "{first}"\ntoken_in_next = "{second}"')
    assert await ocpi(gate, "token-first-0123456789")
    assert await ocpi(gate, "token-second-012345678")
    for wrong in ("token-third-0123456789", "x"):
        assert not await ocpi(gate, wrong)
    if make is hash_token:
        assert not await ocpi(gate, first[:64])
    assert not await ocpi(app(ocpi=f'token_in = "{second}"'), "token-first-0123456789")


async def test_a_registration_token_by_its_stored_form(app):
    """Token A opens versions before the handshake."""
    stored = hash_token("token-a-0123456789abc")
    gate = app(ocpi=f'token_in = "{stored}"'.replace("handshake", ""))
    assert await ocpi(gate, "token-a-0123456789abc")


@pytest.mark.parametrize(
    ("ochp", "ocpi", "said"),
    [
        ('password_in_next = "x"', PLAIN_OCPI, "of no use without password_in"),
        ('password_in = "sha256$00$00"', PLAIN_OCPI, "begins like a stored form, but is none"),
        (f'password_in = "{hash_token("x")[:-2]}"', PLAIN_OCPI, "begins like a stored form"),
        (
            'password_in = "scrypt$1073741824$8$1$' + "0" * 32 + "$" + "0" * 128 + '"',
            PLAIN_OCPI,
            "begins like a stored form",
        ),
        (
            f'wsse_in = "digest"\npassword_in = "{hash_token("x")}"',
            PLAIN_OCPI,
            "a digest needs the password itself",
        ),
        (
            'wsse_in = "basic"\npassword_in = "p"\nusername_out = "a:b"\npassword_out = "p"\n'
            'address = "https://acme.example"\nwsse_out = "basic"',
            PLAIN_OCPI,
            "has a colon",
        ),
        (
            f'wsse_in = "either"\npassword_in = "p"\npassword_in_next = "{hash_password("x")}"',
            PLAIN_OCPI,
            "a digest needs the password itself",
        ),
        (PLAIN_OCHP, f'token_in = "{hash_password("x")}"', "a slow hash"),
        (PLAIN_OCHP, 'token_in_next = "t"', "of no use without token_in"),
    ],
)
def test_what_cannot_be_configured(app, ochp, ocpi, said):
    with pytest.raises(ConfigError, match=said) as caught:
        app(ochp, ocpi)
    assert "scrypt$" not in str(caught.value)
    assert "sha256$0" not in str(caught.value)


class Slow:
    """Threads that do not come to an end before they are told."""

    def __init__(self):
        self.waiting = []

    async def in_thread(self, work, *, writing):
        self.waiting.append(Deferred())
        await self.waiting[-1]
        return work()


async def test_wrong_passwords_do_not_take_the_threads(monkeypatch):
    """Two slow checks at a time; what was right before does not wait for them."""
    threads = Slow()
    accounts = Credentials({"a": Account((hash_password("right"),), "A")})
    assert accounts.check("a", "right") == "A"
    authenticate = front._Authenticate(threads, accounts)
    running = [Deferred.fromCoroutine(authenticate("a", f"wrong {n}")) for n in range(2)]
    for name, password in (("a", "wrong 3"), ("nobody", "x")):
        with pytest.raises(Busy):
            await authenticate(name, password)
    assert await authenticate("a", "right") == "A"
    for each in threads.waiting:
        each.callback(None)
    assert await DeferredList(running) == [(True, None), (True, None)]
    running = Deferred.fromCoroutine(authenticate("a", "wrong 4"))
    threads.waiting[-1].callback(None)
    assert await running is None


async def test_where_no_hash_is_slow_no_thread_is_needed():
    threads = Slow()
    authenticate = front._Authenticate(
        threads, Credentials({"a": Account((hash_token("right"),), "A")})
    )
    assert await authenticate("a", "right") == "A"
    assert await authenticate("a", "wrong") is None
    assert threads.waiting == []
