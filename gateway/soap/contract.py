"""A WSDL as data: its operations and ports, and its documents as we publish them.

Source: WSDL 1.1 chapters 2 and 3; WSDL 1.1 Binding Extension for SOAP 1.2; WS-I Basic Profile 1.1
(document/literal, one part, bound by ``element``).
Limits: no RPC style, no one-way operations, no headers or faults in the contract.
Why: partners fetch ``?wsdl`` from the gateway and must get exactly the published interface, with
addresses that lead back here; generated documents do not have the right names.
"""

import copy
import posixpath
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

from lxml import etree
from lxml.etree import _Element as Element
from msgspec import Struct

from gateway.errors import ConfigError
from gateway.soap.envelope import Version

_WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
_XSD = "{http://www.w3.org/2001/XMLSchema}"
_SOAP = {
    "{http://schemas.xmlsoap.org/wsdl/soap/}": Version.SOAP_11,
    "{http://schemas.xmlsoap.org/wsdl/soap12/}": Version.SOAP_12,
}
_REFERENCES = {  # element: (attribute, kind of document)
    f"{_WSDL}import": ("location", "wsdl"),
    f"{_XSD}import": ("schemaLocation", "xsd"),
    f"{_XSD}include": ("schemaLocation", "xsd"),
    f"{_XSD}redefine": ("schemaLocation", "xsd"),
}


class ContractOperation(Struct, frozen=True):
    """One operation. Roots are QNames in Clark notation."""

    name: str
    soap_action: str
    request_root: str
    response_root: str
    port_type: str
    binding: str


class Port(Struct, frozen=True):
    """One port of a service, as the WSDL names it."""

    service: str
    name: str
    binding: str
    port_type: str
    version: Version
    address: str


class _Document(Struct, frozen=True):
    kind: str
    name: str
    path: Path
    root: Element

    @property
    def query(self) -> str:
        return f"{self.kind}={quote(self.name)}"


class Contract:
    """What a WSDL says, limited to some of its port types if wished."""

    def __init__(
        self,
        path: Path,
        protocol: str,
        version: str,
        port_types: Collection[str] | None = None,
        elsewhere: Mapping[str, str] | None = None,
    ) -> None:
        """Read ``path`` and what it refers to, from disk only. Raises ``ConfigError``.

        ``elsewhere``: port types that are published too, and the addresses that serve them.
        """
        self.path = path
        self.protocol = protocol
        self.version = version
        self._documents = _load(path)
        self._wsdls = [each.root for each in self._documents if each.kind == "wsdl"]
        self.target_namespace: str = self._wsdls[0].get("targetNamespace") or ""
        self._elsewhere = dict(elsewhere or {})
        self.operations: dict[str, ContractOperation] = {}
        bindings: dict[str, tuple[str, Version]] = {}
        for binding in self._each("binding"):
            port_type, soap = _local(binding.get("type")), _soap_version(binding)
            if soap is not None and (port_types is None or port_type in port_types):
                bindings[binding.get("name") or ""] = (port_type, soap)
                self._read_operations(binding, port_type)
        self.ports = tuple(self._read_ports(bindings))
        self.soap_versions = frozenset(soap for _, soap in bindings.values())
        self.roots = {each.request_root: each for each in self.operations.values()}
        missing = set(port_types or ()) - {port_type for port_type, _ in bindings.values()}
        if missing or not self.operations:
            names = ", ".join(sorted(missing)) or "anything"
            raise ConfigError(f"{path.name}: no SOAP binding for {names}")
        if len(self.roots) < len(self.operations):
            raise ConfigError(f"{path.name}: two operations have the same request element")

    @property
    def schema_documents(self) -> Mapping[str, Path]:
        """The schema files by the name under which they are published."""
        return {each.name: each.path for each in self._documents if each.kind == "xsd"}

    def documents(self, public_url: str) -> dict[str, bytes]:
        """The documents by query string: ``wsdl``, ``xsd=<name>``, ``wsdl=<name>``.

        Every reference between them and every SOAP address leads to ``public_url``.
        """
        published = {each.query: self._published(each, public_url) for each in self._documents}
        return {"wsdl": published[self._documents[0].query], **published}

    def _each(self, name: str) -> Iterator[Element]:
        for root in self._wsdls:
            yield from root.iterchildren(_WSDL + name)

    def _read_operations(self, binding: Element, port_type: str) -> None:
        messages = {message.get("name"): message for message in self._each("message")}
        types = [each for each in self._each("portType") if each.get("name") == port_type]
        for bound in binding.iterchildren(_WSDL + "operation"):
            name = bound.get("name") or ""
            found = [each for those in types for each in those if each.get("name") == name]
            if len(found) != 1:
                raise ConfigError(f"{self.path.name}: {port_type} has {len(found)} times {name}")
            abstract = found[0]
            roots = [
                self._root_of(name, messages, abstract.find(_WSDL + way))
                for way in ("input", "output")
            ]
            action = next((soap.get("soapAction") for soap in _soap_children(bound)), "") or ""
            operation = ContractOperation(
                name, action, roots[0], roots[1], port_type, binding.get("name") or ""
            )
            known = self.operations.setdefault(name, operation)
            if (known.port_type, known.request_root) != (port_type, operation.request_root):
                raise ConfigError(f"{self.path.name}: operation {name} stands in two port types")

    def _root_of(self, name: str, messages: Mapping[str | None, Element], way: object) -> str:
        message = messages.get(_local(way.get("message"))) if isinstance(way, Element) else None
        parts = [] if message is None else message.findall(_WSDL + "part")
        if len(parts) != 1 or not parts[0].get("element"):
            raise ConfigError(f"{self.path.name}: {name} is not document/literal with one part")
        prefix, _, local = (parts[0].get("element") or "").rpartition(":")
        namespace = parts[0].nsmap.get(prefix or None)
        return f"{{{namespace}}}{local}" if namespace else local

    def _read_ports(self, bindings: Mapping[str, tuple[str, Version]]) -> Iterator[Port]:
        for service in self._each("service"):
            for port in service.iterchildren(_WSDL + "port"):
                binding = _local(port.get("binding"))
                if binding in bindings:
                    address = next((soap.get("location") for soap in _soap_children(port)), "")
                    yield Port(
                        service.get("name") or "",
                        port.get("name") or "",
                        binding,
                        *bindings[binding],
                        address or "",
                    )

    def _published(self, document: _Document, public_url: str) -> bytes:
        root = copy.deepcopy(document.root)
        if document.kind == "wsdl":
            self._prune(root)
        for element in root.iter(*_REFERENCES):
            attribute, _ = _REFERENCES[str(element.tag)]
            location = element.get(attribute)
            if location is not None:
                target = self._at(_resolved(document.path, location))
                element.set(attribute, f"{public_url}?{target.query}")
        port_types = {each.get("name"): _local(each.get("type")) for each in self._each("binding")}
        for port in root.iter(_WSDL + "port"):
            port_type = port_types.get(_local(port.get("binding")), "")
            for address in _soap_children(port):
                address.set("location", self._elsewhere.get(port_type, public_url))
        return etree.tostring(root, encoding="utf-8", xml_declaration=True)

    def _prune(self, root: Element) -> None:
        """Take out the bindings, port types and ports that are not served here."""
        port_types = {each.port_type for each in self.operations.values()} | set(self._elsewhere)
        bindings = set()
        for binding in root.findall(_WSDL + "binding"):
            if _local(binding.get("type")) in port_types:
                bindings.add(binding.get("name"))
            else:
                root.remove(binding)
        for port_type in root.findall(_WSDL + "portType"):
            if port_type.get("name") not in port_types:
                root.remove(port_type)
        for service in root.findall(_WSDL + "service"):
            for port in service.findall(_WSDL + "port"):
                if _local(port.get("binding")) not in bindings:
                    service.remove(port)
            if service.find(_WSDL + "port") is None:
                root.remove(service)

    def _at(self, path: Path) -> _Document:
        return next(each for each in self._documents if each.path == path)


def _load(path: Path) -> list[_Document]:
    """The document and all that it refers to; the first one is the document itself."""
    documents: list[_Document] = []
    waiting = [("wsdl", path.resolve())]
    for kind, place in waiting:
        if any(each.path == place for each in documents):
            continue
        try:
            parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
            root = etree.fromstring(place.read_bytes(), parser)
        except (OSError, etree.XMLSyntaxError) as error:
            raise ConfigError(f"{path.name}: {place.name} cannot be read: {error}") from None
        taken = {each.name for each in documents if each.kind == kind}
        name, number = place.name, 2
        while name in taken:
            name, number = f"{place.stem}-{number}{place.suffix}", number + 1
        documents.append(_Document(kind, name, place, root))
        for element in root.iter(*_REFERENCES):
            attribute, target = _REFERENCES[str(element.tag)]
            location = element.get(attribute)
            if location is not None:
                waiting.append((target, _resolved(place, location)))
    return documents


def _resolved(base: Path, location: str) -> Path:
    if urlsplit(location).scheme:
        raise ConfigError(f"{base.name}: refers to {location}, expected a file beside it")
    return Path(posixpath.normpath(base.parent / location)).resolve()


def _local(name: str | None) -> str:
    return (name or "").rpartition(":")[2]


def _soap_children(element: Element) -> Iterator[Element]:
    for child in element.iterchildren(etree.Element):
        if any(str(child.tag).startswith(namespace) for namespace in _SOAP):
            yield child


def _soap_version(binding: Element) -> Version | None:
    for soap in _soap_children(binding):
        return next(v for namespace, v in _SOAP.items() if str(soap.tag).startswith(namespace))
    return None
