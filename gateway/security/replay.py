"""A message counts once: what is asked of the memory, and what identifies a message.

Source: WSS SOAP Message Security 1.1, chapter 14; WS-Addressing 1.0, 3.2 (MessageID is unique).
Limits: the memory itself is the store's (``gateway.store.SeenMessages``).
Why: a message is known by the hash of what was signed, not by its signature value, because an
ECDSA signature can be turned into another good one of the same content by anybody. It is asked for
after the signature was found good, so that nobody else can fill the memory or use up an id.
"""

from datetime import datetime
from typing import Protocol

from gateway.security.unverified import Code, Unverified


class Seen(Protocol):
    """The memory. It survives a restart and holds for all processes."""

    def first_time(self, partner: str, id: str, until: datetime) -> bool:
        """Whether the id is new for the partner; from now on, through ``until``, it is not."""
        ...


SEEN_BEFORE: tuple[Code, str] = ("replay", "the message was here before")


def refuse_replay(seen: Seen, partner: str, ids: tuple[str, ...], until: datetime) -> None:
    """Raise ``Unverified`` when one of the ids was there before."""
    for id in ids:
        if not seen.first_time(partner, id, until):
            raise Unverified(*SEEN_BEFORE)
