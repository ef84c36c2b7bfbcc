"""The tables against the facts of the standard: names, order, types, cardinality."""

from collections.abc import Iterator

import pytest

from adapters.ocpi import ADAPTER
from adapters.ocpi.adapter import RECORDS
from gateway.mapping.interpret import flat_rows
from gateway.mapping.kinds import Kind
from gateway.mapping.record import Record
from tests.support.ocpi_objects import ENUMS, OBJECTS


def _records(record: Record, seen: dict[int, Record]) -> None:
    if id(record) in seen:
        return
    seen[id(record)] = record
    for row in record.rows:
        if isinstance(row.kind, Record):
            _records(row.kind, seen)


def _all() -> list[Record]:
    seen: dict[int, Record] = {}
    for record in RECORDS.values():
        _records(record, seen)
    for form in ADAPTER.forms("ocpi-2.2.1").values():
        _records(form.record, seen)
    return list(seen.values())


ALL = _all()
OF_STANDARD = [record for record in ALL if record.name in OBJECTS]


def _facts(record: Record) -> Iterator[tuple[str, str]]:
    for _, row in flat_rows(record):
        yield row.wire, f"{row.kind.name} {row.card}"


@pytest.mark.parametrize(
    "record", OF_STANDARD, ids=lambda record: f"{record.name}-{record.cls.__name__}"
)
def test_a_record_has_every_field_of_the_standard(record: Record) -> None:
    """Names, types and marks are those of the standard's table, in its order."""
    expected = OBJECTS[record.name]
    found = dict(_facts(record))
    inner = {wire: fact for wire, fact in found.items() if "/" in wire}
    for wire in inner:
        del found[wire]
    outer = {wire.split("/")[0] for wire in inner}

    assert {name: fact for name, fact in expected.items() if name not in outer} == found
    assert [name for name in expected if name in found] == list(found)
    assert expected.keys() - found.keys() == outer


@pytest.mark.parametrize(
    ("name", "field", "type_"),
    [
        ("CDR", "cdr_location", "CdrLocation"),
        ("AuthorizationInfo", "location", "LocationReferences"),
    ],
)
def test_an_object_said_by_paths_has_every_field(name: str, field: str, type_: str) -> None:
    """Fields of an object whose content the canonical object has in several parts."""
    record = next(record for record in OF_STANDARD if record.name == name)
    found = {
        wire.removeprefix(f"{field}/"): fact
        for wire, fact in _facts(record)
        if wire.startswith(f"{field}/")
    }
    # the whole object is optional, and one of its lists is one value here
    loose = {"location_id": "CiString(36) ?", "evse_uids": "CiString(36) ?"}
    expected = {key: loose.get(key, fact) for key, fact in OBJECTS[type_].items()}

    assert found == expected


def test_every_object_of_the_standard_has_a_record() -> None:
    names = {record.name for record in OF_STANDARD}
    assert OBJECTS.keys() - names == {"CdrLocation", "LocationReferences"}


def _codes() -> dict[str, Kind]:
    return {
        row.kind.name: row.kind
        for record in ALL
        for row in record.rows
        if isinstance(row.kind, Kind) and row.kind.name in ENUMS
    }


@pytest.mark.parametrize("name", sorted(ENUMS))
def test_a_code_list_is_complete(name: str) -> None:
    """Every value of the standard is read and written back, another is refused."""
    kind = _codes()[name]
    for value in ENUMS[name]:
        assert kind.to_json(kind.from_json(value)) == value
    with pytest.raises(ValueError, match="NO_SUCH_VALUE"):
        kind.from_json("NO_SUCH_VALUE")


def test_every_record_names_its_clause_and_reads_existing_fields() -> None:
    for record in ALL:
        assert record.clause.startswith("OCPI 2.2.1")
        assert record.reads() <= set(record.cls.__struct_fields__), record.name
