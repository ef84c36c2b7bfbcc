"""The types of our contract as spyne classes, made from its schema; and spyne's server of them.

Checks: spyne is given our own schema for its validation through libxml2, so that it checks what
Roamgate checks; the classes hold no facets of their own.
"""

from typing import Any

import xmlschema
from lxml import etree

from gateway.demo.ochp import NS
from gateway.schema import contract_file
from gateway.soap import _spyne_imports

_spyne_imports.provide()

from spyne import (  # noqa: E402 - needs the stand-ins
    Application,
    Array,
    Boolean,
    ComplexModel,
    Double,
    Integer,
    ServiceBase,
    Unicode,
    XmlAttribute,
    rpc,
)
from spyne.protocol.soap import Soap11  # noqa: E402

__all__ = ["Array", "Models", "application"]
_PLAIN = {"float": Double, "double": Double, "boolean": Boolean, "integer": Integer, "int": Integer}


class Models:
    """A class for each complex type and each message."""

    def __init__(self) -> None:
        self._schema = xmlschema.XMLSchema(contract_file("xsd/ochp/1.4/ochp.xsd"))
        self._made: dict[Any, Any] = {}

    def message(self, root: str) -> Any:
        return self._complex(self._schema.elements[root].type, root)

    def type(self, name: str) -> Any:
        return self._complex(self._schema.types[name], name)

    def _complex(self, xsd_type: Any, name: str) -> Any:
        if xsd_type in self._made:
            return self._made[xsd_type]
        fields = [(each.local_name, self._field(each, name)) for each in self._elements(xsd_type)]
        for attribute in xsd_type.attributes.values():
            fields.append((attribute.local_name, XmlAttribute(self._simple(attribute.type))))
        made = type(name, (ComplexModel,), {"__namespace__": NS, "_type_info": fields})
        self._made[xsd_type] = made
        return made

    def _elements(self, xsd_type: Any) -> list[Any]:
        if not xsd_type.has_complex_content() and not xsd_type.content:
            return []
        return [each for each in xsd_type.content.iter_elements() if each.local_name]

    def _field(self, element: Any, owner: str) -> Any:
        kind = element.type
        if kind.is_simple() or kind.has_simple_content():
            base = self._simple(kind)
        else:
            base = self._complex(kind, kind.local_name or f"{owner}_{element.local_name}")
        most = "unbounded" if element.max_occurs is None else element.max_occurs
        return base.customize(min_occurs=element.min_occurs, max_occurs=most)

    def _simple(self, kind: Any) -> Any:
        root = kind.root_type.local_name if kind.is_simple() else "string"
        return _PLAIN.get(root, Unicode)


def application(models: Models, operations: dict[str, Any]) -> Application:
    """spyne's application; ``operations``: name -> what is done with the request."""

    def operation(name: str, work: Any) -> Any:
        def call(ctx: Any, request: Any) -> Any:
            return work(request)

        call.__name__ = name
        root = f"{name}Request"
        return rpc(
            models.message(root),
            _returns=models.message(f"{name}Response"),
            _body_style="bare",
            _in_message_name=root,
            _out_message_name=f"{name}Response",
        )(call)

    service = type(
        "Ochp", (ServiceBase,), {name: operation(name, work) for name, work in operations.items()}
    )
    app = Application(
        [service],
        tns=NS,
        in_protocol=Soap11(validator="lxml"),
        out_protocol=Soap11(),
    )
    app.in_protocol.validation_schema = etree.XMLSchema(
        etree.parse(str(contract_file("xsd/ochp/1.4/ochp.xsd")))
    )
    return app
