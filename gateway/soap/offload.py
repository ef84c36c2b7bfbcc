"""Where heavy work on a message runs.

Why: libxml2 parses and validates without the interpreter lock, so a big message in a thread leaves
the reactor free for small ones; for those a thread would cost more than the work.
"""

from collections.abc import Callable
from typing import TypeVar

from twisted.internet.threads import deferToThread

IN_THREAD = 64 * 1024
"""Bytes of a message from which on it is worth a thread."""

Result = TypeVar("Result")


async def run(size: int, work: Callable[..., Result], *arguments: object) -> Result:
    """``work(*arguments)``, here or in a thread by the size of the message; its errors come up."""
    if size < IN_THREAD:
        return work(*arguments)
    result: Result = await deferToThread(work, *arguments)
    return result
