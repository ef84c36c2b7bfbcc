"""Every message under tests/wire is read and written back equal, plainly and compiled."""

from pathlib import Path

import pytest
from lxml import etree

from adapters.ochp import ADAPTER
from gateway.mapping import interpret
from gateway.mapping.compile import Codec, Compiler
from gateway.mapping.context import Context, NoFacts

WIRE = Path(__file__).parents[2] / "wire" / "ochp" / "1.4"
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
CASES = sorted(path for path in WIRE.rglob("*.xml") if path.parent.name != "deviations")


def canonical(node: etree._Element) -> bytes:
    """C14N without what says nothing: blanks between elements, prefixes, xsi:nil."""
    root = etree.Element(node.tag)
    _copy(node, root)
    return etree.tostring(root, method="c14n")


def _copy(node: etree._Element, into: etree._Element) -> None:
    for name, value in sorted(node.attrib.items()):
        if not name.startswith(XSI):
            into.set(name, value)
    children = [child for child in node if isinstance(child.tag, str)]
    if not children:
        into.text = node.text or None
    for child in children:
        _copy(child, etree.SubElement(into, child.tag))


def body_of(path: Path) -> etree._Element:
    root = etree.parse(path, etree.XMLParser(resolve_entities=False)).getroot()
    if etree.QName(root).localname != "Envelope":
        return root
    return next(node for node in root if etree.QName(node).localname == "Body")[0]


def case_id(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", CASES, ids=case_id)
def test_message_is_read_and_written_back(path):
    node = body_of(path)
    record = ADAPTER.detect("ochp-1.4", node).record
    message = interpret.read(record, node)
    ctx = Context(NoFacts())
    assert canonical(interpret.write(record, message, ctx)) == canonical(node)
    assert ctx.notes == []
    codec = Codec(record, Compiler())
    assert codec.read(node) == message
    compiled = codec.write_xml(message, ctx)
    assert canonical(etree.fromstring(compiled)) == canonical(node)
    assert ctx.notes == []


@pytest.mark.parametrize("path", CASES, ids=case_id)
def test_regular_messages_do_not_need_the_plain_form(path):
    """The compiled functions themselves read and write what the schema allows."""
    node = body_of(path)
    record = ADAPTER.detect("ochp-1.4", node).record
    codec = Codec(record, Compiler())
    message = codec.function("read_xml")(node)
    pieces: list[str] = []
    codec.function("write_xml")(message, Context(NoFacts()), pieces.append, record.name, "")
    assert pieces


def test_there_are_cases_of_every_operation():
    assert {path.parent.name for path in CASES} >= set(ADAPTER.operations)
