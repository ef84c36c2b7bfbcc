"""The operator's commands on the store of a gateway that has worked: find, show, replay, outbox."""

import json
import subprocess
import sys

import pytest
import pytest_twisted
from twisted.internet.defer import ensureDeferred
from typer.testing import CliRunner

from gateway.cli import replay
from gateway.cli.app import app as command
from gateway.demo import data
from gateway.http import Response
from gateway.server.config import load
from tests.support.gate import Gate, until

EVSE = next(data.ochp_evses("AT", "ALP", 1, seed=2))
TOKEN = data.ocpi_token("NL", "RYS", 1)
CDR = "ATALP000000000007"


async def refuse(request):
    body = {"status_code": 2001, "status_message": "no", "timestamp": "2031-01-01T00:00:00Z"}
    return Response(
        status=400, headers={"Content-Type": "application/json"}, body=json.dumps(body).encode()
    )


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    """A CDR that came in OCHP and reached its OCPI provider; a second one that it refused."""
    gate = Gate(tmp_path_factory.mktemp("gate"))

    async def begin():
        await gate.start()
        await gate.register()
        await gate.emsp.put("tokens", TOKEN)
        await gate.alpen.said_ok("SetChargePointListRequest", data.ochp_charge_point(EVSE))
        await gate.quiet()
        await upload(gate, 7, "c-good")
        await gate.quiet()
        gate.places["rijstroom"].trouble = refuse
        await upload(gate, 8, "c-bad")
        await until(lambda: gate.owed("dead"))
        gate.places["rijstroom"].trouble = None
        await gate.app.exchange.journal.flush()

    pytest_twisted.blockon(ensureDeferred(begin()))
    yield gate
    pytest_twisted.blockon(ensureDeferred(gate.close()))


async def upload(gate, number, correlation):
    record = data.ochp_cdr(EVSE, number, TOKEN["uid"], TOKEN["contract_id"])
    body = gate.signed("AddCDRsRequest", record)
    answer = await gate.post_soap(body, x_correlation_id=correlation)
    assert b">ok<" in answer.body


def run(gate, *words, code=0):
    result = CliRunner().invoke(command, [*words, "--config", str(gate.config)])
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


def found(gate, *words):
    return json.loads(run(gate, "messages", "find", "--json", *words))


@pytest.mark.parametrize(
    "by",
    [
        ("--cdr", CDR.lower()),
        ("--evse", EVSE["evse_id"].replace("*", "")),
        ("--correlation", "c-good"),
        ("--operation", "AddCDRs", "--correlation", "c-good"),
        ("--operation", "CdrUpload", "--until", "2000-01-01"),
        ("--party", "rijstroom", "--operation", "CdrUpload", "--outcome", "ok"),
        ("--since", "1h", "--cdr", CDR),
    ],
)
def test_a_message_is_found_by(gate, by):
    rows = found(gate, *by)
    if "2000-01-01" in by:
        assert rows == []
    elif by[0] != "--party":
        assert any(row["wire"] == "AddCDRs" and row["party"] == "alpenstrom" for row in rows)
    else:
        assert {row["direction"] for row in rows} == {"out"}


def test_what_a_contract_was_about_is_found_in_any_spelling(gate):
    contract = TOKEN["contract_id"]
    for spelling in (contract, contract.replace("-", ""), contract.lower()):
        rows = found(gate, "--contract", spelling)
        assert "TokenUpload" in {row["operation"] for row in rows}, spelling


def test_the_table_has_the_ids(gate):
    (row,) = found(gate, "--correlation", "c-good", "--direction", "in")
    assert row["id"] in run(gate, "messages", "find", "--correlation", "c-good")


def test_the_life_of_a_message(gate):
    """What came, what was owed by it, what went out and what was answered."""
    (row,) = found(gate, "--correlation", "c-good", "--direction", "in")
    shown = json.loads(run(gate, "messages", "show", row["id"], "--json"))
    assert shown["message"]["request"].startswith("<?xml")
    assert "AddCDRsResponse" in shown["message"]["answer"]
    assert "secret-of-alpenstrom" not in shown["message"]["request"]
    life = [(each["direction"], each["party"], each["outcome"]) for each in shown["life"]]
    assert life == [("in", "alpenstrom", "ok"), ("out", "rijstroom", "ok")]
    assert '"status_code":1000' in shown["life"][1]["answer"].replace(" ", "")
    assert shown["life"][1]["findings"]
    assert [each["state"] for each in shown["deliveries"]] == ["done"]
    text = run(gate, "messages", "show", row["id"])
    assert "AddCDRs" in text
    assert all(each["rule"] in text for each in shown["life"][1]["findings"])
    raw = run(gate, "messages", "show", row["id"], "--raw", "answer")
    assert raw == shown["message"]["answer"]


def test_why_one_was_not_delivered(gate):
    (row,) = found(gate, "--correlation", "c-bad", "--direction", "in")
    text = run(gate, "messages", "show", row["id"])
    assert "dead" in text
    assert "OCPI 2001: no" in text


async def test_a_replay_of_what_is_mapped_as_then(gate):
    """The bytes are read and written again, and are the same."""
    (row,) = found(gate, "--correlation", "c-good", "--direction", "in")
    report = await replayed(gate, row["id"])
    assert report["read"] == []
    assert [(each["party"], each["differences"]) for each in report["sent"]] == [("rijstroom", [])]


async def replayed(gate, id):
    return await replay.replay(load(gate.config), gate.app.store, id)


async def test_a_replay_shows_what_today_is_otherwise(gate, monkeypatch):
    """A mapping that has changed since: in reading, carried into what is sent, and in writing."""
    from msgspec.structs import replace

    (row,) = found(gate, "--correlation", "c-good", "--direction", "in")
    honest = replay.read_again

    def otherwise(entry, partner):
        message = honest(entry, partner)
        cdrs = tuple(replace(cdr, meter_id="M-77") for cdr in message.cdrs)
        return replace(message, cdrs=cdrs)

    monkeypatch.setattr(replay, "read_again", otherwise)
    before = len(gate.places["rijstroom"].requests)
    report = await replayed(gate, row["id"])
    assert any("M-77" in line for line in report["read"] if line.startswith("+"))
    (sent,) = report["sent"]
    assert any("M-77" in line for line in sent["differences"] if line.startswith("+"))
    assert len(gate.places["rijstroom"].requests) == before


def test_the_command_that_replays(gate):
    (row,) = found(gate, "--correlation", "c-good", "--direction", "in")
    words = [sys.executable, "-m", "gateway", "messages", "replay", row["id"]]
    done = subprocess.run(
        [*words, "--config", str(gate.config)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "read: as then" in done.stdout
    assert "sent to rijstroom" in done.stdout


async def test_what_cannot_be_replayed(gate):
    (row,) = found(gate, "--correlation", "c-good", "--direction", "out")
    with pytest.raises(replay.NotPossible, match="came in"):
        await replayed(gate, row["id"])
    with pytest.raises(replay.NotPossible, match="no message"):
        await replayed(gate, "nothing")


def test_wrong_words_are_told_in_a_line(gate):
    for words in (
        ("messages", "find", "--direction", "up"),
        ("messages", "find", "--since", "yesterday"),
        ("messages", "find", "--cdr", "1", "--evse", "2"),
        ("outbox", "list", "--state", "lost"),
        ("outbox", "retry"),
    ):
        assert run(gate, *words, code=2).startswith("roamgate: ")
    assert "no message" in run(gate, "messages", "show", "x", code=1)


async def test_dead_ones_are_listed_sent_again_and_dropped(gate):
    (dead,) = json.loads(run(gate, "outbox", "list", "--state", "dead", "--json"))
    assert (dead["party"], dead["kind"], dead["attempts"]) == ("rijstroom", "cdr", 1)
    assert "OCPI 2001: no" in dead["reason"]
    assert str(dead["id"]) in run(gate, "outbox", "list", "--state", "dead")
    assert "ATALP000000000008" in run(gate, "outbox", "show", str(dead["id"]))

    output = run(gate, "outbox", "retry", str(dead["id"]))
    again = int(output.split()[-1])
    await gate.quiet()
    assert deliveries(gate, again).state == "done"
    assert "ATALP000000000008" in gate.emsp.got["cdrs"]
    assert "was delivered" in run(gate, "outbox", "retry", str(again), code=1)

    text = run(gate, "outbox", "drop", str(again), "--reason", "a test")
    assert "dropped" in text
    assert deliveries(gate, again) is None
    (row,) = found(gate, "--operation", "Dropped")
    assert (row["delivery"], row["reason"]) == (again, "by an operator: a test")
    assert "no delivery" in run(gate, "outbox", "show", str(again), code=1)
    assert "0 put in again" in run(gate, "outbox", "retry", "--all-dead")


def deliveries(gate, id):
    with gate.app.store.read() as tx:
        return tx.outbox.get(id)
