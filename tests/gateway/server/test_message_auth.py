"""A JSON party that signs its requests, and gets signed ones."""

import base64
import json
from datetime import UTC, datetime

import pytest
import pytest_twisted
from msgspec.structs import replace
from structlog.testing import capture_logs
from twisted.internet import reactor

from gateway.errors import BadAnswer, ConfigError, Unreachable
from gateway.http import Request, Response
from gateway.security.http_signature import (
    Answer,
    Message,
    SharedKeys,
    sign,
    sign_answer,
    verify,
    verify_answer,
)
from gateway.server.app import App
from gateway.server.config import load
from gateway.server.http import HttpServer, Limits
from gateway.server.message_auth import target_of
from tests.support.gate import token_header

IN, NEXT, OUT = (bytes([number]) * 32 for number in (1, 2, 3))
IN_TEXT, NEXT_TEXT, OUT_TEXT = (base64.b64encode(key).decode() for key in (IN, NEXT, OUT))
TOKEN = "token-in-0123456789"
CONFIG = """
[gateway]
public_url = "https://gw.example/"
country = "SE"
party = "HUB"
name = "Hub"
database = "sqlite:///gateway.db"
allow_networks = ["127.0.0.0/8"]

[[party]]
id = "abc"
name = "ABC"
roles = ["emsp"]
country = "NL"
codes = ["NL-ABC"]
protocol = "ocpi-2.2.1"
[party.ocpi]
versions_url = "http://localhost:{port}/versions?x=1"
handshake = false
token_in = "token-in-0123456789"
token_out = "token-out-0123456789"
[party.http_signature]
{options}
"""
OPTIONS = f"""
secret_in = "{IN_TEXT}"
secret_in_next = "{NEXT_TEXT}"
secret_out = "{OUT_TEXT}"
key_id_out = "gateway-1"
"""


@pytest.fixture
def partner():
    """The party's server: its port, what it was asked, how it answers."""
    seen, answer = [], [lambda request: Response(status=500)]

    async def handler(request):
        seen.append(request)
        return answer[0](request)

    server = HttpServer(handler, Limits(), reactor)
    yield server.listen(0), seen, answer
    for connection in list(server._connections):
        connection.abort()
    pytest_twisted.blockon(server.drain())


@pytest.fixture
def app(tmp_path, partner):
    made = []

    def make(options=OPTIONS):
        path = tmp_path / "gateway.toml"
        path.write_text(CONFIG.format(port=partner[0], options=options))
        made.append(App(load(path), reactor))
        return made[-1]

    yield make
    for one in made:
        pytest_twisted.blockon(one.links.close())
        one.close()


def request(key=IN, path="/ocpi/versions", query="", body=b""):
    """A request with a token and, with a key, a signature."""
    headers = {"authorization": token_header(TOKEN)}
    if key is not None:
        target = f"https://gw.example{path}" + (f"?{query}" if query else "")
        message = Message("GET", target, headers, body)
        added = sign(message, key, "abc-1", datetime.now(UTC), "ocpi-")
        headers |= {name.lower(): value for name, value in added.items()}
    return Request(method="GET", path=path, query=query, headers=headers, body=body)


async def code(app, asked):
    """HTTP status and OCPI status code."""
    answer = await app.router(asked)
    return answer.status, json.loads(answer.body)["status_code"]


async def test_requests_have_to_be_signed(app):
    """With the present secret or the next one, each request once; else as if nobody had asked."""
    gate = app()
    for key in (IN, NEXT):
        asked = request(key)
        assert await code(gate, asked) == (200, 1000)
        with capture_logs() as lines:
            assert await code(gate, asked) == (401, 2000)
        assert [line["code"] for line in lines if line["event"] == "ocpi call"] == ["replay"]
    for asked in (
        request(None),
        request(OUT),
        replace(request(query="a=1"), query="a=2"),
        replace(request(), path="/ocpi/2.2.1"),
        replace(request(), method="DELETE"),
        replace(request(), body=b"{}"),
    ):
        assert await code(gate, asked) == (401, 2000)
    assert await code(gate, request(IN, query="a=1")) == (200, 1000)


def message_of(asked):
    return Message("GET", f"https://gw.example{asked.path}", asked.headers, asked.body)


async def test_answers_are_signed_with_the_secret_of_the_request(app):
    """Also those that refuse; not those to what is not signed."""
    gate = app()
    for key, path in ((IN, "/ocpi/versions"), (NEXT, "/ocpi/versions"), (IN, "/ocpi/nowhere")):
        asked = request(key, path)
        got = await gate.router(asked)
        fields = {name.lower(): value for name, value in got.headers.items()}
        answer = Answer(got.status, fields, got.body, message_of(asked))
        verify_answer(answer, SharedKeys(secrets=(key,)), datetime.now(UTC), "ocpi-")
        assert 'keyid="abc-1"' in fields["signature-input"]
        with pytest.raises(Exception, match="signature"):
            verify_answer(
                answer._replace(request=message_of(request(key, path))),
                SharedKeys(secrets=(key,)),
                datetime.now(UTC),
                "ocpi-",
            )
        again = await gate.router(asked)
        assert again.status == 401
        assert "Signature" not in again.headers
    assert "Signature" not in (await gate.router(request(None))).headers


async def test_a_replay_is_refused_by_another_process_too(app):
    """The memory is the store."""
    asked = request()
    first = app()
    assert await code(first, asked) == (200, 1000)
    assert await code(app(), asked) == (401, 2000)


async def test_without_a_secret_nothing_has_to_be_signed(app):
    gate = app(f'secret_out = "{OUT_TEXT}"')
    assert await code(gate, request(None)) == (200, 1000)
    assert await code(gate, request(OUT)) == (200, 1000)


async def test_what_the_party_gets_is_signed(app, partner):
    """As it sees it on its side: its own URL, the fields that came."""
    port, seen, _ = partner
    with pytest.raises(BadAnswer):
        await app().links.get("abc")._link.refresh("id-1")
    [asked] = seen
    target = f"http://localhost:{port}{asked.path}?{asked.query}"
    message = Message(asked.method, target, asked.headers, asked.body)
    now = datetime.now(UTC)
    assert verify(message, SharedKeys(secrets=(OUT,)), now, "ocpi-")
    assert 'keyid="gateway-1"' in asked.headers["signature-input"]
    with pytest.raises(Exception, match="signature"):
        verify(message, SharedKeys(secrets=(IN,)), now, "ocpi-")


@pytest.mark.parametrize(
    ("status", "key", "error", "said"),
    [
        (200, OUT, BadAnswer, "OCPI|JSON|status code|object"),
        (200, IN, BadAnswer, "not believed: signature"),
        (404, IN, BadAnswer, "HTTP 404 that is not believed"),
        (200, None, BadAnswer, "not believed: digest"),
        (503, None, Unreachable, "HTTP 503, not signed"),
    ],
)
async def test_the_answers_of_a_party_that_signs_them(app, partner, status, key, error, said):
    """What is not signed for this request is not read at all."""
    port, _, answer = partner

    def signed_answer(asked):
        if key is None:
            return Response(status=status, body=b"{}")
        target = f"http://localhost:{port}{asked.path}?{asked.query}"
        whole = Message(asked.method, target, asked.headers, asked.body)
        added = sign_answer(Answer(status, {}, b"{}", whole), key, "k", datetime.now(UTC), "ocpi-")
        return Response(status=status, headers=added, body=b"{}")

    answer[0] = signed_answer
    with pytest.raises(error, match=said) as caught:
        await app(OPTIONS + "answers_signed = true").links.get("abc")._link.refresh("id-1")
    assert ("believed" in str(caught.value) or "not signed" in str(caught.value)) == (key != OUT)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://A.example", "https://a.example/"),
        ("https://a.example:443/x#y", "https://a.example/x"),
        ("http://a.example:80/x?y=%2F", "http://a.example/x?y=%2F"),
        ("http://a.example:443/", "http://a.example:443/"),
    ],
)
def test_the_target_is_what_the_receiver_sees(url, target):
    assert target_of(url) == target


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("", "has neither secret_in nor secret_out"),
        (f'secret_in_next = "{IN_TEXT}"', "of no use without secret_in"),
        ('secret_in = "c2hvcnQ="', "has 5 bytes"),
        ('secret_in = "not base64"', "is no Base64"),
        (f'{OPTIONS}max_age = "1"', "is no duration"),
        (OPTIONS.replace("gateway-1", "a b"), "is no key id"),
        (f'secret_in = "{IN_TEXT}"\nanswers_signed = true', "of no use without secret_out"),
    ],
)
def test_what_cannot_be_configured(app, options, said):
    with pytest.raises(ConfigError, match=said) as caught:
        app(options)
    assert IN_TEXT not in str(caught.value)
