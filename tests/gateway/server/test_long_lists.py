"""Lists that are too long to be held: taken in parts, with the effect of one message, or with none.

The listener puts what is over ``SPOOL`` bytes into a file, so that lists of a few hundred records
go the way of those of a million.
"""

import os
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_twisted
from lxml import etree
from sqlalchemy import select
from twisted.internet import reactor
from twisted.internet.defer import ensureDeferred

from gateway import registry
from gateway.client import HttpClient, Limits, Timeouts
from gateway.demo import data
from gateway.demo.ochp import check, text, unwrapped, wrapped
from gateway.http import HttpCall
from gateway.mapping.xml_items import CHUNK
from gateway.routing import long_lists
from gateway.routing.long_lists import LOOK
from gateway.routing.work import SLICE
from gateway.schema import schema_for
from gateway.soap import long
from gateway.store.tables import messages
from tests.support.gate import Gate

SPOOL = 20_000
ALPEN = "secret-of-alpenstrom"
SET, UPDATE = "SetChargePointListRequest", "UpdateChargePointListRequest"
MANY = int(os.environ.get("ROAMGATE_LONG_LIST", "5000"))
"""Records of the list whose memory is looked at; 1000000 takes half an hour."""


@pytest.fixture
def gate(tmp_path: Path) -> Any:
    """A gateway that puts longer bodies into files."""
    gate = Gate(tmp_path)

    async def begin() -> None:
        await gate.start()
        await gate.app.deliveries.stop()
        server = gate.app._public
        server.limits = msgspec.structs.replace(server.limits, spool=SPOOL)

    pytest_twisted.blockon(ensureDeferred(begin()))
    yield gate
    pytest_twisted.blockon(ensureDeferred(gate.close()))


def points(count: int, party: str = "ALP") -> list[str]:
    """Charge points, two to a site."""
    return [data.ochp_charge_point(evse) for evse in data.ochp_evses("AT", party, count, seed=5)]


async def listed(gate: Gate) -> dict[str, Any]:
    """What a home-CSP is shown, by EVSE id."""
    body = await gate.fahr.call("GetChargePointListRequest")
    return {text(item, "evseId"): item for item in body.iter("{*}chargePointInfoArray")}


def status(item: Any) -> str:
    return text(item, "status/ChargePointStatusType")


async def sent(gate: Gate, body: bytes) -> tuple[int, Any]:
    """Post an envelope; status and body element of the answer."""
    headers = {"content-type": "text/xml; charset=utf-8", "soapaction": '""'}
    call = HttpCall(method="POST", url=gate.soap, headers=headers, body=body)
    answer = await gate.client.fetch(call)
    return answer.status, unwrapped(answer.body)


def envelope(root: str, inner: str, password: str = ALPEN) -> bytes:
    found = wrapped(root, inner, "alpenstrom", password)
    assert len(found) > SPOOL
    return found


@pytest_twisted.ensureDeferred
async def test_a_long_list_does_what_a_short_one_does(gate: Gate) -> None:
    """New records are there as they were sent; what a full list does not have any more is closed,
    also a part of a site, and wherever the records of a site stand."""
    items = points(250)
    answer = await gate.alpen.call(SET, "".join(items[::2] + items[1::2]))
    assert text(answer, "result/resultCode/resultCode") == "ok"

    there = await listed(gate)
    assert len(there) == 250
    assert {status(item) for item in there.values()} == {"Operative"}
    one = etree.fromstring(
        items[7]
        .replace("<chargePointInfoArray>", "<a xmlns='http://ochp.eu/1.4'>")
        .replace("</chargePointInfoArray>", "</a>")
    )
    assert [e.text for e in one.iter()] == [e.text for e in there[text(one, "evseId")].iter()]

    await gate.alpen.said_ok(SET, "".join(items[3:]))
    left = {id for id, item in (await listed(gate)).items() if status(item) == "Closed"}
    assert left == {f"AT*ALP*E{number:05}*1" for number in range(3)}

    await gate.alpen.said_ok(UPDATE, "".join(items[:200]))
    assert {status(item) for item in (await listed(gate)).values()} == {"Operative"}

    some = [item for number, item in enumerate(items) if number not in (2, 3, 40)]
    await gate.alpen.said_ok(SET, "".join(some[::2] + some[1::2]))
    left = {id for id, item in (await listed(gate)).items() if status(item) == "Closed"}
    assert left == {f"AT*ALP*E{number:05}*1" for number in (2, 3, 40)}


@pytest_twisted.ensureDeferred
async def test_a_long_list_of_others_closes_all_that_was_there(gate: Gate) -> None:
    """More than is looked at in one transaction, and nothing of it is in the list."""
    items = points(LOOK + 500)
    await gate.alpen.said_ok(SET, "".join(items[: LOOK + 300]))
    await gate.alpen.said_ok(SET, "".join(items[LOOK + 300 :]))
    there = await listed(gate)
    assert len(there) == len(items)
    operative = {id for id, item in there.items() if status(item) == "Operative"}
    assert operative == {f"AT*ALP*E{number:05}*1" for number in range(LOOK + 300, len(items))}


@pytest_twisted.ensureDeferred
async def test_a_long_list_is_shown_whole(gate: Gate) -> None:
    """More sites than are read at once: each record once, in their order, a valid answer."""
    items = points(2 * SLICE + 50)
    await gate.alpen.said_ok(SET, "".join(items))

    body = await gate.fahr.call("GetChargePointListRequest")

    shown = [text(item, "evseId") for item in body.iter("{*}chargePointInfoArray")]
    assert shown == [f"AT*ALP*E{number:05}*1" for number in range(len(items))]
    since = "<lastUpdate><DateTime>2001-01-01T00:00:00Z</DateTime></lastUpdate>"
    changed = await gate.fahr.call("GetChargePointListUpdatesRequest", since)
    assert len(list(changed.iter("{*}chargePointInfoArray"))) == len(items)
    later = since.replace("2001", "2099")
    nothing = await gate.fahr.call("GetChargePointListUpdatesRequest", later)
    assert list(nothing.iter("{*}chargePointInfoArray")) == []


@pytest_twisted.ensureDeferred
async def test_the_same_long_list_has_no_second_effect(gate: Gate) -> None:
    """Nothing is stored anew, and nothing owed to anybody."""
    body = "".join(points(150))
    await gate.alpen.said_ok(SET, body)
    before = gate.dump()
    await gate.alpen.said_ok(SET, body)
    assert gate.dump() == before


@pytest_twisted.ensureDeferred
async def test_it_stands_in_the_ledger_once_with_its_hash(gate: Gate) -> None:
    """One entry, how the whole of it ended, and the hash of its bytes."""
    foreign = points(1, "XXX")
    answer = await gate.alpen.call(UPDATE, "".join([*points(120), *foreign]))
    assert text(answer, "result/resultCode/resultCode") == "partly"
    assert "AT*XXX" in text(answer, "result/resultDescription")
    assert text(answer, "refusedChargePointInfo/evseId") == "AT*XXX*E00000*1"
    await gate.app.exchange.journal.flush()
    with gate.app.store.read() as tx:
        rows = tx.execute(select(messages.c.id).where(messages.c.wire == "UpdateChargePointList"))
        (row,) = rows.all()
        entry = tx.ledger.get(row.id)
    assert (entry.outcome, entry.request, entry.canonical) == ("partly", None, None)
    assert len(entry.request_hash) == 32


def _cut(body: bytes) -> bytes:
    return body[: len(body) // 2]


def _second_body(body: bytes) -> bytes:
    return body.replace(b"</s:Body>", b"</s:Body><s:Body/>")


def _text_between(body: bytes) -> bytes:
    return body.replace(b"</chargePointInfoArray><", b"</chargePointInfoArray>mislaid<", 150)


def _doctype(body: bytes) -> bytes:
    return body.replace(b"</chargePointInfoArray><", b"</chargePointInfoArray><!DOCTYPE x><", 150)


def _instruction(body: bytes) -> bytes:
    return body.replace(b"</chargePointInfoArray><", b"</chargePointInfoArray><?php x?><", 150)


def _second_list(body: bytes) -> bytes:
    return body.replace(b"</SetCharge", b"<other/></SetCharge")


@pytest.mark.parametrize(
    "spoil",
    [_cut, _second_body, _text_between, _doctype, _instruction, _second_list],
    ids=lambda each: each.__name__.strip("_"),
)
@pytest_twisted.ensureDeferred
async def test_what_is_spoiled_anywhere_changes_nothing(gate: Gate, spoil: Any) -> None:
    """Also if all but the last record of a full list was good."""
    items = points(160)
    await gate.alpen.said_ok(SET, "".join(items))
    before = gate.dump()
    good = envelope(SET, "".join(items[10:]))
    bad = spoil(good)
    assert bad != good

    code, answer = await sent(gate, bad)

    if etree.QName(answer).localname == "Fault":
        assert code == 500
        assert "Client" in answer.findtext("faultcode")
    else:
        assert text(answer, "result/resultCode/resultCode") == "format"
    assert gate.dump() == before


@pytest_twisted.ensureDeferred
async def test_an_item_that_breaks_the_contract_is_refused_alone(gate: Gate) -> None:
    """The others are taken; what is not on the list is left, as nobody knows what the item was."""
    items = points(160)
    await gate.alpen.said_ok(SET, "".join(items[:10]))
    rest = items[10:]
    rest[-1] = rest[-1].replace("<country>AUT</country>", "<country>AUSTRIA</country>")

    _, answer = await sent(gate, envelope(SET, "".join(rest)))

    check(answer)
    assert text(answer, "result/resultCode/resultCode") == "partly"
    assert "chargePointInfoArray[150]" in text(answer, "result/resultDescription")
    assert len(await listed(gate)) == 159

    everything_wrong = "".join(items).replace("<country>AUT</country>", "<country/>")
    before = gate.dump()
    _, answer = await sent(gate, envelope(SET, everything_wrong))
    check(answer)
    assert text(answer, "result/resultCode/resultCode") == "format"
    assert gate.dump() == before


@pytest_twisted.ensureDeferred
async def test_a_wrong_password_is_found_before_the_list_is_read(gate: Gate) -> None:
    body = envelope(SET, "".join(points(100)), password="wrong")
    before = gate.dump()
    code, answer = await sent(gate, body.replace(b"country>", b"cuontry>"))
    assert (code, etree.QName(answer).localname) == (500, "Fault")
    assert "FailedAuthentication" in answer.findtext("faultcode")
    assert gate.dump() == before


@pytest_twisted.ensureDeferred
async def test_a_record_that_cannot_be_read_comes_back_and_nothing_is_closed(gate: Gate) -> None:
    """A full list with one is no full list: the others are taken, the rest stays as it was."""
    items = points(130)
    await gate.alpen.said_ok(SET, "".join(items))
    spoiled = items[5:]
    spoiled[77] = spoiled[77].replace("2026-06-15T08:00:00Z", "2026-02-30T08:00:00Z")
    answer = await gate.alpen.call(SET, "".join(spoiled))
    assert text(answer, "result/resultCode/resultCode") == "partly"
    assert text(answer, "refusedChargePointInfo/evseId") == "AT*ALP*E00082*1"
    assert {status(item) for item in (await listed(gate)).values()} == {"Operative"}


@pytest_twisted.ensureDeferred
async def test_deviations_are_mended_record_by_record(gate: Gate) -> None:
    """A lenient party's long list is read as its short one is."""
    evses = data.ochp_evses("DE", "NOR", 120, seed=5)
    items = [data.ochp_charge_point(evse) for evse in evses]
    items[50] = items[50].replace("openingTimes>", "operatingTimes>")
    await gate.nord.said_ok(SET, "".join(items))
    assert len(await listed(gate)) == 120


@pytest_twisted.ensureDeferred
async def test_tokens_that_a_long_list_has_no_more_are_withdrawn(gate: Gate) -> None:
    """The same for the roaming list."""
    name, root = "roamingAuthorisationInfoArray", "SetRoamingAuthorisationListRequest"
    cards = [data.ochp_token("DE", "FST", number, name) for number in range(230)]
    await gate.fahr.said_ok(root, "".join(cards))
    await gate.fahr.said_ok(root, "".join(cards[2:]))
    body = await gate.alpen.call("GetRoamingAuthorisationListRequest")
    expired = {
        text(item, "EmtId/instance")
        for item in body.iter(f"{{*}}{name}")
        if text(item, "expiryDate/DateTime").startswith("1970")
    }
    assert expired == {data.ochp_uid(0), data.ochp_uid(1)}


def counted(gate: Gate, monkeypatch: Any) -> list[int]:
    """Gets an entry for each transaction; parts are small, as if somebody else asked as well."""
    store, counts = gate.app.store, list[int]()
    run = store.run
    monkeypatch.setattr("gateway.aside.QUIET", float("inf"))
    monkeypatch.setattr(store, "run", lambda work, **how: (counts.append(1), run(work, **how))[1])
    return counts


def words(number: int, major: str = "available") -> str:
    evse_id = f"AT*ALP*E{number:05}*1"
    return f'<evse major="{major}" minor="{MINOR[major]}"><evseId>{evse_id}</evseId></evse>'


MINOR = {"available": "available", "not-available": "charging"}
SPOT = '<parking status="available"><parkingId>AT*ALP*P0001</parkingId></parking>'
UNTIL = "<ttl><DateTime>2099-01-01T00:00:00Z</DateTime></ttl>"
LIVE = "UpdateStatusRequest"


async def live(gate: Gate, scope: str = "") -> dict[str, tuple[str, ...]]:
    """What a home-CSP is told of this moment, by EVSE or parking spot."""
    body = await gate.fahr.call("GetStatusRequest", scope, live=True)
    return {child[0].text: tuple(child.attrib.values()) for child in body}


@pytest_twisted.ensureDeferred
async def test_live_status_comes_in_any_length(gate: Gate, monkeypatch: Any) -> None:
    """In parts, with what stands behind it: spots once, the end of the message for each entry."""
    counts = counted(gate, monkeypatch)
    evses = "".join(map(words, range(300)))

    await gate.alpen.said_ok(LIVE, evses + SPOT + UNTIL, live=True)

    assert len(counts) >= 300 / long_lists.PART
    told = await live(gate)
    assert len(told) == 300
    assert set(told.values()) == {("available", "available", "2099-01-01T00:00:00Z")}
    scope = "<statusType>parking</statusType>"
    assert await live(gate, scope) == {"AT*ALP*P0001": ("available", "2099-01-01T00:00:00Z")}

    await gate.alpen.said_ok(
        LIVE, "".join(words(number, "not-available") for number in range(250)), live=True
    )
    told = await live(gate)
    assert [each[:2] for each in told.values()].count(("not-available", "charging")) == 250
    assert len(told) == 300


@pytest_twisted.ensureDeferred
async def test_both_lists_of_live_status_come_in_any_length(gate: Gate, monkeypatch: Any) -> None:
    """Each in parts."""
    counts = counted(gate, monkeypatch)
    spots = "".join(SPOT.replace("P0001", f"P{number:05}") for number in range(250))

    await gate.alpen.said_ok(LIVE, "".join(map(words, range(300))) + spots + UNTIL, live=True)

    assert len(counts) >= 550 / long_lists.PART
    told = await live(gate)
    assert len(told) == 300
    assert set(told.values()) == {("available", "available", "2099-01-01T00:00:00Z")}
    told = await live(gate, "<statusType>parking</statusType>")
    assert len(told) == 250
    assert set(told.values()) == {("available", "2099-01-01T00:00:00Z")}


async def shown_whole(
    gate: Gate, monkeypatch: Any, module: str, root: str, inner: str = "", *, live: bool = False
) -> Any:
    """An answer in parts, which is that of one part."""
    shown = await gate.fahr.call(root, inner, live=live)
    monkeypatch.setattr(f"gateway.routing.{module}.SLICE", 10 * SLICE)
    whole = await gate.fahr.call(root, inner, live=live)
    assert etree.tostring(shown, method="c14n") == etree.tostring(whole, method="c14n")
    return shown


def test_long_work_gives_way_while_it_skips_a_list(monkeypatch: Any) -> None:
    """Of two lists each is skipped while the other is read."""
    places: list[int] = []
    evses = "".join(map(words, range(10_000)))
    file = BytesIO(wrapped(LIVE, evses + SPOT + UNTIL))
    monkeypatch.setattr("gateway.soap.long.Aside.pause", lambda self: places.append(file.tell()))
    record = registry.adapter_for("ochp-1.4").operations["UpdateStatus"].request.record
    long.read(record, file, schema_for("ochp", "1.4"), None).lists.close()
    (end,) = (number for number, (a, b) in enumerate(pairwise(places), 1) if b < a)
    assert all(b - a <= CHUNK for a, b in pairwise(places[end:]))
    assert places[end] <= CHUNK
    assert places[-1] >= 9 * CHUNK


@pytest_twisted.ensureDeferred
async def test_decisions_come_in_any_length(gate: Gate, monkeypatch: Any) -> None:
    """Both lists in parts; what is not known is named, and the same again changes nothing."""
    count = 300
    evses = list(data.ochp_evses("AT", "ALP", 5, seed=5))
    cards = [data.ochp_token("DE", "FST", 0, "roamingAuthorisationInfoArray")]
    await gate.fahr.said_ok("SetRoamingAuthorisationListRequest", "".join(cards))
    contract, uid = data.contract("DE", "FST", 0), data.ochp_uid(0)
    records = [data.ochp_cdr(evses[n % 5], n, uid, contract) for n in range(count)]
    await gate.alpen.said_ok("AddCDRsRequest", "".join(records))
    counts = counted(gate, monkeypatch)

    def decisions(verdict: str, numbers: range) -> str:
        return "".join(
            f"<{verdict}><cdrId>ATALP{n:012}</cdrId><evseId>{evses[n % 5]['evse_id']}</evseId>"
            f"</{verdict}>"
            for n in numbers
        )

    said = decisions("approved", range(200)) + decisions("declined", range(200, count))
    for _ in range(2):
        counts.clear()
        await gate.fahr.said_ok("ConfirmCDRsRequest", said)
        assert len(counts) >= count / long_lists.PART

    for state, numbers in (("approved", range(200)), ("declined", range(200, count))):
        asked = f"<cdrStatus><CdrStatusType>{state}</CdrStatusType></cdrStatus>"
        shown = await gate.alpen.call("CheckCDRsRequest", asked)
        names = [text(each, "CdrId") for each in shown.iter("{*}cdrInfoArray")]
        assert names == [f"ATALP{number:012}" for number in numbers]

    answer = await gate.fahr.call(
        "ConfirmCDRsRequest", said + decisions("declined", range(count, count + 1))
    )
    assert text(answer, "result/resultCode/resultCode") == "partly"
    assert f"ATALP{count:012}" in text(answer, "result/resultDescription")


@pytest_twisted.ensureDeferred
async def test_tariffs_are_shown_whole(gate: Gate, monkeypatch: Any) -> None:
    """More than are read at once: each once, in their order."""
    count = 2 * SLICE + 5
    ids = [f"{number:04}" for number in range(count)]
    sent = [data.ochp_tariff("AT", "ALP", each, "0.4") for each in ids]
    await gate.alpen.said_ok("UpdateTariffsRequest", "".join(sent))

    shown = await shown_whole(gate, monkeypatch, "tariffs", "GetTariffUpdatesRequest")

    names = [text(each, "tariffId") for each in shown.iter("{*}TariffInfoArray")]
    assert names == [f"AT*ALP*T{each}" for each in ids]


@pytest.mark.parametrize("scope", ["evse", "parking", "combined"])
@pytest_twisted.ensureDeferred
async def test_live_status_is_shown_whole(gate: Gate, monkeypatch: Any, scope: str) -> None:
    """More than is read at once: each once, in their order, as an answer of one part has them."""
    count = 2 * SLICE + 5
    spots = [SPOT.replace("P0001", f"P{number:05}") for number in range(count)]
    await gate.alpen.said_ok(UPDATE, "".join(points(count)))
    await gate.alpen.said_ok(LIVE, "".join(map(words, range(count))), live=True)
    await gate.alpen.said_ok(LIVE, "".join(spots), live=True)
    asked = f"<statusType>{scope}</statusType>"

    shown = await shown_whole(gate, monkeypatch, "live_lists", "GetStatusRequest", asked, live=True)

    assert [etree.QName(each).localname for each in shown] == [scope] * count
    names = [each[0].text for each in shown]
    assert names == sorted(set(names))


@pytest_twisted.ensureDeferred
async def test_cdrs_are_shown_whole(gate: Gate, monkeypatch: Any) -> None:
    """More than are read at once: each once, in their order."""
    count = 2 * SLICE + 5
    evses = list(data.ochp_evses("AT", "ALP", 5, seed=5))
    cards = [data.ochp_token("DE", "FST", 0, "roamingAuthorisationInfoArray")]
    await gate.fahr.said_ok("SetRoamingAuthorisationListRequest", "".join(cards))
    contract, uid = data.contract("DE", "FST", 0), data.ochp_uid(0)
    records = [data.ochp_cdr(evses[n % 5], n, uid, contract) for n in range(count)]
    await gate.alpen.said_ok("AddCDRsRequest", "".join(records))

    shown = await shown_whole(gate, monkeypatch, "cdr_lists", "GetCDRsRequest")

    names = [text(each, "CdrId") for each in shown.iter("{*}cdrInfoArray")]
    assert names == [f"ATALP{number:012}" for number in range(count)]


@pytest.mark.parametrize("who", ["alpenstrom", "nordlicht"], ids=["strict", "lenient"])
@pytest.mark.parametrize(
    "inside",
    [
        f"@{SPOT}{UNTIL}",
        f"{UNTIL}@",
        f"@{SPOT}@",
        "@" + SPOT * 150,
        "@<other/>",
        "@<ttl><DateTime>2099-02-30T00:00:00Z</DateTime></ttl>",
        "@<ttl>mislaid<DateTime>2099-01-01T00:00:00Z</DateTime></ttl>",
        f"@{UNTIL}{UNTIL}",
        f"@{SPOT.replace('available', 'free')}",
        f"@{words(1).replace('ALP', 'XXX')}{SPOT}",
        f"@{words(1).replace('AT*', '')}{SPOT}",
    ],
    ids=[
        *("good", "end first", "spots between", "many spots", "other", "no day", "text"),
        *("end twice", "no status", "foreign", "no id"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_what_stands_behind_live_status_is_looked_at(
    gate: Gate, inside: str, who: str
) -> None:
    """A long message is answered as a short one is, whatever stands where."""
    many = "".join(map(words, range(200)))
    body = wrapped(LIVE, inside.replace("@", many), who, f"secret-of-{who}")
    body = body.replace(b"AT*ALP", b"DE*NOR") if who == "nordlicht" else body
    answers = []
    for spool in (SPOOL, 10_000_000):
        server = gate.app._public
        server.limits = msgspec.structs.replace(server.limits, spool=spool)
        status, answer = await sent(gate, body)
        answers.append((status, [(each.tag, each.text) for each in answer.iter()]))
    assert answers[0] == answers[1]


@pytest_twisted.ensureDeferred
async def test_the_work_grows_with_the_list_and_no_faster(gate: Gate, monkeypatch: Any) -> None:
    """Transactions are counted, not seconds."""
    counts = counted(gate, monkeypatch)
    taken = []
    for count in (100, 200, 400):
        counts.clear()
        await gate.alpen.said_ok(UPDATE, "".join(points(count)))
        taken.append(len(counts))
    parts = [count / long_lists.PART for count in (100, 200, 400)]
    assert all(part <= done <= part + 3 for part, done in zip(parts, taken, strict=True)), taken

    # larger steps where nobody else asks
    monkeypatch.setattr("gateway.aside.QUIET", float("-inf"))
    counts.clear()
    await gate.alpen.said_ok(UPDATE, "".join(points(400)))
    assert len(counts) <= 400 / long_lists.QUIET_PART + 3
    monkeypatch.setattr(gate.app.exchange, "sees_all", False)  # as one of several workers
    counts.clear()
    await gate.alpen.said_ok(UPDATE, "".join(points(400)))
    assert len(counts) >= 400 / long_lists.PART


@pytest_twisted.ensureDeferred
async def test_memory_does_not_grow_with_the_list(tmp_path: Path) -> None:
    """The peak of the whole process, for a list that would take many times as much as objects."""
    gate = Gate(tmp_path)
    gate.client = HttpClient(reactor, Timeouts(total=3600), Limits(body=2**31))
    for caller in (gate.alpen, gate.fahr):
        caller._fetch = gate.client.fetch
    process = gate.spawn()

    def peak() -> int:
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) // 1024
        raise AssertionError("no such process")

    try:
        await gate.ready()
        await gate.alpen.said_ok(SET, "".join(points(1000)))
        before = peak()
        await gate.alpen.said_ok(SET, "".join(points(MANY)))
        assert len(await listed(gate)) == MANY
        assert peak() < before + 16
    finally:
        await gate.close()


@pytest.mark.parametrize("evse_id", ["AT*ALP*E1", "wrong"])
@pytest_twisted.ensureDeferred
async def test_reading_gives_way_to_small_requests(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, evse_id: str
) -> None:
    """Whatever is in the list."""
    rests: list[float] = []
    monkeypatch.setattr("gateway.aside._free.is_set", lambda: False)
    monkeypatch.setattr("gateway.aside._free.wait", rests.append)
    monkeypatch.setattr("gateway.aside.LEAST", 0.0)
    point = points(1)[0].replace("AT*ALP*E00000*1", evse_id)
    await sent(gate, envelope(UPDATE, point * 250))
    assert len(rests) >= 250
