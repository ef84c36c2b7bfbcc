"""``roamgate translate`` for messages that are too long to be held: in and out item by item."""

import shutil
import tempfile
from collections.abc import Mapping
from typing import Any, BinaryIO

from lxml import etree

from gateway import bulk, several
from gateway.errors import Malformed
from gateway.mapping.carriers import local
from gateway.mapping.context import Facts
from gateway.mapping.json_items import JsonItems, probe
from gateway.mapping.stream import ITEM, Checker, Mend, NotStreamed
from gateway.mapping.xml_items import XmlItems
from gateway.registry import adapter_for
from gateway.schema import schema_for
from gateway.security.json_gate import JsonLimits, read_json
from gateway.security.stream_gate import XmlGate, streamable
from gateway.soap import envelope

LONG = 256 * 1024
"""Bytes from which on a message is streamed; to list what became of each field of such a message
takes twenty times as long."""
SHARED = 4 * 1024 * 1024
"""Bytes from which on several processes take less time than one."""
_ITEM = JsonLimits(bytes=ITEM)
_PROLOGUE = 1024 * 1024


def translate(
    source: str,
    target: str,
    file: BinaryIO,
    out: BinaryIO,
    *,
    enveloped: bool,
    facts: Facts,
    options: Mapping[str, Any],
) -> bulk.Summary:
    """Translate what is in ``file`` to ``out``, which gets all of it or nothing.

    Raises NotStreamed (to be read whole), Malformed, Inexpressible.
    """
    start = file.read(1024)
    adapter = adapter_for(source)
    items: XmlItems | JsonItems
    if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"<", b"\x00", b"\xff", b"\xfe"):
        if not streamable(start) or not hasattr(adapter, "endpoints"):
            raise NotStreamed("no XML in UTF-8")
        gate: Any = XmlGate(file)
        form = adapter.detect(source, etree.Element(_root(gate)))
        items = XmlItems(form.record, gate, _checker(source), _mend(source))
    else:
        probed = probe(file, _decode)
        form = adapter.detect(source, probed)
        items = JsonItems(form.record, file, _decode, probed)
    xml = hasattr(adapter_for(target), "endpoints")
    with tempfile.TemporaryFile() as whole:
        summary = bulk.translate(
            source,
            target,
            form,
            items,
            whole,
            facts=facts,
            options=options,
            checker=_checker(target) if xml else None,
            around=_around(facts, xml=xml) if enveloped else (b"", b""),
            processes=several.cores() if file.seek(0, 2) >= SHARED else 1,
        )
        if items.root is not None and local(items.root.tag) == "Envelope":
            envelope.read(items.root)
        whole.seek(0)
        shutil.copyfileobj(whole, out)
    return summary


def _decode(text: bytes) -> Any:
    return read_json(text, _ITEM)


def _checker(protocol: str) -> Checker:
    family, _, version = protocol.partition("-")
    return schema_for(family, version)


def _mend(protocol: str) -> Mend:
    return adapter_for(protocol).mend  # type: ignore[no-any-return]


def _around(facts: Facts, *, xml: bool) -> tuple[bytes, bytes]:
    """What ``--envelope`` puts around a message."""
    if xml:
        start, end = envelope.write_stream(envelope.Version.SOAP_11, ())
        return start, end
    now = facts.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    return b'{"data":', b',"status_code":1000,"timestamp":"%s"}' % now.encode()


def _root(gate: Any) -> str:
    """The name of the message element: the root, or what stands in the body of an envelope."""
    parser = etree.XMLPullParser(("start",), resolve_entities=False, no_network=True)
    gate.seek(0)
    seen = 0
    try:
        while chunk := gate.read(4096):
            parser.feed(chunk)
            element: Any
            for _, element in parser.read_events():
                parents = [local(each.tag) for each in element.iterancestors()]
                if parents == ["Body", "Envelope"] or (
                    not parents and local(element.tag) != "Envelope"
                ):
                    return str(element.tag)
            seen += len(chunk)
            if seen > _PROLOGUE:
                raise NotStreamed("no message at its start")
    except etree.XMLSyntaxError as error:
        raise Malformed(f"is no XML: {error}") from None
    raise Malformed("there is no message in the envelope")
