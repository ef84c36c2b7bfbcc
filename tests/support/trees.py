"""Trees as tests compare them: XML without what says nothing, leaves by their paths."""

import copy
import re
from typing import Any

from lxml import etree

from gateway.mapping.carriers import is_xml, json_leaves

XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
_STEP = re.compile(r"(@?[^\[\]]+)(?:\[(\d+)\])?")


def canonical(node: Any) -> bytes:
    """C14N without prefixes, blanks between elements and xsi:nil."""
    root = etree.Element(node.tag)
    _copy(node, root)
    return etree.tostring(root, method="c14n")


def _copy(node: Any, into: Any) -> None:
    for name, value in sorted(node.attrib.items()):
        if not name.startswith(XSI):
            into.set(name, value)
    children = [child for child in node if isinstance(child.tag, str)]
    if not children:
        into.text = node.text or None
    for child in children:
        _copy(child, etree.SubElement(into, child.tag))


def leaves(tree: Any) -> dict[str, Any]:
    """Every leaf by its path, as a findings report writes it: XPath without prefixes, numbered
    from 1 where an element is repeated, or JSON Pointer. Numbers of XPath are all written here."""
    if is_xml(tree):
        return dict(_xml_leaves(tree, "/" + etree.QName(tree).localname))
    return dict(json_leaves(tree))


def _xml_leaves(node: Any, at: str) -> Any:
    attributes = {name: value for name, value in node.attrib.items() if not name.startswith(XSI)}
    for name, value in attributes.items():
        yield f"{at}/@{etree.QName(name).localname}", value
    children = [child for child in node if isinstance(child.tag, str)]
    if not children and (node.text or not attributes):
        yield at, node.text or ""
    counts: dict[str, int] = {}
    for child in children:
        name = etree.QName(child).localname
        counts[name] = counts.get(name, 0) + 1
        yield from _xml_leaves(child, f"{at}/{name}[{counts[name]}]")


def numbered(tree: Any, path: str) -> str:
    """A path as ``leaves`` writes it; fails where a number is missing in a list of several."""
    if not is_xml(tree):
        return path
    root, *steps = path.lstrip("/").split("/")
    assert root == etree.QName(tree).localname, path
    node, result = tree, [f"/{root}"]
    for step in steps:
        found = _STEP.fullmatch(step)
        assert found, path
        if found[1].startswith("@"):
            result.append(step)
            continue
        children = [
            child
            for child in node
            if isinstance(child.tag, str) and etree.QName(child).localname == found[1]
        ]
        place = int(found[2] or 1)
        assert found[2] or len(children) == 1, f"{path}: {step} is one of {len(children)}"
        assert 0 < place <= len(children), f"{path}: there is no {step}"
        node = children[place - 1]
        result.append(f"{found[1]}[{place}]")
    return "/".join(result)


def changed(tree: Any, path: str, value: Any) -> Any:
    """A copy of a tree with another value at a leaf."""
    result = copy.deepcopy(tree)
    if not is_xml(result):
        node, *steps = result, *path.split("/")[1:]
        names: list[Any] = [step.replace("~1", "/").replace("~0", "~") for step in steps]
        for name in names[:-1]:
            node = node[int(name) if isinstance(node, list) else name]
        node[int(names[-1]) if isinstance(node, list) else names[-1]] = value
        return result
    node = result
    for step in numbered(tree, path).split("/")[2:]:
        found = _STEP.fullmatch(step)
        assert found
        if found[1].startswith("@"):
            node.set(found[1][1:], value)
            return result
        children = [
            child
            for child in node
            if isinstance(child.tag, str) and etree.QName(child).localname == found[1]
        ]
        node = children[int(found[2]) - 1]
    node.text = value
    return result
