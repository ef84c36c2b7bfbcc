"""Answers that are too long to be held: written part by part into a file, then sent from it.

Limits: one list that ends the message, of several the one that has something. An answer of one part
is written in memory as ever.
Why: a whole list is written before anything of it is sent, so an error in the middle is still an
answer; memory holds a part at a time. Of what is lost in it each rule is told once for a part.
"""

import tempfile
from collections.abc import Iterator
from itertools import chain
from typing import Any, BinaryIO, NamedTuple, cast

import msgspec

from gateway.adapter import Desk, Operation, Partner
from gateway.mapping.compile import codec
from gateway.mapping.context import Context, Counting, Note, Outcome
from gateway.mapping.stream import frame, joined, say, with_one_list
from gateway.model.message import Message, Result, ResultCode

_PIECE = 64 * 1024
_TEXT = 1000
_NAMED = 20
"""Items that are left out and named."""


class Written(NamedTuple):
    """A body whose list is in a file."""

    before: bytes
    items: BinaryIO
    after: bytes


def whole(desk: Desk, operation: Operation, partner: Partner, reply: Message) -> bytes:
    """The body of a reply; its result tells what of its list cannot be said."""
    ctx = Context(desk.facts(partner), partner.options)
    write = codec(operation.reply.record).write_xml
    body = write(reply, ctx)
    if left_out := [note.why or note.rule for note in ctx.notes if _is_item(note)]:
        told = _telling(reply, len(left_out), left_out)
        if told is not reply:
            body = write(told, Context(ctx.facts, ctx.options, quiet=True))
    return body.encode()


def _is_item(note: Note) -> bool:
    """Whether a whole item of a list could not be said: ``cdrs/3``."""
    name, _, place = note.path.partition("/")
    return note.outcome is Outcome.DROPPED and place.isdigit() and name.isalpha()


def _telling(reply: Message, count: int, reasons: list[str]) -> Message:
    """A reply whose good result says what is left out."""
    result: Any = getattr(reply, "result", None)
    if not isinstance(result, Result) or result.code is not ResultCode.OK:
        return reply
    text = f"{count} left out: {'; '.join(reasons)}"[:_TEXT]
    return msgspec.structs.replace(reply, result=msgspec.structs.replace(result, text=text))


def write(
    desk: Desk, operation: Operation, partner: Partner, parts: Iterator[Message]
) -> tuple[Message, bytes | Written]:
    """The first part of a reply, and the body that says all of them. Blocks."""
    first = next(parts)
    second = next(parts, None)
    if second is None:
        return first, whole(desk, operation, partner, first)
    record = with_one_list(operation.reply.record, first)
    ctx = Counting(desk.facts(partner), partner.options)
    before, after = frame(record, first, ctx)
    number, left_out, reasons = 0, 0, list[str]()
    file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - closed by who reads it
    try:
        for part in chain((first, second), parts):
            said = say(record, part, ctx, number)
            number += len(said.items)
            left_out += len(said.problems)
            reasons += map(str, said.problems[: _NAMED - len(reasons)])
            file.write(joined(record, said.items))
            ctx.facts.noted(record.wire.protocol, record.name, ctx.notes)
            ctx.notes = []
        if left_out:
            told = _telling(first, left_out, reasons)
            before, _ = frame(record, told, Context(ctx.facts, ctx.options, quiet=True))
    except BaseException:
        file.close()
        raise
    return first, Written(before, file, after)


def pieces(body: Written) -> Iterator[bytes]:
    """A body whose file is closed at the end."""
    with body.items as file:
        yield body.before
        file.seek(0)
        while piece := file.read(_PIECE):
            yield piece
        yield body.after
