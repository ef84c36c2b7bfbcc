"""The running gateway, put together from a configuration."""

import json

import pytest
from twisted.internet import reactor

from gateway.http import Request
from gateway.security.json_gate import LIMITS
from gateway.server.app import App
from gateway.server.config import load
from gateway.server.router import UNREAD
from gateway.server.wire import HttpError, parse_head

CONFIG = """
[gateway]
public_url = "https://gw.example"
country = "SE"
party = "HUB"
name = "Hub"
database = "sqlite:///gateway.db"

[[party]]
id = "emsp"
name = "Provider"
roles = ["emsp"]
country = "NL"
codes = ["NL*EVP"]
protocol = "ocpi-2.2.1"

[party.ocpi]
versions_url = "https://emsp.example/versions"
token_in = "7f9c2ba4e88f827d616045507605853e"
"""


@pytest.fixture
def app(tmp_path):
    path = tmp_path / "gateway.toml"
    path.write_text(CONFIG)
    made = App(load(path), reactor)
    yield made
    made.close()


async def test_the_json_side_is_described(app):
    """Anybody may read what is served, and where."""
    response = await app.router(Request(method="GET", path="/openapi.json"))

    assert response.status == 200
    document = json.loads(response.body)
    assert document["servers"] == [{"url": "https://gw.example"}]
    assert "/ocpi/2.2.1/credentials" in document["paths"]


async def test_json_bodies_are_bounded_before_they_are_read(app):
    def bound(line, *fields):
        head = "\r\n".join((f"{line} HTTP/1.1", "Host: a", *fields, "", ""))
        return app.router.bound(parse_head(head.encode(), max_fields=10))

    json, xml = "Content-Type: application/json", "Content-Type: text/xml"
    assert bound("PUT /ocpi/2.2.1/credentials", json) == LIMITS.bytes
    assert bound("POST /ochp/1.4", xml) > LIMITS.bytes
    assert bound("GET /ochp/1.4", json) == UNREAD
    for line, fields, code in (
        ("PUT /ocpi/2.2.1/credentials", (xml,), "media-type"),
        ("PUT /ocpi/2.2.1/credentials", (json, "Content-Encoding: gzip"), "media-type"),
        ("POST /ochp/1.4", (json,), "media-type"),
        ("POST /ochp/1.4", (xml, "Content-Encoding: gzip"), "media-type"),
        ("PUT /ochp/1.4", (xml,), "method-not-allowed"),
        ("POST /ochp/1.3", (xml,), "not-found"),
    ):
        with pytest.raises(HttpError) as refused:
            bound(line, *fields)
        assert refused.value.code == code


async def test_ocpi_over_the_real_exchange(app):
    """The registration token opens versions, and nothing else; an unknown one nothing."""
    router = app.router
    seen = []
    for path, token in (
        ("/ocpi/versions", "7f9c2ba4e88f827d616045507605853e"),
        ("/ocpi/2.2.1/sender/locations", "7f9c2ba4e88f827d616045507605853e"),
        ("/ocpi/versions", "wrong"),
    ):
        headers = {"authorization": f"Token {token}"}
        response = await router(Request(method="GET", path=path, headers=headers))
        seen.append(response.status)

    assert seen == [200, 401, 401]
