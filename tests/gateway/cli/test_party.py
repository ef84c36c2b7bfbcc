"""``roamgate party``: the handshake that the operator starts, beside a running gateway."""

import json
import subprocess
import sys

import pytest
import pytest_twisted
from twisted.internet.defer import ensureDeferred
from twisted.internet.threads import deferToThread

from gateway.demo import data
from tests.support.gate import ROOT, Gate

SITE = data.ocpi_locations("NL", "HAV", 1, seed=1)[0]


class Host:
    """The operator of a partner that others register with: it calls back before it answers."""

    def __init__(self, gate):
        self._gate, self._serve = gate, gate.cpo.handle
        self.calls = []

    async def handle(self, request):
        partner = self._gate.cpo
        if request.path.endswith("/credentials"):
            self.calls.append(request.method)
            if request.method != "DELETE":
                theirs = json.loads(request.body)
                partner.presents = theirs["token"]
                [version] = await partner.call("GET", theirs["url"])
                details = await partner.call("GET", version["url"])
                partner.endpoints = {
                    (each["identifier"], each["role"]): each["url"] for each in details["endpoints"]
                }
        return await self._serve(request)


@pytest.fixture
def gate(tmp_path):
    gate = Gate(tmp_path)
    text = gate.config.read_text()
    way = f'versions_url = "{gate.cpo.url}/versions"\ntoken_out = "{gate.cpo.accepts}"'
    gate.config.write_text(text.replace('token_in = "token-a-of-havenlader"', way))
    pytest_twisted.blockon(ensureDeferred(gate.start()))
    yield gate
    pytest_twisted.blockon(ensureDeferred(gate.close()))


async def roamgate(gate, *words):
    """Exit code, standard output and error of the command."""
    command = [sys.executable, "-m", "gateway", *words, "--config", str(gate.config)]
    run = await deferToThread(
        subprocess.run, command, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    return run.returncode, run.stdout, run.stderr


async def test_the_operator_registers_renews_and_ends(gate):
    host = Host(gate)
    gate.places["havenlader"]._handler = host.handle

    assert await roamgate(gate, "party", "register", "havenlader") == (
        0, "registered with havenlader\n", "",
    )  # fmt: skip
    first = gate.cpo.presents
    await gate.cpo.put("locations", SITE)

    code, _, error = await roamgate(gate, "party", "register", "havenlader")
    assert (code, error) == (0, "")
    assert gate.cpo.presents != first
    await gate.cpo.put("locations", {**SITE, "last_updated": "2031-01-01T00:00:00Z"})

    assert (await roamgate(gate, "party", "unregister", "havenlader"))[0] == 0
    assert host.calls == ["POST", "PUT", "DELETE"]
    with gate.app.store.read() as tx:
        found = (tx.ledger.find(party="havenlader", operation=f"{un}register") for un in ("un", ""))
        kept = [tx.ledger.get(row.entry.id) for rows in found for row in rows]
    called = [(entry.outcome, entry.line.split()[0]) for entry in reversed(kept)]
    looked = [("ok", "GET"), ("ok", "GET")]
    assert called == [*looked, ("ok", "POST"), *looked, ("ok", "PUT"), ("ok", "DELETE")]
    said = b"".join(entry.request + entry.answer for entry in kept)
    assert b'"token":"***"' in said
    assert first.encode() not in said


async def test_what_cannot_be_registered_is_told(gate):
    code, _, error = await roamgate(gate, "party", "register", "nobody")
    assert (code, error) == (2, "roamgate: gate.toml has no party 'nobody'\n")
    code, _, error = await roamgate(gate, "party", "register", "clearing")
    assert (code, error) == (2, "roamgate: clearing speaks ochp-1.4, in which nobody registers\n")
    await gate.places["havenlader"].down()
    code, _, error = await roamgate(gate, "party", "register", "havenlader")
    assert code == 1
    assert error.startswith("roamgate: havenlader: Unreachable: ")
