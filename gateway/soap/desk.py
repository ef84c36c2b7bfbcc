"""From a checked SOAP body to the desk and back: decode, ask, encode.

Limits: knows neither HTTP nor envelopes (``service``), nor any protocol: forms and results come
from the adapter.
Why: an item of a list that the schema or its own kinds refuse (a number that is none, an hour that
does not exist) does not take the rest of the list along: the others are asked for, and it comes
back among the refused. A list of which not all was read takes the place of nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from functools import partial
from typing import Any

import msgspec
from lxml import etree
from twisted.internet.defer import DeferredSemaphore

from gateway.adapter import Desk, Form, Operation, Partner, SoapAdapter
from gateway.errors import GatewayError, Malformed
from gateway.mapping.compile import codec
from gateway.mapping.context import mended
from gateway.mapping.kinds import Kind
from gateway.mapping.record import Record, Row
from gateway.mapping.stream import NotStreamed, item_names, list_row, lists
from gateway.model.message import (
    CdrQuery,
    LocationQuery,
    Message,
    Receipt,
    Result,
    ResultCode,
    StatusQuery,
    TariffQuery,
    TokenQuery,
)
from gateway.soap import listing, long, offload
from gateway.soap.call import SoapCall
from gateway.soap.check import Refusal, sorted_out
from gateway.soap.long import Long

_SMALL = 50
"""Children of a body up to which decoding in the reactor is cheaper than a thread."""
_REASONS = 20
_LONG = (CdrQuery, LocationQuery, StatusQuery, TariffQuery, TokenQuery)
"""Queries whose replies may be long."""
_AT_ONCE = 2
"""Long lists that are read at the same time."""


class SoapDesk:
    """Answers the calls of one SOAP adapter."""

    def __init__(self, adapter: SoapAdapter, desk: Desk) -> None:
        self._adapter, self._desk = adapter, desk
        self._operations: Mapping[str, Operation] = adapter.operations
        self._turns = DeferredSemaphore(_AT_ONCE)

    @property
    def lists(self) -> list[str]:
        """The body elements of requests that are read item by item when they are long."""
        return list(item_elements(each.request for each in self._operations.values()))

    @property
    def items(self) -> dict[str, frozenset[str]]:
        """The body elements of requests whose answer can say that a part was not taken, and the
        elements of their lists."""
        operations = self._operations.values()
        return item_elements(each.request for each in operations if each.reply.message is Receipt)

    async def answer(self, call: SoapCall) -> bytes | Iterator[bytes]:
        """The answer's body, in pieces if it is long; raises GatewayError."""
        operation = self._operations[call.operation]
        partner: Partner = call.party
        if call.long is not None:
            try:
                return await self._answer_long(call, call.long, operation)
            except NotStreamed:
                whole = await offload.run(offload.IN_THREAD, call.long.read_whole)
                items = self.items.get(whole.tag, ())
                call.body, notes, call.refused = await sorted_out(
                    whole, offload.IN_THREAD, call.long.schema, call.long.mend, items
                )
                call.mended += notes
        size = 0 if len(call.body) <= _SMALL else offload.IN_THREAD
        message, refused = await offload.run(size, _read, operation.request.record, call.body)
        call.refused = refused = call.refused + refused
        desk: Desk = call.desk or self._desk
        if call.mended:
            desk.report(partner, call.correlation_id, list(map(mended, call.mended)))
        if message is None:
            raise NoneReadable(refused)
        if refused and getattr(message, "full", False):
            message = msgspec.structs.replace(message, full=False)
        if isinstance(message, _LONG):
            write = partial(listing.write, desk, operation, partner)
            first, body = await desk.ask_parts(partner, message, call.correlation_id, write)
            call.result = _said(first)
            return body if isinstance(body, bytes) else listing.pieces(body)
        reply = await desk.ask(partner, message, call.correlation_id)
        return await self._written(call, desk, operation, reply, refused)

    async def _answer_long(self, call: SoapCall, message: Long, operation: Operation) -> bytes:
        """The same for a list that is too long to be held. Raises NotStreamed, nothing done."""
        desk, partner = call.desk or self._desk, call.party
        async with self._turns:
            record, file = operation.request.record, message.file
            upload = await offload.run(
                offload.IN_THREAD, long.read, record, file, message.schema, message.mend
            )
        try:
            call.mended += upload.mended
            if call.mended:
                desk.report(partner, call.correlation_id, list(map(mended, call.mended)))
            head, call.refused = upload.head, upload.refused
            refused = upload.refused
            if refused and not len(upload.lists):
                raise NoneReadable(refused)
            if refused and getattr(head, "full", False):
                head = msgspec.structs.replace(head, full=False)
            reply = await desk.ask_lists(partner, head, upload.lists, call.correlation_id)
        finally:
            upload.lists.close()
        return await self._written(call, desk, operation, reply, refused)

    async def _written(
        self,
        call: SoapCall,
        desk: Desk,
        operation: Operation,
        reply: Message,
        refused: list[Refusal],
    ) -> bytes:
        if refused and isinstance(reply, Receipt):
            reply = _partly(reply, refused)
        call.result = _said(reply)
        size = 0 if _length(reply) <= _SMALL else offload.IN_THREAD
        body = await offload.run(size, listing.whole, desk, operation, call.party, reply)
        return _with_refused(body, operation, refused) if refused else body

    def answer_error(self, call: SoapCall, error: GatewayError) -> bytes | None:
        """An error said in the protocol's own result code; None when only a fault can say it."""
        operation = self._operations.get(call.operation)
        reply = self._adapter.refusal(operation, error) if operation is not None else None
        if operation is None or reply is None:
            return None
        call.result = _said(reply)
        body = listing.whole(call.desk or self._desk, operation, call.party, reply)
        if isinstance(error, NoneReadable):
            body = _with_refused(body, operation, error.refused)
        return body


def item_elements(forms: Iterable[Form]) -> dict[str, frozenset[str]]:
    """The body elements that have lists, and the elements of their lists."""
    records = (form.record for form in forms)
    return {f"{{{r.wire.namespace}}}{r.name}": item_names(r) for r in records if lists(r)}


class NoneReadable(Malformed):
    """A list of which no item could be read."""

    def __init__(self, refused: list[Refusal]) -> None:
        self.refused = refused
        super().__init__(problem for one in refused for problem in one.problems)


def _said(reply: Message) -> str:
    """The result code of a reply, empty where it has none."""
    result = getattr(reply, "result", None)
    return result.code.value if isinstance(result, Result) else ""


def _read(record: Record, body: Any) -> tuple[Message | None, list[Refusal]]:
    """The message and the items that could not be read; no message when none could."""
    message, found = codec(record).read_partly(body)
    if not found:
        return message, []
    space = f"{{{record.wire.namespace}}}"
    refused = [
        Refusal(body.findall(f"{space}{each.name}")[each.item], each.problems) for each in found
    ]
    return (message if any(getattr(message, row.field) for row in lists(record)) else None), refused


def _length(message: Message) -> int:
    return max(
        (
            len(value)
            for value in map(message.__getattribute__, message.__struct_fields__)
            if isinstance(value, tuple)
        ),
        default=0,
    )


def _partly(reply: Receipt, refused: list[Refusal]) -> Receipt:
    reasons = tuple(str(problem) for one in refused for problem in one.problems)
    text = "; ".join([*filter(None, [reply.result.text]), *reasons[:_REASONS]])
    code = reply.result.code
    if code in (ResultCode.OK, ResultCode.PARTLY):
        code = ResultCode.PARTLY
    return msgspec.structs.replace(
        reply, result=Result(code=code, text=text), reasons=(*reply.reasons, *reasons)
    )


def _with_refused(body: bytes, operation: Operation, refused: list[Refusal]) -> bytes:
    """The answer with the unreadable items among the refused: whole, or by their ids."""
    row = _refused_row(operation.reply.record)
    if row is None:
        return body
    name = f"{{{operation.reply.record.wire.namespace}}}{row.steps[0]}"
    tree = etree.fromstring(body)
    for one in refused:
        if not isinstance(row.kind, Record):
            if id := _id_of(operation.request.record, row.kind, one.element):
                etree.SubElement(tree, name).text = id
        elif one.valid:  # else the answer would break the contract as well; its text tells of it
            item = deepcopy(one.element)
            item.tag, item.tail = name, None
            tree.append(item)
    return etree.tostring(tree)


def _id_of(record: Record, kind: Kind, item: Any) -> str | None:
    """The id by which an answer names an item, if it has one that can be said."""
    row = list_row(record)
    assert row is not None
    assert isinstance(row.kind, Record)
    for own in row.kind.rows:
        if own.kind is kind:
            text = item.findtext(f"{{{record.wire.namespace}}}{own.steps[0]}") or ""
            try:
                kind.parse(text)
            except ValueError:
                return None
            return text
    return None


def _refused_row(record: Record) -> Row | None:
    return next((row for row in record.rows if row.listed), None)
