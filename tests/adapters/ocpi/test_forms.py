"""Detection by content, natural forms, envelopes, results."""

from typing import Any

import pytest

from adapters.ocpi import ADAPTER
from adapters.ocpi.detect import NATURAL
from adapters.ocpi.results import CODES, RESULTS, code_of, error_of, result_of
from gateway import errors
from gateway.errors import Inexpressible, UnknownOperation
from gateway.mapping import interpret
from gateway.mapping.compile import codec
from gateway.model import message as m
from gateway.model.base import PartyId
from gateway.model.message import CdrRef, Receipt, Result, ResultCode
from gateway.model.status import MajorStatus, ParkingStatus
from tests.adapters.ocpi import samples
from tests.adapters.ocpi.records import context, notes

P = "ocpi-2.2.1"
EVSE = {"status": "CHARGING", "last_updated": "2031-05-02T09:00:00Z"}


def envelope(data: Any) -> dict[str, Any]:
    return {"data": data, "status_code": 1000, "timestamp": "2031-05-02T09:00:00Z"}


@pytest.mark.parametrize(
    ("value", "name", "message"),
    [
        (samples.location(), "Location list", m.LocationUpload),
        ([samples.location(), samples.location("S2")], "Location list", m.LocationUpload),
        (envelope([samples.location()]), "Location response", m.LocationList),
        (envelope(samples.location()), "Location response", m.LocationList),
        (samples.location(evses=[]), "Location list", m.LocationUpload),
        (samples.evse(), "EVSE status list", m.StatusUpload),
        ([EVSE | {"evse_id": "DE*ACM*E1"}], "EVSE status list", m.StatusUpload),
        (EVSE | {"uid": "E1", "location_id": "S"}, "EVSE status list", m.StatusUpload),
        (samples.token(), "Token list", m.TokenUpload),
        (envelope([samples.token()]), "Token response", m.TokenList),
        (
            {"allowed": "ALLOWED", "token": samples.token()},
            "AuthorizationInfo",
            m.AuthorisationReply,
        ),
        (
            envelope({"allowed": "ALLOWED", "token": samples.token()}),
            "AuthorizationInfo response",
            m.AuthorisationReply,
        ),
        ({"token_uid": "04A1", "type": "RFID"}, "authorize", m.AuthorisationQuery),
        ({"status_code": 2001, "timestamp": "2031-05-02T09:00:00Z"}, "response", m.Receipt),
        (envelope([]), "response", m.Receipt),
        (envelope(None), "response", m.Receipt),
        ({"module": "locations", "query": {"limit": 10}}, "Location query", m.LocationQuery),
        ({"module": "cdrs", "query": {}}, "CDR query", m.CdrQuery),
        ({"module": "tokens", "path": {"id": "04A1"}}, "Token query", m.TokenQuery),
        (
            {
                "module": "tariffs",
                "method": "DELETE",
                "path": {"country_code": "DE", "party_id": "ACM", "ids": ["T"]},
            },
            "Tariff removal",
            m.TariffRemoval,
        ),
    ],
)
def test_a_form_is_seen_from_the_content(value: Any, name: str, message: type[Any]) -> None:
    form = ADAPTER.detect(P, value)

    assert (form.name, form.message) == (name, message)
    assert isinstance(interpret.read(form.record, value), message)
    assert codec(form.record).read(value) == interpret.read(form.record, value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], "an empty list does not tell of what"),
        ({}, "no fields"),
        ({"foo": 1, "bar": 2}, "an object with bar, foo"),
        ("location", "neither an object nor a list"),
        (None, "neither an object nor a list"),
        (5, "neither an object nor a list"),
        ([[samples.token()]], "a list of lists"),
        ([None], "neither an object nor a list"),
        ([{"allowed": "ALLOWED", "token": {}}], "is one object, no list"),
        ({"module": "credentials"}, "no module with a list"),
        ({"module": ["cdrs"]}, "no module with a list"),
        (envelope({"x": 1}), "an object with x"),
        (envelope({"token_uid": "1"}), "no response of OCPI"),
        ({"name": "Harbour", "address": "Quay 5"}, "an object with address, name"),
    ],
)
def test_a_value_of_no_form_says_why(value: Any, reason: str) -> None:
    with pytest.raises(UnknownOperation, match=reason):
        ADAPTER.detect(P, value)


@pytest.mark.parametrize("cls", sorted(NATURAL, key=lambda cls: cls.__name__))
def test_a_natural_form_is_one_of_its_message(cls: type[Any]) -> None:
    assert ADAPTER.forms(P)[NATURAL[cls]].message is cls


def test_every_message_has_a_natural_form_or_a_reason() -> None:
    replies = set(m.REPLIES.values())
    assert set(m.REPLIES) | replies == set(NATURAL) | {m.CdrDecisions}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (m.CdrDecisions(approved=(CdrRef(cdr_id="C"),)), "approved or declined"),
        (
            m.StatusUpload(parkings=(ParkingStatus(parking_id="P", status=MajorStatus.UNKNOWN),)),
            "no status of parking spots",
        ),
        (m.StatusQuery(scope=m.StatusScope.PARKING), "no status of parking spots"),
    ],
)
def test_a_message_that_ocpi_does_not_have(message: m.Message, reason: str) -> None:
    with pytest.raises(Inexpressible, match=reason):
        ADAPTER.natural(P, message)


def said(message: m.Message, ctx: Any = None) -> Any:
    return interpret.write(ADAPTER.natural(P, message).record, message, ctx or context())


def test_queries() -> None:
    query = m.CdrQuery(
        since=context().facts.now(),
        page=m.Page(offset=20, limit=10),
        id="C-1",
        mine=True,
        owner=PartyId(country="DE", code="ACM"),
    )
    ctx = context()

    assert said(query, ctx) == {
        "module": "cdrs",
        "path": {"country_code": "DE", "party_id": "ACM", "id": "C-1"},
        "query": {"date_from": "2031-05-02T08:00:00Z", "offset": 20, "limit": 10},
    }
    assert notes(ctx) == {("dropped", "no-counterpart", "mine")}
    assert said(m.StatusQuery()) == {"module": "locations"}


@pytest.mark.parametrize(
    ("code", "status"),
    [(code, RESULTS[code]) for code in ResultCode],
)
def test_a_receipt_is_an_envelope(code: ResultCode, status: int) -> None:
    found = said(Receipt(result=Result(code=code)))
    assert found == {"status_code": status, "timestamp": "2031-05-02T08:00:00Z"}


def test_the_reasons_of_a_receipt_are_in_its_message() -> None:
    ctx = context()
    receipt = Receipt(
        result=Result(code=ResultCode.PARTLY, text="1 of 2"), cdrs=("C1",), reasons=("C1: no EVSE",)
    )
    assert said(receipt, ctx)["status_message"] == "1 of 2; C1: no EVSE"
    assert {
        ("approximated", "partly-is-an-error", "result/code"),
        ("dropped", "no-counterpart", "cdrs"),
    } <= notes(ctx)


def test_a_list_with_an_error_is_said_with_its_envelope() -> None:
    failed = m.TokenList(result=Result(code=ResultCode.SERVER, text="later"))

    assert said(failed)["status_code"] == 3000
    assert said(m.TokenList(result=Result(code=ResultCode.ROAMING))) == []


# -- status codes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "object_", "code"),
    [
        (errors.Malformed("x"), "", 2001),
        (errors.TooLarge("x"), "", 2001),
        (errors.UnknownOperation("x"), "", 2000),
        (errors.Inexpressible("x"), "", 2001),
        (errors.UnknownId("x"), "location", 2003),
        (errors.UnknownId("x"), "status", 2003),
        (errors.UnknownId("x"), "token", 2004),
        (errors.UnknownId("x"), "tariff", 2000),
        (errors.NoRoute("x"), "token", 4001),
        (errors.Refused("x"), "", 2000),
        (errors.TimedOut("x"), "", 4002),
        (errors.Unreachable("x"), "", 4003),
        (errors.BadAnswer("x"), "", 4000),
        (errors.StoreUnavailable("x"), "", 3000),
        (errors.GatewayError("x"), "", 3000),
    ],
)
def test_an_error_has_a_status_code(error: errors.GatewayError, object_: str, code: int) -> None:
    assert code_of(error, object_) == code


def test_no_error_stands_behind_its_base() -> None:
    """In the table the first match counts."""
    for place, (cls, _) in enumerate(CODES):
        assert not any(issubclass(cls, other) for other, _ in CODES[:place]), cls


@pytest.mark.parametrize(
    ("code", "result", "error"),
    [
        (2000, ResultCode.FORMAT, errors.Refused),
        (2001, ResultCode.FORMAT, errors.Refused),
        (2003, ResultCode.INVALID_ID, errors.UnknownId),
        (2004, ResultCode.INVALID_ID, errors.UnknownId),
        (3000, ResultCode.SERVER, errors.BadAnswer),
        (3999, ResultCode.SERVER, errors.BadAnswer),
        (4000, ResultCode.SERVER, errors.Unreachable),
        (4001, ResultCode.ROAMING, errors.NoRoute),
        (4002, ResultCode.SERVER, errors.TimedOut),
        (4003, ResultCode.SERVER, errors.Unreachable),
    ],
)
def test_a_partners_code_is_translated(
    code: int, result: ResultCode, error: type[errors.GatewayError]
) -> None:
    assert (result_of(code), error_of(code)) == (result, error)


@pytest.mark.parametrize("code", [0, 999, 5000, -1000])
def test_no_status_code(code: int) -> None:
    with pytest.raises(ValueError, match="is no status code"):
        result_of(code)
    assert error_of(code) is errors.BadAnswer
