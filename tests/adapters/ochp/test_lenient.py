"""Deviating messages of peers: what is put right, and what is told about it."""

import pytest
from lxml import etree

from adapters.ochp import ADAPTER
from gateway.schema import contract_file, schema_for
from tests.adapters.ochp.test_wire import WIRE, body_of, canonical
from tests.support.schema_messages import near_misses

SCHEMA = schema_for("ochp", "1.4")
NS = 'xmlns="http://ochp.eu/1.4" xmlns:o="http://ochp.eu/1.4"'

CDR = """<cdrInfoArray><CdrId>NLQGW42</CdrId><evseId>NLQGWE1</evseId>
<emtId representation="plain"><instance>04A2</instance><tokenType>rfid</tokenType></emtId>
<contractId>DE-XYZ-C01234567-2</contractId><status><CdrStatusType>new</CdrStatusType></status>
<startDateTime><LocalDateTime>2031-05-02T11:00:00+02:00</LocalDateTime></startDateTime>
<endDateTime><LocalDateTime>2031-05-02T12:30:00+02:00</LocalDateTime></endDateTime>
<duration>001:30:00</duration>
<chargePointAddress><houseNumber>12 B</houseNumber><address>Kade</address><city>Delft</city>
<zipCode>2611 AB</zipCode><country>NLD</country></chargePointAddress>
<chargePointType>AC</chargePointType><connectorType><connectorStandard>
<ConnectorStandard>IEC_62196_T2</ConnectorStandard></connectorStandard><connectorFormat>
<ConnectorFormat>Socket</ConnectorFormat></connectorFormat></connectorType>
<chargingPeriods><startDateTime><LocalDateTime>2031-05-02T11:00:00+02:00</LocalDateTime>
</startDateTime><endDateTime><LocalDateTime>2031-05-02T12:30:00+02:00</LocalDateTime></endDateTime>
<billingItem><BillingItemType>energy</BillingItemType></billingItem>
<billingValue>14.25</billingValue><itemPrice>0.4</itemPrice><periodCost>5.7</periodCost>
<taxrate>21</taxrate></chargingPeriods><totalCost>5.7</totalCost><currency>EUR</currency>
</cdrInfoArray>"""
POINT = """<chargePointInfoArray><evseId>NLQGWE1</evseId><locationId>SITE 7</locationId>
<locationName>Harbour</locationName><locationNameLang>NLD</locationNameLang>
<images><uri>https://x.example/a.png</uri><class>otherLogo</class><type>png</type></images>
<chargePointAddress><address>Kade</address><city>Delft</city><zipCode>2611 AB</zipCode>
<country>NLD</country></chargePointAddress>
<chargePointLocation lat="52.011500" lon="4.357100"/>
<relatedLocation lat="52.011500" lon="4.357100" type="ui"/>
<openingTimes><regularHours weekday="1" periodBegin="08:00" periodEnd="18:00"/>
<exceptionalClosings><periodBegin><DateTime>2031-12-25T00:00:00Z</DateTime></periodBegin>
<periodEnd><DateTime>2031-12-26T00:00:00Z</DateTime></periodEnd></exceptionalClosings>
<closedCharging>false</closedCharging></openingTimes>
<telephoneNumber>+31 15 12345</telephoneNumber>
<location><GeneralLocationType>on-street</GeneralLocationType></location>
<parkingSpot><parkingId>NLQGWP1</parkingId><floorLevel>B1</floorLevel></parkingSpot>
<authMethods><AuthMethodType>RfidCalypso</AuthMethodType></authMethods>
<connectors><connectorStandard><ConnectorStandard>IEC_62196_T2</ConnectorStandard>
</connectorStandard><connectorFormat><ConnectorFormat>Socket</ConnectorFormat></connectorFormat>
</connectors><chargePointType>AC</chargePointType>
<ratings><maximumPower>0</maximumPower><nominalVoltage>230</nominalVoltage></ratings>
</chargePointInfoArray>"""
TARIFF = """<TariffInfoArray><tariffId>NLQGWTDAY01</tariffId><individualTariff><tariffElement>
<priceComponent><billingItem><BillingItemType>energy</BillingItemType></billingItem>
<itemPrice>0.4</itemPrice><stepSize>0</stepSize></priceComponent><tariffRestriction>
<startDateTime><DateTime>2031-06-30T22:00:00Z</DateTime></startDateTime></tariffRestriction>
</tariffElement><recipient>DEXYZ</recipient><currency>EUR</currency></individualTariff>
</TariffInfoArray>"""
TOKEN = """<roamingAuthorisationInfoArray><EmtId representation="sha-160"><instance>00</instance>
<tokenType>rfid</tokenType></EmtId><contractId>DE-XYZ-C01234567-2</contractId>
<expiryDate><DateTime>2031-05-02T09:00:00Z</DateTime></expiryDate>
</roamingAuthorisationInfoArray>"""
RESULT = """<result><resultCode><resultCode>ok</resultCode></resultCode>
<resultDescription/></result>"""
STATUS = '<combined major="unknown"><evseId>NLQGWE1</evseId></combined>'


def message(root: str, content: str) -> etree._Element:
    return etree.fromstring(f"<{root} {NS}>{content}</{root}>")


GOOD = {
    "cdr": ("AddCDRsRequest", CDR),
    "point": ("SetChargePointListRequest", POINT),
    "tariff": ("UpdateTariffsRequest", TARIFF),
    "token": ("SetRoamingAuthorisationListRequest", TOKEN),
    "new tokens": (
        "GetRoamingAuthorisationListUpdatesResponse",
        RESULT + TOKEN.replace("InfoArray>", "Info>"),
    ),
    "confirm": (
        "ConfirmCDRsRequest",
        "<approved><cdrId>NLQGW42</cdrId><evseId>NLQGWE1</evseId></approved>",
    ),
    "status": (
        "UpdateStatusRequest",
        '<evse major="available" ttl="2031-05-02T09:00:00.5Z"><evseId>NLQGWE1</evseId></evse>'
        '<parking status="unknown"><parkingId>NLQGWP1</parkingId></parking>'
        "<ttl><DateTime>2031-05-02T09:00:00Z</DateTime></ttl>",
    ),
    "updates": (
        "GetChargePointListUpdatesRequest",
        "<lastUpdate><DateTime>2031-05-02T09:00:00Z</DateTime></lastUpdate>",
    ),
}

# message, what the peer writes instead, what is told
DEVIATIONS = [
    ("cdr", "<CdrId>NLQGW42", "<cdrId>nlqgw42", "read as CdrId"),
    ("cdr", "</CdrId>", "</cdrId>", ""),
    ("cdr", "NLQGW42", "nlqgw42", "read as 'NLQGW42'"),
    ("cdr", "NLD", "NL", "'NL' read as 'NLD'"),
    ("cdr", "12 B", "12 b", "'12 b' read as '12 B'"),
    ("cdr", "2611 AB", "2611 ab", "read as '2611 AB'"),
    ("cdr", "001:30:00", "01:30:00", "read as '001:30:00'"),
    ("cdr", "11:00:00+02:00", "11:00:00.250+02:00", "read as '2031-05-02T11:00:00+02:00'"),
    ("cdr", "11:00:00+02:00", "11:00:00.000+02:00", "read as '2031-05-02T11:00:00+02:00'"),
    ("cdr", "IEC_62196_T2", "IEC-62196-T2", "read as 'IEC_62196_T2'"),
    ("cdr", "Socket", "SOCKET", "read as 'Socket'"),
    ("cdr", ">AC<", ">ac<", "read as 'AC'"),
    ("cdr", "DE-XYZ-C01234567-2", "DE*XYZ*C01234567*2", "read as 'DE-XYZ-C01234567-2'"),
    ("cdr", "<taxrate>21<", "<taxrate>21.0<", "'21.0' read as '21'"),
    ("cdr", ">rfid<", "> rfid\n<", "read as 'rfid'"),
    ("point", "SITE 7", "site_7", "'site_7' read as 'SITE 7'"),
    ("point", "<images>", "<EvseImageUrlType>", "read as images"),
    ("point", "</images>", "</EvseImageUrlType>", ""),
    ("point", "lat=", "o:lat=", "not qualified"),
    ("point", "type=", "o:Type=", "not qualified"),
    ("point", "weekday=", "o:weekday=", "not qualified"),
    ("point", "52.011500", "52.0115", "read as '52.011500'"),
    ("point", ">NLD</locationNameLang", ">nl</locationNameLang", "'nl' read as 'NLD'"),
    ("point", ">png<", ">image/png<", "read as 'png'"),
    ("point", "openingTimes>", "operatingTimes>", "read as openingTimes"),
    ("point", "<closedCharging>false</closedCharging>", "", "read as false"),
    ("point", "+31 15 12345", "+31 (15) 12345", "read as '+31 15 12345'"),
    ("point", ">B1<", ">b1<", "read as 'B1'"),
    ("point", "RfidCalypso", "RfidCallypso", "read as 'RfidCalypso'"),
    ("point", "<maximumPower>0<", "<maximumPower><", "'' read as '0'"),
    ("point", ">230<", ">230.0<", "read as '230'"),
    ("tariff", "2031-06-30T22:00:00Z", "2031-07-01", "midnight in Europe/Amsterdam"),
    ("tariff", "TariffInfoArray>", "tariffInfoArray>", "read as TariffInfoArray"),
    ("tariff", ">DEXYZ<", ">DE*XYZ<", "read as 'DEXYZ'"),
    ("token", "sha-160", "SHA160", "read as 'sha-160'"),
    ("token", "EmtId", "emtId", "read as EmtId"),
    ("token", "09:00:00Z", "11:00:00.000+02:00", "read as '2031-05-02T09:00:00Z'"),
    ("new tokens", "Info>", "InfoArray>", "read as roamingAuthorisationInfo"),
    ("new tokens", "<resultDescription/>", "", "resultDescription is missing"),
    ("confirm", "cdrId>", "CdrId>", "read as cdrId"),
    ("status", "<parking status=", "<parking o:status=", "not qualified"),
    ("status", "DateTime>2031-05-02T09:00:00Z", "DateTime>2031-05-02T09:00:00.9Z", "Z'"),
    ("updates", "09:00:00Z", "09:00:00.123Z", "read as '2031-05-02T09:00:00Z'"),
]
PAIRED = {("<images>", "</images>"), ("<CdrId>NLQGW42", "</CdrId>")}


def deviating() -> list[tuple[str, str, str]]:
    """The deviations, those of a start and an end tag joined."""
    rows = []
    skip = False
    for number, (name, right, wrong, told) in enumerate(DEVIATIONS):
        if skip:
            skip = False
            continue
        changes = [(right, wrong)]
        following = DEVIATIONS[number + 1] if number + 1 < len(DEVIATIONS) else None
        if following and (right, following[1]) in PAIRED:
            changes.append((following[1], following[2]))
            skip = True
        rows.append((name, changes, told))
    return rows


@pytest.mark.parametrize("number", ["1E+9999999", "1E+400000", "-9E999", "1E-9999999", "9" * 60])
def test_a_short_text_of_a_long_number_takes_no_time(number):
    """It is no whole number of the protocol, and nobody writes it out to see that."""
    node = message("AddCDRsRequest", CDR.replace("<taxrate>21<", f"<taxrate>{number}<"))
    mended, _ = ADAPTER.mend(node)
    assert mended.findtext(".//{*}taxrate") == number


@pytest.mark.parametrize("name", GOOD)
def test_the_good_messages_are_good(name):
    node = message(*GOOD[name])
    assert SCHEMA.check(node) == []
    assert ADAPTER.mend(node) == (node, [])


@pytest.mark.parametrize(
    ("name", "changes", "told"), deviating(), ids=lambda value: str(value)[:40]
)
def test_a_deviation_is_put_right_and_told(name, changes, told):
    root, content = GOOD[name]
    spoilt = content
    for right, wrong in changes:
        assert right in spoilt
        spoilt = spoilt.replace(right, wrong)
    node = message(root, spoilt)
    before = etree.tostring(node)
    assert SCHEMA.check(node) != []
    mended, notes = ADAPTER.mend(node)
    assert SCHEMA.check(mended) == []
    if "nlqgw42" not in spoilt or len(changes) == 1:
        assert canonical(mended) == canonical(message(root, content))
    assert any(told in note for note in notes), notes
    assert etree.tostring(node) == before


def test_children_are_put_in_order():
    city, code = "<city>Delft</city>", "<zipCode>2611 AB</zipCode>"
    wrong = CDR.replace(f"{city}\n{code}", code + city)
    assert wrong != CDR
    mended, notes = ADAPTER.mend(message("AddCDRsRequest", wrong))
    assert canonical(mended) == canonical(message("AddCDRsRequest", CDR))
    assert notes == ["AddCDRsRequest/cdrInfoArray[1]/chargePointAddress[1]: children put in order"]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("12/b", "12-B"), ("12b.", "12B-"), ("1234567", "123456")],
)
def test_house_numbers_of_other_letters(wrong, right):
    mended, _ = ADAPTER.mend(message("AddCDRsRequest", CDR.replace("12 B", wrong)))
    assert mended.findtext(".//{*}houseNumber") == right


def test_children_without_namespace_are_read():
    node = etree.fromstring(
        f"<o:ConfirmCDRsRequest {NS.partition(' ')[2]}><approved><cdrId>NLQGW42</cdrId>"
        "<evseId>NLQGWE1</evseId></approved></o:ConfirmCDRsRequest>"
    )
    mended, notes = ADAPTER.mend(node)
    assert SCHEMA.check(mended) == []
    assert len(notes) == 3


def test_the_root_in_another_case():
    mended, notes = ADAPTER.mend(message("SetChargepointListRequest", POINT))
    assert SCHEMA.check(mended) == []
    assert notes == ["SetChargepointListRequest: read as SetChargePointListRequest"]
    assert ADAPTER.detect("ochp-1.4", mended).name == "SetChargePointListRequest"


def test_mixed_status_lists():
    """EVSE rows join the combined ones; parking rows cannot, and their loss is told."""
    evse = STATUS.replace("combined", "evse")
    parking = '<parking status="unknown"><parkingId>NLQGWP1</parkingId></parking>'
    mended, notes = ADAPTER.mend(message("GetStatusResponse", STATUS + evse + parking))
    assert SCHEMA.check(mended) == []
    assert len(mended) == 2
    assert notes == [
        "GetStatusResponse: evse beside combined read as combined",
        "GetStatusResponse: 1 parking rows beside EVSE rows left out",
    ]


@pytest.mark.parametrize(
    "node",
    [
        etree.fromstring("<Unknown/>"),
        etree.fromstring("<AddCDRsRequest xmlns='http://ochp.eu/1.3'/>"),
        message("AddCDRsRequest", ""),
        message("AddCDRsRequest", CDR.replace("<taxrate>21<", "<taxrate>5.5<")),
        message("AddCDRsRequest", CDR.replace("14.25", "eighteen")),
        message("UpdateTariffsRequest", TARIFF.replace("2031-06-30T22:00:00Z", "2031-02-30")),
    ],
    ids=lambda node: node.tag.rpartition("}")[2],
)
def test_what_has_no_plain_meaning_stays_as_it_is(node):
    mended, notes = ADAPTER.mend(node)
    assert notes == []
    assert mended is node


def test_a_mended_body_is_valid_or_the_faults_remain():
    """Whatever is broken, mending neither raises nor touches the message it was given."""
    xsd = contract_file("xsd/ochp/1.4/ochp.xsd")
    tried = 0
    for path in sorted(WIRE.rglob("*_rich.xml")):
        for miss in list(near_misses(body_of(path), xsd))[::25]:
            node = miss.element
            before = etree.tostring(node)
            mended, notes = ADAPTER.mend(node)
            assert etree.tostring(node) == before
            assert (mended is node) == (notes == [])
            tried += 1
    assert tried > 100
