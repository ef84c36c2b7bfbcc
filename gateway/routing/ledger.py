"""Ledger entries of what was asked and what was sent, and by what they are found again.

Limits: identifiers of what an upload changed are kept, and of CDRs and tokens always; a status that
is repeated every minute leaves no trace but its entry.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from gateway.errors import GatewayError
from gateway.mapping.context import Note
from gateway.model.charging import Cdr, Session
from gateway.model.ids import contract_key, evse_key
from gateway.model.message import (
    AuthorisationQuery,
    CdrDecisions,
    CdrQuery,
    CdrUpload,
    LocationQuery,
    LocationUpload,
    Message,
    ResultCode,
    SessionQuery,
    SessionUpload,
    StatusQuery,
    StatusUpload,
    TariffQuery,
    TariffRemoval,
    TariffUpload,
    TokenQuery,
    TokenUpload,
)
from gateway.model.token import Token, TokenRef
from gateway.routing.parties import Module, Party
from gateway.routing.records import bare_uid, same_id, unpack_message
from gateway.store import Delivery, Entry

_MOST = 1000
_LONGEST = 2000
_KINDS: Mapping[type[Message], Module | Literal["other"]] = {
    LocationUpload: "locations",
    LocationQuery: "locations",
    StatusUpload: "status",
    StatusQuery: "status",
    TariffUpload: "tariffs",
    TariffRemoval: "tariffs",
    TariffQuery: "tariffs",
    TokenUpload: "tokens",
    TokenQuery: "tokens",
    SessionUpload: "sessions",
    SessionQuery: "sessions",
    CdrUpload: "cdrs",
    CdrDecisions: "cdrs",
    CdrQuery: "cdrs",
    AuthorisationQuery: "authorise",
}
"""What a message is about, in the words of agreements."""
_OBJECTS: Mapping[str, Module] = {
    "location": "locations",
    "evse": "locations",
    "status": "status",
    "tariff": "tariffs",
    "token": "tokens",
    "session": "sessions",
    "cdr": "cdrs",
    "authorisation": "authorise",
}
"""The same of a message that could not be read, by the object that it should have been about."""


def entry(
    id: str,
    at: datetime,
    until: datetime,
    direction: Literal["in", "out"],
    party: Party,
    message: Message,
    correlation: str,
    outcome: str,
    findings: Collection[object] = (),
    **more: Any,
) -> Entry:
    """An entry of a canonical message; its bytes on the wire stand in an entry of their own.

    ``more``: other fields of the entry.
    """
    return Entry(
        id=id,
        at=at,
        direction=direction,
        party=party.id,
        protocol=party.partner.protocol,
        operation=type(message).__name__,
        correlation=correlation,
        outcome=outcome,
        duration=max(until - at, until - until),
        request=b"",
        findings=msgspec.json.encode(list(findings)) if findings else None,
        kind=_KINDS.get(type(message), "other"),
        **more,
    )


LOST = "Lost"
"""Outcome of an attempt whose process ended, or stood still, before it said what became of it."""


def lost(
    id: str, at: datetime, party: Party | None, row: Delivery
) -> tuple[Entry, list[tuple[str, str]]]:
    """The entry of the attempt before this claim, and by what it is found."""
    message = None if row.message[:1] == b"@" else unpack_message(row.message)
    entry = Entry(
        id=id,
        at=at,
        direction="out",
        party=row.party,
        protocol=party.partner.protocol if party else "",
        operation=type(message).__name__ if message else row.kind,
        correlation=row.correlation,
        outcome=LOST,
        reason=f"claimed by {row.taken_from}, which did not say what became of it; the partner "
        "may have got it, and gets it again",
        duration=at - at,
        request=b"",
        kind=_OBJECTS.get(row.kind, "other"),
        delivery=row.id,
        attempt=row.attempts - 1,
    )
    return entry, identifiers(message) if message else []


def report(
    id: str, at: datetime, party: Party, correlation: str, rows: Collection[object]
) -> Entry:
    """An entry of what was lost in the answer to a request."""
    return Entry(
        id=id,
        at=at,
        direction="in",
        party=party.id,
        protocol=party.partner.protocol,
        operation="Answer",
        correlation=correlation,
        outcome="ok",
        duration=at - at,
        request=b"",
        findings=msgspec.json.encode(list(rows)),
    )


def row_of(note: Note) -> dict[str, str | None]:
    """A fate as a row of the findings report; paths are those of canonical and wire objects."""
    target = note.target
    said = None
    if target is not None:
        steps = (name if place is None else f"{name}[{place}]" for name, place in target)
        said = "/" + "/".join(steps)
    return {
        "outcome": note.outcome,
        "source": "/" + note.path,
        "target": said,
        "rule": note.rule,
        "note": note.why,
    }


def outcome_of(reply: Message) -> str:
    """How a request ended, in the words of its result."""
    result = getattr(reply, "result", None)
    return str(result.code) if result else "ok"


def text_of(reply: Message) -> str | None:
    """What a reply says of its result, where that is not plainly good."""
    result = getattr(reply, "result", None)
    return result.text if result and result.code is not ResultCode.OK else None


def kind_of(object: str) -> str:
    """What a message about such objects is about; ``other`` for what nobody knows."""
    return _OBJECTS.get(object, "other")


def error_of(error: Exception) -> str:
    """The kind of an error as an outcome."""
    return type(error).__name__ if isinstance(error, GatewayError) else "InternalError"


def reason_of(error: Exception) -> str | None:
    """What an error says; what is ours alone is kept to the log."""
    return str(error)[:_LONGEST] if isinstance(error, GatewayError) else None


def identifiers(message: Message) -> list[tuple[str, str]]:
    """By what an outgoing message is found again."""
    return list(dict.fromkeys(_identifiers(message)))[:_MOST]


def _identifiers(message: Message) -> Iterator[tuple[str, str]]:
    if isinstance(message, CdrUpload):
        for cdr in message.cdrs:
            yield from of_cdr(cdr)
    elif isinstance(message, CdrDecisions):
        for ref in (*message.approved, *message.declined):
            yield "cdr", same_id(ref.cdr_id)
    elif isinstance(message, SessionUpload):
        for session in message.sessions:
            yield from of_session(session)
    elif isinstance(message, TokenUpload):
        for token in message.tokens:
            yield from of_token(token)
    elif isinstance(message, AuthorisationQuery):
        yield from of_token(message.token)
    elif isinstance(message, StatusUpload):
        for status in message.evses:
            if status.evse_id:
                yield "evse", evse_key(status.evse_id)
    elif isinstance(message, TariffUpload):
        for tariff in message.tariffs:
            yield "tariff", same_id(tariff.id)
    elif isinstance(message, TariffRemoval):
        for id in message.ids:
            yield "tariff", same_id(id)
    elif isinstance(message, LocationUpload):
        for location in message.locations:
            yield "location", same_id(location.id)
            for evse in location.evses:
                if evse.evse_id:
                    yield "evse", evse_key(evse.evse_id)


def of_cdr(cdr: Cdr) -> Iterator[tuple[str, str]]:
    """By what messages about a CDR are found."""
    yield "cdr", same_id(cdr.id)
    yield "evse", evse_key(cdr.evse_id)
    if cdr.session_id:
        yield "session", same_id(cdr.session_id)
    yield from of_token(cdr.token)


def of_session(session: Session) -> Iterator[tuple[str, str]]:
    """By what messages about a session are found."""
    yield "session", same_id(session.id)
    yield from of_token(session.token)


def of_token(token: Token | TokenRef) -> Iterator[tuple[str, str]]:
    """By what messages about a card or a contract are found."""
    yield "token", bare_uid(token.uid, token.kind)
    if token.contract_id:
        yield "contract", contract_key(token.contract_id)
