"""The way to an OCHP partner: a clearing house, or a company that plays one.

Source: OCHP 1.4, the interface chapters; 3.11 of its process text for what a result means.
Limits: one canonical request is one call. A request of which OCHP can say nothing is refused here.
Why: the receipt tells the fate of every object: what the partner refused, under the ids that we
use, and what could not be said to it at all.
"""

from typing import Any

from msgspec.structs import replace

from adapters.ochp import cdrs, operations
from adapters.ochp.results import checked
from adapters.ochp.shape import tariff_wire_id
from gateway.adapter import Desk, Operation, Partner, SoapAnswer, SoapCaller
from gateway.errors import BadAnswer, Malformed
from gateway.mapping.compile import codec
from gateway.mapping.context import Context, Note, Outcome, mended
from gateway.mapping.interpret import Refusal
from gateway.mapping.spool import Spools
from gateway.mapping.stream import lists
from gateway.model.ids import evse_key
from gateway.model.message import (
    AuthorisationReply,
    CdrUpload,
    LocationUpload,
    Message,
    Receipt,
    Result,
    ResultCode,
    TariffUpload,
    TokenUpload,
)
from gateway.model.token import Allowed


class OchpLink:
    """Asks one partner. ``caller`` carries SOAP calls, ``desk`` gives the facts."""

    def __init__(self, partner: Partner, caller: SoapCaller, desk: Desk) -> None:
        self._partner, self._caller, self._desk = partner, caller, desk

    async def ask(self, message: Message, correlation_id: str) -> Message:
        """The partner's reply. Raises Inexpressible, Unreachable, Untrusted, BadAnswer, Refused."""
        ctx, operation, body = self._said(message)
        answer = await self._caller.call(operation.name, body, correlation_id)
        reply = checked(self._read(operation, answer, correlation_id))
        if isinstance(reply, AuthorisationReply):
            return _decided(reply, ctx)
        if isinstance(reply, Receipt):
            return _receipt(message, reply, ctx)
        return reply

    async def ask_lists(
        self, message: Message, correlation_id: str
    ) -> tuple[Message, Spools | None]:
        """See ``Listing``."""
        _, operation, body = self._said(message)
        record = operation.reply.record
        answer = await self._caller.call(
            operation.name, body, correlation_id, record if lists(record) else None
        )
        try:
            return checked(self._read(operation, answer, correlation_id)), answer.lists
        except BaseException:
            if answer.lists is not None:
                answer.lists.close()
            raise

    def _said(self, message: Message) -> tuple[Context, Operation, bytes]:
        ctx = Context(self._desk.facts(self._partner), self._partner.options)
        form = operations.natural(message)
        body = codec(form.record).write_xml(message, ctx).encode()
        return ctx, operations.BY_REQUEST[form.name], body

    def _read(self, operation: Operation, answer: SoapAnswer, correlation_id: str) -> Message:
        """The reply with the items of its lists that are good; of the others, and of what was put
        right, a report is made. (A receipt counts as a whole: what it refuses is not known to be
        taken if it cannot be read.) Raises BadAnswer when there were items and none is good."""
        record, found = operation.reply.record, list[Refusal]()
        reply: Message
        try:
            if answer.head is not None:
                reply = answer.head
            elif operation.reply.message is Receipt:
                reply = codec(record).read(answer.body)
            else:
                reply, found = codec(record).read_partly(answer.body)
        except Malformed as error:
            raise BadAnswer(error.problems) from None
        problems = (*answer.refused, *(problem for one in found for problem in one.problems))
        there = answer.lists or any(getattr(reply, row.field) for row in lists(record))
        if problems and not there:
            raise BadAnswer(problems)
        refused = (Note(Outcome.DROPPED, "refused", p.path, None, p.reason) for p in problems)
        if notes := [*map(mended, answer.mended), *refused]:
            self._desk.report(self._partner, correlation_id, notes)
        result = getattr(reply, "result", None)
        if not problems or not isinstance(result, Result) or result.code is not ResultCode.OK:
            return reply
        text = f"not taken: {'; '.join(map(str, problems))}"[:1000]
        return replace(reply, result=replace(result, code=ResultCode.PARTLY, text=text))


def _decided(reply: AuthorisationReply, ctx: Context) -> AuthorisationReply:
    """The answer with the word that other protocols ask for."""
    token = reply.token
    if token is None:
        return replace(reply, allowed=Allowed.UNKNOWN_TOKEN)
    good = token.expires is not None and ctx.facts.now() < token.expires
    return replace(reply, allowed=Allowed.ALLOWED if good else Allowed.EXPIRED)


# -- receipts --------------------------------------------------------------------------------


def _receipt(message: Message, reply: Receipt, ctx: Context) -> Receipt:
    """The receipt with our own objects in it, and with those that were not even sent."""
    field = _FIELDS.get(type(message))
    if field is None:
        return reply
    ours: tuple[Any, ...] = getattr(message, field)
    said = reply.result.text or reply.result.code.value
    refused = dict.fromkeys(_places(field, ours, getattr(reply, field), ctx), said)
    for note in ctx.notes:
        place = _skipped(note, field)
        if place is not None:
            refused.setdefault(place, f"{note.rule}: {note.why}" if note.why else note.rule)
    if not refused:
        return reply
    code = ResultCode.PARTLY if len(refused) < len(ours) else ResultCode.FORMAT
    objects = tuple(ours[place].id if field == "cdrs" else ours[place] for place in sorted(refused))
    reasons = tuple(refused[place] for place in sorted(refused))
    text = f"{len(refused)} of {len(ours)} were not taken"
    changes: dict[str, Any] = {field: objects}
    return replace(reply, result=Result(code=code, text=text), reasons=reasons, **changes)


_FIELDS: dict[type[Message], str] = {
    CdrUpload: "cdrs",
    LocationUpload: "locations",
    TariffUpload: "tariffs",
    TokenUpload: "tokens",
}


def _skipped(note: Note, field: str) -> int | None:
    """The place of an item that was not said: ``cdrs/3``, ``locations/3/evses/1``."""
    if note.outcome is not Outcome.DROPPED:
        return None
    first, *rest = note.path.split("/")
    whole_item = len(rest) == 1 or (field == "locations" and len(rest) == 3 and rest[1] == "evses")
    return int(rest[0]) if first == field and whole_item and rest[0].isdigit() else None


def _places(field: str, ours: tuple[Any, ...], refused: tuple[Any, ...], ctx: Context) -> set[int]:
    """The places of those of our objects that the partner named, by the ids it knows."""
    names = {key for each in refused for key in _keys(field, each, None)}
    if not names:
        return set()
    scratch = Context(ctx.facts, ctx.options, quiet=True)
    return {i for i, each in enumerate(ours) if names & _keys(field, each, scratch)}


def _keys(field: str, each: Any, ctx: Context | None) -> set[str]:
    """What an object is called on the wire; without ``ctx`` it came from there."""
    if field == "cdrs":
        return {each if ctx is None else cdrs.cdr_id(each, ctx)}
    if field == "tokens":
        return {each.uid.upper()}
    if field == "tariffs":
        said = each.id if ctx is None else tariff_wire_id(each.id, each.owner, ctx)
        return {(said or "").upper()}
    return {evse_key(evse.evse_id) for evse in each.evses if evse.evse_id}
