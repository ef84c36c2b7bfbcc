"""A thousand charge points from objects to SOAP, in process.

Roamgate writes its canonical objects through the compiled table, findings included; the peers write
objects of their own types, which they were given ready. The floor serialises a tree that is there.
"""

from collections.abc import Callable
from typing import Any

from lxml import etree

from benchmarks import samples
from benchmarks.operations import Operation, body_of, operation, zeep_types
from benchmarks.peers import BUILD

POINTS = 1000
_ROOT = f"{{{samples.NS}}}SetChargePointListRequest"


def _body() -> Any:
    return body_of(
        etree.parse(str(samples.charge_points(BUILD / f"points-{POINTS}.xml", POINTS))).getroot()
    )


@operation("write/ours")
def _() -> Operation:
    from gateway import registry
    from gateway.mapping.compile import codec
    from gateway.mapping.context import Context, NoFacts
    from gateway.mapping.stream import frame, joined, say

    record = registry.adapter_for("ochp-1.4").operations["SetChargepointList"].request.record
    message = codec(record).read(_body())

    def once() -> bytes:
        ctx = Context(NoFacts(), {})
        before, after = frame(record, message, ctx)
        return before + joined(record, say(record, message, ctx).items) + after

    return once


@operation("write/libxml2")
def _() -> Operation:
    body = _body()
    return lambda: etree.tostring(body)


@operation("write/zeep")
def _() -> Operation:
    types = zeep_types()
    request = types.get_element(_ROOT)
    points = request.parse(_body(), types)
    return _rendered(lambda parent: request.render(parent, points))


@operation("write/spyne")
def _() -> Operation:
    from benchmarks.spyne_models import Models

    kind = Models().message("SetChargePointListRequest")
    from spyne.protocol.xml import XmlDocument

    protocol = XmlDocument()
    points = protocol.from_element(None, kind, _body())
    return _rendered(lambda parent: protocol.to_parent(None, kind, points, parent, samples.NS))


def _rendered(render: Callable[[Any], Any]) -> Operation:
    def once() -> bytes:
        parent = etree.Element("Body")
        render(parent)
        return etree.tostring(parent[0])

    return once
