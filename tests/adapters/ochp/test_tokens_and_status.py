"""Tokens and live status of other protocols in OCHP's words."""

from datetime import UTC, datetime

import pytest

from adapters.ochp import messages as wire
from adapters.ochp.status import LEGAL, PAIRS
from gateway.errors import Inexpressible
from gateway.model.base import PartyId
from gateway.model.location import EvseState
from gateway.model.message import (
    AuthorisationQuery,
    AuthorisationReply,
    Result,
    ResultCode,
    StatusList,
    StatusUpload,
    TokenList,
    TokenUpload,
)
from gateway.model.status import EvseStatus, MajorStatus, MinorStatus, ParkingStatus
from gateway.model.token import Allowed, Token, TokenKind, TokenRef, Whitelist
from tests.adapters.ochp.world import NOW, context, notes, rules, text, texts, token, written

ITEM = "roamingAuthorisationInfoArray"


def said(*tokens, ctx=None):
    return written(wire.UPDATE_TOKENS, TokenUpload(tokens=tokens), ctx)


def test_an_ordinary_token():
    ctx = context()
    node = said(token(visual_number="DE-1"), ctx=ctx)
    assert text(node, f"{ITEM}/EmtId/instance") == "04A2B3C4D5E680"
    assert node.find(".//{*}EmtId").get("representation") == "plain"
    assert text(node, f"{ITEM}/contractId") == "DE-XYZ-C01234567-2"
    assert text(node, f"{ITEM}/printedNumber") == "DE-1"
    assert text(node, f"{ITEM}/expiryDate/DateTime") == "2032-05-01T09:00:00Z"
    assert notes(ctx) == {
        ("expiry-of-valid", "tokens/0/valid"),
        ("no-counterpart", "tokens/0/issuer"),
        ("no-counterpart", "tokens/0/updated"),
    }


def test_ids_of_peers_that_write_lower_case():
    """They are compared in upper case and told so, in every list alike."""
    node = said(token(uid="0a0b0c0d", contract_id="de-xyz-c01234567-2"))
    assert text(node, f"{ITEM}/contractId") == "DE-XYZ-C01234567-2"
    assert text(node, f"{ITEM}/EmtId/instance") == "0A0B0C0D"

    status = EvseStatus(
        evse_id="be*bec*e0001", evse_uid="3256", state=EvseState.AVAILABLE,
        major=MajorStatus.AVAILABLE, minor=MinorStatus.AVAILABLE,
    )  # fmt: skip
    node = written(wire.STATUS, StatusList(evses=(status,)))
    assert text(node, "evse/evseId") == "BE*BEC*E0001"


def test_expiry():
    """Not valid is the epoch; a date is kept, the horizon is the partner's."""
    node = said(token(valid=False))
    assert text(node, f"{ITEM}/expiryDate/DateTime") == "1970-01-01T00:00:00Z"
    node = said(token(valid=True), ctx=context(token_days=7))
    assert text(node, f"{ITEM}/expiryDate/DateTime") == "2031-05-09T09:00:00Z"
    held = token(expires=datetime(2030, 1, 1, tzinfo=UTC))
    assert text(said(held), f"{ITEM}/expiryDate/DateTime") == "2030-01-01T00:00:00Z"
    with pytest.raises(Inexpressible, match="expiryDate/DateTime: has no value"):
        said(token(valid=None))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"whitelist": Whitelist.NEVER}, "whitelist NEVER"),
        ({"kind": TokenKind.APP_USER}, "app_user"),
        ({"kind": TokenKind.AD_HOC_USER}, "ad_hoc_user"),
        ({"kind": TokenKind.OTHER}, "tokenType"),
        ({"contract_id": "visitor 12"}, "is no ContractId"),
        ({"uid": "x" * 513}, "more than 512"),
    ],
)
def test_tokens_that_cannot_stand_on_the_list(changes, reason):
    with pytest.raises(Inexpressible, match=reason):
        said(token(**changes))
    ctx = context()
    node = said(token(uid="0102030405"), token(**changes), ctx=ctx)
    assert texts(node, f"{ITEM}/EmtId/instance") == ["0102030405"]
    skipped = {n.path for n in ctx.notes if n.rule in ("never-on-a-list", "inexpressible")}
    assert skipped == {"tokens/1"}


def test_a_contract_shown_by_the_car():
    node = said(token(kind=TokenKind.OTHER, uid="DEXYZC012345672"))
    assert text(node, f"{ITEM}/EmtId/tokenType") == "15118"


@pytest.mark.parametrize(
    ("whitelist", "noted"),
    [(Whitelist.ALLOWED, False), (Whitelist.ALWAYS, True), (Whitelist.ALLOWED_OFFLINE, True)],
)
def test_whitelist(whitelist, noted):
    ctx = context()
    said(token(whitelist=whitelist), ctx=ctx)
    assert (("on-the-list", "tokens/0/whitelist") in notes(ctx)) is noted


def test_an_owner_that_the_contract_does_not_name():
    ctx = context()
    said(token(owner=PartyId(country="FR", code="ABC")), ctx=ctx)
    assert ("owner-in-id", "tokens/0/owner") in notes(ctx)


def test_printed_numbers_are_cut():
    ctx = context()
    node = said(token(visual_number="9" * 151), ctx=ctx)
    assert text(node, f"{ITEM}/printedNumber") == "9" * 150
    assert "cut-at-150" in rules(ctx.notes)


def test_a_list_without_sayable_tokens_is_empty():
    listed = TokenList(tokens=(token(whitelist=Whitelist.NEVER),))
    assert written(wire.TOKENS, listed).find(f"{{*}}{ITEM}") is None


# -- one authorisation -----------------------------------------------------------------------


def test_the_question_about_one_token():
    ref = TokenRef(uid="04a2", kind=TokenKind.RFID, contract_id="DE-XYZ-C01234567-2")
    ctx = context()
    node = written(wire.GET_TOKEN, AuthorisationQuery(token=ref, location_id="SITE7"), ctx)
    assert text(node, "emtId/instance") == "04a2"
    assert node.find(".//{*}emtId").attrib == {}
    assert notes(ctx) == {
        ("no-counterpart", "token/contract_id"),
        ("no-counterpart", "location_id"),
    }


@pytest.mark.parametrize("allowed", [a for a in Allowed if a is not Allowed.ALLOWED])
def test_a_token_that_may_not_charge_is_not_shown(allowed):
    ctx = context()
    node = written(wire.TOKEN, AuthorisationReply(allowed=allowed, token=token()), ctx)
    assert text(node, "result/resultCode/resultCode") == "invalid-id"
    assert text(node, "result/resultDescription") == allowed.value
    assert node.find("{*}roamingAuthorisationInfo") is None
    assert ("not-allowed", "token") in notes(ctx)


def test_a_token_that_may_charge_is_shown():
    node = written(wire.TOKEN, AuthorisationReply(allowed=Allowed.ALLOWED, token=token()))
    assert text(node, "result/resultCode/resultCode") == "ok"
    assert text(node, "roamingAuthorisationInfo/contractId") == "DE-XYZ-C01234567-2"
    with pytest.raises(Inexpressible, match="not known in full"):
        written(wire.TOKEN, AuthorisationReply(allowed=Allowed.ALLOWED))


# -- live status -----------------------------------------------------------------------------


def status(state, evse_id="NL*QGW*E1", **more) -> EvseStatus:
    return EvseStatus(evse_id=evse_id, state=state, **more)


@pytest.mark.parametrize(
    ("state", "major", "minor"),
    [
        (EvseState.AVAILABLE, "available", "available"),
        (EvseState.CHARGING, "not-available", "charging"),
        (EvseState.BLOCKED, "not-available", "blocked"),
        (EvseState.RESERVED, "not-available", "reserved"),
        (EvseState.OUT_OF_ORDER, "not-available", "outoforder"),
        (EvseState.INOPERATIVE, "not-available", None),
        (EvseState.UNKNOWN, "unknown", None),
    ],
)
def test_status_pairs(state, major, minor):
    ttl = datetime(2031, 5, 2, 9, 40, 0, 250000, UTC)
    node = written(wire.UPDATE_STATUS, StatusUpload(evses=(status(state, ttl=ttl),)))
    found = node.find("{*}evse")
    assert (found.get("major"), found.get("minor")) == (major, minor)
    assert found.get("ttl") == "2031-05-02T09:40:00.250Z"


def test_only_legal_pairs_are_made():
    for major, minor in PAIRS.values():
        assert minor is None or minor in LEGAL[major]


def test_pairs_of_ochp_pass_even_if_illegal():
    """The schema lets them through, and what a partner said is not ours to change."""
    odd = EvseStatus(evse_id="NL*QGW*E1", major=MajorStatus.UNKNOWN, minor=MinorStatus.CHARGING)
    node = written(wire.UPDATE_STATUS, StatusUpload(evses=(odd,)))
    assert node.find("{*}evse").get("minor") == "charging"


def test_static_states_have_no_live_status():
    ctx = context()
    upload = StatusUpload(evses=(status(EvseState.PLANNED), status(EvseState.CHARGING)), ttl=NOW)
    node = written(wire.UPDATE_STATUS, upload, ctx)
    assert len(node.findall("{*}evse")) == 1
    assert ("static-status-only", "evses/0") in notes(ctx)
    with pytest.raises(Inexpressible, match="static status"):
        written(wire.UPDATE_STATUS, StatusUpload(evses=(status(EvseState.REMOVED),)))
    with pytest.raises(Inexpressible, match="evseId"):
        written(wire.UPDATE_STATUS, StatusUpload(evses=(status(EvseState.CHARGING, None),)))


def test_an_empty_upload_is_sent_as_it_is():
    assert len(written(wire.UPDATE_STATUS, StatusUpload())) == 0


def test_one_list_only():
    """GetStatusResponse is a choice; what does not fit is noted."""
    spot = ParkingStatus(parking_id="NL*QGW*P1", status=MajorStatus.AVAILABLE)
    ctx = context()
    both = StatusList(evses=(status(EvseState.CHARGING),), parkings=(spot,))
    node = written(wire.STATUS, both, ctx)
    assert [child.tag.rpartition("}")[2] for child in node] == ["evse"]
    assert notes(ctx) == {("one-list-only", "parkings")}
    assert len(written(wire.STATUS, StatusList(parkings=(spot,)))) == 1
    assert len(written(wire.STATUS, StatusList())) == 0


def test_a_failed_status_list_has_no_form():
    failed = StatusList(result=Result(code=ResultCode.SERVER, text="no store"))
    with pytest.raises(Inexpressible, match="no store"):
        written(wire.STATUS, failed)


def test_a_token_of_ochp_is_left_alone():
    held = Token(
        uid="04a2",
        kind=TokenKind.REMOTE,
        contract_id="dexyzc01234567",
        expires=datetime(2030, 1, 1, tzinfo=UTC),
    )
    ctx = context()
    node = said(held, ctx=ctx)
    assert text(node, f"{ITEM}/EmtId/instance") == "04a2"
    assert text(node, f"{ITEM}/contractId") == "dexyzc01234567"
    assert node.find(".//{*}EmtId").attrib == {}
    assert ctx.notes == []
