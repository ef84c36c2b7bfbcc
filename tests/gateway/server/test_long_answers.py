"""Long answers of partners are taken as short ones are, whatever is in them."""

import hashlib
import io
from typing import Any

import pytest

from gateway.demo import data
from gateway.errors import StoreUnavailable
from gateway.http import HttpAnswer, HttpCall
from gateway.mapping.spool import Spools
from gateway.model.charging import Cdr, CdrState
from gateway.model.message import CdrList
from gateway.routing.poll_jobs import decided
from tests.gateway.routing.samples import cdr
from tests.support.gate import Gate

POINTS = [data.ochp_charge_point(each) for each in data.ochp_evses("DE", "HUB", 60, seed=3)]
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
ITEM = "chargePointInfoArray"
RESULT = "<result><resultCode><resultCode>{}</resultCode></resultCode><resultDescription/></result>"


def listed(items: list[str], code: str = "ok", name: str = "GetChargePointListResponse") -> str:
    return f'<{name} xmlns="http://ochp.eu/1.4">{RESULT.format(code)}{"".join(items)}</{name}>'


def envelope(body: str, head: str = "", space: str = SOAP) -> str:
    start = f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{space}">'
    return f"{start}{head}<s:Body>{body}</s:Body></s:Envelope>"


def other_country(word: str, every: int = 1) -> list[str]:
    return [
        point.replace("<country>DEU", f"<country>{word}") if place % every == 0 else point
        for place, point in enumerate(POINTS)
    ]


GOOD = envelope(listed(POINTS))
FAULT = f"<s:Fault><faultcode>s:Server</faultcode><faultstring>{'x' * 5000}</faultstring></s:Fault>"
MARKED = '<s:Header><x:y xmlns:x="urn:x" s:mustUnderstand="1"/></s:Header>'
BETWEEN = f"</{ITEM}><"
ANSWERS = {
    "good": GOOD,
    "refused": envelope(listed(POINTS, "not-authorized")),
    "no code": envelope(listed(POINTS, "no-roaming")),
    "cut": GOOD[: len(GOOD) // 2],
    "more": f"{GOOD}junk",
    "doctype": GOOD.replace("<s:Envelope", "<!DOCTYPE x><s:Envelope", 1),
    "instruction": GOOD.replace(BETWEEN, f"</{ITEM}><?x y?><", 20),
    "text": GOOD.replace(BETWEEN, f"</{ITEM}>mislaid<", 20),
    "fault": envelope(FAULT),
    "header": envelope(listed(POINTS), MARKED),
    "other version": envelope(listed(POINTS), space="http://www.w3.org/2003/05/soap-envelope"),
    "other root": envelope(listed(POINTS, name="GetTariffUpdatesResponse")),
    "other element": envelope(listed([*POINTS, "<other/>"])),
    "some wrong": envelope(listed(other_country("Germany", 7))),
    "all wrong": envelope(listed(other_country("Germany"))),
    "all deviate": envelope(listed(other_country("de"))),
    "other names": envelope(listed(POINTS).replace(ITEM, "ChargePointInfoArray")),
    "first named otherwise": envelope(
        listed([POINTS[0].replace(ITEM, "ChargePointInfoArray"), *POINTS[1:]])
    ),
    "none": envelope(listed([])),
    "web page": f"<html>{'x' * 20_000}</html>",
    "no text": "\0\1" * 20_000,
    "no result": GOOD.replace(RESULT.format("ok"), ""),
    "two bodies": GOOD.replace("</s:Body>", "</s:Body><s:Body/>"),
    "twice": envelope(listed(POINTS + POINTS[:5])),
}


async def taken(
    folder: Any, answers: list[tuple[str, bytes]], *, status: int = 200, in_file: bool
) -> tuple[list[str], list[Any]]:
    """How polls for these answers of the clearing house end, and what is stored then."""
    folder.mkdir()
    gate = Gate(folder)
    files: list[io.BytesIO] = []
    bodies = iter(body for _, body in answers)

    async def fetch(call: HttpCall) -> HttpAnswer:
        headers, body = {"content-type": "text/xml; charset=utf-8"}, next(bodies)
        if not (in_file and call.long):
            return HttpAnswer(status=status, headers=headers, body=body)
        files.append(io.BytesIO(body))
        hashed = hashlib.sha256(body).digest()
        return HttpAnswer(status=status, headers=headers, file=files[-1], file_hash=hashed)

    # one instant for all, or what is stored differs by when it was
    await gate.start(lambda: data.NOW)
    link: Any = gate.app.links.get("clearing")
    link._fetch = fetch
    ends = []
    for what, _ in answers:
        try:
            await gate.poll("clearing", what)
            ends.append("taken")
        except Exception as error:  # noqa: BLE001 - they are compared
            ends.append(type(error).__name__)
    tables = gate.dump()
    await gate.close()
    assert all(file.closed for file in files)
    assert len(files) == (len(answers) if in_file else 0)
    stored = sorted((row[1:] for row in tables["objects"]), key=repr)
    return ends, stored


@pytest.mark.parametrize("status", [200, 500, 503])
@pytest.mark.parametrize("name", ANSWERS)
async def test_a_long_answer_is_taken_as_a_short_one(tmp_path: Any, name: str, status: int) -> None:
    """The same is stored, or the call fails in the same way."""
    answers = [("all locations", ANSWERS[name].encode())]
    short, long = [
        await taken(tmp_path / str(in_file), answers, status=status, in_file=in_file)
        for in_file in (False, True)
    ]
    assert long == short
    (end,), stored = long
    assert (end == "taken") is bool(stored or (name == "none" and status == 200))


CARD, CONTRACT = data.ochp_uid(0), data.contract("NL", "RYS", 0)
TARIFFS = [data.ochp_tariff("DE", "HUB", f"{number:03}", "0.4") for number in range(80)]
SPOT = '<parking status="available"><parkingId>DE*HUB*P{:04}</parkingId></parking>'
EVSE = '<{0} major="available" minor="available"><evseId>DE*HUB*E{1:05}*1</evseId></{0}>'


def cdrs(count: int) -> list[str]:
    evses = list(data.ochp_evses("DE", "HUB", count, seed=3))
    return [data.ochp_cdr(evse, place, CARD, CONTRACT) for place, evse in enumerate(evses)]


def live(*parts: str) -> str:
    inside = "".join(parts)
    return envelope(f'<GetStatusResponse xmlns="http://ochp.eu/1.4">{inside}</GetStatusResponse>')


def tariffs(items: list[str]) -> str:
    return envelope(listed(items, name="GetTariffUpdatesResponse"))


OTHERS = {
    "cdrs": [("cdrs", envelope(listed(cdrs(60), name="GetCDRsResponse")))],
    "bad cdr": [
        (
            "cdrs",
            envelope(
                listed(
                    [*cdrs(9), cdrs(10)[9].replace("<duration>", "<duration>x")],
                    name="GetCDRsResponse",
                )
            ),
        )
    ],
    "live status": [
        (
            "status",
            live(
                *(EVSE.format("combined", number) for number in range(500, 620)),
                *(EVSE.format("evse", number) for number in range(300)),
                *map(SPOT.format, range(150)),
            ),
        )
    ],
    "evses alone": [("status", live(*(EVSE.format("evse", number) for number in range(300))))],
    "spots alone": [("status", live(*map(SPOT.format, range(150))))],
    "tariffs": [("all tariffs", tariffs(TARIFFS)), ("all tariffs", tariffs(TARIFFS[5:70]))],
    "changed tariffs": [("all tariffs", tariffs(TARIFFS)), ("tariffs", tariffs(TARIFFS[5:70]))],
}


@pytest.mark.parametrize("name", OTHERS)
async def test_every_list_may_be_long(tmp_path: Any, name: str) -> None:
    """CDRs, live status, tariffs with what a full list leaves out."""
    answers = [(what, text.encode()) for what, text in OTHERS[name]]
    short, long = [
        await taken(tmp_path / str(in_file), answers, in_file=in_file) for in_file in (False, True)
    ]
    assert long == short
    assert set(long[0]) == {"taken"}
    assert len(long[1]) >= 9


async def test_what_is_put_aside_is_given_back_whatever_happens(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the store takes nothing more."""
    closed: list[Spools] = []
    close = Spools.close
    monkeypatch.setattr(Spools, "close", lambda self: closed.append(self) or close(self))
    gate = Gate(tmp_path)
    await gate.start()
    link: Any = gate.app.links.get("clearing")

    async def fetch(call: HttpCall) -> HttpAnswer:
        headers = {"content-type": "text/xml; charset=utf-8"}
        return HttpAnswer(status=200, headers=headers, file=io.BytesIO(GOOD.encode()))

    def record(*entries: Any) -> None:
        raise StoreUnavailable("the disk is gone")

    link._fetch = fetch
    monkeypatch.setattr(gate.app.exchange, "record", record)
    with pytest.raises(StoreUnavailable):
        await gate.poll("clearing", "all locations")
    await gate.close()
    assert len(closed) == 1


@pytest.mark.parametrize("count", [0, 3, 1200])
def test_decisions_of_a_long_list_are_those_of_a_short_one(count: int) -> None:
    """In parts; what is neither approved nor declined says nothing."""
    states = (CdrState.APPROVED, CdrState.DECLINED, CdrState.ACCEPTED)
    listed = [cdr(f"C{number}", state=states[number % 3]) for number in range(count)]
    spools = Spools()
    spools.add("cdrs", Cdr).extend(listed)
    short = list(decided(CdrList(cdrs=tuple(listed)), ()))
    long = list(decided(CdrList(), spools))
    spools.close()

    assert long == short
    for field, state in (("approved", CdrState.APPROVED), ("declined", CdrState.DECLINED)):
        said = [ref.cdr_id for part in short for ref in getattr(part, field)]
        assert said == [each.id for each in listed if each.state is state]
