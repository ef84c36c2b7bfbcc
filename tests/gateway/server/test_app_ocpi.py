"""An operator and a provider, both OCPI, through the whole gateway: adapter, exchange and store."""

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from twisted.internet import reactor

from gateway.http import Request
from gateway.security.json_gate import write_json
from gateway.server.app import App
from gateway.server.config import load
from tests.adapters.ocpi import samples

CONFIG = """
[gateway]
public_url = "https://gw.example"
country = "SE"
party = "HUB"
name = "Hub"
database = "sqlite:///gateway.db"

[[party]]
id = "cpo"
name = "Operator"
roles = ["cpo"]
country = "DE"
codes = ["DE*ACM"]
protocol = "ocpi-2.2.1"
[party.ocpi]
versions_url = "https://cpo.example/versions"
handshake = false
token_in = "cpo-in-0123456789abcdef"
token_out = "cpo-out-0123456789abcdef"

[[party]]
id = "emsp"
name = "Provider"
roles = ["emsp"]
country = "NL"
codes = ["NL*EVP"]
protocol = "ocpi-2.2.1"
[party.ocpi]
versions_url = "https://emsp.example/versions"
handshake = false
token_in = "emsp-in-0123456789abcdef"
token_out = "emsp-out-0123456789abcdef"

[[agreement]]
cpo = "cpo"
emsp = "emsp"
"""
NOW = datetime(2031, 5, 2, 12, tzinfo=UTC)
S, R = "/ocpi/2.2.1/sender", "/ocpi/2.2.1/receiver"
SITE = f"{R}/locations/DE/ACM/SITE-1"
LATER, LATEST = "2031-05-01T12:00:00Z", "2031-05-01T13:00:00Z"


class Caller:
    """A partner that calls the gateway."""

    def __init__(self, router, token):
        self.router = router
        coded = base64.b64encode(f"{token}-in-0123456789abcdef".encode()).decode()
        self.headers = {"authorization": f"Token {coded}"}

    async def __call__(self, method, path, body=None):
        path, _, query = path.removeprefix("https://gw.example").partition("?")
        data = b"" if body is None else write_json(body)
        self.response = await self.router(
            Request(method=method, path=path, query=query, headers=self.headers, body=data)
        )
        answer = json.loads(self.response.body, parse_float=Decimal)
        return self.response.status, answer["status_code"], answer.get("data")


@pytest.fixture
def router(tmp_path):
    path = tmp_path / "gateway.toml"
    path.write_text(CONFIG)
    app = App(load(path), reactor, lambda: NOW)
    yield app.router
    app.close()


@pytest.fixture
def cpo(router):
    return Caller(router, "cpo")


@pytest.fixture
def emsp(router):
    return Caller(router, "emsp")


async def test_a_location_and_its_parts(cpo, emsp):
    """Put, changed down to the plug, compared by its owner, read by the provider."""
    assert await cpo("PUT", SITE, samples.location()) == (201, 1000, None)
    assert await cpo("PUT", SITE, samples.location()) == (200, 1000, None)
    assert await cpo("GET", SITE) == (200, 1000, samples.location())
    assert await emsp("GET", f"{S}/locations") == (200, 1000, [samples.location()])
    assert emsp.response.headers["X-Total-Count"] == "1"

    plug = samples.connector(max_amperage=63, last_updated=LATER)
    assert await cpo("PUT", f"{SITE}/E7/1", plug) == (200, 1000, None)
    assert await cpo("PATCH", SITE, {"name": "Pier", "last_updated": LATEST}) == (200, 1000, None)

    _, _, found = await emsp("GET", f"{S}/locations/site-1")
    evse = samples.evse(connectors=[plug], last_updated=LATER)
    assert found == samples.location(name="Pier", evses=[evse], last_updated=LATEST)
    assert await cpo("GET", SITE) == (200, 1000, found)


async def test_live_status(cpo, emsp):
    """A status by PATCH is what others read, and moves the location into their window."""
    await cpo("PUT", SITE, samples.location())

    status = {"status": "CHARGING", "last_updated": LATER}
    assert await cpo("PATCH", f"{SITE}/E7", status) == (200, 1000, None)

    _, _, found = await emsp("GET", f"{S}/locations/SITE-1/E7")
    assert (found["status"], found["last_updated"]) == ("CHARGING", LATER)
    _, _, site = await emsp("GET", f"{S}/locations/SITE-1")
    assert site["last_updated"] == LATER
    _, _, changed = await emsp("GET", f"{S}/locations?date_from={LATER}")
    assert [site["id"] for site in changed] == ["SITE-1"]


async def test_the_same_again_at_a_later_time(cpo, emsp):
    """Nothing has changed but when that was said: everyone who asks is told the new time, and what
    is older than it is ignored from now on."""
    await cpo("PUT", SITE, samples.location())
    await cpo("PUT", f"{R}/tariffs/DE/ACM/DC-FAST", samples.tariff())
    await emsp("PUT", f"{R}/tokens/NL/EVP/04A1B2C3D4E580", samples.token())
    await cpo("PUT", f"{R}/sessions/DE/ACM/S-1", samples.session())
    again = {"last_updated": LATER}

    for path in (f"{SITE}/E7/1", f"{SITE}/E7", SITE):
        assert (await cpo("PATCH", path, again))[:2] == (200, 1000)
        assert (await cpo("GET", path))[2]["last_updated"] == LATER
        assert (await cpo("GET", SITE))[2]["last_updated"] == LATER
    assert (await emsp("GET", f"{S}/locations"))[2][0]["last_updated"] == LATER
    old = {"name": "Old", "last_updated": "2031-05-01T11:59:59Z"}
    assert (await cpo("PATCH", SITE, old))[:2] == (200, 1000)
    assert (await cpo("GET", SITE))[2].get("name") == samples.location().get("name")

    state = samples.evse()["status"]
    assert (await cpo("PATCH", f"{SITE}/E7", {"status": state, "last_updated": LATEST}))[1] == 1000
    assert (await cpo("GET", f"{SITE}/E7"))[2]["last_updated"] == LATEST
    assert (await cpo("GET", SITE))[2]["last_updated"] == LATEST

    for who, path in (
        (emsp, f"{R}/tokens/NL/EVP/04A1B2C3D4E580"),
        (cpo, f"{R}/sessions/DE/ACM/S-1"),
    ):
        assert (await who("PATCH", path, again))[:2] == (200, 1000)
        assert (await who("GET", path))[2]["last_updated"] == LATER
    tariff = f"{R}/tariffs/DE/ACM/DC-FAST"
    assert (await cpo("PUT", tariff, samples.tariff(last_updated=LATER)))[:2] == (200, 1000)
    assert (await cpo("GET", tariff))[2]["last_updated"] == LATER


async def test_nobody_else_writes_or_compares(cpo, emsp):
    await cpo("PUT", SITE, samples.location())

    assert (await emsp("PUT", SITE, samples.location()))[:2] == (404, 2001)
    assert (await emsp("GET", SITE))[:2] == (404, 2001)
    assert (await cpo("GET", f"{R}/locations/DE/ACM/SITE-9"))[:2] == (404, 2003)


async def test_a_tariff(cpo, emsp):
    path = f"{R}/tariffs/DE/ACM/DC-FAST"
    assert await cpo("PUT", path, samples.tariff()) == (201, 1000, None)
    assert await emsp("GET", f"{S}/tariffs") == (200, 1000, [samples.tariff()])
    assert await cpo("GET", path) == (200, 1000, samples.tariff())
    assert await cpo("DELETE", path) == (200, 1000, None)
    assert await emsp("GET", f"{S}/tariffs") == (200, 1000, [])
    assert (await cpo("DELETE", path))[0] == 404


async def test_a_token_and_its_authorisation(cpo, emsp):
    """The provider's whitelist decides; what it forbids to decide from goes to the provider."""
    path = f"{R}/tokens/NL/EVP/04A1B2C3D4E580"
    assert await emsp("PUT", path, samples.token(whitelist="ALWAYS")) == (201, 1000, None)
    assert await cpo("GET", f"{S}/tokens") == (200, 1000, [samples.token(whitelist="ALWAYS")])

    status, code, info = await cpo("POST", f"{S}/tokens/04A1B2C3D4E580/authorize")
    assert (status, code, info["allowed"]) == (200, 1000, "ALLOWED")
    assert info["token"] == samples.token(whitelist="ALWAYS")

    body = {"valid": False, "last_updated": LATER}
    assert await emsp("PATCH", path, body) == (200, 1000, None)
    _, _, info = await cpo("POST", f"{S}/tokens/04A1B2C3D4E580/authorize")
    assert info["allowed"] != "ALLOWED"


async def test_a_session(cpo, emsp):
    path = f"{R}/sessions/DE/ACM/S-1"
    assert await cpo("PUT", path, samples.session()) == (201, 1000, None)
    more = samples.period("2031-05-01T10:20:00Z", 4.5)
    body = {"kwh": 15, "charging_periods": [more], "last_updated": LATER}
    assert await cpo("PATCH", path, body) == (200, 1000, None)

    expected = samples.session(
        kwh=15, charging_periods=[samples.period(), more], last_updated=LATER
    )
    assert await cpo("GET", path) == (200, 1000, expected)


async def test_a_cdr(cpo, emsp):
    """Posted once, at the same place for ever; the provider has it in its list."""
    await emsp("PUT", f"{R}/tokens/NL/EVP/04A1B2C3D4E580", samples.token())
    assert await cpo("POST", f"{R}/cdrs", samples.cdr()) == (201, 1000, None)
    location = cpo.response.headers["Location"]
    assert await cpo("POST", f"{R}/cdrs", samples.cdr()) == (200, 1000, None)
    assert cpo.response.headers["Location"] == location
    assert await cpo("GET", location) == (200, 1000, samples.cdr())
    assert (await emsp("GET", location))[0] == 404
    assert await emsp("GET", f"{S}/cdrs") == (200, 1000, [samples.cdr()])
