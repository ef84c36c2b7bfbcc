"""What went over the wire stands in the ledger: both protocols, both directions, refusals too."""

import base64
import json

import pytest
from lxml import etree
from twisted.internet import reactor
from twisted.internet.task import deferLater

from gateway.demo.ochp import wrapped
from gateway.errors import StoreUnavailable
from gateway.http import Request, Response
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
allow_networks = ["127.0.0.0/8"]

[[party]]
id = "cpo"
name = "Operator"
roles = ["cpo"]
country = "DE"
codes = ["DE*ACM"]
protocol = "ocpi-2.2.1"
[party.ocpi]
versions_url = "{url}/cpo/versions"
handshake = false
token_in = "cpo-in-0123456789abcdef"
token_out = "cpo-out-0123456789abcdef"
pull = []

[[party]]
id = "emsp"
name = "Provider"
roles = ["emsp"]
country = "NL"
codes = ["NL*EVP"]
protocol = "ocpi-2.2.1"
[party.ocpi]
versions_url = "{url}/versions"
handshake = false
token_in = "emsp-in-0123456789abcdef"
token_out = "emsp-out-0123456789abcdef"
pull = []

[[party]]
id = "lists"
name = "Old Provider"
roles = ["emsp"]
country = "DE"
codes = ["DE-FST"]
protocol = "ochp-1.4"
[party.ochp]
username_in = "lists"
password_in = "very-secret-password"

[[agreement]]
cpo = "cpo"
emsp = "emsp"

[retention]
{retention}
"""
CREDENTIALS = base64.b64encode(b"cpo-in-0123456789abcdef").decode()


class Provider:
    """An OCPI receiver; ``status`` is what it answers to what it is sent."""

    def __init__(self):
        self.url, self.status, self.got = "", 201, []

    async def handle(self, request):
        if request.path == "/versions":
            data = [{"version": "2.2.1", "url": f"{self.url}/2.2.1"}]
        elif request.path == "/2.2.1":
            endpoints = [
                {"identifier": name, "role": "RECEIVER", "url": f"{self.url}/{name}"}
                for name in ("cdrs", "locations", "tariffs", "sessions")
            ]
            data = {"version": "2.2.1", "endpoints": endpoints}
        else:
            self.got.append(request)
            code = 1000 if self.status < 300 else 2000
            body = {"status_code": code, "timestamp": "2031-05-02T12:00:00Z"}
            return Response(status=self.status, headers=JSON, body=json.dumps(body).encode())
        body = {"status_code": 1000, "timestamp": "2031-05-02T12:00:00Z", "data": data}
        return Response(headers=JSON, body=json.dumps(body).encode())


JSON = {"Content-Type": "application/json"}


@pytest.fixture
def provider(serve):
    made = Provider()
    _, port = serve(made.handle)
    made.url = f"http://127.0.0.1:{port}"
    return made


@pytest.fixture
def start(tmp_path, provider):
    apps = []

    def start(retention=""):
        path = tmp_path / "gateway.toml"
        path.write_text(CONFIG.format(url=provider.url, retention=retention))
        apps.append(App(load(path), reactor))
        return apps[-1]

    yield start
    for app in apps:
        app.close()


def post(path, body, **headers):
    given = {"authorization": f"Token {CREDENTIALS}", "content-type": "application/json"}
    return Request(method="POST", path=path, headers=given | headers, body=body)


async def entries(app, **conditions):
    """Entries with their contents, oldest first, when what waits has been written."""
    await app.exchange.journal.flush()
    with app.store.read() as tx:
        found = tx.ledger.find(**conditions)
        return [tx.ledger.get(each.entry.id) for each in reversed(found)]


async def until(condition, seconds=5.0):
    for _ in range(int(seconds * 50)):
        if condition():
            return
        await deferLater(reactor, 0.02)
    raise AssertionError("it did not happen in time")


CDR = write_json(samples.cdr(cdr_token=samples.cdr()["cdr_token"]))


async def test_a_cdr_from_its_coming_in_to_its_receiver(start, provider):
    """One entry for what came, one for each call that was made of it, with the bytes of both."""
    app = start()
    app.deliveries.start()
    headers = {"x-correlation-id": "c-1", "x-request-id": "r-1"}
    response = await app.router(post("/ocpi/2.2.1/receiver/cdrs", CDR, **headers))
    assert response.status == 201
    await until(lambda: provider.got)
    await app.deliveries.stop()

    came, *sent = await entries(app, correlation="c-1")
    assert (came.direction, came.party, came.operation) == ("in", "cpo", "CdrUpload")
    assert (came.wire, came.line) == (
        "POST 2.2.1/receiver/cdrs",
        "POST /ocpi/2.2.1/receiver/cdrs",
    )
    assert (came.request, came.answer, came.status) == (CDR, response.body, 201)
    assert (came.kind, came.outcome, came.request_hash) == ("cdrs", "ok", None)
    assert came.canonical.startswith(b"CdrUpload\n")
    assert {each.line for each in sent[:-1]} == {
        f"GET {provider.url}/versions",
        f"GET {provider.url}/2.2.1",
    }
    last = sent[-1]
    assert (last.direction, last.party, last.line) == ("out", "emsp", f"POST {provider.url}/cdrs")
    assert last.request == provider.got[0].body
    assert (last.outcome, last.status, last.attempt) == ("ok", 201, 1)
    assert all(each.delivery == last.delivery is not None for each in sent)
    assert last.canonical.startswith(b"CdrUpload\n")

    id = samples.cdr()["id"].upper()
    found = await entries(app, identifier=("cdr", id))
    assert {each.id for each in found} == {came.id, *(each.id for each in sent)}


async def test_a_cdr_that_comes_again_stands_there_again(start):
    app = start()
    for correlation in ("c-1", "c-2"):
        request = post("/ocpi/2.2.1/receiver/cdrs", CDR, **{"x-correlation-id": correlation})
        await app.router(request)
    first, second = await entries(app, direction="in")
    assert (first.operation, first.status) == ("CdrUpload", 201)
    assert (second.operation, second.status, second.correlation) == ("CdrUpload", 200, "c-2")
    assert second.request == CDR


async def test_why_it_failed_stands_there(start, provider):
    app = start()
    app.deliveries.start()
    provider.status = 503
    await app.router(post("/ocpi/2.2.1/receiver/cdrs", CDR, **{"x-correlation-id": "c-1"}))
    await until(lambda: provider.got)
    await app.deliveries.stop()
    last = (await entries(app, direction="out"))[-1]
    assert last.status == 503
    assert last.outcome != "ok"
    assert last.reason
    assert b'"status_code": 2000' in last.answer
    with app.store.read() as tx:
        (waiting,) = tx.outbox.find("pending")
    assert waiting.attempts == 1


async def test_what_cannot_be_read_is_kept_with_the_reason(start):
    app = start()
    body = b'{"country_code": "DE", "party_id": "ACM", "id": "X"}'
    response = await app.router(post("/ocpi/2.2.1/receiver/cdrs", body))
    assert b"2001" in response.body
    (entry,) = await entries(app)
    assert (entry.operation, entry.outcome) == ("POST 2.2.1/receiver/cdrs", "Malformed")
    assert (entry.request, entry.answer, entry.kind) == (body, response.body, "cdrs")
    assert "start_date_time" in entry.reason


async def test_of_a_stranger_nothing_is_kept(start):
    app = start()
    response = await app.router(
        post("/ocpi/2.2.1/receiver/cdrs", b"x" * 100, authorization="Token bm9ib2R5")
    )
    assert response.status == 401
    assert await entries(app) == []


async def test_a_question_changes_nothing_and_is_kept_with_its_answer(start):
    app = start()
    headers = {"authorization": f"Token {CREDENTIALS}"}
    path = "/ocpi/2.2.1/sender/tokens"
    response = await app.router(Request(method="GET", path=path, query="limit=10", headers=headers))
    (entry,) = await entries(app)
    assert (entry.operation, entry.line) == ("TokenQuery", f"GET {path}?limit=10")
    assert (entry.request, entry.answer) == (b"", response.body)


async def test_a_soap_call_without_its_password(start):
    """The bytes are those that came, but for what nobody may read; a hash proves the rest."""
    app = start()
    query = wrapped("GetCDRsRequest", "", "lists", "very-secret-password")
    headers = {"content-type": "text/xml; charset=utf-8", "x-correlation-id": "c-9"}
    request = Request(method="POST", path="/ochp/1.4", headers=headers, body=query)
    response = await app.router(request)
    assert response.status == 200
    (entry,) = await entries(app)
    assert (entry.party, entry.wire, entry.operation) == ("lists", "GetCDRs", "CdrQuery")
    assert (entry.correlation, entry.answer) == ("c-9", response.body)
    assert b"very-secret-password" not in entry.request
    assert b"GetCDRsRequest" in entry.request
    assert len(entry.request_hash) == 32
    etree.fromstring(entry.request)


async def test_a_soap_body_that_breaks_the_schema(start):
    app = start()
    broken = wrapped("AddCDRsRequest", "<nonsense/>", "lists", "very-secret-password")
    headers = {"content-type": "text/xml; charset=utf-8"}
    await app.router(Request(method="POST", path="/ochp/1.4", headers=headers, body=broken))
    (entry,) = await entries(app)
    assert (entry.wire or entry.operation, entry.outcome) == ("AddCDRs", "Malformed")
    assert entry.kind == "cdrs"
    assert "nonsense" in entry.reason


async def test_where_only_hashes_are_wanted_no_word_is_kept(start, provider):
    app = start('hashed = ["cdrs"]')
    app.deliveries.start()
    await app.router(post("/ocpi/2.2.1/receiver/cdrs", CDR, **{"x-correlation-id": "c-1"}))
    await until(lambda: provider.got)
    await app.deliveries.stop()
    for entry in await entries(app, correlation="c-1"):
        assert (entry.request, entry.answer, entry.canonical) == (None, None, None)
        assert len(entry.request_hash) == 32


async def test_a_decision_is_on_disk_before_it_is_told(start, monkeypatch):
    """An authorisation: request and answer stand there when the answer goes out; if they cannot,
    the partner is told to try later, whatever was decided."""
    app = start()
    path = "/ocpi/2.2.1/sender/tokens/04FF/authorize"
    response = await app.router(post(path, b"", **{"x-correlation-id": "c-1"}))
    with app.store.read() as tx:
        (found,) = tx.ledger.find(correlation="c-1")
        entry = tx.ledger.get(found.entry.id)
    assert (entry.operation, entry.status) == ("AuthorisationQuery", response.status)
    assert entry.answer == response.body

    async def away(step):
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(app.exchange, "written", away)
    response = await app.router(post(path, b"", **{"x-correlation-id": "c-2"}))
    assert response.status == 503
    assert json.loads(response.body)["status_code"] // 1000 == 3
    assert "disk" not in response.body.decode()
