"""The seventeen operations of OCHP 1.4, core and live, and which form says which message.

Source: OCHP 1.4, the interface chapters; the port types of ochp.wsdl.
Wire: the request of ``SetChargepointList`` is ``SetChargePointListRequest``. Several operations
carry one message: ``natural`` chooses by what the message asks.
"""

from collections.abc import Callable, Mapping
from typing import Any

from adapters.ochp import messages as wire
from adapters.ochp.kinds import NAMESPACE
from gateway.adapter import Form, Operation
from gateway.errors import Inexpressible, UnknownOperation
from gateway.mapping.record import Record
from gateway.model import message as m


def _operation(
    name: str, subject: str, request: Record, reply: Record, *asked_by: str
) -> Operation:
    ask, answer = Form(request.name, request, subject), Form(reply.name, reply, subject)
    return Operation(name, ask, answer, asked_by, f"OCHP 1.4 {name}.req")


_LIST = "GetRoamingAuthorisationList"
_ROWS = (
    #          name          object  request           answer                asked by
    _operation("AddCDRs", "cdr", wire.ADD_CDRS, wire.CDRS_ADDED, "cpo"),
    _operation("GetCDRs", "cdr", wire.GET_CDRS, wire.CDRS, "emsp"),
    _operation("CheckCDRs", "cdr", wire.CHECK_CDRS, wire.CHECKED_CDRS, "cpo"),
    _operation("ConfirmCDRs", "cdr", wire.CONFIRM_CDRS, wire.CDRS_CONFIRMED, "emsp"),
    _operation(_LIST, "token", wire.GET_TOKENS, wire.TOKENS, "cpo"),
    _operation("SetRoamingAuthorisationList", "token", wire.SET_TOKENS, wire.TOKENS_SET, "emsp"),
    _operation(f"{_LIST}Updates", "token", wire.GET_NEW_TOKENS, wire.NEW_TOKENS, "cpo"),
    _operation(
        "UpdateRoamingAuthorisationList", "token", wire.UPDATE_TOKENS, wire.TOKENS_UPDATED, "emsp"
    ),
    _operation("GetSingleRoamingAuthorisation", "authorisation", wire.GET_TOKEN, wire.TOKEN, "cpo"),
    _operation(
        "GetChargePointList", "location", wire.GET_CHARGE_POINTS, wire.CHARGE_POINTS, "emsp", "nsp"
    ),
    _operation(
        "SetChargepointList", "location", wire.SET_CHARGE_POINTS, wire.CHARGE_POINTS_SET, "cpo"
    ),
    _operation(
        "GetChargePointListUpdates",
        "location",
        wire.GET_NEW_CHARGE_POINTS,
        wire.NEW_CHARGE_POINTS,
        "emsp",
        "nsp",
    ),
    _operation(
        "UpdateChargePointList",
        "location",
        wire.UPDATE_CHARGE_POINTS,
        wire.CHARGE_POINTS_UPDATED,
        "cpo",
    ),
    _operation("UpdateTariffs", "tariff", wire.UPDATE_TARIFFS, wire.TARIFFS_UPDATED, "cpo"),
    _operation("GetTariffUpdates", "tariff", wire.GET_TARIFFS, wire.TARIFFS, "emsp"),
    _operation("UpdateStatus", "status", wire.UPDATE_STATUS, wire.STATUS_UPDATED, "cpo", "pso"),
    _operation("GetStatus", "status", wire.GET_STATUS, wire.STATUS, "emsp", "nsp"),
)

OPERATIONS: Mapping[str, Operation] = {row.name: row for row in _ROWS}
FORMS: Mapping[str, Form] = {form.name: form for row in _ROWS for form in (row.request, row.reply)}
BY_REQUEST: Mapping[str, Operation] = {row.request.name: row for row in _ROWS}


def _receipt(message: m.Receipt) -> Record:
    """By what was refused; a plain result looks the same for every operation."""
    if message.cdrs:
        return wire.CDRS_ADDED
    if message.tokens:
        return wire.TOKENS_UPDATED
    if message.tariffs:
        return wire.TARIFFS_UPDATED
    return wire.CHARGE_POINTS_UPDATED if message.locations else wire.CDRS_CONFIRMED


_NATURAL: Mapping[type[m.Message], Callable[[Any], Record]] = {
    m.CdrUpload: lambda message: wire.ADD_CDRS,
    m.CdrQuery: lambda message: wire.CHECK_CDRS if message.mine else wire.GET_CDRS,
    m.CdrList: lambda message: wire.CDRS,
    m.CdrDecisions: lambda message: wire.CONFIRM_CDRS,
    m.TokenUpload: lambda message: wire.SET_TOKENS if message.full else wire.UPDATE_TOKENS,
    m.TokenQuery: lambda message: wire.GET_NEW_TOKENS if message.since else wire.GET_TOKENS,
    m.TokenList: lambda message: wire.TOKENS,
    m.AuthorisationQuery: lambda message: wire.GET_TOKEN,
    m.AuthorisationReply: lambda message: wire.TOKEN,
    m.LocationUpload: lambda message: (
        wire.SET_CHARGE_POINTS if message.full else wire.UPDATE_CHARGE_POINTS
    ),
    m.LocationQuery: lambda message: (
        wire.GET_NEW_CHARGE_POINTS if message.since else wire.GET_CHARGE_POINTS
    ),
    m.LocationList: lambda message: wire.CHARGE_POINTS,
    m.TariffUpload: lambda message: wire.UPDATE_TARIFFS,
    m.TariffQuery: lambda message: wire.GET_TARIFFS,
    m.TariffList: lambda message: wire.TARIFFS,
    m.StatusUpload: lambda message: wire.UPDATE_STATUS,
    m.StatusQuery: lambda message: wire.GET_STATUS,
    m.StatusList: lambda message: wire.STATUS,
    m.Receipt: _receipt,
}


def natural(message: m.Message) -> Form:
    """The form that says a message; raises Inexpressible."""
    choose = _NATURAL.get(type(message))
    if choose is None:
        raise Inexpressible(f"OCHP 1.4 has no operation for a {type(message).__name__}")
    return FORMS[choose(message).name]


def detect(tree: Any) -> Form:
    """The form of a body element; raises UnknownOperation."""
    tag = str(getattr(tree, "tag", ""))
    space, _, name = tag.rpartition("}")
    if space != f"{{{NAMESPACE}" or name not in FORMS:
        raise UnknownOperation(f"{tag[:120] or 'this'} is no message of OCHP 1.4")
    return FORMS[name]
