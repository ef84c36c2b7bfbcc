"""What a WSDL or an XSD says, as plain data: the facts of an interface without its wording.

Source: WSDL 1.1; XML Schema 1.0.
Form: names in the document's own namespace are written ``tns:name``, those of XML Schema
``xs:name``, others ``{namespace}name``, names without namespace bare. Two documents with equal
facts accept the same messages and give the same stubs. Prefixes, documentation, the split into
files and the order of declarations do not count; the order of elements in a type does.
Limits: no redefine, wildcards or identity constraints; a document that has one is refused, not
half read.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lxml import etree
from lxml.etree import _Element as Element

Facts = dict[str, Any]

XSD = "{http://www.w3.org/2001/XMLSchema}"
WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
SOAP = "{http://schemas.xmlsoap.org/wsdl/soap/}"

_GROUPS = ("sequence", "choice", "all")
_NOT_READ = ("redefine", "any", "anyAttribute", "key", "keyref", "unique")
_NEEDLESS_ESCAPES = ((r"\/", "/"), (r"\:", ":"))  # not in the grammar of XSD patterns, same meaning


def schema_facts(path: Path) -> Facts:
    """The elements and types of a schema, with all it includes and imports."""
    return _Schema(path).facts()


def wsdl_facts(path: Path) -> Facts:
    """Messages, port types, bindings and services of a WSDL, without what it imports."""
    root = _parsed(path)
    name = _names(root.get("targetNamespace") or "")

    def each(kind: str, read: Callable[[Element], Any], parent: Element = root) -> Facts:
        return {str(node.get("name")): read(node) for node in parent.findall(WSDL + kind)}

    def ports(service: Element) -> Facts:
        return each(
            "port",
            lambda port: {
                "binding": name(port, "binding"),
                "address": _one(port, SOAP + "address").get("location"),
            },
            service,
        )

    return {
        "name": root.get("name"),
        "namespace": root.get("targetNamespace"),
        "messages": each(
            "message",
            lambda node: {
                part.get("name"): name(part, "element") for part in node.findall(WSDL + "part")
            },
        ),
        "portTypes": each(
            "portType",
            lambda node: each(
                "operation",
                lambda operation: {_kind(way): name(way, "message") for way in _parts(operation)},
                node,
            ),
        ),
        "bindings": each(
            "binding",
            lambda node: {
                "type": name(node, "type"),
                **dict(sorted(_one(node, SOAP + "binding").attrib.items())),
                "operations": each("operation", _bound, node),
            },
        ),
        "services": each("service", ports),
    }


def _bound(operation: Element) -> Facts:
    (soap, *ways) = _parts(operation)
    return {
        "soapAction": soap.get("soapAction"),
        **{_kind(way): {_kind(part): part.get("use") for part in _parts(way)} for way in ways},
    }


def _parts(node: Element) -> list[Element]:
    """Children without the documentation."""
    return [part for part in node.iterchildren(etree.Element) if _kind(part) != "documentation"]


class _Schema:
    """Reads one schema; ``components`` are its global declarations by kind and name."""

    def __init__(self, path: Path) -> None:
        self.documents: dict[Path, Element] = {}
        self._load(path.resolve())
        self.namespace = next(iter(self.documents.values())).get("targetNamespace") or ""
        self.name = _names(self.namespace)
        self.components = {
            (_kind(node), self._own_name(node, True)): node
            for root in self.documents.values()
            for node in root.iterchildren(etree.Element)
            if node.get("name")
        }

    def facts(self) -> Facts:
        def all_of(*kinds: str) -> Facts:
            return {
                name: self._read[kind](self, node)
                for (kind, name), node in sorted(self.components.items())
                if kind in kinds
            }

        return {
            "namespace": self.namespace,
            "elements": all_of("element"),
            "types": all_of("complexType", "simpleType"),
        }

    def _load(self, path: Path) -> None:
        if path in self.documents:
            return
        root = self.documents[path] = _parsed(path)
        for node in root.iter(*(XSD + kind for kind in _NOT_READ)):
            raise NotImplementedError(f"{path.name}: {_kind(node)}")
        for node in root.iterchildren(XSD + "include", XSD + "import"):
            if node.get("schemaLocation"):
                self._load((path.parent / str(node.get("schemaLocation"))).resolve())

    def _own_name(self, node: Element, qualified: bool) -> str:
        namespace = node.getroottree().getroot().get("targetNamespace") if qualified else ""
        return self.name(
            f"{{{namespace}}}{node.get('name')}" if namespace else str(node.get("name"))
        )

    def _global_element(self, node: Element) -> Facts:
        facts: Facts = {"type": self._type_of(node)}
        if node.get("nillable") == "true":
            facts["nillable"] = True
        return facts

    def _type_of(self, node: Element) -> str | Facts:
        if node.get("type"):
            return self.name(node, "type")
        inline = _declarations(node, "complexType", "simpleType")
        return self._read[_kind(inline[0])](self, inline[0]) if inline else "xs:anyType"

    def _complex(self, node: Element) -> Facts:
        facts: Facts = {flag: True for flag in ("abstract", "mixed") if node.get(flag) == "true"}
        holder = node
        for content in _declarations(node, "complexContent", "simpleContent"):
            (holder,) = _declarations(content, "extension", "restriction")
            facts[_kind(holder)] = self.name(holder, "base")
        if holder is not node and _kind(holder) == "restriction":
            raise NotImplementedError("complex type by restriction")
        particles = list(self._particles(holder))
        return {
            **facts,
            "content": particles[0] if particles else None,
            "attributes": dict(sorted(self._attributes(holder))),
        }

    def _particles(self, holder: Element) -> Iterator[Facts]:
        for node in _declarations(holder, *_GROUPS, "element", "group"):
            often = {"min": int(node.get("minOccurs", 1)), "max": _many(node.get("maxOccurs", "1"))}
            kind = _kind(node)
            if kind in _GROUPS:
                inner = list(self._particles(node))
                if inner:
                    yield {kind: inner, **often}
            elif kind == "group":
                (inner_group,) = self._particles(self.components["group", self.name(node, "ref")])
                yield {**inner_group, **often}
            elif node.get("ref"):
                name = self.name(node, "ref")
                declared = self.components["element", name]
                yield {"element": name, **self._global_element(declared), **often}
            else:
                yield {
                    "element": self._own_name(node, self._qualified(node, "elementFormDefault")),
                    **self._global_element(node),
                    **often,
                }

    def _attributes(self, holder: Element) -> Iterator[tuple[str, Facts]]:
        for node in _declarations(holder, "attribute", "attributeGroup"):
            if _kind(node) == "attributeGroup":
                yield from self._attributes(
                    self.components["attributeGroup", self.name(node, "ref")]
                )
                continue
            facts: Facts = {"type": self._type_of(node), "required": node.get("use") == "required"}
            facts |= {key: node.get(key) for key in ("default", "fixed") if key in node.attrib}
            yield self._own_name(node, self._qualified(node, "attributeFormDefault")), facts

    def _qualified(self, node: Element, default: str) -> bool:
        root = node.getroottree().getroot()
        return node.get("form", root.get(default, "unqualified")) == "qualified"

    def _simple(self, node: Element) -> Facts:
        (way,) = _declarations(node, "restriction", "list", "union")
        inline = [self._simple(inner) for inner in _declarations(way, "simpleType")]
        if _kind(way) == "list":
            return {"list": inline[0] if inline else self.name(way, "itemType")}
        if _kind(way) == "union":
            named = [self.name(way, member) for member in str(way.get("memberTypes", "")).split()]
            return {"union": named + inline}
        facts: Facts = {"base": inline[0] if inline else self.name(way, "base")}
        for facet in way.iterchildren(etree.Element):
            kind, value = _kind(facet), str(facet.get("value"))
            if kind in ("enumeration", "pattern"):
                facts.setdefault(kind, []).append(_plain(value) if kind == "pattern" else value)
            elif kind not in ("annotation", "simpleType"):
                facts[kind] = value
        return facts

    _read = {"element": _global_element, "complexType": _complex, "simpleType": _simple}  # noqa: RUF012


def _parsed(path: Path) -> Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True)
    return etree.fromstring(path.read_bytes(), parser)


def _kind(node: Element) -> str:
    return etree.QName(node).localname


def _one(node: Element, tag: str) -> Element:
    (found,) = node.findall(tag)
    return found


def _declarations(node: Element, *kinds: str) -> list[Element]:
    return [child for child in node.iterchildren(etree.Element) if _kind(child) in kinds]


def _names(namespace: str) -> Callable[..., str]:
    """Writes a QName in the short form of this module."""

    def name(where: Element | str, attribute: str = "") -> str:
        if isinstance(where, str):
            clark = where
        else:
            text = str(where.get(attribute, ""))
            prefix, _, local = text.rpartition(":")
            clark = f"{{{where.nsmap.get(prefix or None, '')}}}{local}"
        return clark.replace(f"{{{namespace}}}", "tns:").replace(XSD, "xs:").replace("{}", "")

    return name


def _many(text: str) -> int | None:
    return None if text == "unbounded" else int(text)


def _plain(pattern: str) -> str:
    for escaped, plain in _NEEDLESS_ESCAPES:
        pattern = pattern.replace(escaped, plain)
    return pattern
