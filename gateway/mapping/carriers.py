"""XML and JSON as the tables see them: children by name, leaves, paths.

The same record reads and writes both. In JSON an attribute ``@x`` is a key ``@x`` and an element's
own text the key ``.``; a repeated element is an array.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from lxml import etree

from gateway.mapping.context import WirePath

XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def is_xml(node: Any) -> bool:
    """Whether a tree is an element (else it is a JSON value)."""
    return isinstance(node, etree._Element)


def local(tag: str) -> str:
    """The name without its namespace."""
    return tag.rpartition("}")[2]


def escape(value: str) -> str:
    """Text as XML content or attribute; raises ValueError for characters XML cannot carry.

    >>> escape('a < "b" & c')
    'a &lt; &quot;b&quot; &amp; c'
    """
    if value.isprintable():  # then there is nothing that XML cannot carry, and no line
        if not ("&" in value or "<" in value or ">" in value or '"' in value):
            return value
    elif _NO_XML.search(value):
        raise ValueError("has a control character that XML cannot carry")
    value = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return value.replace('"', "&quot;").replace("\r", "&#13;")


def xml_path(root: str, path: WirePath) -> str:
    """An XPath without prefixes, counting from 1.

    >>> xml_path("R", (("a/b", 0), ("@x", None)))
    '/R/a[1]/b/@x'
    """
    parts = ["", root] if root else [""]
    for wire, place in path:
        first, slash, rest = wire.partition("/")
        if first == ".":
            continue
        parts.append(first if place is None else f"{first}[{place + 1}]")
        if slash:
            parts.append(rest)
    return "/".join(parts)


def json_path(path: WirePath) -> str:
    """A JSON Pointer.

    >>> json_path((("evses", 0), ("evse_id", None)))
    '/evses/0/evse_id'
    """
    parts = [""]
    for wire, place in path:
        first, slash, rest = wire.partition("/")
        if first != ".":
            parts.append(first.replace("~", "~0"))
        if place is not None:
            parts.append(str(place))
        if slash:
            parts.append(rest)
    return "/".join(parts)


def xml_leaves(node: Any, at: str | None = None) -> Iterator[tuple[str, str]]:
    """Every leaf of an element: (XPath without prefixes, text): attributes and childless elements.

    A child is numbered where the element has several of its name.
    """
    here = at if at is not None else "/" + local(node.tag)
    attributes = [name for name in node.attrib if not name.startswith(XSI)]
    for name in attributes:
        yield f"{here}/@{local(name)}", node.attrib[name]
    childless = True
    for child, step in xml_steps(node):
        childless = False
        yield from xml_leaves(child, f"{here}/{step}")
    if childless and (node.text or not attributes):
        yield here, node.text or ""


def xml_steps(node: Any) -> Iterator[tuple[Any, str]]:
    """Each child element with its step in a path: numbered where several have its name."""
    children = [child for child in node if isinstance(child.tag, str)]
    totals = Counter(local(child.tag) for child in children)
    counts: Counter[str] = Counter()
    for child in children:
        name = local(child.tag)
        counts[name] += 1
        yield child, f"{name}[{counts[name]}]" if totals[name] > 1 else name


def json_leaves(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a JSON value: (pointer, scalar, or an empty array or object)."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from json_leaves(item, f"{at}/{key.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from json_leaves(item, f"{at}/{index}")
    else:
        yield at, value
