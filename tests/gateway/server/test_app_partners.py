"""Partners that are down, slow, answer garbage, errors or a refusal: what the others see of it.

A question at the moment of asking ends within its time with the protocol's own "no"; a delivery
waits until the partner is well again, or is given up with the reason when it was refused.
"""

import itertools
import json
from datetime import timedelta
from unittest.mock import patch

import pytest
import pytest_twisted
from twisted.internet.defer import ensureDeferred

from gateway.demo import data
from gateway.demo.ochp import OK, SOAP, WSSE, check, text, texts, unwrapped, wrapped
from gateway.http import Response
from gateway.routing.delivery import AT_ONCE, LEASE
from gateway.server.app import utc_now
from tests.support.gate import Gate, logged, pause, token_header, until

SITE = data.ocpi_locations("NL", "HAV", 1, seed=1)[0]
ASKED_LIVE = data.ocpi_token("NL", "RYS", 4, "NEVER")
MOMENTS = itertools.count(1)


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    gate = Gate(tmp_path_factory.mktemp("gate"))
    gate.wait_for_partners("1s")

    async def begin():
        await gate.start(retry_after=timedelta(seconds=0.1))
        await gate.register()
        gate.emsp.lists["tokens"].append(ASKED_LIVE)
        await gate.emsp.put("tokens", ASKED_LIVE)
        await gate.quiet()

    pytest_twisted.blockon(ensureDeferred(begin()))
    yield gate
    pytest_twisted.blockon(ensureDeferred(gate.close()))


# -- what partners can do wrong ----------------------------------------------------------------


def answers(status, body, media):
    async def answer(request):
        return Response(status=status, headers={"Content-Type": media}, body=body)

    return answer


def ocpi(status, code):
    body = {"status_code": code, "status_message": "no", "timestamp": "2031-01-01T00:00:00Z"}
    return answers(status, json.dumps(body).encode(), "application/json")


def fault(code):
    return answers(
        500,
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:w="{WSSE}"><s:Body><s:Fault><faultcode>{code}'
        "</faultcode><faultstring>no</faultstring></s:Fault></s:Body></s:Envelope>".encode(),
        "text/xml",
    )


def result(code):
    """A receipt, or an answer to a question, with another result code than ok."""

    async def answer(request):
        root = "UpdateChargePointListResponse"
        if b"GetSingleRoamingAuthorisationRequest" in request.body:
            root = "GetSingleRoamingAuthorisationResponse"
        body = wrapped(root, OK.replace(">ok<", f">{code}<"))
        return Response(headers={"Content-Type": "text/xml"}, body=body)

    return answer


async def slow(request):
    await pause(15)
    return Response(status=204)


GARBAGE = answers(200, b"\x00\xff<html>\xc3\x28", "text/html")
DOWN = object()


# -- questions at the moment of asking ---------------------------------------------------------

LATE, AWAY = "the provider did not answer in time", "the provider cannot be reached"
UNUSABLE, DECLINED = "the provider gave no usable answer", "the provider refused the question"
EMSP_TROUBLE = {
    # name: (what the OCPI provider does, what the ledger says of it, what who asks is told)
    "down": (DOWN, "Unreachable", AWAY),
    "slow": (slow, "TimedOut", LATE),
    "garbage": (GARBAGE, "BadAnswer", UNUSABLE),
    "HTTP 500": (answers(500, b"oops", "text/plain"), "BadAnswer", UNUSABLE),
    "HTTP 503": (answers(503, b"", "text/plain"), "Unreachable", AWAY),
    "HTTP 401": (ocpi(401, 2000), "Untrusted", UNUSABLE),
    "3000 with HTTP 200": (ocpi(200, 3000), "BadAnswer", UNUSABLE),
    "no data": (ocpi(200, 1000), "BadAnswer", UNUSABLE),
    "a refusal": (ocpi(200, 2000), "Refused", DECLINED),
}
HUB_TROUBLE = {
    "down": (DOWN, "Unreachable", AWAY),
    "slow": (slow, "TimedOut", LATE),
    "garbage": (GARBAGE, "BadAnswer", UNUSABLE),
    "a fault": (fault("s:Server"), "FaultAnswer", UNUSABLE),
    "HTTP 502": (answers(502, b"<html/>", "text/html"), "Unreachable", AWAY),
    "our credentials refused": (fault("w:FailedAuthentication"), "Untrusted", UNUSABLE),
    "server with HTTP 200": (result("server"), "BadAnswer", UNUSABLE),
    "not-authorized with HTTP 200": (result("not-authorized"), "Untrusted", UNUSABLE),
    "format with HTTP 200": (result("format"), "Refused", DECLINED),
}
OCPI_CODES = {LATE: 4002, AWAY: 4003, UNUSABLE: 4000}


class Troubled:
    """Inside it a partner misbehaves; at most one second goes by, and nothing is stored."""

    def __init__(self, gate, party, trouble):
        self._gate, self._place, self._trouble = gate, gate.places[party], trouble

    async def __aenter__(self):
        self._before = self._gate.dump()
        if self._trouble is DOWN:
            await self._place.down()
        else:
            self._place.trouble = self._trouble

    async def __aexit__(self, kind, error, trace):
        self._place.trouble = None
        if self._trouble is DOWN:
            self._place.up()
        assert self._gate.dump() == self._before


def outcomes(gate, party):
    """How the last message to a party ended, as the ledger has it."""
    with gate.app.store.read() as tx:
        found = [row.entry for row in tx.ledger.find(party=party)]
    return [entry.outcome for entry in found if entry.direction == "out"]


@pytest.mark.parametrize("case", EMSP_TROUBLE.values(), ids=EMSP_TROUBLE.keys())
async def test_an_ochp_operator_asks_an_ocpi_provider_in_trouble(gate, case):
    """No record, and why: ``server`` where there is no word of the provider, which is no refusal
    of the driver."""
    trouble, outcome, told = case
    question = (
        f'<emtId representation="plain"><instance>{ASKED_LIVE["uid"]}</instance>'
        "<tokenType>rfid</tokenType></emtId>"
    )
    message = gate.signed("GetSingleRoamingAuthorisationRequest", question)
    with logged() as lines:
        async with Troubled(gate, "rijstroom", trouble):
            answer = check(unwrapped((await gate.post_soap(message)).body))
        [line] = [line for line in lines.of("the-id") if line["event"] == "soap call"]
    assert line["duration_ms"] < 10_000
    code = "invalid-id" if told is DECLINED else "server"
    assert text(answer, "result/resultCode/resultCode") == code
    assert text(answer, "result/resultDescription") == told
    assert texts(answer, "roamingAuthorisationInfo/contractId") == []
    assert outcomes(gate, "rijstroom")[0] == outcome

    healthy = await gate.alpen.call("GetSingleRoamingAuthorisationRequest", question)
    assert text(healthy, "result/resultCode/resultCode") == "ok"


@pytest.mark.parametrize("case", HUB_TROUBLE.values(), ids=HUB_TROUBLE.keys())
async def test_an_ocpi_operator_asks_an_ochp_hub_in_trouble(gate, case):
    """A hub's code for the provider that is away; NOT_ALLOWED where it declined."""
    trouble, outcome, why = case
    headers = {
        "authorization": token_header(gate.cpo.presents),
        "ocpi-to-country-code": "DE",
        "ocpi-to-party-id": "HUB",
    }
    path = "/ocpi/2.2.1/sender/tokens/7A0003E9/authorize"
    with logged() as lines:
        async with Troubled(gate, "clearing", trouble):
            answer = await gate.call("POST", path, **headers)
        [line] = [line for line in lines.of("the-id") if line["event"] == "ocpi call"]
    assert line["duration_ms"] < 10_000
    told = json.loads(answer.body)
    assert (answer.status, told["status_code"]) == (200, OCPI_CODES.get(why, 1000))
    if why is DECLINED:
        assert told["data"]["allowed"] == "NOT_ALLOWED"
        assert told["data"]["info"]["text"] == why
    else:
        assert "data" not in told
        assert told["status_message"] == why
    assert outcomes(gate, "clearing")[0] == outcome

    healthy = await gate.call("POST", path, **headers)
    assert (healthy.status, json.loads(healthy.body)["status_code"]) == (404, 2004)


# -- deliveries --------------------------------------------------------------------------------

WAITS = {
    # name: (the OCPI provider, its outcome, the OCHP hub, its outcome)
    "down": (DOWN, "Unreachable", DOWN, "Unreachable"),
    "slow": (slow, "TimedOut", slow, "TimedOut"),
    "garbage": (GARBAGE, "BadAnswer", GARBAGE, "BadAnswer"),
    "an error of theirs": (ocpi(200, 3000), "BadAnswer", fault("s:Server"), "FaultAnswer"),
    "an error in the result": (ocpi(500, 3000), "BadAnswer", result("server"), "BadAnswer"),
    "our credentials refused": (
        ocpi(401, 2000),
        "Untrusted",
        fault("w:FailedAuthentication"),
        "Untrusted",
    ),
}


async def put_site(gate, correlation):
    """A site of Havenlader with a new name, for both partners; nothing else changes."""
    moment = data.utc(data.NOW + timedelta(minutes=next(MOMENTS)))
    site = SITE | {"name": f"Renamed {moment}", "last_updated": moment}
    answer = await gate.call(
        "PUT",
        f"/ocpi/2.2.1/receiver/locations/NL/HAV/{SITE['id']}",
        json.dumps(site).encode(),
        **{
            "authorization": token_header(gate.cpo.presents),
            "content-type": "application/json",
            "x-correlation-id": correlation,
        },
    )
    assert answer.status in (200, 201)
    return site


@pytest.mark.parametrize("case", WAITS.values(), ids=WAITS.keys())
async def test_a_delivery_waits_for_a_partner(gate, case):
    """Tried again, each attempt with its line; taken once when the partner is well again."""
    emsp_trouble, emsp_outcome, hub_trouble, hub_outcome = case
    await put_site(gate, "before")
    await gate.quiet()
    taken = gate.emsp.calls["PUT locations"], gate.hub.calls["UpdateChargePointListRequest"]
    places = {"rijstroom": emsp_trouble, "clearing": hub_trouble}
    for party, trouble in places.items():
        if trouble is DOWN:
            await gate.places[party].down()
        else:
            gate.places[party].trouble = trouble
    with logged() as lines:
        site = await put_site(gate, "the-delivery")
        stored = gate.dump("deliveries")

        def tried():
            found = [line for line in lines.of("the-delivery") if line["event"] == "delivery"]
            return {(line["party"], line["outcome"]) for line in found}

        await until(lambda: len(tried()) == 2, "both partners were tried")
        waiting = gate.owed("pending")
        assert {row.party for row in waiting} == places.keys()
        assert gate.owed("dead") == []
        for party, trouble in places.items():
            if trouble is DOWN:
                gate.places[party].up()
            gate.places[party].trouble = None
        await until(gate.nothing_owed, "taken in the end")
        wanted = {("rijstroom", emsp_outcome), ("clearing", hub_outcome)}
        assert tried() == wanted | {("rijstroom", "ok"), ("clearing", "ok")}
    assert gate.dump("deliveries") == stored
    assert gate.emsp.got["locations"][SITE["id"]]["name"] == site["name"]
    assert gate.emsp.calls["PUT locations"] == taken[0] + 1
    assert gate.hub.calls["UpdateChargePointListRequest"] == taken[1] + 1
    point = gate.hub.charge_points[SITE["evses"][0]["evse_id"]]
    assert text(point, "locationName") == site["name"]


async def test_a_refused_delivery_is_given_up(gate):
    """Not tried again; the reason stays with it."""
    await put_site(gate, "before")
    await gate.quiet()
    gate.places["rijstroom"].trouble = ocpi(200, 2001)
    gate.places["clearing"].trouble = result("format")
    with logged() as lines:
        await put_site(gate, "the-refusal")
        await gate.quiet()
        gate.places["rijstroom"].trouble = gate.places["clearing"].trouble = None
        given_up = [line for line in lines.of("the-refusal") if line["event"].endswith("given up")]
    assert {line["party"] for line in given_up} == {"rijstroom", "clearing"}
    dead = {row.party: row.error for row in gate.owed("dead")}
    assert dead.keys() == {"rijstroom", "clearing"}
    assert "OCPI 2001: no" in dead["rijstroom"]
    assert "format" in dead["clearing"]


# -- a partner out of reach --------------------------------------------------------------------


class Standing:
    """A clock that stands still until a test moves it."""

    def __init__(self):
        self.now = utc_now()

    def __call__(self):
        return self.now


async def test_a_partner_that_fails_is_left_alone_and_gets_everything_once(tmp_path):
    """The first failure opens the circuit: what comes later waits without being tried, and others
    get theirs; when the pause is over it is tried again, and each failure doubles the pause."""
    gate, clock, refused = Gate(tmp_path), Standing(), []
    site = SITE | {"last_updated": data.utc(data.NOW)}

    async def unavailable(request):
        refused.append(request)
        return Response(status=503)

    async def at(seconds):
        """So much later, what is due is taken up."""
        clock.now += timedelta(seconds=seconds)
        before = len(refused)
        deliveries.wake()
        await until(lambda: not deliveries._claiming and not deliveries.under_way)
        return len(refused) - before

    try:
        await gate.start(clock)
        deliveries = gate.app.deliveries
        deliveries._chance = lambda: 1.0
        await gate.register()
        await gate.cpo.put("locations", site)
        await gate.quiet()
        gate.places["rijstroom"].trouble = unavailable

        told = [await post_cdr(gate, 0)]
        await until(lambda: deliveries.resting() == ["rijstroom"], "it is left alone")
        assert len(refused) == 1
        told += [await post_cdr(gate, number) for number in range(1, 12)]
        sites = gate.hub.calls["UpdateChargePointListRequest"]
        await gate.cpo.put(
            "locations", site | {"name": "Other", "last_updated": "2031-01-01T00:00:00Z"}
        )
        await until(lambda: gate.hub.calls["UpdateChargePointListRequest"] > sites, "served")
        assert [await at(seconds) for seconds in (0, 4)] == [0, 0]

        # tried again after 5 s, then after 10 s and 20 s, whatever fails at the same time
        assert 1 <= await at(1) <= AT_ONCE
        assert await at(9) == 0
        assert 1 <= await at(1) <= AT_ONCE
        gate.places["rijstroom"].trouble = None
        assert await at(19) == 0
        assert gate.emsp.calls["POST cdrs"] == 0
        assert len(gate.owed("pending")) == len(told) + 1
        await at(1)
        await gate.quiet()

        assert deliveries.resting() == gate.owed("dead") == gate.emsp.faults == []
        assert gate.emsp.calls["POST cdrs"] == len(gate.emsp.got["cdrs"]) == len(told)
        tried = []
        for correlation in told:
            with gate.app.store.read() as tx:
                entries = [row.entry for row in tx.ledger.find(correlation=correlation)]
            one_way = [each.outcome for each in reversed(entries) if each.direction == "out"]
            assert one_way == ["Unreachable"] * (len(one_way) - 1) + ["ok"]
            tried += one_way
        sites = [each for each in refused if each.method == "PUT"]
        assert tried.count("Unreachable") == len(refused) - len(sites)
    finally:
        await gate.close()


async def test_what_another_process_may_have_by_now_is_not_sent(tmp_path):
    """This one stood still, for longer than its lease, right before sending."""
    gate, clock = Gate(tmp_path), Standing()
    try:
        await gate.start(clock)
        await gate.register()
        await gate.cpo.put("locations", SITE)
        await gate.quiet()
        deliveries, check = gate.app.deliveries, gate.app.deliveries._check_lease

        def stood_still(row):
            clock.now += LEASE
            check(row)

        def later():
            if not deliveries._claiming and not deliveries.under_way:
                clock.now += LEASE
            return gate.nothing_owed()

        with logged() as lines, patch.object(deliveries, "_check_lease", stood_still):
            await post_cdr(gate, 1)
            lost = "lease lost before sending"
            await until(lambda: any(line["event"] == lost for line in lines.all()), "not sent")
            assert gate.emsp.calls["POST cdrs"] == 0
        await until(later, "sent when the lease is over")
        assert gate.emsp.calls["POST cdrs"] == 1
    finally:
        await gate.close()


async def post_cdr(gate, number):
    """A CDR for Rijstroom; its correlation id."""
    cdr = data.ocpi_cdr(SITE, data.ocpi_token("NL", "RYS", 1), number, id=f"NLHAV{number:05}")
    answer = await gate.call(
        "POST",
        "/ocpi/2.2.1/receiver/cdrs",
        json.dumps(cdr, default=float).encode(),
        **{
            "authorization": token_header(gate.cpo.presents),
            "content-type": "application/json",
            "x-correlation-id": f"cdr-{number}",
        },
    )
    assert answer.status == 201, answer.body
    return f"cdr-{number}"
