"""The tables against the schema, the WSDL and the manifest: nothing missing, nothing made up."""

import tomllib
from pathlib import Path

import pytest
from lxml import etree

import adapters.ochp
from adapters.ochp import ADAPTER
from gateway.mapping.interpret import flat_rows
from gateway.mapping.record import Record
from gateway.model.message import REPLIES
from gateway.schema import Field, contract_file, schema_for

SCHEMA = schema_for("ochp", "1.4")
NAMESPACE = "{http://ochp.eu/1.4}"
# Fields that the schema has once and the canonical object as a list of one.
LISTED_HERE = {("ConnectorType", "tariffId"), ("TariffElementType", "priceComponent")}
ANONYMOUS = {"cdr reference": "ConfirmCDRsRequest/approved"}


def records() -> list[Record]:
    """Every record of the adapter, messages and what they nest, each once."""
    found: dict[int, Record] = {}

    def visit(record: Record) -> None:
        if id(record) in found:
            return
        found[id(record)] = record
        for _, row in flat_rows(record):
            if isinstance(row.kind, Record):
                visit(row.kind)

    for form in ADAPTER.forms("ochp-1.4").values():
        visit(form.record)
    return list(found.values())


def steps(record: Record) -> list[str]:
    """The first wire steps of a record in order, shared ones once."""
    return list(dict.fromkeys(row.steps[0] for _, row in flat_rows(record) if row.card != "="))


@pytest.mark.parametrize("record", records(), ids=str)
def test_every_schema_field_has_a_row_and_every_row_a_field(record):
    fields = SCHEMA.fields(ANONYMOUS.get(record.name, record.name))
    elements = [field.name for field in fields if field.kind == "element"]
    attributes = {f"@{field.name}" for field in fields if field.kind == "attribute"}
    rows = steps(record)
    assert [row for row in rows if not row.startswith("@")] == elements
    assert {row for row in rows if row.startswith("@")} == attributes


@pytest.mark.parametrize("record", records(), ids=str)
def test_rows_ask_as_often_as_the_schema(record):
    fields = {field.name: field for field in SCHEMA.fields(ANONYMOUS.get(record.name, record.name))}
    for _, row in flat_rows(record):
        if row.card == "=" or (len(row.steps) > 1 and "@" in row.wire):
            continue
        field = fields[row.steps[0].lstrip("@")]
        if (record.name, row.wire) in LISTED_HERE and row.listed:
            assert field.max == 1
        elif row.steps[0] == "EmtId" or (row.steps[0] == "emtId" and len(row.steps) > 1):
            assert (field.min, field.max) == (1, 1)
        else:
            assert card(field) == row.card, f"{record} {row.wire}"


def card(field: Field) -> str:
    if field.max == 1:
        return "1" if field.min else "?"
    return "+" if field.min else "*"


@pytest.mark.parametrize("record", records(), ids=str)
def test_wrappers_are_those_of_the_schema(record):
    """``status/CdrStatusType``: the element inside, by the type's own children."""
    for _, row in flat_rows(record):
        outer, *inner = row.steps
        if row.card == "=" or not inner:
            continue
        name = ANONYMOUS.get(record.name, record.name)
        type_name = next(f.type for f in SCHEMA.fields(name) if f.name == outer.lstrip("@"))
        below = {
            f"@{field.name}" if field.kind == "attribute" else field.name
            for field in SCHEMA.fields(type_name)
        }
        assert inner[0] in below


def test_shared_elements_are_covered_to_the_last_field():
    """EmtId stands in its parent's rows in two records."""
    wanted = {
        f"@{field.name}" if field.kind == "attribute" else field.name
        for field in SCHEMA.fields("EmtId")
    }
    for record in records():
        for outer in ("EmtId", "emtId"):
            inner = {
                row.steps[1]
                for _, row in flat_rows(record)
                if row.steps[0] == outer and len(row.steps) > 1
            }
            assert inner in (set(), wanted)


def wsdl_operations() -> dict[str, tuple[str, str, str]]:
    """Operation -> (request root, response root, port type) of the WSDL."""
    tree = etree.parse(contract_file("wsdl/ochp/1.4/ochp.wsdl"))
    space = {"w": "http://schemas.xmlsoap.org/wsdl/"}
    element = {
        message.get("name"): message.find("w:part", space).get("element").partition(":")[2]
        for message in tree.iterfind("w:message", space)
    }

    def of(node: etree._Element, kind: str) -> str:
        return element[node.find(f"w:{kind}", space).get("message").partition(":")[2]]

    return {
        node.get("name"): (of(node, "input"), of(node, "output"), node.getparent().get("name"))
        for node in tree.iterfind("w:portType/w:operation", space)
    }


def test_operations_are_those_of_the_wsdl():
    operations = {
        name: (row.request.name, row.reply.name) for name, row in ADAPTER.operations.items()
    }
    assert operations == {name: pair[:2] for name, pair in wsdl_operations().items()}
    assert len(operations) == 17


def test_endpoints_serve_every_port_type():
    served = [name for endpoint in ADAPTER.endpoints for name in endpoint.port_types]
    assert sorted(served) == sorted({port for _, _, port in wsdl_operations().values()})
    for endpoint in ADAPTER.endpoints:
        assert contract_file(endpoint.wsdl).is_file()


def test_manifest_names_the_same_operations():
    folder = Path(adapters.ochp.__file__).parent
    manifest = tomllib.loads((folder / "manifest.toml").read_text())
    assert manifest["name"] == ADAPTER.name
    assert [f"ochp-{version}" for version in manifest["versions"]] == list(ADAPTER.protocols)
    assert set(manifest["operations"]) == set(ADAPTER.operations)
    assert set(manifest["operations"].values()) == {"both"}
    assert manifest["wsdl"] == ["ochp/1.4/ochp.wsdl"]


@pytest.mark.parametrize("name", ADAPTER.operations)
def test_replies_are_those_of_the_messages(name):
    row = ADAPTER.operations[name]
    assert REPLIES[row.request.message] is row.reply.message
    assert set(row.asked_by) <= {"cpo", "emsp", "nsp", "pso"}


@pytest.mark.parametrize("record", records(), ids=str)
def test_field_paths_have_their_parts(record):
    for row in record.rows:
        part = row.field.rpartition("/")[0]
        assert not part or part in record.parts
        for name in (row.field, *row.uses):
            cls = record.parts.get(name.rpartition("/")[0], record.cls)
            assert not name or name.rpartition("/")[2] in cls.__struct_fields__


def test_the_readme_lists_every_operation_with_its_message():
    text = (Path(adapters.ochp.__file__).parent / "README.md").read_text()
    for name, row in ADAPTER.operations.items():
        line = f"| {name} | {', '.join(row.asked_by)} | {row.request.message.__name__}"
        assert line in text
