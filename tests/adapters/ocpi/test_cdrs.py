"""Where, who and how of CDRs that do not say it in OCPI's terms."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.ocpi.cdrs import CDR
from adapters.ocpi.forms import FORMS
from gateway.errors import Inexpressible
from gateway.mapping import interpret
from gateway.mapping.context import Context
from gateway.model.charging import AuthMethodUsed, Cdr, CdrConnector
from gateway.model.location import (
    Connector,
    ConnectorFormat,
    Location,
    PowerType,
    Rating,
)
from gateway.model.message import CdrUpload
from gateway.model.tariff import BillingItem
from gateway.model.token import Representation, TokenKind, TokenRef
from tests.adapters.ocpi.records import at, bill, context, item, notes, record

ANYWHERE = {"cdr_location_fallback": True}
EVSE_ID = "NL*QGW*EHARBOUR7*1"
ONE = bill(item(BillingItem.ENERGY, at(11), at(12), "1"))


def said(obj: Cdr, ctx: Context | None = None) -> Any:
    return interpret.write(CDR, obj, ctx or context(options=ANYWHERE))


def stored(**changes: Any) -> Location:
    plug = Connector(
        id="7",
        standard="IEC_62196_T2",
        format=ConnectorFormat.SOCKET,
        power_type=PowerType.AC_1_PHASE,
    )
    return record(1, {"uid": "u-1", "connectors": (plug,)}, **changes)


def test_the_site_is_taken_from_the_store() -> None:
    ctx = context(sites={EVSE_ID: stored()})
    place = said(ONE, ctx)["cdr_location"]

    assert (place["id"], place["name"], place["evse_uid"]) == ("HAVEN7", "Havenkade", "u-1")
    assert place["coordinates"] == {"latitude": "52.012340", "longitude": "4.357100"}
    assert (place["connector_id"], place["connector_power_type"]) == ("7", "AC_1_PHASE")
    assert place["address"] == "Havenkade"
    assert ("defaulted", "stored-location", "cdr_location/coordinates") in notes(ctx)


def test_without_a_site_the_record_is_refused() -> None:
    with pytest.raises(Inexpressible, match=r"nobody knows where EVSE NL\*QGW\*EHARBOUR7\*1 is"):
        said(ONE, context())


def test_or_said_at_zero_where_the_partner_agreed() -> None:
    ctx = context(options=ANYWHERE)
    place = said(ONE, ctx)["cdr_location"]

    assert place["coordinates"] == {"latitude": "0.000000", "longitude": "0.000000"}
    assert (place["id"], place["evse_uid"], place["connector_id"]) == (EVSE_ID, EVSE_ID, "1")
    assert {
        ("defaulted", "place-unknown", "cdr_location/coordinates"),
        ("approximated", "place-unknown", "evse_id"),
        ("defaulted", "first-connector", "cdr_location/connector_id"),
    } <= notes(ctx)


def test_a_connector_of_another_kind_gives_no_id() -> None:
    other = replace(ONE, connector=CdrConnector(standard="CHADEMO", format=ConnectorFormat.CABLE))
    place = said(other, context(sites={EVSE_ID: stored()}))["cdr_location"]

    assert (place["connector_id"], place["connector_power_type"]) == ("1", "DC")


def test_a_long_address_is_cut() -> None:
    ctx = context(options=ANYWHERE)
    address = replace(ONE.address, street="Langestraat " * 5, house_number="12 B")
    place = said(replace(ONE, address=address), ctx)["cdr_location"]

    assert len(place["address"]) <= 45
    assert ("approximated", "truncated", "address/street") in notes(ctx)


@pytest.mark.parametrize(
    ("kind", "type_", "method"),
    [
        (TokenKind.RFID, "RFID", "WHITELIST"),
        (TokenKind.REMOTE, "APP_USER", "COMMAND"),
        (TokenKind.ISO_15118, "OTHER", "WHITELIST"),
    ],
)
def test_the_token_tells_how_the_driver_was_authorised(
    kind: TokenKind, type_: str, method: str
) -> None:
    ctx = context(options=ANYWHERE)
    found = said(replace(ONE, token=replace(ONE.token, kind=kind)), ctx)

    assert (found["cdr_token"]["type"], found["auth_method"]) == (type_, method)
    assert ("approximated", "auth-method-by-token", "token/kind") in notes(ctx)


def test_a_method_that_is_stated_counts() -> None:
    found = said(replace(ONE, auth_method=AuthMethodUsed.AUTH_REQUEST))
    assert found["auth_method"] == "AUTH_REQUEST"


def test_the_id_of_a_remote_start_is_the_session() -> None:
    remote = replace(ONE.token, kind=TokenKind.REMOTE, uid="NLQGWE77")

    assert said(replace(ONE, token=remote))["session_id"] == "NLQGWE77"
    assert "session_id" not in said(ONE)
    ids = {("session", "NLQGWE77"): "S-1"}
    ctx = context(ids=ids, options=ANYWHERE)
    assert said(replace(ONE, token=remote), ctx)["session_id"] == "S-1"


@pytest.mark.parametrize(
    ("uid", "representation", "rule"),
    [
        ("a" * 40, Representation.SHA1, "uid-is-hash"),
        ("b" * 64, Representation.SHA256, "uid-is-hash"),
        ("c" * 37, Representation.PLAIN, "uid-too-long"),
    ],
)
def test_a_uid_that_cannot_be_said(uid: str, representation: Representation, rule: str) -> None:
    """The contract tells the customer; the uid is OCPI's word for not available."""
    ctx = context(options=ANYWHERE)
    token = replace(ONE.token, uid=uid, representation=representation)
    found = said(replace(ONE, token=token), ctx)["cdr_token"]

    assert (found["uid"], found["contract_id"]) == ("#NA", "DE-XYZ-C01234567-2")
    assert {
        ("dropped", rule, "token/uid"),
        ("defaulted", "not-available", "cdr_token/uid"),
    } <= notes(ctx)


def test_owners_come_from_the_ids() -> None:
    found = said(ONE)

    assert (found["country_code"], found["party_id"]) == ("NL", "QGW")
    assert (found["cdr_token"]["country_code"], found["cdr_token"]["party_id"]) == ("DE", "XYZ")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"evse_id": "0815"}, "no id tells the operator"),
        (
            {"token": TokenRef(uid="04A2", kind=TokenKind.RFID, contract_id="X")},
            "names no provider",
        ),
        ({"currency": ""}, "no currency"),
        ({"id": "X" * 40}, "more than 39 characters"),
    ],
)
def test_what_cannot_be_said(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Inexpressible, match=reason):
        said(replace(ONE, **changes))


def test_what_ocpi_has_no_field_for_is_dropped() -> None:
    ctx = context(options=ANYWHERE)
    said(replace(ONE, rating=Rating(max_power=Decimal(11))), ctx)

    assert {
        ("dropped", "no-counterpart", "state"),
        ("dropped", "no-counterpart", "rating"),
        ("dropped", "no-counterpart", "token/rfid_kind"),
    } <= notes(ctx)


def test_a_batch_keeps_what_can_be_said() -> None:
    ctx = context(sites={EVSE_ID: stored()})
    lost = replace(ONE, id="LOST", evse_id="NL*QGW*EELSEWHERE")
    form = FORMS["CDR list"].record
    found = interpret.write(form, CdrUpload(cdrs=(ONE, lost, replace(ONE, id="C2"))), ctx)

    assert [cdr["id"] for cdr in found] == [ONE.id, "C2"]
    assert ("dropped", "inexpressible", "cdrs/1") in notes(ctx)
