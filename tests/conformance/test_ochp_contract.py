"""The OCHP 1.4 contract is the published interface: same facts, same verdict on every message.

The facts of the published documents are stored in ``ochp-1.4.interface.json``. Where the documents
themselves lie beside the checkout (``../shared/reference/ochp-1.4``), the stored facts are compared
with them, and each schema has to judge the other's messages; without them, ours judges its own.
"""

import json
from itertools import product
from pathlib import Path

import pytest
import zeep
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from lxml import etree
from lxml.etree import _Element as Element

from gateway.schema import contract_file, schema_for
from tests.support.interface import Facts, schema_facts, wsdl_facts
from tests.support.schema_messages import messages, near_misses

HERE = Path(__file__).resolve().parent
STORED: Facts = json.loads((HERE / "ochp-1.4.interface.json").read_text())
XSD = contract_file("xsd/ochp/1.4/ochp.xsd")
WSDL = contract_file("wsdl/ochp/1.4/ochp.wsdl")
ROOTS = [name.removeprefix("tns:") for name in STORED["schema"]["elements"]]

PUBLISHED = HERE.parents[2] / "shared/reference/ochp-1.4"
SCHEMAS = {"ours": XSD}
FACTS = {"ours": (WSDL, XSD)}
if PUBLISHED.is_dir():
    SCHEMAS["published"] = PUBLISHED / "types/message-elements.xsd"
    FACTS["published"] = (PUBLISHED / "ochp.wsdl", SCHEMAS["published"])
JUDGES = {name: etree.XMLSchema(etree.parse(path)) for name, path in SCHEMAS.items()}

once_each = settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.generate],  # a failing message is small enough; shrinking it takes minutes
    suppress_health_check=[HealthCheck.too_slow],
)


def verdicts(element: Element) -> set[bool]:
    return {judge.validate(element) for judge in JUDGES.values()}


@pytest.mark.parametrize("of", FACTS)
def test_interface_is_the_stored_one(of: str) -> None:
    """Elements, types, facets, operations, actions, messages, ports and addresses are the same."""
    wsdl, xsd = FACTS[of]

    assert {"wsdl": wsdl_facts(wsdl), "schema": schema_facts(xsd)} == STORED


@pytest.mark.parametrize(("ugly", "source", "root"), [*product([False, True], SCHEMAS, ROOTS)])
def test_messages_of_one_schema_are_valid_in_the_other(ugly: bool, source: str, root: str) -> None:
    """Whatever one schema allows, plain or ugly, every schema allows; a near miss, none."""

    @once_each
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        element = data.draw(messages(root, SCHEMAS[source], ugly=ugly))
        note(etree.tostring(element, encoding="unicode"))
        assert verdicts(element) == {True}
        missed = data.draw(st.sampled_from(list(near_misses(element, SCHEMAS[source]))))
        note(f"{missed.what}: {etree.tostring(missed.element, encoding='unicode')}")
        assert verdicts(missed.element) == {False}

    holds()


def test_there_are_seventeen_operations() -> None:
    """15 core and 2 live operations; each has a request and a response element."""
    ports = STORED["wsdl"]["portTypes"]

    assert {name: len(operations) for name, operations in ports.items()} == {
        "OCHP_1.4": 15,
        "OCHP_1.4-live": 2,
    }
    assert len(ROOTS) == 34


def test_operation_and_body_may_differ_in_a_letter() -> None:
    """The operation has a small p where its elements have a capital one."""
    client = zeep.Client(str(WSDL))
    operation = client.wsdl.bindings["{http://ochp.eu/1.4}eCHS-OCHP_1.4"].get("SetChargepointList")

    assert operation.soapaction == "http://ochp.eu/1.4/SetChargepointList"
    assert operation.input.body.qname.localname == "SetChargePointListRequest"


def test_wsdl_loads_in_a_tool_kit() -> None:
    """zeep reads the WSDL and its schema from disk and knows all types."""
    client = zeep.Client(str(WSDL))
    services = {
        port.name: len(port.binding._operations)
        for service in client.wsdl.services.values()
        for port in service.ports.values()
    }

    assert services == {
        "eCHS_P-System": 15,
        "eCHS_Q-System": 15,
        "eCHS_P-System-live": 2,
        "eCHS_Q-System-live": 2,
    }
    assert client.get_type("{http://ochp.eu/1.4}CDRInfo")
    assert client.get_type("{http://ochp.eu/1.4}ChargePointInfo")


def test_wsdl_keeps_to_the_basic_profile() -> None:
    """WS-I BP 1.1: document/literal, one part bound by element, types imported."""
    root = etree.parse(WSDL).getroot()
    names = {"w": root.nsmap["wsdl"], "s": root.nsmap["soap"], "x": root.nsmap["xs"]}

    def found(xpath: str) -> list[str]:
        return sorted(set(root.xpath(xpath, namespaces=names)))

    assert found("//w:part/@name") == ["parameters"]
    assert not root.xpath("//w:part[@type or not(@element)]", namespaces=names)
    assert not root.xpath("//w:message[count(w:part) != 1]", namespaces=names)
    assert found("//s:binding/@style") == ["document"]
    assert found("//s:binding/@transport") == ["http://schemas.xmlsoap.org/soap/http"]
    assert found("//s:body/@use") == ["literal"]
    assert found("//x:import/@namespace") == [root.get("targetNamespace")]
    assert found("//x:import/@schemaLocation") == ["../../../xsd/ochp/1.4/ochp.xsd"]
    assert not root.xpath("//w:import | //x:include", namespaces=names)


def test_schema_is_one_document_that_refers_to_nothing() -> None:
    """Strict tool-kits want one document for a namespace."""
    root = etree.parse(XSD).getroot()

    assert root.get("targetNamespace") == "http://ochp.eu/1.4"
    assert not root.xpath("//*[@schemaLocation]")


def test_roots_are_the_elements() -> None:
    """The schema module lists the same messages."""
    roots = {name.rpartition("}")[2] for name in schema_for("ochp", "1.4").roots()}

    assert roots == set(ROOTS)
