"""Roamgate as a library: an OCHP charge detail record becomes an OCPI one, with its findings.

Run it: python examples/library.py
"""

import msgspec
from lxml import etree

from gateway.translate import translate

CDR = """
<AddCDRsRequest xmlns="http://ochp.eu/1.4"><cdrInfoArray>
<CdrId>NLQGW000000000042A</CdrId><evseId>NL*QGW*EHARBOUR7*1</evseId>
<emtId representation="plain"><instance>04A2B3C4D5E680</instance><tokenType>rfid</tokenType></emtId>
<contractId>DE-XYZ-C01234567-2</contractId><status><CdrStatusType>new</CdrStatusType></status>
<startDateTime><LocalDateTime>2031-05-02T11:00:00+02:00</LocalDateTime></startDateTime>
<endDateTime><LocalDateTime>2031-05-02T12:30:00+02:00</LocalDateTime></endDateTime>
<chargePointAddress><address>Havenkade</address><city>Delft</city><zipCode>2611 AB</zipCode>
<country>NLD</country></chargePointAddress><chargePointType>AC</chargePointType><connectorType>
<connectorStandard><ConnectorStandard>IEC_62196_T2</ConnectorStandard></connectorStandard>
<connectorFormat><ConnectorFormat>Socket</ConnectorFormat></connectorFormat></connectorType>
<chargingPeriods>
<startDateTime><LocalDateTime>2031-05-02T11:00:00+02:00</LocalDateTime></startDateTime>
<endDateTime><LocalDateTime>2031-05-02T12:10:00+02:00</LocalDateTime></endDateTime>
<billingItem><BillingItemType>energy</BillingItemType></billingItem>
<billingValue>14.25</billingValue><itemPrice>0.4</itemPrice></chargingPeriods>
<totalCost>5.7</totalCost><currency>EUR</currency></cdrInfoArray></AddCDRsRequest>
"""


def main() -> None:
    """Translate the record and print it, and what did not go over as it was."""
    result = translate(
        "ochp-1.4",
        "ocpi-2.2.1",
        etree.fromstring(CDR, etree.XMLParser(remove_blank_text=True)),
        options={"cdr_location_fallback": True},
    )
    encode = msgspec.json.Encoder(decimal_format="number").encode
    print(msgspec.json.format(encode(result.tree), indent=2).decode())
    for finding in result.report.findings:
        if finding.outcome not in ("exact", "converted"):
            print(finding.outcome, finding.source or "-", "->", finding.target or "-", finding.rule)


if __name__ == "__main__":
    main()
