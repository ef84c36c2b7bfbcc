"""Everything that comes out of a gateway that is treated badly, searched for what must not be.

A run in which partners are wrong, down, silly or hostile, and the gateway itself fails; its log at
the lowest level, its answers, its admin port, its store, its commands and its process line are
kept and searched for the secrets and the drivers that the run knew.
"""

import base64
import json
import re
from pathlib import Path

import pytest
import pytest_twisted
from sqlalchemy import select
from twisted.internet.defer import ensureDeferred
from typer.testing import CliRunner

from gateway.cli.app import app as command
from gateway.demo import data
from gateway.demo.ochp import wrapped
from gateway.http import HttpCall, Response
from gateway.store.tables import metadata
from tests.support.gate import Gate, logged, token_header, until

EVSE = next(data.ochp_evses("AT", "ALP", 1, seed=2))
TOKEN = data.ocpi_token("NL", "RYS", 1)
SITE = data.ocpi_locations("NL", "HAV", 1, seed=1)[0]
NEARLY = "secret-of-alpenstrom-with-a-slip"
"""Nobody's password, but somebody may guess the right one from it."""
STRAY = "stray-token-0123456789abcdef"
NOT_A_SECRET = "anything"
"""What stands in the path of a known partner's request is kept: it names an object."""


class Run:
    """What came out, by where."""

    def __init__(self, gate):
        self.gate = gate
        self.out = {}
        self.answers = []

    @property
    def secrets(self):
        """Passwords and tokens: configured, agreed on, presented by mistake."""
        text = self.gate.config.read_text()
        found = re.findall(r'(?:token_in|password_in|password_out) = "([^"]+)"', text)
        for partner in (self.gate.cpo, self.gate.emsp):
            found += [partner.accepts, partner.presents]
        return [*found, NEARLY, STRAY]

    @property
    def drivers(self):
        """Cards and contracts, in several spellings."""
        contract = TOKEN["contract_id"]
        return {TOKEN["uid"], contract, contract.replace("-", ""), contract.replace("-", "*")}

    def holds(self, where, needle):
        """Whether something is there, as it is or encoded."""
        raw = needle.encode()
        forms = {raw, base64.b64encode(raw), raw.hex().encode()}
        return any(form.lower() in self.out[where].lower() for form in forms)


async def fail(request):
    """A partner that answers with what it was sent, and is angry."""
    told = {"status_code": 2001, "status_message": f"no: {request.path} {request.body[:500]!r}"}
    body = json.dumps(told | {"timestamp": "2031-01-01T00:00:00Z"}).encode()
    return Response(status=400, headers={"Content-Type": "application/json"}, body=body)


async def garbage(request):
    body = b"<html>" + request.headers.get("authorization", "").encode() + request.body
    return Response(status=200, headers={"Content-Type": "application/json"}, body=body)


async def play(run, lines, monkeypatch):
    gate = run.gate
    await gate.start()
    await gate.register()
    await gate.emsp.put("tokens", TOKEN)
    await gate.cpo.put("locations", SITE)
    await gate.alpen.said_ok("SetChargePointListRequest", data.ochp_charge_point(EVSE))
    await gate.quiet()
    place = gate.places["rijstroom"]
    for number, trouble in enumerate((fail, garbage), 7):
        place.trouble = trouble
        place.requests.clear()
        record = data.ochp_cdr(EVSE, number, TOKEN["uid"], TOKEN["contract_id"])
        run.answers.append(await gate.post_soap(gate.signed("AddCDRsRequest", record)))
        await until(lambda: place.requests, "nothing was delivered")
        await until(lambda: gate.owed("dead"), "nothing was given up")
        question = f"<emtId><instance>{TOKEN['uid']}</instance>"
        question += "<tokenType>rfid</tokenType><representation>plain</representation></emtId>"
        asked = gate.signed("GetSingleRoamingAuthorisationRequest", question)
        run.answers.append(await gate.post_soap(asked, "/ochp/1.4/live"))
    await gate.places["rijstroom"].down()
    await gate.emsp.put("tokens", TOKEN | {"last_updated": "2031-01-01T00:00:00Z", "valid": False})
    await wrong_calls(run)
    await broken(run, monkeypatch)
    await gate.app.exchange.journal.flush()
    run.out["log"] = lines.getvalue().encode()
    run.out["answers"] = b"\n".join(answer.body for answer in run.answers)
    run.out["admin"] = await admin(gate)
    run.out["store"] = store(gate)


async def wrong_calls(run):
    """Credentials that are wrong, at wrong places, in messages that cannot be read."""
    gate, uid = run.gate, TOKEN["uid"]
    soap, ocpi = gate.post_soap, gate.call
    bodies = [
        wrapped("GetStatusRequest", "", "alpenstrom", NEARLY),
        wrapped("GetStatusRequest", "", NEARLY, "x"),
        gate.signed("NoSuchRequest", f"<a>{uid}</a>"),
        gate.signed("AddCDRsRequest", f"<cdrInfoArray><CdrId>{TOKEN['contract_id']}</CdrId>"
                    f"<evseId>{TOKEN['contract_id']}</evseId></cdrInfoArray>"),
        gate.signed("AddCDRsRequest", "")[:-30],
        gate.signed("AddCDRsRequest", "").replace(b"<s:Body>", b"<s:Body/><s:Body>"),
        gate.signed("AddCDRsRequest", "").replace(b"Username>", b"Usernam>"),
        gate.signed("AddCDRsRequest", "").replace(b"<?xml", b"<!DOCTYPE a><?xml"),
        NEARLY.encode(),
    ]  # fmt: skip
    run.answers += [await soap(body) for body in bodies]
    good = token_header(gate.cpo.presents)
    tokens = f"/ocpi/2.2.1/receiver/tokens/NL/RYS/{uid}"
    calls = [
        ("GET", "/ocpi/versions", token_header(STRAY), b""),
        ("GET", "/ocpi/versions", f"Bearer {STRAY}", b""),
        ("GET", f"/ocpi/{NOT_A_SECRET}", good, b""),
        ("GET", f"/nowhere/{STRAY}?token={STRAY}", good, b""),
        ("PUT", tokens, good, json.dumps(TOKEN).encode()),
        ("GET", f"{tokens}?limit={NOT_A_SECRET}", good, b""),
        ("POST", "/ocpi/2.2.1/credentials", good, f'{{"token": "{STRAY}", "url": "x"}}'.encode()),
        ("POST", "/ocpi/2.2.1/credentials", good, f'{{"token": "{STRAY}", "u'.encode()),
        ("PUT", "/ocpi/2.2.1/credentials", good, f'{{"token": "{STRAY}"}}'.encode()),
        ("PATCH", tokens, token_header(gate.emsp.presents), b'{"valid": "' + uid.encode() + b'"}'),
        ("PUT", tokens, token_header(gate.emsp.presents), b'{"uid": 1}'),
    ]
    for method, path, authorization, body in calls:
        answer = await ocpi(
            method, path, body, authorization=authorization, content_type="application/json"
        )
        run.answers.append(answer)


async def broken(run, monkeypatch):
    """Faults of the gateway's own, with a driver in what they say."""
    gate = run.gate

    def fault(*args, **kwargs):
        raise RuntimeError(f"{TOKEN['contract_id']} {TOKEN['uid']} {NEARLY}")

    with monkeypatch.context() as patch:
        patch.setattr(gate.app.exchange, "ask_for", fault)
        record = data.ochp_cdr(EVSE, 9, TOKEN["uid"], TOKEN["contract_id"])
        run.answers.append(await gate.post_soap(gate.signed("AddCDRsRequest", record)))
        headers = {"authorization": token_header(gate.emsp.presents)}
        path = f"/ocpi/2.2.1/receiver/tokens/NL/RYS/{TOKEN['uid']}"
        body = json.dumps(TOKEN).encode()
        run.answers.append(
            await gate.call("PUT", path, body, content_type="application/json", **headers)
        )


async def admin(gate):
    """What the admin port says, all of it."""
    said = b""
    for path in ("/healthz", "/readyz", "/metrics", "/console/"):
        answer = await gate.client.fetch(
            HttpCall(method="GET", url=f"http://127.0.0.1:{gate.admin_port}{path}")
        )
        said += answer.body
    return said


def store(gate):
    """Every row but the state of partners: it holds the tokens that the gateway has to present."""
    with gate.app.store.read() as tx:
        rows = [
            row
            for name, table in metadata.tables.items()
            if name != "party_values"
            for row in tx.execute(select(table))
        ]
    return b"\n".join(
        value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    made = Run(Gate(tmp_path_factory.mktemp("gate")))
    with logged("debug") as lines, pytest.MonkeyPatch.context() as monkeypatch:
        pytest_twisted.blockon(ensureDeferred(play(made, lines, monkeypatch)))
        made.out["commands"] = commands(made.gate)
    yield made
    pytest_twisted.blockon(ensureDeferred(made.gate.close()))


def commands(gate):
    """What an operator sees, without asking for the bytes of a message."""
    config = ["--config", str(gate.config)]
    said = ""
    for arguments in (
        ["messages", "find", *config],
        ["messages", "find", "--json", *config],
        ["outbox", "list", "--state", "dead", *config],
        ["outbox", "list", "--state", "pending", *config],
        ["keys", *config],
        ["keys", "--json", *config],
        ["config", "check", str(gate.config)],
    ):
        result = CliRunner().invoke(command, arguments)
        assert result.exit_code == 0, result.output
        said += result.output
    return said.encode()


@pytest.mark.parametrize("where", ["log", "answers", "admin", "store", "commands"])
def test_no_secret_comes_out(run, where):
    assert len(set(run.secrets)) == 12
    assert [secret for secret in run.secrets if run.holds(where, secret)] == []


@pytest.mark.parametrize("where", ["log", "admin"])
def test_no_driver_comes_out(run, where):
    """What is kept and sent has to name them; lines and numbers must not."""
    assert [name for name in run.drivers if run.holds(where, name)] == []


def test_the_run_was_bad_enough(run):
    """Refusals of every kind, faults, failed deliveries: else the search has nothing to search."""
    lines = [json.loads(line) for line in run.out["log"].splitlines()]
    events = {line["event"] for line in lines}
    assert {"soap call", "ocpi call", "delivery", "no such route"} <= events
    assert {line.get("status") for line in lines} >= {401, 404, 405}
    assert any("RuntimeError" in str(line) for line in lines)
    assert run.holds("store", TOKEN["contract_id"])  # the search does find what is there
    assert any(answer.status >= 500 for answer in run.answers)


def test_the_process_line_names_a_file_only(run):
    """What everybody on the machine can see."""
    process = run.gate.spawn()
    try:
        line = b""
        while b"serve" not in line:  # it has not become the command yet
            assert process.poll() is None
            line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    finally:
        process.kill()
        process.wait()
    run.out["line"] = line
    assert b"gate.toml" in line
    assert [secret for secret in run.secrets if run.holds("line", secret)] == []
