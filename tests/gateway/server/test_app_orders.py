"""Flows in another order than one thinks of: what comes too early, too late, or in between."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import pytest_twisted
from lxml import etree
from twisted.internet.defer import ensureDeferred

from gateway.demo import data
from gateway.demo.ochp import NS, text, texts
from tests.support.gate import Gate, token_header, until

EVSES = list(data.ochp_evses("AT", "ALP", 4, seed=2))
TOKEN = data.ocpi_token("NL", "RYS", 1)


@pytest.fixture
def gate(tmp_path):
    gate = Gate(tmp_path)

    async def begin():
        await gate.start(retry_after=timedelta(seconds=0.1))
        await gate.register()
        await gate.emsp.put("tokens", TOKEN)
        await gate.quiet()

    pytest_twisted.blockon(ensureDeferred(begin()))
    yield gate
    pytest_twisted.blockon(ensureDeferred(gate.close()))


async def test_a_cdr_comes_before_its_site(gate):
    """OCPI wants the place of the site, OCHP does not say it: the CDR waits until it is known."""
    cdr = data.ochp_cdr(EVSES[0], 1, TOKEN["uid"], TOKEN["contract_id"])
    await gate.alpen.said_ok("AddCDRsRequest", cdr)
    await until(lambda: [row for row in gate.owed("pending") if row.error])
    [waiting] = gate.owed("pending")
    assert "nobody knows where EVSE" in waiting.error
    assert gate.emsp.got["cdrs"] == {}

    await gate.alpen.said_ok("UpdateChargePointListRequest", data.ochp_charge_point(EVSES[0]))
    await gate.quiet()
    [got] = gate.emsp.got["cdrs"].values()
    assert got["cdr_location"]["evse_id"] == EVSES[0]["evse_id"]
    assert gate.owed("dead") == []


SINCE = "<lastUpdate><DateTime>2020-01-01T00:00:00Z</DateTime></lastUpdate>"


async def test_a_tariff_is_removed(gate):
    """OCHP has no word for that: who has it gets it again, with an end (OCPI: DELETE)."""
    tariff = data.ocpi_tariffs("NL", "HAV")[0]
    await gate.cpo.put("tariffs", tariff)
    await gate.quiet()
    assert list(gate.emsp.got["tariffs"]) == [tariff["id"]]
    [known] = gate.hub.tariffs

    headers = {"authorization": token_header(gate.cpo.presents)}
    path = f"/ocpi/2.2.1/receiver/tariffs/NL/HAV/{tariff['id']}"
    assert (await gate.call("DELETE", path, **headers)).status == 200
    await gate.quiet()
    assert gate.owed("dead") == []
    assert gate.emsp.got["tariffs"] == {}
    answer = await gate.fahr.said_ok("GetTariffUpdatesRequest", SINCE)
    [polled] = answer.findall(f"{{{NS}}}TariffInfoArray")
    for told in (gate.hub.tariffs[known], polled):
        elements = told.findall(f".//{{{NS}}}tariffElement")
        ends = texts(told, "individualTariff/tariffElement/tariffRestriction/endDateTime/DateTime")
        assert len(ends) == len(elements) > 0
        assert all(datetime.fromisoformat(end) <= datetime.now(UTC) for end in ends)
    assert list(gate.hub.tariffs) == [known]
    answer = await gate.fahr.said_ok("GetTariffUpdatesRequest", "")
    assert texts(answer, "TariffInfoArray/tariffId") == []

    await gate.cpo.put("tariffs", tariff)
    await gate.quiet()
    assert texts(gate.hub.tariffs[known], "individualTariff/tariffElement/tariffRestriction") != []
    assert b"endDateTime" not in etree.tostring(gate.hub.tariffs[known])


async def test_a_status_that_lasts(gate):
    """A PATCH of the status alone changes the static status too, there and back: a clearing house
    that is told live status apart learns it by UpdateChargePointList."""
    site = data.ocpi_locations("NL", "HAV", 1, seed=1)[0]
    uid, evse = site["evses"][0]["uid"], site["evses"][0]["evse_id"]
    await gate.cpo.put("locations", site)
    headers = {"authorization": token_header(gate.cpo.presents), "content-type": "application/json"}
    path = f"/ocpi/2.2.1/receiver/locations/NL/HAV/{site['id']}/{uid}"
    for hour, (state, static) in enumerate(
        (
            ("REMOVED", "Closed"),
            ("AVAILABLE", "Operative"),
            ("INOPERATIVE", "Inoperative"),
            ("PLANNED", "Planned"),
            ("CHARGING", "Operative"),
        )
    ):
        changes = {"status": state, "last_updated": f"2031-01-01T{hour:02}:00:00Z"}
        answer = await gate.call("PATCH", path, json.dumps(changes).encode(), **headers)
        assert json.loads(answer.body)["status_code"] == 1000
        assert json.loads((await gate.call("GET", path, **headers)).body)["data"]["status"] == state
        await gate.quiet()
        assert texts(gate.hub.charge_points[evse], "status/ChargePointStatusType") == [static]
        polled = await gate.fahr.said_ok("GetChargePointListUpdatesRequest", SINCE)
        [point] = [
            each
            for each in polled.findall(f"{{{NS}}}chargePointInfoArray")
            if text(each, "evseId") == evse
        ]
        assert text(point, "status/ChargePointStatusType") == static
    assert gate.owed("dead") == []


async def test_an_evse_moves_to_another_site_and_back(gate):
    """OCHP knows an EVSE by its id alone: it is told once, where it stands now."""
    one, other = data.ocpi_locations("NL", "HAV", 2, seed=1)
    evse, rest = one["evses"][0], one["evses"][1:]
    assert rest
    bare = one | {"evses": rest}
    wide = other | {"evses": [*other["evses"], evse]}
    steps = (
        ([one, other], one["id"]),
        ([wide], other["id"]),
        ([bare], other["id"]),
        ([one], one["id"]),
        ([other], one["id"]),
    )
    for year, (sites, where) in enumerate(steps, 2031):
        for site in sites:
            await gate.cpo.put("locations", site | {"last_updated": f"{year}-01-01T00:00:00Z"})
        answer = await gate.fahr.said_ok("GetChargePointListRequest", "")
        found = [
            (text(each, "locationId"), text(each, "status/ChargePointStatusType"))
            for each in answer.findall(f"{{{NS}}}chargePointInfoArray")
            if text(each, "evseId") == evse["evse_id"]
        ]
        assert found == [(where, "Operative")], year
        await gate.quiet()
        point = gate.hub.charge_points[evse["evse_id"]]
        assert (text(point, "locationId"), text(point, "status/ChargePointStatusType")) == found[0]
    assert gate.owed("dead") == []


async def test_a_key_names_one_thing(gate):
    """An EVSE or a connector that a location has twice is told, and nothing of it is taken."""
    site = data.ocpi_locations("NL", "HAV", 1, seed=1)[0]
    evse = site["evses"][0]
    plugs = evse | {"uid": "X1", "connectors": evse["connectors"] * 2}
    headers = {"authorization": token_header(gate.cpo.presents), "content-type": "application/json"}
    path = f"/ocpi/2.2.1/receiver/locations/NL/HAV/{site['id']}"
    for evses, why in (([evse, evse], "EVSE"), ([plugs], "connector")):
        body = json.dumps(site | {"evses": evses}).encode()
        told = json.loads((await gate.call("PUT", path, body, **headers)).body)
        assert told["status_code"] == 2001
        assert why in told["status_message"]
        assert "twice" in told["status_message"]
        assert (await gate.call("GET", path, **headers)).status == 404


async def test_a_site_is_published_no_longer(gate):
    """Who has it from before (OCHP has no word for that) is told that it is closed; one that never
    was for everybody is told to nobody."""
    site, hidden = data.ocpi_locations("NL", "HAV", 2, seed=1)
    names = {evse["evse_id"] for evse in site["evses"]}
    await gate.cpo.put("locations", site)
    for year, publish, static in ((2031, False, "Closed"), (2032, True, "Operative")):
        changes = {"publish": publish, "last_updated": f"{year}-01-01T00:00:00Z"}
        await gate.cpo.put("locations", site | changes)
        await gate.quiet()
        answer = await gate.fahr.said_ok("GetChargePointListUpdatesRequest", SINCE)
        polled = {
            text(each, "evseId"): text(each, "status/ChargePointStatusType")
            for each in answer.findall(f"{{{NS}}}chargePointInfoArray")
        }
        pushed = {
            evse: text(point, "status/ChargePointStatusType")
            for evse, point in gate.hub.charge_points.items()
        }
        assert polled == pushed == dict.fromkeys(names, static)
        assert gate.emsp.got["locations"][site["id"]]["publish"] is publish
    assert gate.owed("dead") == []

    gate.hub.status.clear()
    await gate.cpo.put("locations", hidden | {"publish": False})
    uid = hidden["evses"][0]["uid"]
    headers = {"authorization": token_header(gate.cpo.presents), "content-type": "application/json"}
    path = f"/ocpi/2.2.1/receiver/locations/NL/HAV/{hidden['id']}/{uid}"
    change = b'{"status": "CHARGING", "last_updated": "2031-01-01T00:00:00Z"}'
    assert (await gate.call("PATCH", path, change, **headers)).status == 200
    await gate.quiet()
    assert set(gate.hub.charge_points) == names
    assert gate.hub.status == {}
    told = gate.emsp.got["locations"][hidden["id"]]["evses"][0]
    assert told["status"] == "CHARGING"
    for scope in ("evse", "combined"):
        scoped = f"<statusType>{scope}</statusType>"
        answer = await gate.fahr.call("GetStatusRequest", scoped, live=True)
        assert set(texts(answer, f"{scope}/evseId")) == names
    assert gate.owed("dead") == []


@pytest.mark.parametrize("part", [1, 500])
async def test_an_answer_tells_what_it_leaves_out(gate, monkeypatch, part):
    """A CDR of a reservation has no EVSE (OCPI: #NA), and OCHP cannot say it: the provider that
    fetches its CDRs gets the others, and is told; also where the answer is written in parts."""
    monkeypatch.setattr("gateway.routing.cdr_lists.SLICE", part)
    site = data.ocpi_locations("NL", "HAV", 1, seed=1)[0]
    card = {
        "country_code": "DE", "party_id": "FST", "uid": data.ochp_uid(1), "type": "RFID",
        "contract_id": data.contract("DE", "FST", 1),
    }  # fmt: skip
    reserved = data.ocpi_cdr(site, card, 2)
    reserved["cdr_location"] |= {"evse_id": "#NA", "evse_uid": "#NA", "connector_id": "#NA"}
    for cdr in (data.ocpi_cdr(site, card, 1), reserved):
        await gate.cpo.put("cdrs", cdr)
    answer = await gate.fahr.said_ok("GetCDRsRequest", "")
    assert len(texts(answer, "cdrInfoArray/CdrId")) == 1
    said = text(answer, "result/resultDescription")
    assert said.startswith("1 left out: ")
    assert "#NA" in said
