"""Objects of the HTTP side through the tables."""

import pytest
from msgspec.structs import replace

from adapters.ocpi.adapter import RECORDS, tables
from adapters.ocpi.codec import context, encode_item
from gateway.errors import Malformed
from gateway.model.location import Connector, ConnectorFormat, Evse
from tests.adapters.ocpi import samples
from tests.adapters.ocpi.world import ACM, EVP, Facts, canonical, dumps, partner

FACTS = Facts()
SAMPLES = {
    "location": samples.location(),
    "evse": samples.evse(),
    "connector": samples.connector(),
    "tariff": samples.tariff(),
    "token": samples.token(),
    "session": samples.session(),
    "cdr": samples.cdr(),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_back_and_forth(name):
    """What came in OCPI goes out the same, and nothing is noted."""
    ctx = context(FACTS, partner("p", EVP))

    assert tables().encode(name, canonical(name, SAMPLES[name]), ctx) == SAMPLES[name]
    assert ctx.notes == []


@pytest.mark.parametrize("name", SAMPLES)
def test_explicit_nulls_say_every_field(name):
    """Every field of the table is there, the absent ones as null or []; the rest is the same."""
    ctx = context(FACTS, partner("p", EVP, explicit_nulls=True))

    value = tables().encode(name, canonical(name, SAMPLES[name]), ctx)

    fields = {row.steps[0] for row in RECORDS[name].rows if row.wire and len(row.steps) == 1}
    assert fields <= value.keys()
    assert _without_nulls(value) == SAMPLES[name]
    if name == "cdr":
        assert value["cdr_location"]["state"] is None


@pytest.mark.parametrize("name", SAMPLES)
def test_nulls_of_one_partner_do_not_reach_another(name):
    """Some peers write every absent field as null, others refuse a null."""
    sender = context(FACTS, partner("p", EVP, explicit_nulls=True))
    came = tables().encode(name, canonical(name, SAMPLES[name]), sender)
    assert "null" in dumps(came).decode()

    passed_on = tables().encode(
        name, tables().decode(name, came), context(FACTS, partner("q", EVP))
    )

    assert "null" not in dumps(passed_on).decode()
    assert _without_nulls(passed_on) == SAMPLES[name]


def _without_nulls(value):
    if isinstance(value, dict):
        return {
            name: _without_nulls(item) for name, item in value.items() if item not in (None, [])
        }
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def test_a_site_of_single_evse_records():
    """EVSEs without an OCPI uid get one by rule, and their site the gateway's operator name."""
    plug = Connector(standard="IEC_62196_T2", format=ConnectorFormat.SOCKET)
    site = replace(
        canonical("location", samples.location()),
        evses=(Evse(evse_id="DE*ACM*E1", connectors=(plug,)),),
        extras=None,
    )
    ctx = context(FACTS, partner("p", EVP))

    value = encode_item(tables(), "location", site, ctx, "locations", 4)

    assert value["evses"][0]["uid"] == "DE*ACM*E1"
    assert value["operator"] == {"name": "Acme Charging"}
    assert ctx.notes
    assert all(note.path.startswith("locations/4") for note in ctx.notes if note.path)
    assert ctx.stack == []


def test_options_that_tables_read():
    """A partner's own options, and who it is."""
    options = context(FACTS, partner("p", EVP, ACM, cdr_location_fallback=True)).options

    assert options["recipients"] == ("NL*EVP", "DE*ACM")
    assert options["cdr_location_fallback"] is True


def test_problems_are_listed():
    with pytest.raises(Malformed, match=r"/max_amperage.*|/format"):
        tables().decode("connector", samples.connector(max_amperage="x", format="PLUG"))
