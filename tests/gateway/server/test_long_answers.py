"""Long answers of partners are taken as short ones are, whatever is in them."""

import hashlib
import io
from typing import Any

import pytest

from gateway.demo import data
from gateway.http import HttpAnswer, HttpCall
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


@pytest.mark.parametrize("status", [200, 500, 503])
@pytest.mark.parametrize("name", ANSWERS)
async def test_a_long_answer_is_taken_as_a_short_one(tmp_path: Any, name: str, status: int) -> None:
    """The same is stored, or the call fails in the same way."""
    body, ends = ANSWERS[name].encode(), []
    for in_file in (False, True):
        files: list[io.BytesIO] = []

        async def fetch(
            call: HttpCall, in_file: bool = in_file, files: list[io.BytesIO] = files
        ) -> HttpAnswer:
            headers = {"content-type": "text/xml; charset=utf-8"}
            if not (in_file and call.long):
                return HttpAnswer(status=status, headers=headers, body=body)
            files.append(io.BytesIO(body))
            hashed = hashlib.sha256(body).digest()
            return HttpAnswer(status=status, headers=headers, file=files[-1], file_hash=hashed)

        folder = tmp_path / str(in_file)
        folder.mkdir()
        gate = Gate(folder)
        await gate.start()
        link: Any = gate.app.links.get("clearing")
        link._fetch = fetch
        try:
            await gate.poll("clearing", "all locations")
            end = "taken"
        except Exception as error:  # noqa: BLE001 - they are compared
            end = type(error).__name__
        stored = sorted((row[1:4] for row in gate.dump()["objects"]), key=repr)
        await gate.close()
        ends.append((end, stored))
        assert all(file.closed for file in files)
        assert bool(files) is in_file
    assert ends[0] == ends[1]
    assert (ends[0][0] == "taken") is bool(ends[0][1] or (name == "none" and status == 200))
