"""Canonical objects as JSON: exact decimals, and the offsets that were sent.

Why: msgspec ends the process when two threads make the first decoders of classes that share parts,
so they are made one at a time, here.
"""

from decimal import Decimal
from functools import cache
from threading import Lock
from typing import Any

import msgspec

from gateway.model.base import Canonical

_making = Lock()
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def pack(item: Canonical) -> bytes:
    """The JSON text of an object, in one line."""
    return _ENCODER.encode(item)


@cache
def decoder(cls: type[Canonical]) -> Any:
    """What reads objects of a class that were packed."""
    with _making:
        return msgspec.json.Decoder(cls, float_hook=Decimal)
