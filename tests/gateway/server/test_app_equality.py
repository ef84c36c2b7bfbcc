"""What a partner puts in, it or another partner of the same protocol gets out unchanged.

Objects are drawn from the published schema and from the field tables of the standard; what makes
them somebody's (ids, codes) is set, so that the gateway takes them.
"""

from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
import pytest_twisted
from hypothesis import HealthCheck, Phase, given, settings
from lxml import etree
from twisted.internet.defer import ensureDeferred

from gateway.demo import data
from gateway.demo.ochp import NS, text
from gateway.mapping.kinds import parse_instant
from gateway.schema import contract_file
from gateway.security.json_gate import read_json
from tests.support.budget import THOROUGH
from tests.support.gate import Gate, token_header
from tests.support.ocpi_messages import MESSAGES, ROAMING
from tests.support.ocpi_objects import in_utc
from tests.support.schema_messages import messages
from tests.support.trees import canonical, leaves

ENCODE = msgspec.json.Encoder(decimal_format="number").encode
XSD = contract_file("xsd/ochp/1.4/ochp.xsd")
NUMBERS = count(1)
MILLISECOND = timedelta(milliseconds=1)


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    gate = Gate(tmp_path_factory.mktemp("gate"))

    async def begin():
        await gate.start()
        await gate.register()

    pytest_twisted.blockon(ensureDeferred(begin()))
    yield gate
    pytest_twisted.blockon(ensureDeferred(gate.close()))


def drawn(values, examples):
    """Some values of a strategy, the same each time."""
    found = []

    @settings(
        max_examples=examples * (20 if THOROUGH else 1),
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(values)
    def keep(value):
        found.append(value)

    keep()
    return found


# -- OCPI --------------------------------------------------------------------------------------


def without_nulls(value):
    """Absent and null are the same in OCPI; only who asks for it gets nulls."""
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    return list(map(without_nulls, value)) if isinstance(value, list) else value


def latest(location):
    """When a location with all that is in it changed last."""
    evses = location.get("evses") or []
    plugs = [plug for evse in evses for plug in evse["connectors"]]
    return max(parse_instant(part["last_updated"]) for part in (location, *evses, *plugs))


def owned(kind, value, who):
    """A drawn object with ids of its own, of a party that may send it."""
    number = next(NUMBERS)
    value |= {"country_code": "NL", "party_id": who.party}
    name = f"{kind[0]}-{number}/*%" if number % 2 else f"{kind[0]}{number}"
    value["uid" if kind == "Token" else "id"] = name
    for place, evse in enumerate(value.get("evses") or []):
        evse["uid"] = f"U{number}-{place}"
        if evse.get("evse_id"):
            evse["evse_id"] = f"NL*HAV*E{number:04}*{place}"
    if kind == "Tariff":
        value["currency"] = "EUR"
    if kind in ("Session", "CDR"):
        contract = data.contract("NL", "RYS", 1)
        # a credit of something: tests of the exchange
        value |= {name: None for name in ("credit", "credit_reference_id") if name in value}
        if kind == "CDR":
            span = sorted((value["start_date_time"], value["end_date_time"]), key=parse_instant)
            value["start_date_time"], value["end_date_time"] = span
        value["cdr_token"] |= {"country_code": "NL", "party_id": "RYS", "contract_id": contract}
    return value


OCPI = {
    "Location": ("locations", "id"),
    "Tariff": ("tariffs", "id"),
    "Token": ("tokens", "uid"),
    "Session": ("sessions", "id"),
    "CDR": ("cdrs", "id"),
}


@pytest.mark.parametrize("kind", OCPI)
async def test_an_ocpi_object_is_read_back(gate, kind):
    """GET by its owner gives what was PUT, every field; instants in UTC; a location as new as its
    newest part."""
    module, key = OCPI[kind]
    who = gate.emsp if kind == "Token" else gate.cpo
    lists = [
        value
        for source in (MESSAGES, ROAMING)
        if f"{kind} list" in source
        for value in drawn(source[f"{kind} list"], 6)
    ]
    headers = {"authorization": token_header(who.presents), "content-type": "application/json"}
    taken = 0
    for drawn_value in (value for values in lists for value in values):
        value = owned(kind, drawn_value, who)
        place = f"/ocpi/2.2.1/receiver/{module}"
        path = f"{place}/NL/{who.party}/{quote(value[key], safe='')}"
        if kind == "Token":
            path += f"?type={value['type']}"
        posted = kind == "CDR"
        answer = await gate.call(
            "POST" if posted else "PUT", place if posted else path, ENCODE(value), **headers
        )
        told = read_json(answer.body)
        if (
            answer.status == 400
        ):  # a character that XML cannot carry, in a field of the vendor's own
            assert "is not allowed" in told["status_message"]
            continue
        assert (answer.status, told["status_code"]) == (201, 1000), told
        if posted:
            path = answer.headers["location"].removeprefix(gate.url)
        back = read_json((await gate.call("GET", path, **headers)).body)["data"]
        if kind == "Location":
            assert abs(parse_instant(back["last_updated"]) - latest(value)) < MILLISECOND
            value |= {"last_updated": back["last_updated"]}
        assert without_nulls(back) == in_utc(without_nulls(value))
        taken += 1
    assert taken >= 6


# -- OCHP --------------------------------------------------------------------------------------


def q(name):
    return f"{{{NS}}}{name}"


def items(request, name, examples=12):
    """Items of drawn requests, each as a root of its own, numbered."""
    for message in drawn(messages(q(request), XSD), examples):
        for item in message.findall(q(name)):
            yield next(NUMBERS), etree.fromstring(etree.tostring(item))


def put(item, path, value):
    """Set the text of what is there."""
    for found in item.iterfind("/".join(map(q, path.split("/")))):
        found.text = value


def written(found):
    return "".join(etree.tostring(item, encoding="unicode") for item in found)


def assert_equal(sent, answer, name, key):
    """Every item sent is in the answer, leaf by leaf."""
    got = {text(item, key): item for item in answer.findall(q(name))}
    assert got.keys() >= {text(item, key) for item in sent}
    for item in sent:
        back = got[text(item, key)]
        renamed = etree.fromstring(etree.tostring(back))
        renamed.tag = item.tag
        assert canonical(renamed) == canonical(item), leaves(back).items() ^ leaves(item).items()


async def test_charge_points_of_an_ochp_operator(gate):
    """An OCHP provider downloads what the operator uploaded, in the list and in the updates."""
    sent = []
    for number, item in items("SetChargePointListRequest", "chargePointInfoArray"):
        put(item, "evseId", f"AT*ALP*E{number:04}*{number % 3}")
        put(item, "locationId", f"SITE{number // 2}")
        sent.append(item)
    half = len(sent) // 2
    await gate.alpen.said_ok("SetChargePointListRequest", written(sent[:half]))
    await gate.alpen.said_ok("UpdateChargePointListRequest", written(sent[half:]))

    answer = await gate.fahr.said_ok("GetChargePointListRequest", "")
    assert_equal(sent, answer, "chargePointInfoArray", "evseId")
    since = "<lastUpdate><DateTime>2020-01-01T00:00:00Z</DateTime></lastUpdate>"
    answer = await gate.fahr.said_ok("GetChargePointListUpdatesRequest", since)
    assert_equal(sent, answer, "chargePointInfoArray", "evseId")


async def test_tokens_of_an_ochp_provider(gate):
    """An OCHP operator downloads the provider's list as it was sent."""
    sent = []
    for number, item in items(
        "SetRoamingAuthorisationListRequest", "roamingAuthorisationInfoArray"
    ):
        put(item, "contractId", data.contract("DE", "FST", number))
        put(item, "EmtId/instance", f"AB{number:06X}")
        if text(item, "EmtId/tokenType") == "remote":  # stands for a session, and on no list
            put(item, "EmtId/tokenType", "rfid")
        put(item, "expiryDate/DateTime", "2049-01-01T00:00:00Z")
        sent.append(item)
    await gate.fahr.said_ok("SetRoamingAuthorisationListRequest", written(sent))

    answer = await gate.alpen.said_ok("GetRoamingAuthorisationListRequest", "")
    assert_equal(sent, answer, "roamingAuthorisationInfoArray", "contractId")
    since = "<lastUpdate><DateTime>2020-01-01T00:00:00Z</DateTime></lastUpdate>"
    answer = await gate.alpen.said_ok("GetRoamingAuthorisationListUpdatesRequest", since)
    assert_equal(sent, answer, "roamingAuthorisationInfo", "contractId")


async def test_tariffs_of_an_ochp_operator(gate):
    """An OCHP provider downloads the tariffs that are for everybody as they were sent."""
    sent = []
    for number, item in items("UpdateTariffsRequest", "TariffInfoArray"):
        put(item, "tariffId", f"AT*ALP*T{number:04}")
        put(item, "individualTariff/currency", "EUR")
        for tariff in item.findall(q("individualTariff")):
            for recipient in tariff.findall(q("recipient")):
                tariff.remove(recipient)
        sent.append(item)
    await gate.alpen.said_ok("UpdateTariffsRequest", written(sent))

    answer = await gate.fahr.said_ok("GetTariffUpdatesRequest", "")
    assert_equal(sent, answer, "TariffInfoArray", "tariffId")


def plausible(number, item):
    """A drawn CDR with sums, times and codes that hold."""
    put(item, "CdrId", f"ATALP{number:012}")
    put(item, "evseId", f"AT*ALP*E{number:04}")
    put(item, "contractId", data.contract("DE", "FST", 1))
    put(item, "status/CdrStatusType", "new")
    put(item, "chargePointAddress/country", "AUT")
    put(item, "currency", "EUR")
    put(item, "duration", "001:15:00")
    first, last = "2031-01-15T10:00:00+01:00", "2031-01-15T11:15:00+01:00"
    for place in ("", "chargingPeriods/"):
        put(item, f"{place}startDateTime/LocalDateTime", first)
        put(item, f"{place}endDateTime/LocalDateTime", last)
    total = Decimal()
    for period in item.findall(q("chargingPeriods")):
        put(period, "billingValue", "1")
        put(period, "periodCost", text(period, "itemPrice"))
        total += Decimal(text(period, "itemPrice"))
    put(item, "totalCost", f"{total:f}")
    return item


async def test_cdrs_of_an_ochp_operator(gate):
    """An OCHP provider gets the CDRs of the operator as they were sent, but accepted."""
    card = data.ochp_token("DE", "FST", 1, "roamingAuthorisationInfoArray")
    await gate.fahr.said_ok("UpdateRoamingAuthorisationListRequest", card)
    sent = [plausible(*found) for found in items("AddCDRsRequest", "cdrInfoArray")]
    await gate.alpen.said_ok("AddCDRsRequest", written(sent))

    answer = await gate.fahr.said_ok("GetCDRsRequest", "")
    for item in sent:
        put(item, "status/CdrStatusType", "accepted")
    assert_equal(sent, answer, "cdrInfoArray", "CdrId")


async def test_live_status_of_an_ochp_operator(gate):
    """An OCHP provider asks for the status that the operator sent, to the word; an EVSE that has
    no id in OCHP stands in nobody's way."""
    site = data.ocpi_locations("NL", "HAV", 1, seed=1)[0]
    del site["evses"][0]["evse_id"]
    await gate.cpo.put("locations", site)
    ids = [f"AT*ALP*E8{number:03}" for number in range(4)]
    words = [
        'major="available" minor="available"',
        'major="not-available" minor="charging"',
        'major="not-available" minor="outoforder" ttl="2049-01-01T00:00:00Z"',
        'major="unknown"',
    ]
    told = dict(zip(ids, words, strict=True))
    await gate.alpen.said_ok(
        "UpdateStatusRequest",
        "".join(f"<evse {word}><evseId>{evse}</evseId></evse>" for evse, word in told.items()),
        live=True,
    )
    answer = await gate.fahr.call("GetStatusRequest", live=True)
    found: dict[str, Any] = {text(evse, "evseId"): evse for evse in answer.findall(q("evse"))}
    assert site["evses"][1]["evse_id"] in found
    for evse, word in told.items():
        said = etree.fromstring(f"<evse {word}/>").attrib
        assert {name: found[evse].get(name) for name in said} == dict(said)
