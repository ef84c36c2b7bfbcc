"""What came in by a protocol goes out by it unchanged: all leaves, as they were spelled.

OCHP bodies are made from the published schema, OCPI objects from the field tables of the standard.
"""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from gateway import registry
from gateway.errors import Malformed
from gateway.mapping import interpret
from gateway.mapping.carriers import is_xml, json_path, xml_path
from gateway.mapping.compile import codec
from gateway.mapping.context import Context, NoFacts
from gateway.mapping.record import Record
from gateway.mapping.report import join
from gateway.schema import contract_file, schema_for
from tests.support.budget import of_any
from tests.support.ocpi_messages import MESSAGES
from tests.support.ocpi_objects import in_utc
from tests.support.schema_messages import messages
from tests.support.trees import canonical, leaves, numbered

OCHP, OCPI = "ochp-1.4", "ocpi-2.2.1"
XSD: Path = contract_file("xsd/ochp/1.4/ochp.xsd")
SCHEMA = schema_for("ochp", "1.4")
ROOTS = sorted(registry.adapter_for(OCHP).forms(OCHP))


@pytest.mark.parametrize("root", ROOTS)
def test_an_ochp_body_comes_back(root: str) -> None:
    """Elements, attributes and text exactly as sent; nothing to note; valid."""

    def check(body: Any) -> None:
        record = registry.adapter_for(OCHP).detect(OCHP, body).record
        ctx = Context(NoFacts(), traced=True)
        message = interpret.read(record, body)
        assert canonical(interpret.write(record, message, ctx)) == canonical(body)
        assert ctx.notes == []
        text = codec(record).write_xml(codec(record).read(body))
        assert canonical(etree.fromstring(text)) == canonical(body)
        assert SCHEMA.check(etree.fromstring(text)) == []

    of_any(messages(root, XSD), check, 8)


@pytest.mark.parametrize("root", ROOTS)
def test_an_ugly_ochp_body_comes_back_or_is_refused(root: str) -> None:
    """What the schema lets pass and no calendar knows is refused with its place."""

    def check(body: Any) -> None:
        record = registry.adapter_for(OCHP).detect(OCHP, body).record
        try:
            message = codec(record).read(body)
        except Malformed as error:
            places = [problem.path for problem in error.problems if problem.path]
            if not all(place.startswith(f"/{root}/") for place in places) or not places:
                pytest.fail(f"refused without a place: {error}")
            return
        assert canonical(etree.fromstring(codec(record).write_xml(message))) == canonical(body)

    of_any(messages(root, XSD, ugly=True), check, 4)


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_an_ocpi_value_comes_back(name: str) -> None:
    """Null, absent and [] as sent, fields that no table knows kept, numbers spelled the same; what
    is not in UTC, or longer than an instant may be, is what the standard has for it."""

    def check(value: Any) -> None:
        record = registry.adapter_for(OCPI).detect(OCPI, value).record
        ctx = Context(NoFacts(), traced=True)
        message = interpret.read(record, value)
        assert interpret.write(record, message, ctx) == in_utc(value)
        assert ctx.notes == []
        assert codec(record).write_json(codec(record).read(value)) == in_utc(value)
        kept = Context(NoFacts(), verbatim=True)
        assert codec(record).write_json(codec(record).read(value), kept) == value

    of_any(MESSAGES[name], check, 12)


def _outcomes(record: Record, tree: Any) -> set[str]:
    """What became of the leaves of a message that is written by the table that read it."""
    reading, writing = interpret.Reading(), interpret.Writing()
    message = interpret.read(record, tree, reading=reading)
    ctx = Context(NoFacts(), traced=True)
    interpret.write(record, message, ctx, writing=writing)
    place = partial(xml_path, record.name) if is_xml(tree) else json_path
    rows = join(reading.seen, writing.wrote, ctx.notes, place, record.clause)
    assert {numbered(tree, row.source or "") for row in rows} == leaves(tree).keys()
    assert all(row.source == row.target for row in rows)
    return {row.outcome.value for row in rows}


@pytest.mark.parametrize("root", ROOTS)
def test_every_leaf_is_exact_within_ochp(root: str) -> None:
    def check(body: Any) -> None:
        assert _outcomes(registry.adapter_for(OCHP).detect(OCHP, body).record, body) == {"exact"}

    of_any(messages(root, XSD), check, 4)


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_every_leaf_is_exact_within_ocpi(name: str) -> None:
    def check(value: Any) -> None:
        record = registry.adapter_for(OCPI).detect(OCPI, value).record
        assert _outcomes(record, in_utc(value)) == {"exact"}

    of_any(MESSAGES[name], check, 6)
