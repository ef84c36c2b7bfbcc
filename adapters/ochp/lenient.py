"""Known deviations of OCHP peers, put right before a message is checked again.

Source: what open implementations and captures of clearing houses show; names that differ between
the text of OCHP 1.4 and its schema.
Limits: only what has one plain meaning is put right. A required list that is empty stays invalid,
and so does a tax rate with a fraction.
Why: strict reading comes first; this is tried on a message that failed, the result must be valid
as a whole, and every change is told.
"""

import copy
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

from adapters.ochp import repairs
from adapters.ochp.kinds import NAMESPACE
from adapters.ochp.operations import FORMS
from gateway.mapping.kinds import Kind
from gateway.mapping.record import Record

_NS = f"{{{NAMESPACE}}}"
_SPACES = ("", _NS[:-1])
"""What stands before the local name of an element that may be one of ours."""
# Element names that peers use -> the schema's, besides those that differ in case or "Array".
_ALIASES = {"EvseImageUrlType": "images", "operatingTimes": "openingTimes"}
_ROOTS = {name.lower(): name for name in FORMS}

Says = Callable[[str, str], None]
_Path = tuple[Any, str, int]
"""The path above, a name, and which of that name; made a text only where something is said."""


def mend(body: Any) -> tuple[Any, list[str]]:
    """A body with known peer deviations put right, and what was put right, as text.

    The body itself is left as it is.
    """
    notes: list[str] = []
    root = copy.deepcopy(body)
    space, _, name = root.tag.rpartition("}")
    known = _ROOTS.get(name.lower())
    if known is None or space != _NS[:-1]:
        return body, notes

    def say(path: str, what: str) -> None:
        notes.append(f"{path}: {what}")

    if root.tag != _NS + known:
        say(name, f"read as {known}")
        root.tag = _NS + known
    _walk(root, _names(FORMS[known].record), (None, known, 0), say)
    repairs.complete(root, say)
    return (root, notes) if notes else (body, notes)


class _Names(NamedTuple):
    """What a table knows below an element."""

    below: Mapping[str, "_Names | Record | Kind"]
    """Its children by name, in order."""
    places: Mapping[str, int]
    like: Mapping[str, str]
    """Their names by what remains of them in any spelling."""
    attributes: Mapping[str, tuple[str, Kind]]
    """By their names in lower case."""


@cache
def _names(record: Record) -> _Names:
    tree: dict[str, Any] = {}
    for row in record.rows:
        if row.card == "=":
            continue
        branch = tree
        for step in row.steps[:-1]:
            branch = branch.setdefault(step, {})
        branch[row.steps[-1]] = row.kind
    return _branch(tree)


def _branch(tree: dict[str, Any]) -> _Names:
    children = [name for name in tree if not name.startswith("@")]
    return _Names(
        {
            name: _branch(tree[name]) if isinstance(tree[name], dict) else tree[name]
            for name in children
        },
        {name: place for place, name in enumerate(children)},
        {_bare(name): name for name in children},
        {name[1:].lower(): (name[1:], kind) for name, kind in tree.items() if name.startswith("@")},
    )


def _bare(name: str) -> str:
    return name.lower().removesuffix("array")


def _walk(node: Any, names: _Names, path: _Path, say: Says) -> None:
    """Names, order and values of an element's attributes and children, depth first."""
    if names.attributes and node.attrib:
        _attributes(node, names, path, say)
    counts: dict[str, int] = {}
    places: list[int] = []
    for child in list(node):
        if not isinstance(child.tag, str):
            continue
        space, _, found = child.tag.rpartition("}")
        counts[found] = number = counts.get(found, 0) + 1
        name = found
        if name not in names.places:
            name = _ALIASES.get(found, names.like.get(_bare(found), ""))
            if name not in names.places:
                continue
        if space not in _SPACES:
            continue
        where = (path, found, number)
        if not space or name != found:
            say(_told(where), f"read as {name}" if name != found else "has no namespace")
            child.tag = _NS + name
        places.append(names.places[name])
        below = names.below[name]
        if isinstance(below, Record):
            below = _names(below)
        if isinstance(below, _Names):
            _walk(child, below, where, say)
        elif len(child) == 0:
            _text(child, below, where, say)
    if places != sorted(places):
        say(_told(path), "children put in order")
        order = {_NS + name: place for name, place in names.places.items()}
        node[:] = sorted(node, key=lambda child: order.get(child.tag, len(order)))


def _told(path: _Path) -> str:
    above, name, number = path
    return name if above is None else f"{_told(above)}/{name}[{number}]"


def _attributes(node: Any, names: _Names, path: _Path, say: Says) -> None:
    for key, value in list(node.attrib.items()):
        space, _, given = key.rpartition("}")
        name, kind = names.attributes.get(given.lower(), ("", None))
        if kind is None or space not in _SPACES:
            continue
        if key != name:
            say(f"{_told(path)}/@{name}", "is not qualified in OCHP")
            del node.attrib[key]
        fresh = repairs.value(kind, value)
        if fresh != value:
            say(f"{_told(path)}/@{name}", f"{value[:60]!r} read as {fresh[:60]!r}")
        node.set(name, fresh)


def _text(node: Any, kind: Kind, path: _Path, say: Says) -> None:
    value = node.text or ""
    fresh = repairs.value(kind, value)
    if fresh != value:
        say(_told(path), f"{value[:60]!r} read as {fresh[:60]!r}")
        node.text = fresh
