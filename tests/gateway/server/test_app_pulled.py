"""Lists that partners are asked for, with an item that is no good: the others are taken, and it is
told in the log, the ledger and the findings. A list that was not read whole removes nothing.
"""

import pytest
import pytest_twisted
from twisted.internet.defer import ensureDeferred

from gateway.demo import data
from gateway.errors import BadAnswer
from gateway.security.json_gate import read_json
from gateway.server import answers
from tests.support.gate import Gate, logged, token_header

EVSES = list(data.ochp_evses("DE", "HUB", 6, seed=3))
POINTS = [data.ochp_charge_point(evse) for evse in EVSES]
TOKENS = [
    data.ochp_token("DE", "HUB", number, "roamingAuthorisationInfoArray") for number in range(4)
]
CDRS = {
    f"DEHUB{number:012}": data.ochp_cdr(
        EVSES[0], number, data.ocpi_token("NL", "RYS", 1)["uid"], data.contract("NL", "RYS", 1)
    )
    for number in range(3)
}
SITES = data.ocpi_locations("NL", "HAV", 5, seed=1)


@pytest.fixture(params=[answers.HELD, 0], ids=["held", "in a file"])
def gate(tmp_path, monkeypatch, request):
    """The answers of the clearing house come in memory, or as those that are too long for it."""
    monkeypatch.setattr(answers, "HELD", request.param)
    gate = Gate(tmp_path)

    async def begin():
        await gate.start()
        await gate.register()
        await gate.emsp.put("tokens", data.ocpi_token("NL", "RYS", 1))
        await gate.quiet()

    pytest_twisted.blockon(ensureDeferred(begin()))
    yield gate
    pytest_twisted.blockon(ensureDeferred(gate.close()))


def rows(gate, kind, *columns):
    return {
        tuple(row[place] for place in columns) for row in gate.dump()["objects"] if row[1] == kind
    }


async def seen(gate):
    """The sites that the provider gets."""
    headers = {"authorization": token_header(gate.emsp.presents)}
    answer = await gate.call("GET", "/ocpi/2.2.1/sender/locations", **headers)
    return read_json(answer.body)["data"]


async def partly(gate, party, what, *why):
    """Poll; what was not taken stands in the log without, in the ledger with the reason."""
    with logged() as lines:
        await gate.poll(party, what)
    [line] = [line for line in lines.all() if line["event"] == "poll"]
    assert (line["level"], line["outcome"]) == ("warning", "partly")
    with gate.app.store.read() as tx:
        found = tx.ledger.find(correlation=line["correlation_id"])
    [entry] = [row.entry for row in found if row.entry.outcome == "partly"]
    for reason in why:
        assert reason in entry.reason
        assert reason not in lines.getvalue()
        assert reason.encode() in gate.findings(line["correlation_id"])
    assert b'"refused"' in gate.findings(line["correlation_id"])


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda item: item.replace("<evseId>", "<other/><evseId>"), "chargePointInfoArray[2]"),
        (lambda item: item.replace("T08:00:00Z", "T25:00:00Z"), "is no date and time"),
    ],
    ids=["schema", "calendar"],
)
async def test_a_charge_point_of_a_clearing_house(gate, spoil, why):
    gate.hub.own_charge_points = list(POINTS)
    await gate.poll("clearing", "all locations")
    before = rows(gate, "location", 3)

    gate.hub.own_charge_points = [POINTS[0].replace("<city>", "<city>X"), spoil(POINTS[2])]
    assert gate.hub.own_charge_points[1] != POINTS[2]
    await partly(gate, "clearing", "all locations", why)
    assert rows(gate, "location", 3) == before
    answer = await seen(gate)
    assert len(answer) == len(before)
    assert not [evse for site in answer for evse in site["evses"] if evse["status"] == "REMOVED"]
    assert [site for site in answer if site["city"].startswith("X")]


async def test_a_whole_list_closes_what_it_has_no_more(gate):
    """However long it is; the ledger has its hash where it has not its bytes."""
    gate.hub.own_charge_points = list(POINTS)
    await gate.poll("clearing", "all locations")
    gate.hub.own_charge_points = POINTS[2:]
    await gate.poll("clearing", "all locations")

    states = [evse["status"] for site in await seen(gate) for evse in site["evses"]]
    assert (len(states), states.count("REMOVED")) == (6, 2)
    with gate.app.store.read() as tx:
        ids = [row.entry.id for row in tx.ledger.find(operation="GetChargePointList")]
        entries = [tx.ledger.get(id) for id in ids]
    assert len(entries) == 2
    for entry in entries:
        assert entry.status == 200
        assert (entry.answer is None) is (answers.HELD == 0)
        assert len(entry.answer_hash or b"") == (32 if answers.HELD == 0 else 0)


async def test_a_token_of_a_clearing_house(gate):
    gate.hub.own_tokens = [TOKENS[0], TOKENS[1].replace(">rfid<", ">fob<"), TOKENS[2]]
    await partly(gate, "clearing", "tokens", "fob")
    assert len([owner for owner, _ in rows(gate, "token", 2, 3) if owner == "DE*HUB"]) == 2


async def test_a_cdr_of_a_clearing_house(gate):
    """The others are delivered and confirmed; it stays in the clearing house's queue."""
    gate.hub.own_charge_points = POINTS
    await gate.poll("clearing", "all locations")
    names = list(CDRS)
    gate.hub.own_cdrs = dict(CDRS)
    gate.hub.own_cdrs[names[1]] = CDRS[names[1]].replace("<chargePointType>", "<chargePointType>X")
    await partly(gate, "clearing", "cdrs", "chargePointType")
    await gate.quiet()
    assert len(gate.emsp.got["cdrs"]) == 2
    assert set(gate.hub.confirmed) == {names[0], names[2]}

    gate.hub.own_cdrs[names[1]] = CDRS[names[1]]
    await gate.poll("clearing", "cdrs")
    await gate.quiet()
    assert len(gate.emsp.got["cdrs"]) == 3


async def test_the_status_of_a_clearing_house(gate):
    gate.hub.own_charge_points = POINTS[:3]
    await gate.poll("clearing", "all locations")
    ids = [evse["evse_id"] for evse in EVSES[:3]]
    words = ['major="not-available" minor="charging"', 'major="perhaps"', 'major="unknown"']
    gate.hub._GetStatusRequest = lambda body: "".join(
        f"<evse {word}><evseId>{evse}</evseId></evse>"
        for evse, word in zip(ids, words, strict=True)
    )
    await partly(gate, "clearing", "status", "perhaps")
    states = {
        evse["evse_id"]: evse["status"] for site in await seen(gate) for evse in site["evses"]
    }
    assert (states[ids[0]], states[ids[2]]) == ("CHARGING", "UNKNOWN")


async def test_a_list_without_a_good_item_is_no_answer(gate):
    gate.hub.own_tokens = [TOKENS[1].replace(">rfid<", ">fob<")]
    before = gate.dump()
    with pytest.raises(BadAnswer, match="fob"):
        await gate.poll("clearing", "tokens")
    assert gate.dump() == before


async def test_a_location_of_an_ocpi_operator(gate):
    """On the second of three pages; paging goes on, and what is known of it stays."""
    gate.cpo.lists["locations"] = list(SITES)
    await gate.poll("havenlader", "all locations")
    known = rows(gate, "location", 3)
    assert len(known) == 5
    bad = {**SITES[2], "city": 5}
    gate.cpo.lists["locations"] = [*SITES[:2], bad, *SITES[3:4]]
    await partly(gate, "havenlader", "all locations", "/city: is no string")
    assert rows(gate, "location", 3) == known
