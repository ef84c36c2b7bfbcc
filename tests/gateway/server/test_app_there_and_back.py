"""OCPI through an OCHP hub and back to OCPI, over two gateways: what differs is in a table.

The first gateway gives a hub what an OCPI operator and an OCPI provider put; an operator and a
provider that speak OCHP give the same XML to the second one, which passes it on in OCPI. Every
difference has its reason, and stands in the ledger of the gateway that made it.
"""

import json
import re
from decimal import Decimal

import pytest
import pytest_twisted
from lxml import etree
from twisted.internet.defer import ensureDeferred

from gateway.demo import data
from gateway.demo.ochp import NS
from tests.support.gate import Gate
from tests.support.trees import leaves

SITE = data.ocpi_locations("NL", "HAV", 4, seed=1)[3]
TARIFF = data.ocpi_tariffs("NL", "HAV")[0]
TOKEN = data.ocpi_token("NL", "RYS", 1)
GUEST = data.ocpi_token("DE", "HUB", 7)
CDR = data.ocpi_cdr(SITE, GUEST, 1)

THERE, BACK = "there", "back"
# What differs after the way there and back: where it is told, in which entry of the findings.
# None: it is said by a rule without loss, and read again as what it became.
DIFFERENCES: dict[str, dict[str, tuple[str, str] | None]] = {
    "locations": {
        "/charging_when_closed": (THERE, "charging-when-closed"),
        "/evses/#/capabilities/#": (THERE, "capability-not-in-ochp"),
        "/evses/#/connectors/#/tariff_ids/#": (THERE, "tariff-id-surrogate"),
        "/evses/#/last_updated": (THERE, "/evses/#/updated"),  # of the live status
        "/evses/#/floor_level": (THERE, "/locations/#/evses/#/floor_level"),
        "/evses/#/physical_reference": (THERE, "/locations/#/evses/#/physical_reference"),
        "/evses/#/uid": (THERE, "one-evse-id"),
        "/operator/name": (THERE, "/locations/#/operator"),
    },
    "tariffs": {
        "/elements/#/price_components/#/vat": (THERE, "no-tax-in-tariffs"),
        "/id": (THERE, "tariff-id-surrogate"),
        "/last_updated": (THERE, "/tariffs/#/updated"),
        "/type": (THERE, "/tariffs/#/kind"),
    },
    "tokens": {
        "/issuer": (BACK, "issuer-of-owner"),
        "/last_updated": (THERE, "/tokens/#/updated"),
    },
    "cdrs": {
        "/cdr_location/evse_uid": (THERE, "/cdrs/#/place"),
        "/charging_periods/#/dimensions/#/type": (THERE, "totals-as-items"),
        "/charging_periods/#/dimensions/#/volume": (THERE, "totals-as-items"),
        "/charging_periods/#/tariff_id": None,  # of the tariff that the prices of OCHP became
        "/id": None,  # OCHP's begin with the operator and have capitals and digits only
        "/last_updated": (THERE, "/cdrs/#/updated"),
        "/session_id": (THERE, "/cdrs/#/session_id"),
        **{
            f"/tariffs/#/{leaf}": None
            for leaf in (
                "country_code", "currency", "id", "last_updated", "party_id",
                "elements/#/price_components/#/price", "elements/#/price_components/#/step_size",
                "elements/#/price_components/#/type", "elements/#/price_components/#/vat",
            )
        },
    },
}  # fmt: skip


def xml(elements):
    """Elements as they came."""
    return "".join(etree.tostring(each, encoding="unicode") for each in elements)


def findings(gate):
    """Rules and places of all findings in the ledger, without numbers."""
    found = set()
    with gate.app.store.read() as tx:
        for row in tx.ledger.find(direction="out", limit=1000):
            entry = tx.ledger.get(row.entry.id)
            for finding in json.loads(entry.findings or b"[]"):
                found |= {finding["rule"], re.sub(r"\d+", "#", finding["source"])}
    return found


async def carried(there, back):
    """Put everything in here, and give the second gateway what the hub got."""
    await there.cpo.put("locations", SITE)
    await there.cpo.put("tariffs", TARIFF)
    await there.emsp.put("tokens", TOKEN)
    await there.cpo.put("cdrs", CDR)
    await there.quiet()
    hub = there.hub
    assert hub.faults == []
    await back.emsp.put("tokens", GUEST)
    await back.alpen.said_ok("UpdateChargePointListRequest", xml(hub.charge_points.values()))
    status = "".join(
        f'<evse major="{major}" minor="{minor}"><evseId>{evse}</evseId></evse>'
        for evse, (major, minor) in hub.status.items()
    )
    await back.alpen.said_ok("UpdateStatusRequest", status, live=True)
    await back.alpen.said_ok("UpdateTariffsRequest", xml(hub.tariffs.values()))
    tokens = list(hub.tokens.values())
    for token in tokens:
        token.tag = f"{{{NS}}}roamingAuthorisationInfoArray"
    await back.fahr.said_ok("UpdateRoamingAuthorisationListRequest", xml(tokens))
    await back.alpen.said_ok("AddCDRsRequest", xml(hub.cdrs.values()))
    await back.quiet()
    assert back.emsp.faults == back.cpo.faults == []


@pytest.fixture(scope="module")
def gates(tmp_path_factory):
    """Both gateways, when everything has gone all the way."""
    there = Gate(tmp_path_factory.mktemp("there"))
    back = Gate(
        tmp_path_factory.mktemp("back"),
        havenlader=["NL*ZZZ"],
        alpenstrom=["AT*ALP", "NL*HAV"],
        fahrstrom=["DE-FST", "NL-RYS"],
        rijstroom=["DE-HUB"],
        clearing=["DE*XXX"],
    )

    async def begin():
        for gate in (there, back):
            await gate.start()
            await gate.register()
        await carried(there, back)

    pytest_twisted.blockon(ensureDeferred(begin()))
    yield there, back
    for gate in (there, back):
        pytest_twisted.blockon(ensureDeferred(gate.close()))


@pytest.mark.parametrize(
    ("module", "sent"),
    [("locations", SITE), ("tariffs", TARIFF), ("tokens", TOKEN), ("cdrs", CDR)],
)
def test_there_and_back(gates, module, sent):
    """Only what the table names differs, and each difference was told."""
    there, back = gates
    receiver = back.cpo if module == "tokens" else back.emsp
    [came] = [value for value in receiver.got[module].values() if value.get("uid") != GUEST["uid"]]
    before, after = leaves(sent), leaves(came)
    differing = {
        re.sub(r"\d+", "#", path)
        for path in before.keys() | after.keys()
        if _plain(before.get(path)) != _plain(after.get(path))
    }
    assert differing == DIFFERENCES[module].keys()
    told = {THERE: findings(there), BACK: findings(back)}
    for where, what in filter(None, DIFFERENCES[module].values()):
        assert what in told[where]


def _plain(value):
    """Numbers by their value."""
    return Decimal(value) if isinstance(value, int | Decimal) else value
