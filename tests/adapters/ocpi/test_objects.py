"""Objects that were read from OCPI are written back equal, by the plain and the compiled forms."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from adapters.ocpi import ADAPTER
from adapters.ocpi.adapter import RECORDS
from gateway.errors import Malformed
from gateway.mapping import interpret
from gateway.mapping.compile import codec
from gateway.mapping.context import Context
from gateway.translate import translate
from tests.adapters.ocpi.samples import token
from tests.support.ocpi_objects import in_utc, objects

WIRE = Path(__file__).parents[2] / "wire" / "ocpi" / "2.2.1"
CASES = sorted(WIRE.glob("*.json"))
NAMES = {
    "location": "Location",
    "evse": "EVSE",
    "connector": "Connector",
    "tariff": "Tariff",
    "token": "Token",
    "session": "Session",
    "cdr": "CDR",
    "authorisation": "AuthorizationInfo",
}


def _load(path: Path) -> Any:
    return json.loads(path.read_text(), parse_float=Decimal)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_message_is_read_and_written(path: Path) -> None:
    """Detected by its content, read and written back equal, with nothing lost."""
    value = _load(path)
    form = ADAPTER.detect("ocpi-2.2.1", value)
    message = interpret.read(form.record, value)
    ctx = Context(traced=True)
    back = interpret.write(form.record, message, ctx)

    assert back == (value if isinstance(value, list) or form.object == "authorisation" else [value])
    assert ctx.notes == []
    assert codec(form.record).read(value) == message
    assert codec(form.record).write_json(message) == back


def test_there_are_messages() -> None:
    assert {path.stem.split("_")[0] for path in CASES} >= set(NAMES) - {"evse", "connector"}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_whatever_peers_say_is_read_and_written(name: str) -> None:
    """Equal, but for instants that are not in UTC, or too long: nobody is sent those as they are.

    A merge with a PATCH gets even those as they came.
    """
    record = RECORDS[name]

    @given(objects(NAMES[name]))
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    def holds(value: Any) -> None:
        if name == "authorisation" and (value.get("location") or {}).get("evse_uids") == []:
            del value["location"]["evse_uids"]  # an empty list there is read as absent
        obj = interpret.read(record, value)
        assert interpret.write(record, obj) == in_utc(value)
        assert interpret.write(record, obj, Context(verbatim=True)) == value
        assert codec(record).read(value) == obj
        assert codec(record).write_json(obj) == in_utc(value)
        assert codec(record).write_json(obj, Context(verbatim=True)) == value

    holds()


@pytest.mark.parametrize(
    ("came", "goes", "outcome"),
    [
        ("2031-05-02T11:00:00+02:00", "2031-05-02T09:00:00Z", "converted"),
        ("2031-05-02T09:00:00+00:00", "2031-05-02T09:00:00Z", "converted"),
        ("2031-05-02T09:00:00z", "2031-05-02T09:00:00Z", "converted"),
        ("2031-05-02t09:00:00Z", "2031-05-02T09:00:00Z", "converted"),
        ("2031-05-02T09:00:00.123456+00:00", "2031-05-02T09:00:00.123Z", "approximated"),
        ("2031-05-02T09:00:00", "2031-05-02T09:00:00", "exact"),
        ("2031-05-02T09:00:00.25", "2031-05-02T09:00:00.25", "exact"),
        ("2031-05-02T09:00:00.1234Z", "2031-05-02T09:00:00.1234Z", "exact"),
    ],
)
def test_what_is_not_utc_is_read_and_never_sent_on(came: str, goes: str, outcome: str) -> None:
    """OCPI 2.2.1, DateTime: UTC, at most 25 characters; the finding tells what became of it."""
    value = {**token(), "last_updated": came}
    found = translate("ocpi-2.2.1", "ocpi-2.2.1", [value])
    assert [one["last_updated"] for one in found.tree] == [goes]
    (finding,) = [one for one in found.report.findings if one.source == "/0/last_updated"]
    rule = {"converted": "utc-form", "approximated": "utc-rounded", "exact": None}[outcome]
    assert (finding.outcome, finding.rule) == (outcome, rule)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_absent_null_and_empty_mean_the_same(path: Path) -> None:
    """Optional fields that are not there, as null, as an empty list: one canonical object."""
    value = _load(path)
    record = ADAPTER.detect("ocpi-2.2.1", value).record
    told = interpret.read(record, _with_nothing(record, value))

    assert _bare(told) == _bare(interpret.read(record, value))


def _with_nothing(record: Any, value: Any) -> Any:
    """The value with each absent optional field as null, each absent list as []."""
    if record.rows[0].wire == ".":
        items = value if isinstance(value, list) else [value]
        return [_with_nothing(record.rows[0].kind, item) for item in items]
    result = dict(value)
    for _, row in interpret.flat_rows(record):
        if row.card in "?*" and "/" not in row.wire and row.wire not in result:
            result[row.wire] = [] if row.card == "*" else None
        elif row.wire in result and hasattr(row.kind, "rows"):
            inner = result[row.wire]
            result[row.wire] = (
                [_with_nothing(row.kind, item) for item in inner]
                if isinstance(inner, list)
                else _with_nothing(row.kind, inner)
            )
    return result


def _bare(obj: Any) -> Any:
    """An object as plain values, without what only writing back needs."""
    if hasattr(obj, "__struct_fields__"):
        names = [name for name in obj.__struct_fields__ if name != "extras"]
        return {name: _bare(getattr(obj, name)) for name in names}
    return [_bare(item) for item in obj] if isinstance(obj, tuple) else obj


def test_unknown_fields_survive_at_every_level() -> None:
    value = _load(WIRE / "cdr_full.json")
    value["x_vendor"] = {"a": [1, None]}
    value["cdr_location"]["level"] = "-1"
    value["cdr_location"]["coordinates"]["altitude"] = 12
    value["tariffs"][0]["elements"][0]["x/y"] = "~"

    assert interpret.write(RECORDS["cdr"], interpret.read(RECORDS["cdr"], value)) == value


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"kwh": "18.5"}, "/kwh"),
        ({"kwh": True}, "/kwh"),
        ({"status": "active"}, "/status"),
        ({"cdr_token": []}, "/cdr_token"),
        ({"charging_periods": {}}, "/charging_periods"),
        (
            {"charging_periods": [{"start_date_time": "2031-05-02T09:00:00Z", "dimensions": []}]},
            "/charging_periods/0/dimensions",
        ),
        ({"id": None}, "/id"),
        ({"id": ""}, "/id"),
        ({"currency": "EURO"}, "/currency"),
        ({"total_cost": {"excl_vat": None}}, "/total_cost/excl_vat"),
    ],
)
def test_what_breaks_the_standard_is_named(change: dict[str, Any], path: str) -> None:
    value = _load(WIRE / "session_running.json") | change
    with pytest.raises(Malformed) as caught:
        interpret.read(RECORDS["session"], value)
    assert path in {problem.path for problem in caught.value.problems}


def test_every_problem_is_reported() -> None:
    value = _load(WIRE / "session_running.json") | {"kwh": "x", "currency": 5, "status": None}
    with pytest.raises(Malformed) as caught:
        interpret.read(RECORDS["session"], value)
    assert {problem.path for problem in caught.value.problems} == {"/kwh", "/currency", "/status"}
