"""Contracts: read from disk, published with our own addresses."""

from pathlib import Path

import pytest
from lxml import etree

from gateway.errors import ConfigError
from gateway.schema import contract_file
from gateway.soap.contract import Contract
from gateway.soap.envelope import Version

PARKING = Path(__file__).parent / "contract" / "parking.wsdl"
URL = "https://gateway.example/parking?a=1&b=2"
LOCATIONS = "//@location[parent::*[local-name()='address']]"


def test_operations_of_both_versions():
    """One operation, however many bindings; two ports; both SOAP versions."""
    contract = Contract(PARKING, "parking", "1")
    occupy = contract.operations["Occupy"]
    assert occupy.request_root == "{urn:example:parking}OccupyRequest"
    assert occupy.response_root == "{urn:example:parking}OccupyResponse"
    assert occupy.soap_action == "urn:do/Occupy"
    assert contract.roots[occupy.request_root] is occupy
    assert contract.soap_versions == set(Version)
    assert [(p.service, p.name, p.version) for p in contract.ports] == [
        ("ParkingService", "P11", Version.SOAP_11),
        ("ParkingService", "P12", Version.SOAP_12),
        ("ListingService", "L11", Version.SOAP_11),
    ]
    assert set(contract.schema_documents) == {"parking.xsd", "base.xsd"}


def test_part_of_a_contract():
    """An endpoint that serves one port type publishes nothing of the others."""
    contract = Contract(PARKING, "parking", "1", ["Listing"])
    assert set(contract.operations) == {"List"}
    assert contract.soap_versions == {Version.SOAP_11}
    root = etree.fromstring(contract.documents(URL)["wsdl"])
    names = root.xpath(
        "//*[local-name()='port' or local-name()='service' or local-name()='binding'"
        " or local-name()='portType']/@name"
    )
    assert names == ["Listing", "Listing11", "ListingService", "L11"]


def test_parts_that_are_served_elsewhere_are_published_with_their_addresses():
    """One WSDL tells every operation; each port leads to where it is served."""
    path = contract_file("wsdl/ochp/1.4/ochp.wsdl")
    live = {"OCHP_1.4-live": "https://gw.example/live"}
    contract = Contract(path, "ochp", "1.4", ["OCHP_1.4"], live)
    root = etree.fromstring(contract.documents("https://gw.example/core")["wsdl"])

    assert len(contract.operations) == 15
    assert len(root.xpath("//*[local-name()='portType']/*[local-name()='operation']")) == 17
    ports = {
        port.get("name"): port.xpath("*/@location")[0]
        for port in root.xpath("//*[local-name()='port']")
    }
    assert ports == {
        "eCHS_P-System": "https://gw.example/core",
        "eCHS_Q-System": "https://gw.example/core",
        "eCHS_P-System-live": "https://gw.example/live",
        "eCHS_Q-System-live": "https://gw.example/live",
    }


def test_published_documents_lead_back_here():
    """Addresses and references all start with the public URL; every reference is published."""
    documents = Contract(PARKING, "parking", "1").documents("https://gateway.example/p")
    assert set(documents) == {"wsdl", "wsdl=parking.wsdl", "xsd=parking.xsd", "xsd=base.xsd"}
    references = []
    for document in documents.values():
        root = etree.fromstring(document)
        assert set(root.xpath(LOCATIONS)) <= {"https://gateway.example/p"}
        references += root.xpath("//@schemaLocation")
    assert references
    for reference in references:
        address, _, query = reference.partition("?")
        assert address == "https://gateway.example/p"
        assert query in documents
    assert len(etree.fromstring(documents["wsdl"]).xpath(LOCATIONS)) == 3


def test_files_are_left_alone():
    """Publishing works on copies: the same contract can be published twice."""
    contract = Contract(PARKING, "parking", "1")
    assert contract.documents("https://a.example/") == contract.documents("https://a.example/")
    assert b"a.example" not in contract.documents("https://b.example/")["wsdl"]


def test_ochp_contract():
    """15 core and 2 live operations, apart and together."""
    path = contract_file("wsdl/ochp/1.4/ochp.wsdl")
    whole = Contract(path, "ochp", "1.4")
    core = Contract(path, "ochp", "1.4", ["OCHP_1.4"])
    live = Contract(path, "ochp", "1.4", ["OCHP_1.4-live"])
    assert (len(whole.operations), len(core.operations), len(live.operations)) == (17, 15, 2)
    assert whole.operations == {**core.operations, **live.operations}
    assert live.operations["GetStatus"].soap_action.endswith("/service/GetStatus")
    set_list = core.operations["SetChargepointList"]
    assert set_list.request_root == "{http://ochp.eu/1.4}SetChargePointListRequest"
    assert whole.soap_versions == {Version.SOAP_11}


def broken(tmp_path, change):
    path = tmp_path / "parking.wsdl"
    path.write_text(change(PARKING.read_text()))
    (tmp_path / "types").mkdir()
    for name in ("parking.xsd", "base.xsd"):
        (tmp_path / "types" / name).write_bytes((PARKING.parent / "types" / name).read_bytes())
    return path


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('schemaLocation="types/parking.xsd"', 'schemaLocation="http://evil.example/x.xsd"'),
        ('schemaLocation="types/parking.xsd"', 'schemaLocation="types/missing.xsd"'),
        ('name="p" element="t:OccupyRequest"', 'name="p" type="t:OccupyRequest"'),
        ('element="t:ListRequest"', 'element="t:OccupyRequest"'),
        ('type="w:Listing"', 'type="w:Lost"'),
        ('<wsdl:output message="w:ListOut"/>', ""),
        ("</wsdl:definitions>", ""),
    ],
    ids=[
        "remote schema",
        "missing file",
        "RPC style",
        "one root twice",
        "missing port type",
        "one way",
        "truncated",
    ],
)
def test_unusable_contracts(tmp_path, before, after):
    """What cannot be served is told at start, and nothing is fetched."""
    path = broken(tmp_path, lambda text: text.replace(before, after))
    with pytest.raises(ConfigError):
        Contract(path, "parking", "1")


def test_unknown_port_type():
    """A misspelt port type is told at start."""
    with pytest.raises(ConfigError, match="Listings"):
        Contract(PARKING, "parking", "1", ["Listings"])
