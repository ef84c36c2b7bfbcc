"""The gate for XML that is too long to be held: what ``parse`` looks for beforehand, on the way.

Source: SOAP 1.1 chapter 3 (no DTD); XML 1.0.
Limits: UTF-8 only (``streamable`` tells); nesting is bounded by libxml2 (256 levels), the rest by
whoever takes the items.
"""

import re
from typing import BinaryIO

from gateway.security.parse import BrokenXml

_DECLARED = re.compile(
    rb"""(?:\xef\xbb\xbf)?\s*<\?xml\s[^>]{0,100}?encoding\s*=\s*["']([^"'>]{1,40})["']"""
)
_OVERLAP = len(b"<!DOCTYPE") - 1


def streamable(start: bytes) -> bool:
    """Whether a document that begins like this is UTF-8."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")):
        return False
    declared = _DECLARED.match(start)
    return not declared or declared[1].lower() in (b"utf-8", b"utf8", b"us-ascii", b"ascii")


class XmlGate:
    """A stream of bytes that ends with BrokenXml at what no message may hold."""

    def __init__(self, source: BinaryIO) -> None:
        self._source, self._last = source, b""

    def read(self, size: int = -1) -> bytes:
        chunk = self._source.read(size)
        if b"\0" in chunk:
            raise BrokenXml("nul", "the message holds a NUL character")
        if b"<!DOCTYPE" in chunk or b"<!DOCTYPE" in self._last + chunk[:_OVERLAP]:
            raise BrokenXml("doctype", "a document type declaration is not allowed")
        self._last = chunk[-_OVERLAP:]
        return chunk

    def seek(self, place: int) -> int:
        self._last = b""
        return self._source.seek(place)
