"""Answers that are too long to be held: written part by part into a file, then sent from it.

Limits: one list that ends the message, of several the one that has something. An answer of one part
is written in memory as ever.
Why: a whole list is written before anything of it is sent, so an error in the middle is still an
answer; memory holds a part at a time. Of what is lost in it each rule is told once for a part.
"""

import tempfile
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO, cast

from gateway.adapter import Desk, Operation, Partner
from gateway.mapping.compile import codec
from gateway.mapping.context import Context, Counting
from gateway.mapping.stream import frame, joined, say, with_one_list
from gateway.model.message import Message

_PIECE = 64 * 1024


def write(
    desk: Desk, operation: Operation, partner: Partner, parts: Iterator[Message]
) -> tuple[Message, bytes | BinaryIO]:
    """The first part of a reply, and the body that says all of them. Blocks."""
    record = operation.reply.record
    first = next(parts)
    second = next(parts, None)
    if second is None:
        ctx = Context(desk.facts(partner), partner.options)
        return first, codec(record).write_xml(first, ctx).encode()
    ctx = Counting(desk.facts(partner), partner.options)
    record = with_one_list(record, first)
    before, after = frame(record, first, ctx)
    number = 0
    file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - closed by who reads it
    try:
        file.write(before)
        for part in chain((first, second), parts):
            said = say(record, part, ctx, number)
            number += len(said.items)
            file.write(joined(record, said.items))
            ctx.facts.noted(record.wire.protocol, record.name, ctx.notes)
            ctx.notes.clear()
        file.write(after)
    except BaseException:
        file.close()
        raise
    return first, file


def pieces(file: BinaryIO) -> Iterator[bytes]:
    """What is in a file, which is closed at the end."""
    with file:
        file.seek(0)
        while piece := file.read(_PIECE):
            yield piece
