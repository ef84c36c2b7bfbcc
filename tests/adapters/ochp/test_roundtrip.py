"""Any message that the schema allows is read and written back the same."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from lxml import etree

from adapters.ochp import ADAPTER
from gateway.errors import GatewayError, Malformed
from gateway.mapping import interpret
from gateway.mapping.compile import codec
from gateway.mapping.context import Context, NoFacts
from gateway.mapping.report import join
from gateway.schema import contract_file, schema_for
from tests.adapters.ochp.test_wire import canonical
from tests.support.schema_messages import messages

XSD = contract_file("xsd/ochp/1.4/ochp.xsd")
SCHEMA = schema_for("ochp", "1.4")
ROOTS = sorted(ADAPTER.forms("ochp-1.4"))


def of_any(root: str, check: Callable[[etree._Element], None], *, ugly: bool = False) -> None:
    """Try ``check`` with messages of a root (pytest-twisted takes no parametrised ``given``)."""
    settings(
        max_examples=10,
        phases=[Phase.explicit, Phase.generate],  # to shrink such a message takes minutes
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )(given(messages(root, XSD, ugly=ugly))(check))()


@pytest.mark.parametrize("root", ROOTS)
def test_what_partners_send_comes_back_the_same(root):
    def check(node):
        record = ADAPTER.detect("ochp-1.4", node).record
        message = interpret.read(record, node)
        assert codec(record).read(node) == message
        ctx = Context(NoFacts())
        written = interpret.write(record, message, ctx)
        assert canonical(written) == canonical(node)
        assert ctx.notes == []
        compiled = etree.fromstring(codec(record).write_xml(message, Context(NoFacts())))
        assert canonical(compiled) == canonical(node)
        assert SCHEMA.check(compiled) == []

    of_any(root, check)


@pytest.mark.parametrize("root", ROOTS)
def test_the_ugliest_valid_message_is_read_or_refused_with_reasons(root):
    def check(node):
        record = ADAPTER.detect("ochp-1.4", node).record
        try:
            message = codec(record).read(node)
        except Malformed as error:
            places = [problem.path for problem in error.problems]
            assert [path for path in places if not path.startswith(f"/{root}")] == []
            return
        try:
            text = codec(record).write_xml(message, Context(NoFacts()))
        except GatewayError:
            return
        assert SCHEMA.check(etree.fromstring(text)) == []

    of_any(root, check, ugly=True)


@pytest.mark.parametrize("root", ROOTS)
def test_every_leaf_is_exact_on_the_way_to_ochp(root):
    """A traced translation of OCHP to OCHP finds no loss and no default."""

    def check(node):
        record = ADAPTER.detect("ochp-1.4", node).record
        reading, writing = interpret.Reading(), interpret.Writing()
        message = interpret.read(record, node, reading=reading)
        ctx = Context(NoFacts(), traced=True)
        interpret.write(record, message, ctx, writing=writing)
        findings = join(reading.seen, writing.wrote, ctx.notes, str, record.clause)
        assert [f for f in findings if f.outcome.value != "exact"] == []
        assert {finding.source for finding in findings} == {leaf.source for leaf in reading.seen}

    of_any(root, check)
