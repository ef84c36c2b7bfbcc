"""SOAP envelopes and faults, 1.1 and 1.2, read strictly and written plainly.

Source: SOAP 1.1 (W3C Note, 8 May 2000) chapters 4 and 4.4; SOAP 1.2 part 1 (second edition)
chapter 5; WS-I Basic Profile 1.1 (R1014 and R2712: qualified, one child of Body; R9980: nothing
after Body).
Limits: document/literal only; encodingStyle, id and href mean nothing here.
Why: what a service acts on is exactly the one body element that was checked; an envelope with a
second body, a late header or loose text is refused instead of interpreted.
"""

import re
from collections.abc import Iterable, Iterator
from enum import Enum
from html import escape

from lxml import etree
from lxml.etree import _Element as Element
from msgspec import Struct

from gateway.errors import Malformed
from gateway.security.form import has_text
from gateway.security.parse import OverLimit, cut_out

MOST_BLOCKS = 64
"""Blocks in a header; what signs, addresses and names a sender are four."""
_UNSAYABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Version(Enum):
    """A SOAP version; the value is the namespace of its envelope."""

    SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
    SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"

    @property
    def media_type(self) -> str:
        """The media type of its messages over HTTP."""
        return "text/xml" if self is Version.SOAP_11 else "application/soap+xml"


class Code(Enum):
    """The codes that both versions share; the value holds the local name in 1.1 and in 1.2."""

    SENDER = ("Client", "Sender")
    RECEIVER = ("Server", "Receiver")
    MUST_UNDERSTAND = ("MustUnderstand", "MustUnderstand")
    VERSION_MISMATCH = ("VersionMismatch", "VersionMismatch")

    def name_in(self, version: Version) -> str:
        """Local name of the code in that version."""
        return self.value[version is Version.SOAP_12]


class Envelope(Struct, frozen=True):
    """What an envelope holds. The body is a tree of its own, cut off from the header, unless the
    message was read whole."""

    version: Version
    headers: tuple[Element, ...]
    body: Element


class SoapFault(Struct, frozen=True):
    """A fault as it came in. Codes are QNames in Clark notation, the outermost first."""

    codes: tuple[str, ...]
    text: str
    detail: Element | None = None


class BrokenEnvelope(Malformed):
    """The message is XML, but no SOAP envelope of the allowed form."""


class VersionMismatch(BrokenEnvelope):
    """The root element is no envelope of a known SOAP version."""


class NotUnderstood(Malformed):
    """A header block that must be understood is meant for us, and nobody here knows it."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        super().__init__("headers not understood: " + ", ".join(names))


# ---------------------------------------------------------------- reading


def read(root: Element, *, whole: bool = False) -> Envelope:
    """Take an envelope apart: at most one Header, first; one Body with one child; nothing else.

    Raises ``VersionMismatch``, ``BrokenEnvelope`` or ``OverLimit``. The tree of ``root`` is used
    up, unless ``whole`` keeps it together until it is known who sends it; then ``cut_out`` follows.
    """
    space, _, local = str(root.tag).rpartition("}")
    if local != "Envelope":
        raise BrokenEnvelope(f"the root element is {root.tag}, not a SOAP Envelope")
    form = _FORMS.get(space)
    if form is None:
        known = space[1:] or "no namespace"
        raise VersionMismatch(f"unknown SOAP version: {known}")
    version, header_tag, body_tag = form
    parts = [child.tag for child in root]
    if parts not in ([body_tag], [header_tag, body_tag]):
        names = (str(part).rpartition("}")[2] for part in parts[:5])
        found = ", ".join(names) or "nothing"
        raise BrokenEnvelope(f"an Envelope holds one Header at most and then one Body, not {found}")
    body = root[-1]
    if len(body) != 1:
        raise BrokenEnvelope(f"the Body holds {len(body)} elements, expected 1")
    _refuse_text(root)
    _refuse_text(body)
    headers: tuple[Element, ...] = ()
    if len(parts) == 2:
        if len(root[0]) > MOST_BLOCKS:
            raise OverLimit("header-blocks", f"more than {MOST_BLOCKS} header blocks")
        _refuse_text(root[0])
        headers = tuple(root[0])
    for block in headers:
        if str(block.tag)[0] != "{":
            raise BrokenEnvelope(f"the header block {block.tag} has no namespace")
    return Envelope(version, headers, body[0] if whole else cut_out(body[0]))


_FORMS = {
    f"{{{version.value}": (version, f"{{{version.value}}}Header", f"{{{version.value}}}Body")
    for version in Version
}
"""By the namespace of the root: its version, and the names of its two parts."""


def _refuse_text(element: Element) -> None:
    if has_text(element):
        raise BrokenEnvelope(f"text between the elements of {etree.QName(element).localname}")


def not_understood(envelope: Envelope, understood: Iterable[str] = ()) -> tuple[str, ...]:
    """Names of the header blocks that must be understood by us and are not in ``understood``.

    Blocks for other actors or roles are none of our business. Raises ``BrokenEnvelope`` when the
    mark is no boolean.
    """
    known = frozenset(understood)
    return tuple(
        block.tag
        for block in envelope.headers
        if block.tag not in known
        and _is_marked(block, envelope.version)
        and _is_for_us(block, envelope.version)
    )


def _is_marked(block: Element, version: Version) -> bool:
    mark = (block.get(f"{{{version.value}}}mustUnderstand") or "0").strip()
    if mark not in ("0", "1", "true", "false"):
        raise BrokenEnvelope(f"mustUnderstand of {block.tag} is {mark[:20]!r}")
    return mark in ("1", "true")


def _is_for_us(block: Element, version: Version) -> bool:
    if version is Version.SOAP_11:
        actor = (block.get(f"{{{version.value}}}actor") or "").strip()
        return actor in ("", "http://schemas.xmlsoap.org/soap/actor/next")
    role = (block.get(f"{{{version.value}}}role") or "").strip()
    roles = f"{version.value}/role"
    return role in ("", f"{roles}/next", f"{roles}/ultimateReceiver")


def read_fault(body: Element) -> SoapFault | None:
    """The fault in a body element of either version; None when it is no fault.

    Missing parts are read as empty: a fault is bad news in any form.
    """
    name = etree.QName(body)
    if name.localname != "Fault":
        return None
    if name.namespace == Version.SOAP_11.value:
        code = body.find("faultcode")
        return SoapFault(
            () if code is None else (_qname_value(code),),
            (body.findtext("faultstring") or "").strip(),
            body.find("detail"),
        )
    if name.namespace == Version.SOAP_12.value:
        soap = f"{{{Version.SOAP_12.value}}}"
        codes: list[str] = []
        code = body.find(f"{soap}Code")
        while code is not None and len(codes) < 10:
            value = code.find(f"{soap}Value")
            codes.append("" if value is None else _qname_value(value))
            code = code.find(f"{soap}Subcode")
        text = body.findtext(f"{soap}Reason/{soap}Text") or ""
        return SoapFault(tuple(codes), text.strip(), body.find(f"{soap}Detail"))
    return None


def _qname_value(element: Element) -> str:
    """The QName in an element's text, in Clark notation; as it stands if the prefix is unknown."""
    text = (element.text or "").strip()
    prefix, colon, local = text.partition(":")
    if not colon:
        prefix, local = "", text
    namespace = element.nsmap.get(prefix or None)
    return f"{{{namespace}}}{local}" if namespace else text


# ---------------------------------------------------------------- writing


def write(
    version: Version, body: Element | bytes, headers: Iterable[Element | bytes] = ()
) -> bytes:
    """An envelope in UTF-8 around one body element; parts are trees or already serialised."""
    start, end = _frame(version, headers)
    return b"".join((start, serialised(body), end))


def write_stream(version: Version, body: Iterable[bytes]) -> Iterator[bytes]:
    """The same for a body that comes in pieces."""
    start, end = _frame(version, ())
    yield start
    yield from body
    yield end


def _frame(version: Version, headers: Iterable[Element | bytes]) -> tuple[bytes, bytes]:
    blocks = b"".join(map(serialised, headers))
    return (
        b'<?xml version="1.0" encoding="utf-8"?>\n<soap:Envelope xmlns:soap="%s">%s<soap:Body>'
        % (version.value.encode(), b"<soap:Header>%s</soap:Header>" % blocks if blocks else b""),
        b"</soap:Body></soap:Envelope>",
    )


def serialised(part: Element | bytes) -> bytes:
    """A part of an envelope as it is written."""
    if isinstance(part, bytes):
        return part
    return etree.tostring(part, encoding="utf-8", xml_declaration=False, with_tail=False)


def fault(
    version: Version,
    code: Code,
    text: str,
    subcode: str | None = None,
    detail: Element | None = None,
    headers: Iterable[Element] = (),
) -> bytes:
    """A whole fault message. ``subcode`` is a QName in Clark notation.

    SOAP 1.1 has a single code: there the subcode takes its place, with its prefix declared on the
    faultcode element. ``detail`` is one element to stand inside of the detail.
    """
    name = f"soap:{code.name_in(version)}"
    text = _sayable(text)
    inner = b"" if detail is None else serialised(detail)
    if version is Version.SOAP_11:
        declared, name = _subcode(subcode) if subcode else ("", name)
        body = (
            f"<soap:Fault><faultcode{declared}>{name}</faultcode><faultstring>{text}</faultstring>"
        ).encode() + (b"<detail>%s</detail>" % inner if inner else b"")
    else:
        sub = "<soap:Subcode><soap:Value%s>%s</soap:Value></soap:Subcode>"
        body = (
            f"<soap:Fault><soap:Code><soap:Value>{name}</soap:Value>"
            f"{sub % _subcode(subcode) if subcode else ''}</soap:Code>"
            f'<soap:Reason><soap:Text xml:lang="en">{text}</soap:Text></soap:Reason>'
        ).encode() + (b"<soap:Detail>%s</soap:Detail>" % inner if inner else b"")
    return write(version, body + b"</soap:Fault>", headers)


def _subcode(clark: str) -> tuple[str, str]:
    name = etree.QName(clark)
    return f' xmlns:sub="{escape(name.namespace or "")}"', f"sub:{name.localname}"


def _sayable(text: str) -> str:
    """Text for an element: escaped, and without what XML cannot hold."""
    return escape(_UNSAYABLE.sub("?", text), quote=False)


def not_understood_headers(version: Version, names: Iterable[str]) -> tuple[Element, ...]:
    """The NotUnderstood header blocks of SOAP 1.2 (chapter 5.4.8); none in SOAP 1.1."""
    if version is Version.SOAP_11:
        return ()
    blocks = []
    for clark in names:
        name = etree.QName(clark)
        block = etree.Element(
            f"{{{version.value}}}NotUnderstood",
            {"qname": f"n:{name.localname}"},
            nsmap={"soap": version.value, "n": name.namespace or ""},
        )
        blocks.append(block)
    return tuple(blocks)
