"""Known deviations of OCHP peers, put right before a message is checked again.

Source: what open implementations and captures of clearing houses show; names that differ between
the text of OCHP 1.4 and its schema.
Limits: only what has one plain meaning is put right. A required list that is empty stays invalid,
and so does a tax rate with a fraction.
Why: strict reading comes first; this is tried on a message that failed, the result must be valid
as a whole, and every change is told.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any

from lxml import etree

from adapters.ochp import repairs
from adapters.ochp.kinds import NAMESPACE
from adapters.ochp.operations import FORMS
from gateway.mapping.kinds import Kind
from gateway.mapping.record import Record

_NS = f"{{{NAMESPACE}}}"
# Element names that peers use -> the schema's, besides those that differ in case or "Array".
_ALIASES = {"EvseImageUrlType": "images", "operatingTimes": "openingTimes"}
_ROOTS = {name.lower(): name for name in FORMS}

Says = Callable[[str, str], None]


def mend(body: Any) -> tuple[Any, list[str]]:
    """A body with known peer deviations put right, and what was put right, as text.

    The body itself is left as it is.
    """
    notes: list[str] = []
    root = copy.deepcopy(body)
    name = _local(root)
    known = _ROOTS.get(name.lower())
    if known is None or etree.QName(root).namespace != NAMESPACE:
        return body, notes

    def say(path: str, what: str) -> None:
        notes.append(f"{path}: {what}")

    if root.tag != _NS + known:
        say(name, f"read as {known}")
        root.tag = _NS + known
    record = FORMS[known].record
    _walk(root, _tree(record), known, say)
    repairs.complete(root, say)
    return (root, notes) if notes else (body, notes)


def _ours(node: Any) -> bool:
    return etree.QName(node).namespace in (NAMESPACE, None)


def _local(node: Any) -> str:
    return str(etree.QName(node).localname)


# A wire name, with what stands below it: names again, or the kind of a value.
Tree = dict[str, Any]


def _tree(record: Record) -> Tree:
    """The wire names of a record, in order, down to its leaves' kinds and nested records."""
    tree: Tree = {}
    for row in record.rows:
        if row.card == "=":
            continue
        branch = tree
        for step in row.steps[:-1]:
            branch = branch.setdefault(step, {})
        branch[row.steps[-1]] = row.kind
    return tree


def _walk(node: Any, tree: Tree, path: str, say: Says) -> None:
    """Names, order and values of an element's attributes and children, depth first."""
    _attributes(node, tree, path, say)
    names = {name: place for place, name in enumerate(tree) if not name.startswith("@")}
    lower = {_bare(name): name for name in names}
    places: list[int] = []
    for child, where in _children(node, path):
        found = _local(child)
        name = found if found in names else _ALIASES.get(found, lower.get(_bare(found)))
        if name is None or name not in names or not _ours(child):
            continue
        if child.tag != _NS + name:
            say(where, f"read as {name}" if name != found else "has no namespace")
            child.tag = _NS + name
        places.append(names[name])
        below = tree[name]
        if isinstance(below, Record):
            below = _tree(below)
        if isinstance(below, dict):
            _walk(child, below, where, say)
        elif len(child) == 0:
            _text(child, below, where, say)
    if places != sorted(places):
        say(path, "children put in order")
        order = {_NS + name: place for name, place in names.items()}
        node[:] = sorted(node, key=lambda child: order.get(child.tag, len(order)))


def _bare(name: str) -> str:
    return name.lower().removesuffix("array")


def _children(node: Any, path: str) -> Iterator[tuple[Any, str]]:
    counts: dict[str, int] = {}
    for child in list(node):
        if isinstance(child.tag, str):
            name = _local(child)
            counts[name] = counts.get(name, 0) + 1
            yield child, f"{path}/{name}[{counts[name]}]"


def _attributes(node: Any, tree: Tree, path: str, say: Says) -> None:
    names = {name[1:].lower(): name[1:] for name in tree if name.startswith("@")}
    for key, value in list(node.attrib.items()):
        name = names.get(etree.QName(key).localname.lower())
        if name is None or etree.QName(key).namespace not in (None, NAMESPACE):
            continue
        if key != name:
            say(f"{path}/@{name}", "is not qualified in OCHP")
            del node.attrib[key]
        fresh = repairs.value(tree[f"@{name}"], value)
        if fresh != value:
            say(f"{path}/@{name}", f"{value[:60]!r} read as {fresh[:60]!r}")
        node.set(name, fresh)


def _text(node: Any, kind: Kind, path: str, say: Says) -> None:
    value = node.text or ""
    fresh = repairs.value(kind, value)
    if fresh != value:
        say(path, f"{value[:60]!r} read as {fresh[:60]!r}")
        node.text = fresh
