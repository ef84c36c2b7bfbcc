"""Figures: what is counted, from all workers, with labels that no message can make more of."""

import os
import re
import signal
import subprocess
import sys
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import DeferredList, ensureDeferred

from gateway.demo import data
from gateway.http import HttpCall, Response
from gateway.mapping.context import Note, Outcome
from gateway.server.metrics import Metrics, forget
from tests.support.gate import Gate, logged, token_header, until

SITE = data.ocpi_locations("NL", "HAV", 1, seed=1)[0]
TOKEN = data.ocpi_token("NL", "RYS", 1)
LINE = re.compile(r"(roamgate_\w+)(?:\{(.*)\})? (\S+)")
WORKER = """
import os, signal, sys
from pathlib import Path
from gateway.server import metrics
worker = int(sys.argv[2])
metrics.share(Path(sys.argv[1]), worker)
figures = metrics.Metrics(worker)
for _ in range(3):
    figures.answered("ochp", "AddCDRs", "acme", "ok", 0.02)
figures.look(5, 2, 0, ["acme"])
if sys.argv[3] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
sys.stdout.write(figures.text().decode())
"""


def figures(text):
    """The figures of a text by name and labels."""
    found = {}
    for line in text.splitlines():
        if match := LINE.fullmatch(line):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', match[2] or ""))
            found.setdefault(match[1], []).append((labels, float(match[3])))
    return found


def figure(found, name, **labels):
    """The sum of a figure over what else it is told by."""
    return sum(value for named, value in found.get(name, ()) if labels.items() <= named.items())


def run_worker(directory, number, end):
    return subprocess.run(
        [sys.executable, "-c", WORKER, str(directory), str(number), end],
        capture_output=True,
        text=True,
    )


def test_several_workers_tell_the_sum(tmp_path):
    """Any of them tells what all have counted, what a killed one has counted too; how a process is
    goes with it."""
    assert run_worker(tmp_path, 0, "killed").returncode == -signal.SIGKILL
    found = figures(run_worker(tmp_path, 1, "told").stdout)
    asked = {"protocol": "ochp", "operation": "AddCDRs", "party": "acme", "outcome": "ok"}
    assert figure(found, "roamgate_requests_total", **asked) == 6
    assert figure(found, "roamgate_request_seconds_count", protocol="ochp") == 6
    assert figure(found, "roamgate_requests_under_way") == 10
    assert figure(found, "roamgate_breaker_open", party="acme") == 1
    assert figure(found, "roamgate_starts_total") == 2

    forget(tmp_path, 0)
    found = figures(run_worker(tmp_path, 1, "told").stdout)  # goes on where number 1 was
    assert figure(found, "roamgate_requests_total", **asked) == 9
    assert figure(found, "roamgate_requests_under_way") == 5
    assert {named["worker"] for named, _ in found["roamgate_resident_bytes"]} == {"1"}


def test_a_process_alone_needs_no_files():
    """Without workers the figures are those of this process."""
    assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ
    one = Metrics()
    one.answered("ochp", "AddCDRs", "acme", "ok", 0.02)
    found = figures(one.text().decode())
    assert figure(found, "roamgate_requests_total", party="acme") == 1
    assert figure(found, "roamgate_info") == 1


@pytest.fixture
def gate(tmp_path):
    gate = Gate(tmp_path)
    yield gate
    pytest_twisted.blockon(ensureDeferred(gate.close()))


async def looked_up(gate, path="/metrics"):
    url = f"http://127.0.0.1:{gate.admin_port}{path}"
    return await gate.client.fetch(HttpCall(method="GET", url=url))


async def read(gate):
    answer = await looked_up(gate)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return figures(answer.body.decode())


async def test_figures_of_a_running_gateway(gate):
    """Requests, translations, findings, deliveries, what is owed and to whom nothing goes."""
    await gate.start()
    await gate.register()
    await gate.cpo.put("locations", SITE)
    await gate.quiet()
    found = await read(gate)

    operations = {named["operation"] for named, _ in found["roamgate_requests_total"]}
    assert figure(found, "roamgate_requests_total", party="havenlader", outcome="ok") >= 3
    assert any("locations" in each and SITE["id"] not in each for each in operations), operations
    for party in ("rijstroom", "clearing"):
        sent = {"party": party, "operation": "LocationUpload", "outcome": "ok"}
        assert figure(found, "roamgate_deliveries_total", **sent) == 1
        assert figure(found, "roamgate_delivery_seconds_count", party=party) >= 1
        assert figure(found, "roamgate_outbox_pending", party=party) == 0
    assert figure(found, "roamgate_translations_total", protocol="ochp-1.4") > 0
    assert figure(found, "roamgate_findings_total", protocol="ochp-1.4") > 0
    assert figure(found, "roamgate_database_up") == 1

    await gate.places["rijstroom"].down()
    gate.places["clearing"].trouble = refusing
    await gate.cpo.put(
        "locations", {**SITE, "name": "Other", "last_updated": "2031-01-01T00:00:00Z"}
    )
    await until(lambda: gate.app.deliveries.resting() == ["rijstroom"], "it is left alone")
    await until(lambda: gate.owed("dead"), "the other one is given up")
    gate.app._look()
    found = await read(gate)
    assert figure(found, "roamgate_breaker_open", party="rijstroom") == 1
    assert figure(found, "roamgate_outbox_pending", party="rijstroom") == 1
    assert 0 < figure(found, "roamgate_outbox_age_seconds", party="rijstroom") < 60
    assert figure(found, "roamgate_outbox_dead", party="clearing") == 1
    failed = {"party": "rijstroom", "outcome": "Unreachable"}
    assert figure(found, "roamgate_deliveries_total", **failed) >= 1


async def refusing(request):
    """A clearing house that finds nothing right."""
    from gateway.demo.ochp import OK, wrapped

    body = wrapped("UpdateChargePointListResponse", OK.replace("ok", "format"))
    return Response(headers={"Content-Type": "text/xml"}, body=body)


async def test_no_message_makes_a_label(gate):
    """Paths, operations, names and ids that partners make up are in no figure."""
    await gate.start()
    await gate.register()
    before = await read(gate)
    made_up = "MADE-UP-77"
    token = token_header(gate.cpo.presents)
    await gate.call("GET", f"/{made_up}")
    await gate.call("GET", f"/ocpi/{made_up}", authorization=f"Token {made_up}")
    await gate.call("GET", f"/ocpi/2.2.1/{made_up}", authorization=token)
    await gate.call("PUT", f"/ocpi/2.2.1/receiver/tokens/NL/HAV/{made_up}", authorization=token)
    await gate.post_soap(gate.signed(f"{made_up}Request"))
    await gate.post_soap(gate.signed("AddCDRsRequest", f"<x>{made_up}</x>"))
    await gate.post_soap(b"<no/>" + made_up.encode())
    text = (await looked_up(gate)).body.decode()
    assert made_up not in text
    more = {name for name, rows in figures(text).items() if len(rows) > len(before.get(name, ()))}
    assert more <= {"roamgate_requests_total", "roamgate_request_seconds_bucket",
                    "roamgate_request_seconds_sum", "roamgate_request_seconds_count",
                    "roamgate_translations_total", "roamgate_findings_total"}  # fmt: skip


async def test_one_correlation_id_from_request_to_delivery(gate):
    """In the log lines of a request, in those of what is sent for it, and in what partners get."""
    with logged() as lines:
        await gate.start()
        await gate.register()
        headers = {"authorization": token_header(gate.cpo.presents), "x_correlation_id": "the-way"}
        path = f"/ocpi/2.2.1/receiver/locations/NL/HAV/{SITE['id']}"
        import json

        answer = await gate.call("PUT", path, json.dumps(SITE).encode(), **headers)
        assert answer.headers["x-correlation-id"] == "the-way"
        await gate.quiet()
        said = {(line["event"], line.get("party")) for line in lines.of("the-way")}
    assert said == {
        ("ocpi call", "havenlader"),
        ("delivery", "rijstroom"),
        ("delivery", "clearing"),
    }
    seen = [each.headers for each in gate.places["rijstroom"].requests if each.method == "PUT"]
    assert [each["x-correlation-id"] for each in seen] == ["the-way"]


async def test_more_than_it_can_do_is_turned_away(gate):
    """Ten times too much: each protocol's "try later", at once, and then it goes on as before."""
    await gate.start()
    await gate.register()
    most = 4
    gate.app._public.limits = gate.app._public.limits.__class__(requests=most)
    waiting = []

    async def hang(request):
        from twisted.internet.defer import Deferred

        waiting.append(Deferred())
        return await waiting[-1]

    handler, gate.app._public.handler = gate.app._public.handler, hang
    asked = [ensureDeferred(gate.call("GET", "/ocpi/versions")) for _ in range(5 * most)]
    asked += [ensureDeferred(gate.post_soap(b"<x/>")) for _ in range(5 * most)]
    await until(lambda: sum(each.called for each in asked) == 9 * most, "the others are answered")
    assert len(waiting) == most
    answers = [each.result for each in asked if each.called]
    assert {(each.status, each.headers["retry-after"]) for each in answers} == {(503, "5")}
    faults = [each for each in answers if b"faultcode" in each.body]
    envelopes = [each for each in answers if b'"status_code":3000' in each.body]
    assert faults
    assert envelopes
    assert len(faults) + len(envelopes) == len(answers)
    assert figure(await read(gate), "roamgate_refused_total", code="busy") == 9 * most

    gate.app._public.handler = handler
    for each in waiting:
        each.callback(Response())
    await DeferredList(asked)
    assert gate.app._public.under_way == 0
    await gate.cpo.put("locations", SITE)


def test_what_was_not_carried_is_counted_when_somebody_looks() -> None:
    """Other workers tell it then; and when many were noted, without a look."""
    metrics = Metrics()
    note = Note(Outcome.DROPPED, "no-counterpart", "state", None)

    def counted() -> tuple[float, float]:
        """As others see it, who do not ask this process."""
        registry: Any = metrics._registry
        labels = {"protocol": "ochp-1.4"}
        written = registry.get_sample_value(
            "roamgate_translations_total", labels | {"name": "CDRInfo"}
        )
        lost = registry.get_sample_value("roamgate_findings_total", labels | {"outcome": "dropped"})
        return written or 0, lost or 0

    metrics.noted("ochp-1.4", "CDRInfo", [note, note])
    assert counted() == (0, 0)
    metrics.look(0, 0, 0, ())
    assert counted() == (1, 2)
    metrics.noted("ochp-1.4", "CDRInfo", [note])
    metrics.text()
    assert counted() == (2, 3)
    for _ in range(100):
        metrics.noted("ochp-1.4", "CDRInfo", [])
    assert counted() == (102, 3)
    assert metrics.findings["ochp-1.4", "dropped", "no-counterpart"] == 3
