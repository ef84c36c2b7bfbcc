"""Tokens of a roaming list, and answers to authorisation questions, in OCPI's terms."""

from datetime import timedelta
from typing import Any

import pytest

from adapters.ocpi.forms import FORMS
from adapters.ocpi.tokens import AUTHORIZATION_INFO, AUTHORIZE_QUESTION, TOKEN
from gateway.errors import Inexpressible
from gateway.mapping import interpret
from gateway.model.message import (
    AuthorisationQuery,
    AuthorisationReply,
    Result,
    ResultCode,
    TokenUpload,
)
from gateway.model.token import Allowed, Representation, RfidKind, TokenKind, TokenRef
from tests.adapters.ocpi.records import NOW, context, notes, token

SECOND = timedelta(seconds=1)


def said(**changes: Any) -> Any:
    return interpret.write(TOKEN, token(**changes), context())


def test_a_token_of_a_roaming_list() -> None:
    ctx = context(names={"DE*XYZ": "XYZ Mobility"})
    found = interpret.write(TOKEN, token(rfid_kind=RfidKind.CALYPSO), ctx)

    assert found == {
        "country_code": "DE",
        "party_id": "XYZ",
        "uid": "04A2B3C4D5E680",
        "type": "RFID",
        "contract_id": "DE-XYZ-C01234567-2",
        "issuer": "XYZ Mobility",
        "valid": True,
        "whitelist": "ALLOWED",
        "last_updated": "2031-05-02T08:00:00Z",
    }
    assert notes(ctx) == {
        ("defaulted", "issuer-of-owner", "issuer"),
        ("defaulted", "whitelist-allowed", "whitelist"),
        ("defaulted", "receipt-time", "last_updated"),
        ("approximated", "expiry-as-valid", "expires"),
        ("dropped", "no-counterpart", "rfid_kind"),
    }


def test_nobodys_name_is_the_party() -> None:
    assert said()["issuer"] == "XYZ"


@pytest.mark.parametrize(
    ("expires", "valid"), [(NOW + SECOND, True), (NOW, False), (NOW - SECOND, False)]
)
def test_a_token_is_valid_until_it_expires(expires: Any, valid: bool) -> None:
    assert said(expires=expires)["valid"] is valid


def test_the_word_of_now_counts_before_a_date() -> None:
    assert said(valid=False)["valid"] is False


def test_a_long_printed_number_is_cut() -> None:
    assert said(visual_number="x" * 150)["visual_number"] == "x" * 64


def test_hashed_tokens_are_left_out_and_reported() -> None:
    ctx = context()
    hashed = token(uid="f" * 40, representation=Representation.SHA1)
    found = interpret.write(FORMS["Token list"].record, TokenUpload(tokens=(hashed, token())), ctx)

    assert [each["uid"] for each in found] == ["04A2B3C4D5E680"]
    assert ("dropped", "inexpressible", "tokens/0") in notes(ctx)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"uid": "f" * 40, "representation": Representation.SHA1}, "only the sha-160 hash"),
        ({"uid": "f" * 37}, "more than 36 characters"),
        ({"contract_id": "X"}, "names no provider"),
    ],
)
def test_a_token_that_cannot_be_said(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Inexpressible, match=reason):
        said(**changes)


# -- authorise -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({}, "ALLOWED"),
        ({"expires": NOW}, "EXPIRED"),
        ({"valid": False, "expires": None}, "BLOCKED"),
    ],
)
def test_a_record_that_came_back_is_the_answer(changes: dict[str, Any], allowed: str) -> None:
    reply = AuthorisationReply(token=token(**changes))
    assert interpret.write(AUTHORIZATION_INFO, reply, context())["allowed"] == allowed


def test_a_record_with_a_refusal_is_not_allowed() -> None:
    reply = AuthorisationReply(token=token(), result=Result(code=ResultCode.NOT_AUTHORIZED))
    assert interpret.write(AUTHORIZATION_INFO, reply, context())["allowed"] == "NOT_ALLOWED"


def test_an_answer_without_a_token_is_the_code_for_an_unknown_one() -> None:
    reply = AuthorisationReply(
        result=Result(code=ResultCode.INVALID_ID, text="unknown"), allowed=Allowed.UNKNOWN_TOKEN
    )
    found = interpret.write(FORMS["AuthorizationInfo refusal"].record, reply, context())

    assert found == {
        "status_code": 2004,
        "status_message": "unknown",
        "timestamp": "2031-05-02T08:00:00Z",
    }


def test_a_question() -> None:
    query = AuthorisationQuery(
        token=TokenRef(uid="04A1", kind=TokenKind.REMOTE), location_id="L", evse_uids=("u",)
    )
    ctx = context()

    assert interpret.write(AUTHORIZE_QUESTION, query, ctx) == {
        "token_uid": "04A1",
        "type": "APP_USER",
        "location": {"location_id": "L", "evse_uids": ["u"]},
    }
    assert notes(ctx) == {("approximated", "nearest-token-type", "token/kind")}


def test_a_question_with_a_hash_cannot_be_said() -> None:
    hashed = TokenRef(uid="f" * 40, kind=TokenKind.RFID, representation=Representation.SHA1)
    with pytest.raises(Inexpressible, match="hash"):
        interpret.write(AUTHORIZE_QUESTION, AuthorisationQuery(token=hashed), context())
