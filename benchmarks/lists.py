"""Long lists, as commands that run once: ``python -m benchmarks.lists KIND FILE``.

``libxml2`` reads the file as a stream and validates each record, keeping none; ``zeep`` and
``spyne`` read it whole, map it by hand and write JSON; ``send`` (with a port) uploads it.
"""

import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from lxml import etree

from benchmarks import samples
from benchmarks.load import Answer
from benchmarks.operations import body_of, xsd, zeep_types
from benchmarks.translators import locations

_ITEM = f"{{{samples.NS}}}chargePointInfoArray"


def libxml2(file: Path) -> None:
    """The least that a streaming reader with a schema can do."""
    schema = xsd()
    holder = etree.Element(f"{{{samples.NS}}}SetChargePointListRequest")
    for _, element in etree.iterparse(str(file), events=("end",), tag=_ITEM):
        holder.append(element)
        schema.assertValid(holder)
        holder.clear()


def _whole(file: Path) -> Any:
    body = body_of(etree.parse(str(file), etree.XMLParser(huge_tree=True)).getroot())
    xsd().assertValid(body)
    return body


def _json(points: Any) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(list(locations(points))))


def zeep(file: Path) -> None:
    """By zeep's types."""
    types = zeep_types()
    request = types.get_element(f"{{{samples.NS}}}SetChargePointListRequest")
    _json(request.parse(_whole(file), types).chargePointInfoArray)


def spyne(file: Path) -> None:
    """By spyne's classes."""
    from benchmarks.spyne_models import Models

    kind = Models().message("SetChargePointListRequest")
    from spyne.protocol.xml import XmlDocument

    _json(XmlDocument().from_element(None, kind, _whole(file)).chargePointInfoArray)


def upload(port: int, file: Path, seconds: float = 300) -> bytes:
    """Send the file as SetChargePointList, in pieces; the answer's body. Raises RuntimeError."""
    head = samples.http("/ochp/1.4", b"", "SetChargepointList").replace(
        b"Content-Length: 0", b"Content-Length: %d" % file.stat().st_size
    )
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(head)
        with file.open("rb") as body:
            connection.sendfile(body)
        status, answer = Answer(connection).read()
    if status != 200 or b">ok<" not in answer:
        raise RuntimeError(f"the list was not taken: {status} {answer[:300]!r}")
    return answer


def main(kind: str, file: str, port: str = "") -> None:
    if kind == "send":
        upload(int(port), Path(file))
        return
    kinds: dict[str, Callable[[Path], None]] = {"libxml2": libxml2, "zeep": zeep, "spyne": spyne}
    kinds[kind](Path(file))


if __name__ == "__main__":
    main(*sys.argv[1:])
