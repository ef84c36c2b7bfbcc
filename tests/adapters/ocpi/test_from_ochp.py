"""Whatever the OCHP schema allows becomes valid OCPI, or is refused with a reason.

Drawn from the schema: every field of the message and every field of the answer stands in the
findings, the OCPI that comes out is read back and written equal.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from gateway import registry
from gateway.errors import GatewayError
from gateway.mapping import interpret
from gateway.mapping.carriers import json_leaves, xml_leaves
from gateway.mapping.compile import codec
from gateway.mapping.context import Context
from gateway.schema import contract_file
from gateway.translate import translate
from tests.adapters.ocpi.records import Facts
from tests.support.schema_messages import messages

XSD = contract_file("xsd/ochp/1.4/ochp.xsd")
OPTIONS = {"cdr_location_fallback": True}
FORMS = registry.adapter_for("ochp-1.4").forms("ochp-1.4")


def _plain(path: str) -> str:
    """A path in which the first of several is not numbered."""
    return path.replace("[1]", "")


@pytest.mark.parametrize("root", sorted(FORMS))
def test_a_message_of_ochp_in_ocpi(root: str) -> None:
    @given(messages(root, XSD))
    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    def holds(element: Any) -> None:
        try:
            done = translate("ochp-1.4", "ocpi-2.2.1", element, facts=Facts(), options=OPTIONS)
        except GatewayError:
            return
        sources = {_plain(row.source) for row in done.report.findings if row.source}
        targets = {row.target for row in done.report.findings}
        assert {_plain(leaf) for leaf, _ in xml_leaves(element)} <= sources
        if done.tree == []:
            return
        assert {leaf for leaf, _ in json_leaves(done.tree)} <= targets
        ocpi = registry.adapter_for("ocpi-2.2.1")
        record = ocpi.detect("ocpi-2.2.1", done.tree).record
        again = interpret.read(record, done.tree)
        back = ocpi.natural("ocpi-2.2.1", again).record
        assert interpret.write(back, again) == done.tree
        ctx = Context(Facts(), OPTIONS)
        assert codec(done.form.record).write_json(done.message, ctx) == done.tree

    holds()
