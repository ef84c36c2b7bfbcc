"""A SOAP tool-kit's view of the gateway: zeep reads the published WSDL and asks for charge points.

Run it against `make serve`:
    python examples/zeep_caller.py http://127.0.0.1:8080/ochp/1.4?wsdl fahrstrom demo-fahrstrom
"""

import sys

import zeep
from zeep.wsse.username import UsernameToken


def main(wsdl: str, username: str, password: str) -> None:
    """Bind ports of the contract, call operations, print what came."""
    client = zeep.Client(wsdl, wsse=UsernameToken(username, password))
    service = client.bind("e-clearing.net", "eCHS_P-System")
    points = service.GetChargePointList()
    print(points.result.resultCode.resultCode, len(points.chargePointInfoArray), "charge points")
    for point in points.chargePointInfoArray[:3]:
        print(" ", point.evseId, point.locationName, point.chargePointAddress.city)
    tariffs = service.GetTariffUpdates()
    print(tariffs.result.resultCode.resultCode, len(tariffs.TariffInfoArray), "tariffs")
    live = client.bind("e-clearing.net", "eCHS_P-System-live")
    print(len(live.GetStatus(statusType="evse").evse), "EVSEs with a status")


if __name__ == "__main__":
    main(*sys.argv[1:])
