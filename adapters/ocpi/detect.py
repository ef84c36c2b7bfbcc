"""Which form a JSON value has, and in which form a canonical message is said.

Source: OCPI 2.2.1; each object has a field, or two, that no other object has.
Limits: an empty list says nothing about what it is a list of; an EVSE alone is read for its status.
"""

from typing import Any

from adapters.ocpi.forms import FORMS
from gateway.adapter import Form
from gateway.errors import Inexpressible, UnknownOperation
from gateway.model.message import (
    AuthorisationQuery,
    AuthorisationReply,
    CdrDecisions,
    CdrList,
    CdrQuery,
    CdrUpload,
    LocationList,
    LocationQuery,
    LocationUpload,
    Message,
    Receipt,
    ResultCode,
    SessionList,
    SessionQuery,
    SessionUpload,
    StatusList,
    StatusQuery,
    StatusScope,
    StatusUpload,
    TariffList,
    TariffQuery,
    TariffRemoval,
    TariffUpload,
    TokenList,
    TokenQuery,
    TokenUpload,
)
from gateway.model.token import Allowed

# First match counts.
SIGNS: tuple[tuple[str, frozenset[str]], ...] = (
    ("CDR", frozenset({"cdr_location"})),
    ("CDR", frozenset({"total_energy", "charging_periods"})),
    ("Session", frozenset({"kwh"})),
    ("Tariff", frozenset({"elements", "currency"})),
    ("AuthorizationInfo", frozenset({"allowed"})),
    ("authorize", frozenset({"token_uid"})),
    ("Token", frozenset({"uid", "contract_id"})),
    ("Location", frozenset({"evses"})),
    ("Location", frozenset({"coordinates", "address"})),
    ("EVSE status", frozenset({"status", "evse_id"})),
    ("EVSE status", frozenset({"status", "uid"})),
)
_QUERIES = {
    "locations": "Location query",
    "tariffs": "Tariff query",
    "tokens": "Token query",
    "sessions": "Session query",
    "cdrs": "CDR query",
}
_SINGLE = ("AuthorizationInfo", "authorize")


def detect(value: Any) -> Form:
    """The form of a JSON value; raises UnknownOperation with the reason."""
    if isinstance(value, dict) and "status_code" in value:
        return _response(value)
    if isinstance(value, dict) and "module" in value:
        return _described(value)
    name = _object(value)
    if name in _SINGLE and isinstance(value, list):
        raise UnknownOperation(f"{name} is one object, no list")
    return FORMS[name if name in _SINGLE else f"{name} list"]


def _response(value: dict[str, Any]) -> Form:
    data = value.get("data")
    if isinstance(data, dict | list) and data:
        name = _object(data)
        if f"{name} response" in FORMS:
            return FORMS[f"{name} response"]
        raise UnknownOperation(f"no response of OCPI has {name} in it")
    return FORMS["response"]


def _described(value: dict[str, Any]) -> Form:
    module = value["module"]
    if module == "tariffs" and value.get("method") == "DELETE":
        return FORMS["Tariff removal"]
    if not isinstance(module, str) or module not in _QUERIES:
        raise UnknownOperation(f"{str(module)[:60]!r} is no module with a list")
    return FORMS[_QUERIES[module]]


def _object(value: Any) -> str:
    """The name of an object, or of the objects in a list, by characteristic fields."""
    first = value[0] if isinstance(value, list) and value else value
    if isinstance(first, list):
        raise UnknownOperation(
            "an empty list does not tell of what"
            if value == []
            else "a list of lists is no message"
        )
    if not isinstance(first, dict):
        raise UnknownOperation("is neither an object nor a list of objects")
    for name, fields in SIGNS:
        if fields <= first.keys():
            return name
    shown = ", ".join(sorted(map(str, first))[:8])[:200] or "no fields"
    raise UnknownOperation(f"an object with {shown} is no object of OCPI that is known here")


NATURAL: dict[type[Message], str] = {
    LocationUpload: "Location list",
    LocationList: "Location page",
    LocationQuery: "Location query",
    StatusUpload: "EVSE status list",
    StatusList: "EVSE status page",
    StatusQuery: "EVSE status query",
    TariffUpload: "Tariff list",
    TariffList: "Tariff page",
    TariffQuery: "Tariff query",
    TariffRemoval: "Tariff removal",
    TokenUpload: "Token list",
    TokenList: "Token page",
    TokenQuery: "Token query",
    SessionUpload: "Session list",
    SessionList: "Session page",
    SessionQuery: "Session query",
    CdrUpload: "CDR list",
    CdrList: "CDR page",
    CdrQuery: "CDR query",
    AuthorisationQuery: "authorize",
    AuthorisationReply: "AuthorizationInfo",
    Receipt: "response",
}


# Results that a list says by itself: nobody to ask is an empty list.
_LISTS = (ResultCode.OK, ResultCode.ROAMING)


def natural(message: Message) -> Form:
    """The form in which OCPI says a message; raises Inexpressible where it has none."""
    name = NATURAL.get(type(message))
    if isinstance(message, CdrDecisions):
        raise Inexpressible("OCPI cannot say that a CDR was approved or declined")
    if name is None:
        raise Inexpressible(f"OCPI has no message for {type(message).__name__}")
    if isinstance(message, StatusUpload) and message.parkings and not message.evses:
        raise Inexpressible("OCPI 2.2.1 has no status of parking spots")
    if isinstance(message, StatusQuery) and message.scope is StatusScope.PARKING:
        raise Inexpressible("OCPI 2.2.1 has no status of parking spots")
    if isinstance(message, AuthorisationReply) and (
        message.token is None or message.allowed is Allowed.UNKNOWN_TOKEN
    ):
        return FORMS["AuthorizationInfo refusal"]
    if name.endswith(" page") and message.result.code not in _LISTS:  # type: ignore[attr-defined]
        return FORMS.get(name.replace(" page", " response"), FORMS[name])
    return FORMS[name]
