"""The adapter against the simulated partners, which were written apart from it."""

import pytest

from gateway.demo import data
from gateway.demo.ocpi import OcpiPartner
from gateway.model.message import (
    AuthorisationQuery,
    CdrUpload,
    LocationQuery,
    LocationUpload,
    ResultCode,
    SessionUpload,
    StatusUpload,
    TariffUpload,
    TokenQuery,
)
from gateway.model.status import EvseStatus
from gateway.model.token import Allowed, TokenKind, TokenRef
from tests.adapters.ocpi import samples
from tests.adapters.ocpi.test_link import CDR, CHARGING, LOCATION, SESSION, TARIFF, Known
from tests.adapters.ocpi.world import ACM, EVP, Net, Side, run


class Peer:
    """A simulated partner as a side of the net."""

    def __init__(self, net, role, party):
        self.url, self.role, self.party, self.name = "https://peer.example", role, party, "peer"
        self.partner = OcpiPartner(net, role, party.country, party.code, "Peer")
        self.partner.url = self.url
        net.hosts["peer.example"] = self.partner.handle


@pytest.fixture
def net():
    return Net()


def joined(net, role, party, ours, our_party):
    """A gateway with which the peer has registered."""
    peer = Peer(net, role, party)
    side = Side(net, "gw", ours, our_party)
    side.knows(peer, token_in="token-a", versions_url="https://peer.example/versions")
    run(peer.partner.register("https://gw.example/ocpi/versions", "token-a"))
    return peer.partner, side


def test_a_provider_registers_and_is_served(net):
    """It starts the handshake; what the gateway uploads then arrives complete."""
    peer, side = joined(net, "EMSP", EVP, "CPO", ACM)
    facts = Known(side.desk.facts(None), LOCATION)
    side.desk.facts = lambda partner: facts
    link = side.link

    messages = (
        LocationUpload(locations=(LOCATION,)),
        TariffUpload(tariffs=(TARIFF,)),
        SessionUpload(sessions=(SESSION,)),
        CdrUpload(cdrs=(CDR,)),
        CdrUpload(cdrs=(CDR,)),
        StatusUpload(evses=(CHARGING,)),
    )
    for message in messages:
        assert run(link.ask(message, "c")).result.code is ResultCode.OK

    assert peer.faults == []
    assert peer.got["cdrs"]["C-1"]["total_cost"] == samples.cdr()["total_cost"]
    assert peer.patches[0]["status"] == "CHARGING"
    assert peer.got["locations"]["SITE-1"]["evses"][0]["status"] == "CHARGING"


def test_a_provider_is_asked(net):
    """Its tokens over several pages, and its word on each."""
    peer, side = joined(net, "EMSP", EVP, "CPO", ACM)
    peer.lists["tokens"] = [data.ocpi_token("NL", "EVP", n) for n in range(120)]
    uid = peer.lists["tokens"][7]["uid"]
    peer.allowed[uid] = "EXPIRED"

    tokens = run(side.link.ask(TokenQuery(), "c")).tokens
    reply = run(
        side.link.ask(AuthorisationQuery(token=TokenRef(uid=uid, kind=TokenKind.RFID)), "c")
    )

    assert len({token.uid for token in tokens}) == 120
    assert (reply.allowed, reply.token) == (Allowed.EXPIRED, tokens[7])


def test_an_operator_registers_and_pushes(net):
    """What it puts, patches and posts reaches the gateway; its lists can be read."""
    peer, side = joined(net, "CPO", ACM, "EMSP", EVP)
    sites = data.ocpi_locations("DE", "ACM", 3, 1)
    peer.lists["locations"] = sites

    for site in sites:
        run(peer.put("locations", site))
    for tariff in data.ocpi_tariffs("DE", "ACM"):
        run(peer.put("tariffs", tariff))
    run(
        peer.patch_evse(
            sites[0]["id"],
            sites[0]["evses"][0]["uid"],
            status="CHARGING",
            last_updated="2099-01-01T00:00:00Z",
        )
    )
    run(peer.put("cdrs", samples.cdr()))

    assert len(side.desk.kinds["location"].stored) == 3
    assert len(side.desk.kinds["cdr"].stored) == 1
    statuses = [m for m in side.desk.asked if isinstance(m, StatusUpload)]
    assert isinstance(statuses[0].evses[0], EvseStatus)
    read = run(side.link.ask(LocationQuery(), "c")).locations
    assert list(read) == side.desk.kinds["location"].stored
