"""zeep's own client against our service: it fetches the contract from us and speaks by itself."""

import pytest
import zeep
from lxml import etree
from twisted.internet.threads import deferToThread
from zeep.exceptions import Fault
from zeep.transports import Transport
from zeep.wsse.username import UsernameToken

from gateway.schema import contract_file, schema_for
from gateway.soap.contract import Contract
from gateway.soap.service import SoapService

from .conftest import TOKEN

OK = "<resultCode><resultCode>ok</resultCode></resultCode><resultDescription/>"


def zeep_client(url, password=TOKEN.password, **options):
    return zeep.Client(
        f"{url}?wsdl",
        wsse=UsernameToken(TOKEN.username, password),
        transport=Transport(timeout=5, operation_timeout=5),
        **options,
    )


@pytest.fixture
def address(serve, make):
    """The parking service, published under the address at which it listens."""
    services = []
    url = serve(lambda request: services[0].handle(request))
    services.append(make(public_url=url))
    return url


@pytest.mark.parametrize("port", ["P11", "P12"])
async def test_zeep_calls_the_service(address, calls, port):
    """Both versions, from ?wsdl to the answer, without a deviation."""

    def talk():
        client = zeep_client(address, port_name=port)
        return client.service.Occupy(spot=["A1", "A2"])

    assert await deferToThread(talk) == 2
    assert (calls[0].party, calls[0].deviations) == ("party-1", [])


@pytest.mark.parametrize("port", ["P11", "P12"])
@pytest.mark.parametrize(
    ("password", "spot", "code"),
    [("wrong", "A1", "FailedAuthentication"), ("pass", "bad", ("Client", "Sender"))],
)
async def test_zeep_reads_our_faults(address, port, password, spot, code):
    """Faults arrive with their code and text."""

    def talk():
        client = zeep_client(address, password, port_name=port)
        with pytest.raises(Fault) as caught:
            client.service.Occupy(spot=[spot])
        return caught.value

    fault = await deferToThread(talk)
    codes = [fault.code, *(str(each) for each in fault.subcodes or ())]
    assert codes[-1].rpartition(":")[2].rpartition("}")[2] in code
    assert fault.message


async def test_zeep_speaks_ochp(serve):
    """UpdateStatus by zeep: attributes, repeated elements and the result arrive."""
    arrived, services = [], []
    url = serve(lambda request: services[0].handle(request))
    live = Contract(contract_file("wsdl/ochp/1.4/ochp.wsdl"), "ochp", "1.4", ["OCHP_1.4-live"])
    namespace = live.target_namespace

    async def answer(call):
        arrived.append(call)
        result = f"<result>{OK}</result>"
        return f'<UpdateStatusResponse xmlns="{namespace}">{result}</UpdateStatusResponse>'.encode()

    services.append(
        SoapService(live, schema_for("ochp", "1.4"), answer, lambda *pair: pair[0], public_url=url)
    )

    def talk():
        client = zeep_client(url)
        evse = {"evseId": "NL*QGW*EHARBOUR7*1", "major": "available", "minor": "available"}
        ttl = {"DateTime": "2031-05-02T09:25:00Z"}
        return client.service.UpdateStatus(evse=[evse, evse], ttl=ttl)

    result = await deferToThread(talk)
    assert result.resultCode.resultCode == "ok"
    (call,) = arrived
    assert call.deviations == []
    assert [etree.QName(child).localname for child in call.body] == ["evse", "evse", "ttl"]
