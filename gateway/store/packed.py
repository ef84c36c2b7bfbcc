"""The bytes of messages, kept small.

Source: RFC 8878 (Zstandard), with a dictionary of typical messages.
Format: the first byte says how: 0 as they are, 1 zlib (until 2026-11; only read), 2 Zstandard with
``typical-1.txt`` and a checksum.
Limits: ``typical-1.txt`` stays as it is for ever, or what was packed with it cannot be read again.
Other words, when protocols change, are a file and a number of their own.
Why: most messages say a hundred bytes that are new in a thousand that are always the same. Of the
messages of the demo a third is kept of what zlib kept, in a sixth of the time.
"""

import threading
import zlib
from functools import cache
from pathlib import Path

import zstandard

AS_IT_IS, ZLIB, TYPICAL_1 = b"\0", b"\1", b"\2"
SMALL = 32
"""Bytes up to which packing is not worth its time."""
_LEVEL = 1


@cache
def _words() -> zstandard.ZstdCompressionDict:
    typical = Path(__file__).with_name("typical-1.txt").read_bytes()
    words = zstandard.ZstdCompressionDict(typical, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    words.precompute_compress(level=_LEVEL)
    return words


class _Tools(threading.local):
    """Each thread has its own: they keep their tables between two messages."""

    def __init__(self) -> None:
        words = _words()
        self.pack = zstandard.ZstdCompressor(_LEVEL, words, write_checksum=True).compress
        self.unpack = zstandard.ZstdDecompressor(words).decompress


_TOOLS = _Tools()


def pack(value: bytes) -> bytes:
    """What is kept of these bytes."""
    if len(value) > SMALL:
        packed = _TOOLS.pack(value)
        if len(packed) < len(value):
            return TYPICAL_1 + packed
    return AS_IT_IS + value


def unpack(kept: bytes) -> bytes:
    """The bytes again. Raises ValueError where the database gives something else than was kept."""
    how, packed = kept[:1], kept[1:]
    try:
        if how == TYPICAL_1:
            return _TOOLS.unpack(packed, allow_extra_data=False)
        if how == ZLIB:
            return zlib.decompress(packed)
    except (zstandard.ZstdError, zlib.error, MemoryError) as error:
        raise ValueError(f"what is kept of a message is spoiled: {error}") from None
    if how != AS_IT_IS:
        raise ValueError(f"a message is kept in a way that is not known: {how!r}")
    return packed
