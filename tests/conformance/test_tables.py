"""What holds for the tables of every adapter that is installed.

The compiled functions and the plain reading of a table are the same function, in both notations,
to the last note; what they read they write back. Messages are made from the tables themselves.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from lxml import etree

from gateway import registry
from gateway.adapter import Form
from gateway.errors import GatewayError
from gateway.mapping import interpret, regular
from gateway.mapping.compile import CANNOT, codec
from gateway.mapping.context import Context, Counting, NoFacts
from gateway.mapping.kinds import Kind
from gateway.mapping.record import Record
from tests.support.budget import of_any
from tests.support.record_values import texts, trees, values
from tests.support.trees import canonical, leaves

FORMS = [
    pytest.param(form, xml, id=f"{protocol} {name} as {'xml' if xml else 'json'}")
    for protocol in registry.protocols()
    for name, form in sorted(registry.adapter_for(protocol).forms(protocol).items())
    for xml in ([True, False] if form.record.wire.namespace else [False])
]
NOW = datetime(2031, 5, 2, 9, 0, tzinfo=UTC)
OPTIONS = {"cdr_location_fallback": True, "time_zone": "Europe/Berlin"}


def _context(*, traced: bool = False, verbatim: bool = False) -> Context:
    return Context(NoFacts(NOW), OPTIONS, traced=traced, verbatim=verbatim)


def _outcome(work: Callable[[], Any]) -> tuple[Any, tuple[Any, ...]]:
    """A result, or the problems for which there is none."""
    try:
        return work(), ()
    except GatewayError as error:
        return type(error), error.problems or pytest.fail("an error without problems")


def _comparable(tree: Any) -> Any:
    if isinstance(tree, str):
        tree = etree.fromstring(tree)
    return canonical(tree) if isinstance(tree, etree._Element) else tree


def _notes(ctx: Context) -> list[str]:
    return sorted(map(repr, ctx.notes))


@pytest.mark.parametrize(("form", "xml"), FORMS)
def test_compiled_and_plain_are_one_function(form: Form, xml: bool) -> None:
    """Read the same, refuse for the same reasons, write the same, note the same."""
    record = form.record

    def check(tree: Any) -> None:
        plain = _outcome(lambda: interpret.read(record, tree))
        assert _outcome(lambda: codec(record).read(tree)) == plain
        message, problems = plain
        if problems:
            return
        fast, slow, traced = _context(), _context(), _context(traced=True)
        write = codec(record).write_xml if xml else codec(record).write_json
        expected = _outcome(lambda: interpret.write(record, message, slow, xml=xml))
        written = _outcome(lambda: write(message, fast))
        assert (_comparable(written[0]), written[1]) == (_comparable(expected[0]), expected[1])
        if not expected[1]:
            assert _notes(fast) == _notes(slow)
            counted = Counting(NoFacts(NOW), OPTIONS)
            for _ in range(2):  # the second time, parts are remembered
                counted.notes.clear()
                assert _comparable(write(message, counted)) == _comparable(expected[0])
                assert sorted(note[:2] for note in counted.notes) == sorted(
                    note[:2] for note in slow.notes
                )
        again = _outcome(lambda: interpret.write(record, message, traced, xml=xml))
        assert (_comparable(again[0]), again[1]) == (_comparable(expected[0]), expected[1])

    of_any(trees(record, xml=xml), check, 6)


@pytest.mark.parametrize(("form", "xml"), [each for each in FORMS if each.values[1]])
def test_text_and_elements_are_read_alike(form: Form, xml: bool) -> None:
    """What the text of a regular message says is what its elements say."""
    record = form.record
    seen = []

    def check(tree: Any) -> None:
        text = re.sub(r' xmlns[:\w]*="[^"]*"', "", etree.tostring(tree, method="c14n").decode())
        found = regular.element(record, record.name).pattern.fullmatch(text)
        seen.append(found)
        if found is None:
            return
        try:
            said = codec(record).function("read_text")(found)
        except CANNOT:
            return
        assert _outcome(lambda: interpret.read(record, tree)) == (said, ())

    of_any(trees(record, xml=xml), check, 6)
    assert any(seen)


@pytest.mark.parametrize(("form", "xml"), FORMS)
def test_what_is_read_is_written_back(form: Form, xml: bool) -> None:
    """In either notation: every leaf, spelled the same, where nothing is noted. (What a partner is
    not sent in the spelling that came in is kept all the same.)

    Messages made row by row may lack what the protocol wants (opening times that say nothing, a
    status without uid); whole messages are compared in ``test_round_trips``.
    """
    record = form.record

    def check(tree: Any) -> None:
        message, problems = _outcome(lambda: interpret.read(record, tree))
        if problems:
            return
        ctx = _context(traced=True, verbatim=True)
        written, problems = _outcome(lambda: interpret.write(record, message, ctx, xml=xml))
        if problems:
            return
        if not ctx.notes:
            said = leaves(written)
            kept = {path: raw for path, raw in leaves(tree).items() if raw is not None}
            assert kept.items() <= said.items()

    of_any(trees(record, xml=xml), check, 6)


def _kinds() -> dict[str, tuple[Kind, bool]]:
    """Every kind of every table by the first field that has it, and whether it is one of XML."""
    found: dict[int, tuple[str, Kind, bool]] = {}

    def walk(record: Record, seen: set[int]) -> None:
        if id(record) in seen:
            return
        seen.add(id(record))
        for _, row in interpret.flat_rows(record):
            if isinstance(row.kind, Record):
                walk(row.kind, seen)
            elif row.card != "=":
                where = f"{record} {row.wire}"
                found.setdefault(id(row.kind), (where, row.kind, bool(record.wire.namespace)))

    known: set[int] = set()
    for param in FORMS:
        walk(param.values[0].record, known)
    return {where: (kind, in_xml) for where, kind, in_xml in found.values()}


@pytest.mark.parametrize(("kind", "in_xml"), _kinds().values(), ids=_kinds())
def test_a_kind_gives_back_what_it_took(kind: Kind, in_xml: bool) -> None:
    """What a kind formats it takes again as the same value; exact ones keep the spelling.

    A value that was read may be one that the kind refuses to write (a fraction of a second).
    """

    def holds(raw: Any, parse: Callable[[Any], Any], format_: Callable[[Any], Any]) -> bool:
        value = parse(raw)
        try:
            back = format_(value)
        except ValueError:
            return False
        assert parse(back) == value
        assert not kind.exact or back == raw
        return True

    taken = [holds(raw, kind.from_json, kind.to_json) for raw in values(kind)]
    if in_xml:
        taken += [holds(text, kind.parse, kind.format) for text in texts(kind)]
    assert any(taken)
