"""The OCHP messages under tests/wire: every operation has cases, and they are what they claim."""

from pathlib import Path

import pytest
from lxml import etree

from gateway.schema import schema_for
from tests.support.interface import wsdl_facts

ROOT = Path(__file__).resolve().parents[2]
WIRE = ROOT / "tests/wire/ochp/1.4"
SCHEMA = schema_for("ochp", "1.4")
DEVIATIONS = sorted(WIRE.glob("deviations/*.xml"))
VALID = sorted(set(WIRE.rglob("*.xml")) - set(DEVIATIONS))
WSDL = wsdl_facts(ROOT / "wsdl/ochp/1.4/ochp.wsdl")
ELEMENTS = {  # (operation, request or response): root element
    (operation, kind): WSDL["messages"][ways[way].removeprefix("tns:")]["parameters"]
    for operations in WSDL["portTypes"].values()
    for operation, ways in operations.items()
    for way, kind in (("input", "request"), ("output", "response"))
}


def case(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def root_of(path: Path) -> etree._Element:
    return etree.parse(path).getroot()


@pytest.mark.parametrize("path", VALID, ids=case)
def test_message_is_valid_and_in_its_folder(path: Path) -> None:
    """A message validates, and lies with the operation that it belongs to."""
    root = root_of(path)
    expected = ELEMENTS[path.parent.name, path.stem.partition("_")[0]]

    assert SCHEMA.check(root) == []
    assert etree.QName(root).localname == expected.removeprefix("tns:")


def test_every_message_has_two_cases() -> None:
    """A minimal one, and another that uses what the message can hold."""
    cases = {(path.parent.name, path.stem.partition("_")[0], path.stem) for path in VALID}

    for operation, kind in ELEMENTS:
        stems = {stem for folder, way, stem in cases if (folder, way) == (operation, kind)}
        assert f"{kind}_minimal" in stems
        assert len(stems) > 1


def test_every_field_of_the_schema_occurs_in_a_case() -> None:
    """Together the messages use every element and attribute."""
    nodes = [node for path in VALID for node in root_of(path).iter(etree.Element)]
    seen = {etree.QName(node).localname for node in nodes}
    seen |= {name for node in nodes for name in node.attrib}
    types = [name.removeprefix("tns:") for name in _type_names()]

    assert {field.name for name in types for field in SCHEMA.fields(name)} - seen == set()


@pytest.mark.parametrize("path", DEVIATIONS, ids=case)
def test_deviation_is_xml_but_not_valid(path: Path) -> None:
    """What a peer sends against the schema; the line beside it says who, and what."""
    remark = path.with_suffix(".md").read_text().strip()

    assert SCHEMA.check(root_of(path)) != []
    assert remark
    assert "\n" not in remark


def _type_names() -> list[str]:
    schema = etree.parse(ROOT / "xsd/ochp/1.4/ochp.xsd")
    return list(
        schema.xpath("/*/*[local-name() = 'complexType' or local-name() = 'element']/@name")
    )
