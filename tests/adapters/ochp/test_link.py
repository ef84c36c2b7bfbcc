"""Asking an OCHP partner: which operation is called, and what its answer means."""

from datetime import timedelta
from typing import Any

import pytest
from lxml import etree

from adapters.ochp import ADAPTER
from adapters.ochp.results import RESULTS, refusal
from gateway.adapter import Partner, SoapAnswer
from gateway.errors import (
    BadAnswer,
    GatewayError,
    Inexpressible,
    Malformed,
    NoRoute,
    Problem,
    Refused,
    StoreUnavailable,
    UnknownId,
    UnknownOperation,
    Unreachable,
    Untrusted,
)
from gateway.mapping.compile import codec
from gateway.mapping.context import Context
from gateway.model import message as m
from gateway.model.charging import CdrState
from gateway.model.location import EvseState
from gateway.model.status import EvseStatus
from gateway.model.token import Allowed, TokenKind, TokenRef, Whitelist
from gateway.schema import schema_for
from tests.adapters.ochp.world import (
    CPO,
    NOW,
    WorldFacts,
    cdr,
    evse,
    location,
    tariff,
    token,
)

SCHEMA = schema_for("ochp", "1.4")


class Hub:
    """A partner that answers what a test says, and the desk beside it."""

    def __init__(self, reply: m.Message | None = None, ids: Any = None) -> None:
        self.reply, self.calls = reply, []
        self._facts = WorldFacts(ids)

    def facts(self, partner: Partner) -> WorldFacts:
        return self._facts

    async def call(self, operation: str, body: bytes, correlation_id: str) -> SoapAnswer:
        assert correlation_id == "c-1"
        node = etree.fromstring(body)
        assert SCHEMA.check(node) == []
        row = ADAPTER.operations[operation]
        assert etree.QName(node).localname == row.request.name
        self.calls.append((operation, node))
        text = codec(row.reply.record).write_xml(
            self.reply or row.reply.message(), Context(WorldFacts())
        )
        return SoapAnswer(etree.fromstring(text))

    async def ask(self, message: m.Message) -> m.Message:
        partner = Partner("hub", "Hub", frozenset({"hub"}), (CPO,), "ochp-1.4", {})
        return await ADAPTER.link("ochp-1.4", partner, self, self).ask(message, "c-1")


def failed(cls: type[m.Message], code: m.ResultCode, text: str | None = "because") -> m.Message:
    return cls(result=m.Result(code=code, text=text))  # type: ignore[call-arg]


REF = TokenRef(uid="04A2", kind=TokenKind.RFID)
STATUS = EvseStatus(evse_id="NLQGWE1", state=EvseState.CHARGING)


@pytest.mark.parametrize(
    ("message", "operation"),
    [
        (m.CdrUpload(cdrs=(cdr(),)), "AddCDRs"),
        (m.CdrQuery(), "GetCDRs"),
        (m.CdrQuery(mine=True, state=CdrState.APPROVED), "CheckCDRs"),
        (m.CdrDecisions(), "ConfirmCDRs"),
        (m.TokenQuery(), "GetRoamingAuthorisationList"),
        (m.TokenQuery(since=NOW), "GetRoamingAuthorisationListUpdates"),
        (m.TokenUpload(tokens=(token(),), full=True), "SetRoamingAuthorisationList"),
        (m.TokenUpload(tokens=(token(),)), "UpdateRoamingAuthorisationList"),
        (m.AuthorisationQuery(token=REF), "GetSingleRoamingAuthorisation"),
        (m.LocationQuery(), "GetChargePointList"),
        (m.LocationQuery(since=NOW), "GetChargePointListUpdates"),
        (m.LocationUpload(locations=(location(),), full=True), "SetChargepointList"),
        (m.LocationUpload(locations=(location(),)), "UpdateChargePointList"),
        (m.TariffUpload(tariffs=(tariff(),)), "UpdateTariffs"),
        (m.TariffQuery(), "GetTariffUpdates"),
        (m.StatusUpload(evses=(STATUS,)), "UpdateStatus"),
        (m.StatusQuery(), "GetStatus"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_every_operation_is_called_for_its_message(message, operation):
    hub = Hub()
    reply = await hub.ask(message)
    assert [name for name, _ in hub.calls] == [operation]
    assert type(reply) is m.REPLIES[type(message)]


@pytest.mark.parametrize(
    "message",
    [
        m.SessionUpload(sessions=()),
        m.SessionQuery(),
        m.TariffRemoval(owner=CPO, ids=("x",)),
    ],
    ids=lambda message: type(message).__name__,
)
async def test_messages_that_ochp_does_not_have(message):
    hub = Hub()
    with pytest.raises(Inexpressible, match=type(message).__name__):
        await hub.ask(message)
    assert hub.calls == []


async def test_nothing_is_sent_when_nothing_can_be_said():
    hub = Hub()
    with pytest.raises(Inexpressible, match="shown to nobody"):
        await hub.ask(m.LocationUpload(locations=(location(publish=False),)))
    assert hub.calls == []


# -- results ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (m.ResultCode.NOT_AUTHORIZED, Untrusted),
        (m.ResultCode.INVALID_ID, UnknownId),
        (m.ResultCode.ROAMING, NoRoute),
        (m.ResultCode.FORMAT, Refused),
        (m.ResultCode.SERVER, BadAnswer),
    ],
)
async def test_results_that_are_errors(code, error):
    with pytest.raises(error, match=f"{code.value}: because") as raised:
        await Hub(failed(m.Receipt, code)).ask(m.CdrUpload(cdrs=(cdr(),)))
    assert type(raised.value) is error


async def test_no_relation_yet_is_an_empty_list():
    reply = await Hub(failed(m.TokenList, m.ResultCode.ROAMING)).ask(m.TokenQuery())
    assert reply.tokens == ()


async def test_what_the_hub_refuses_comes_back_as_our_objects():
    """By the ids that the hub knows; the code follows from the number, not from the hub's word."""
    ours = (cdr(id="c-1"), cdr(id="c-2"))
    hub = Hub(ids={("cdr", "c-1"): "NLQGW1", ("cdr", "c-2"): "NLQGW2"})
    hub.reply = m.Receipt(cdrs=("NLQGW2",), result=m.Result(code=m.ResultCode.OK, text="fine"))
    receipt = await hub.ask(m.CdrUpload(cdrs=ours))
    assert receipt.cdrs == ("c-2",)
    assert receipt.result.code is m.ResultCode.PARTLY
    assert receipt.reasons == ("fine",)
    hub.reply = m.Receipt(cdrs=("NLQGW2", "NLQGW1"))
    receipt = await hub.ask(m.CdrUpload(cdrs=ours))
    assert receipt.cdrs == ("c-1", "c-2")
    assert receipt.result.code is m.ResultCode.FORMAT


async def test_refused_tokens_tariffs_and_charge_points():
    tokens = (token(), token(uid="0A0B"))
    receipt = await Hub(m.Receipt(tokens=(token(uid="0a0b"),))).ask(m.TokenUpload(tokens=tokens))
    assert receipt.tokens == tokens[1:]
    tariffs = (tariff(id="day"), tariff(id="night"))
    receipt = await Hub(m.Receipt(tariffs=tariffs[:1])).ask(m.TariffUpload(tariffs=tariffs))
    assert receipt.tariffs == tariffs[:1]
    sites = (location(evse(), evse(evse_id="NLQGWE2")), location(evse(evse_id="NLQGWE3"), id="X"))
    named = location(evse(evse_id="NL*QGW*E2"))
    receipt = await Hub(m.Receipt(locations=(named,))).ask(m.LocationUpload(locations=sites))
    assert receipt.locations == sites[:1]
    assert receipt.result.code is m.ResultCode.PARTLY


async def test_what_was_not_even_sent_stands_in_the_receipt():
    """Counts in and out are equal: nothing vanishes between us and the hub."""
    tokens = (token(), token(whitelist=Whitelist.NEVER), token(contract_id="guest"))
    hub = Hub()
    receipt = await hub.ask(m.TokenUpload(tokens=tokens))
    assert len(hub.calls[0][1]) == 1
    assert receipt.tokens == tokens[1:]
    assert receipt.result.code is m.ResultCode.PARTLY
    assert "whitelist NEVER" in receipt.reasons[0]
    assert "is no ContractId" in receipt.reasons[1]
    sites = (location(evse(), evse(evse_id=None)), location(publish=False))
    receipt = await Hub().ask(m.LocationUpload(locations=sites))
    assert receipt.locations == sites


async def test_a_field_that_is_lost_is_no_refused_object():
    receipt = await Hub().ask(m.TokenUpload(tokens=(token(language="nld"),)))
    assert (receipt.tokens, receipt.result.code) == ((), m.ResultCode.OK)


# -- one authorisation -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "allowed"),
    [(timedelta(seconds=1), Allowed.ALLOWED), (timedelta(), Allowed.EXPIRED)],
)
async def test_a_token_on_the_list(left, allowed):
    shown = token(expires=NOW + left, valid=None)
    reply = await Hub(m.AuthorisationReply(token=shown)).ask(m.AuthorisationQuery(token=REF))
    assert reply.allowed is allowed
    assert reply.token.contract_id == "DE-XYZ-C01234567-2"


@pytest.mark.parametrize("code", [m.ResultCode.OK, m.ResultCode.INVALID_ID])
async def test_a_token_that_the_hub_does_not_know(code):
    hub = Hub(failed(m.AuthorisationReply, code))
    reply = await hub.ask(m.AuthorisationQuery(token=REF))
    assert (reply.allowed, reply.token) == (Allowed.UNKNOWN_TOKEN, None)


# -- our own refusals ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Malformed([Problem("/a", "b")]), "format"),
        (UnknownId("x"), "invalid-id"),
        (NoRoute("x"), "roaming"),
        (Refused("x"), "not-authorized"),
        (Inexpressible("x"), "server"),
        (Unreachable("x"), "server"),
        (BadAnswer("x"), "server"),
        (StoreUnavailable("/var/lib/db is locked"), "server"),
        (GatewayError("x"), "server"),
        (KeyError("secret"), "server"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_errors_as_results(error, code):
    for name, operation in ADAPTER.operations.items():
        reply = ADAPTER.refusal(operation, error)
        if name == "GetStatus":
            assert reply is None
            continue
        assert reply.result.code.value == code
        assert "db" not in reply.result.text
        assert "secret" not in reply.result.text
        node = etree.fromstring(codec(operation.reply.record).write_xml(reply, Context()))
        assert SCHEMA.check(node) == []


@pytest.mark.parametrize("error", [Untrusted("x"), UnknownOperation("x")])
def test_errors_that_are_faults(error):
    assert refusal(ADAPTER.operations["AddCDRs"], error) is None


def test_long_reasons_are_cut():
    error = Malformed([Problem(f"/a[{n}]", "x" * 40) for n in range(100)])
    assert len(refusal(ADAPTER.operations["AddCDRs"], error).result.text) == 1000


def test_every_error_has_its_row():
    assert {cls for cls, _ in RESULTS} >= {Malformed, UnknownId, NoRoute, Refused, Unreachable}


# -- which form ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "form"),
    [
        (m.Receipt(), "ConfirmCDRsResponse"),
        (m.Receipt(cdrs=("1",)), "AddCDRsResponse"),
        (m.Receipt(tokens=(token(),)), "UpdateRoamingAuthorisationListResponse"),
        (m.Receipt(tariffs=(tariff(),)), "UpdateTariffsResponse"),
        (m.Receipt(locations=(location(),)), "UpdateChargePointListResponse"),
        (m.CdrList(), "GetCDRsResponse"),
        (m.TokenList(), "GetRoamingAuthorisationListResponse"),
        (m.LocationList(), "GetChargePointListResponse"),
        (m.TariffList(), "GetTariffUpdatesResponse"),
        (m.StatusList(), "GetStatusResponse"),
        (m.AuthorisationReply(), "GetSingleRoamingAuthorisationResponse"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_natural_forms_of_replies(message, form):
    assert ADAPTER.natural("ochp-1.4", message).name == form


@pytest.mark.parametrize(
    "tag", ["{http://ochp.eu/1.3}AddCDRsRequest", "{http://ochp.eu/1.4}Nothing", "AddCDRsRequest"]
)
def test_other_roots_are_not_known(tag):
    with pytest.raises(UnknownOperation, match=r"OCHP 1\.4"):
        ADAPTER.detect("ochp-1.4", etree.Element(tag))
    with pytest.raises(UnknownOperation):
        ADAPTER.detect("ochp-1.4", {"a": 1})
