"""``roamgate translate`` for messages of usual length: exit codes, what is written and told."""

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lxml import etree

from gateway.cli import translate
from gateway.schema import schema_for

WIRE = Path(__file__).parents[2] / "wire"
OCHP, OCPI = "ochp-1.4", "ocpi-2.2.1"
ENVELOPE = {"status_code": 1000, "timestamp": "2031-05-02T09:00:00Z"}
CONNECTOR = {
    "id": "1", "standard": "IEC_62196_T2", "format": "SOCKET", "power_type": "AC_3_PHASE",
    "max_voltage": 230, "max_amperage": 32, "last_updated": "2031-05-02T09:00:00Z",
}  # fmt: skip
EVSE = {
    "uid": "7",
    "evse_id": "DE*ACM*E7",
    "status": "CHARGING",
    "connectors": [CONNECTOR],
    "last_updated": "2031-05-02T09:00:00Z",
}
SITE: dict[str, Any] = {
    "country_code": "DE", "party_id": "ACM", "id": "S1", "publish": True, "address": "Am Markt 1",
    "city": "Ulm", "country": "DEU",
    "coordinates": {"latitude": "48.398400", "longitude": "9.991600"},
    "time_zone": "Europe/Berlin", "last_updated": "2031-05-02T09:00:00Z",
}  # fmt: skip
TARIFF = {
    "country_code": "DE", "party_id": "ACM", "id": "T1", "currency": "EUR",
    "elements": [{
        "price_components": [{"type": "ENERGY", "price": 0.3, "step_size": 1}],
        "restrictions": {"max_current": 16},
    }],
    "last_updated": "2031-05-02T09:00:00Z",
}  # fmt: skip


@pytest.fixture
def said(tmp_path, capfdbinary, monkeypatch):
    """Run the command on a text; its exit code, standard output, standard error and report."""

    def run(source: str, target: str, data: Any, *, enveloped: bool = False, **more: Any) -> Any:
        if not isinstance(data, bytes | Path):
            data = json.dumps(data).encode()
        if isinstance(data, Path):
            data = data.read_bytes()
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(data)))
        report = more.pop("report", tmp_path / "report.json")
        code = translate.run(
            source, target, None, report, enveloped=enveloped, time_zone=more.pop("zone", None)
        )
        out, err = capfdbinary.readouterr()
        found = json.loads(report.read_bytes()) if report.is_file() else None
        return SimpleNamespace(code=code, out=out, err=err.decode(), report=found)

    return run


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_a_message_and_its_report(said, zone):
    done = said(OCHP, OCPI, WIRE / "ochp/1.4/AddCDRs/request_minimal.xml", zone=zone)

    assert done.code == 0
    assert len(json.loads(done.out)) == 1
    assert (done.report["from"], done.report["to"], done.report["object"]) == (OCHP, OCPI, "cdr")
    assert (done.report["items_in"], done.report["items_out"]) == (1, 1)
    assert {"outcome", "source", "target", "rule", "clause", "note"} == set(
        done.report["findings"][0]
    )


@pytest.mark.parametrize(
    ("protocol", "data", "reason"),
    [
        (OCHP, b'{"uid": "04A2"}', "its messages are XML, this is something else"),
        (OCHP, b"hello", "its messages are XML, this is something else"),
        (OCPI, b"<AddCDRsRequest/>", "its messages are JSON, this is XML"),
        (OCPI, b"hello", "is no JSON"),
        (OCPI, b" \n", "the input is empty"),
        (OCHP, b"<AddCDRsRequest/>", "AddCDRsRequest is no message of OCHP 1.4"),
    ],
)
def test_what_is_no_message_of_the_protocol(said, protocol, data, reason):
    done = said(protocol, OCPI if protocol == OCHP else OCHP, data)

    assert (done.code, done.out, done.report) == (1, b"", None)
    assert reason in done.err
    assert "Traceback" not in done.err


def test_deviations_that_were_put_right_stand_in_the_report(said):
    body = (WIRE / "ochp/1.4/AddCDRs/request_minimal.xml").read_bytes()

    done = said(OCHP, OCPI, body.replace(b">DEU<", b">DE<"))

    assert done.code == 0
    assert len(done.report["deviations"]) == 1
    assert "country" in done.report["deviations"][0]
    assert "1 deviations from ochp-1.4 were put right" in done.err


def test_a_report_that_cannot_be_written_is_told_before_anything_is_said(said, tmp_path):
    done = said(
        OCHP, OCPI, WIRE / "ochp/1.4/GetStatus/request_minimal.xml", report=tmp_path / "no" / "way"
    )

    assert (done.code, done.out) == (2, b"")
    assert "No such file or directory" in done.err


@pytest.mark.parametrize("path", sorted(WIRE.glob("ochp/1.4/*/re*_rich.xml")), ids=str)
def test_a_message_in_its_own_protocol_comes_out_as_it_went_in(said, path):
    """Several operations carry the same message; the form is kept too."""
    done = said(OCHP, OCHP, path)

    before, after = etree.parse(path).getroot(), etree.fromstring(done.out)
    assert done.code == 0
    assert after.tag == before.tag
    assert not schema_for("ochp", "1.4").check(after)
    assert {row["outcome"] for row in done.report["findings"]} <= {"exact", "converted"}


def test_an_evse_in_a_response_is_read_for_its_status(said):
    done = said(OCPI, OCHP, ENVELOPE | {"data": EVSE})

    root = etree.fromstring(done.out)
    assert etree.QName(root).localname == "GetStatusResponse"
    assert [(each.get("major"), each.get("minor")) for each in root] == [
        ("not-available", "charging")
    ]
    back = said(OCHP, OCPI, done.out)
    assert json.loads(back.out)[0]["status"] == "CHARGING"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (SITE | {"publish": False}, "publish = false is shown to nobody"),
        (SITE, "the site has none"),
        (TARIFF, "none of its prices can be said"),
        (EVSE | {"status": "PLANNED"}, "is a static status"),
    ],
)
def test_what_cannot_be_said_is_told_in_words(said, value, reason):
    done = said(OCPI, OCHP, value)

    assert (done.code, done.out) == (1, b"")
    assert reason in done.err


def test_a_zone_that_is_missing_can_be_given(said):
    cdr = json.loads((WIRE / "ocpi/2.2.1/cdr_full.json").read_bytes())
    del cdr["credit"], cdr["credit_reference_id"]
    cdr["cdr_location"]["country"] = "USA"

    without = said(OCPI, OCHP, cdr)
    given = said(OCPI, OCHP, cdr, zone="America/New_York")

    assert without.code == 1
    assert "--time-zone names the zone" in without.err
    assert given.code == 0
    assert b"-04:00" in given.out or b"-05:00" in given.out


def test_an_envelope_is_not_put_around_an_envelope(said):
    done = said(OCHP, OCPI, WIRE / "ochp/1.4/AddCDRs/response_minimal.xml", enveloped=True)

    assert "data" not in json.loads(done.out)
    assert json.loads(done.out)["status_code"] == 1000
