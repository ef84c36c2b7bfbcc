"""The facts of an interface notice what matters on the wire, and nothing else."""

from pathlib import Path

import pytest

from gateway.schema import contract_file
from tests.support.interface import schema_facts, wsdl_facts

XSD = contract_file("xsd/ochp/1.4/ochp.xsd")
WSDL = contract_file("wsdl/ochp/1.4/ochp.wsdl")


def changed(path: Path, folder: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    copy = folder / path.name
    copy.write_text(text.replace(old, new, 1))
    return copy


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('type="xs:float"', 'type="xs:decimal"'),
        ('maxOccurs="7"', 'maxOccurs="14"'),
        ('maxOccurs="unbounded"', ""),
        (' minOccurs="0"', ""),
        ('default="plain"', 'default="sha-160"'),
        (' default="plain"', ""),
        ('nillable="true"', ""),
        (' use="required"', ""),
        ('<xs:enumeration value="roaming"/>', ""),
        ('<xs:length value="20"/>', ""),
        ('<xs:whiteSpace value="collapse"/>', ""),
        ('<xs:minExclusive value="0"/>', '<xs:minInclusive value="0"/>'),
        (r"[0-9A-Z]{1,36}", r"[0-9A-Za-z]{1,36}"),
        ('name="TariffInfoArray"', 'name="tariffInfoArray"'),
        ('base="GeoPointType"', 'base="RegularHoursType"'),
        ('targetNamespace="http://ochp.eu/1.4"', 'targetNamespace="http://ochp.eu/1.3"'),
        (' elementFormDefault="qualified"', ""),
        ("<xs:choice>", "<xs:sequence>"),
        ('<xs:element name="connectorStandard" type="ConnectorStandard"/>', ""),
    ],
)
def test_a_change_of_the_schema_is_noticed(tmp_path: Path, old: str, new: str) -> None:
    path = changed(XSD, tmp_path, old, new)
    if "choice" in old:
        path = changed(path, tmp_path, "</xs:choice>", "</xs:sequence>")

    assert schema_facts(path) != schema_facts(XSD)


def test_the_order_of_elements_is_noticed(tmp_path: Path) -> None:
    first, second = (
        '<xs:element name="CdrId" type="CdrId"/>',
        '<xs:element name="evseId" type="EvseId"/>',
    )
    path = changed(XSD, tmp_path, first, "@")
    path = changed(path, tmp_path, second, first)
    path = changed(path, tmp_path, "@", second)

    assert schema_facts(path) != schema_facts(XSD)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('soapAction="http://ochp.eu/1.4/AddCDRs"', 'soapAction=""'),
        ('name="eCHS_P-System"', 'name="P"'),
        ("https://echs.e-clearing.net/live", "https://echs.e-clearing.net/service"),
        ('style="document"', 'style="rpc"'),
        ('use="literal"', 'use="encoded"'),
        ('message="ochp:AddCDRsInput"', 'message="ochp:GetCDRsInput"'),
        ('element="ochp:AddCDRsRequest"', 'type="ochp:AddCDRsRequest"'),
        ('name="parameters"', 'name="body"'),
        ('name="SetChargepointList"', 'name="SetChargePointList"'),
        ('name="AddCDRsInput"', 'name="AddCDRsRequest"'),
    ],
)
def test_a_change_of_the_wsdl_is_noticed(tmp_path: Path, old: str, new: str) -> None:
    assert wsdl_facts(changed(WSDL, tmp_path, old, new)) != wsdl_facts(WSDL)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("A moment in UTC", "Something else"),
        ("(http|https)://.+", r"(http|https):\/\/.+"),
        ('<xs:element name="evseId"', '<xs:element minOccurs="1" name="evseId"'),
        ("<!-- Tariffs -->", ""),
    ],
)
def test_wording_is_not_noticed(tmp_path: Path, old: str, new: str) -> None:
    assert schema_facts(changed(XSD, tmp_path, old, new)) == schema_facts(XSD)
