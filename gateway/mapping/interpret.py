"""The plain reading of a record table, for XML elements and JSON values alike.

This is the oracle that the compiled functions are tested against, the reader that lists every
problem of a bad message, and the tracer behind a findings report. It favours clarity over speed.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lxml import etree
from msgspec import NODEFAULT

from gateway.errors import Inexpressible, Malformed, Problem
from gateway.mapping.carriers import (
    XSI,
    escape,
    is_xml,
    json_leaves,
    json_path,
    local,
    xml_leaves,
    xml_path,
    xml_steps,
)
from gateway.mapping.context import Context, Frame, WirePath
from gateway.mapping.kinds import Kind
from gateway.mapping.record import Record, Row, value_at
from gateway.model.base import Canonical


class Seen(NamedTuple):
    """One leaf of a message that was read; ``path`` is its canonical path, None if it has none."""

    source: str
    path: str | None
    raw: Any
    row: Row | None
    record: Record


class Wrote(NamedTuple):
    """One leaf that was written, with the canonical paths that it says.

    ``sure``: it is the value of its own field, or of an object whose lineage was told; else the
    paths are those of all fields that its ``write`` may read.
    """

    target: str
    paths: tuple[str, ...]
    raw: Any
    row: Row
    record: Record
    sure: bool = True


class Refusal(NamedTuple):
    """An item of a list that could not be read: its path and number, and why."""

    source: str
    item: int
    problems: tuple[Problem, ...]
    name: str
    """The element or member of which it is an item."""


@dataclass
class Reading:
    """What a plain reading leaves behind besides the object.

    ``partly``: an item of the message's own list that cannot be read is refused alone, with its
    problems, and the others go on.
    """

    partly: bool = False
    problems: list[Problem] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


class Flat(NamedTuple):
    """A row with the inline parts around it, outermost first."""

    parts: tuple[Row, ...]
    row: Row


def flat_rows(record: Record, parts: tuple[Row, ...] = ()) -> Iterator[Flat]:
    """The rows of a record with those of its inline parts in place."""
    for row in record.rows:
        if row.card == "" and isinstance(row.kind, Record):
            yield from flat_rows(row.kind, (*parts, row))
        else:
            yield Flat(parts, row)


# -- reading ---------------------------------------------------------------------------------


def read(record: Record, node: Any, at: str | None = None, reading: Reading | None = None) -> Any:
    """The canonical object of an element or JSON value; raises Malformed with every problem.

    ``at`` is the path of ``node`` in its message (default: its own name for XML, '' for JSON).
    """
    reading = reading if reading is not None else Reading()
    root = at if at is not None else "/" + local(node.tag) if is_xml(node) else ""
    result = _read(record, node, root, "", reading)
    if reading.problems:
        raise Malformed(dict.fromkeys(reading.problems))
    return result


# Stand as the row of a leaf that belongs to a refused item, and of one that no table names.
REFUSED = Row("", "", Kind("", "refused", str, str), "?")
STRAY = Row("", "", Kind("", "unknown", str, str), "?")


class _Found(NamedTuple):
    node: Any
    at: str
    item: int | None


def _read(record: Record, node: Any, at: str, path: str, reading: Reading) -> Any:
    xml = is_xml(node)
    before = len(reading.problems)
    found: dict[str, list[_Found]] = {}
    strays: dict[str, Any] = {}
    rows = [flat for flat in flat_rows(record) if flat.row.card != "="]
    if xml:
        _gather_xml(rows, node, at, (), found, _Strays(record, path, strays, reading))
    else:
        _gather_json(rows, node, at, found, _Strays(record, path, strays, reading))
    values: dict[tuple[str, ...], dict[str, Any]] = {}
    for parts, row in rows:
        way = tuple(part.field for part in parts)
        hits = found.get(row.wire, [])
        here = "/".join([path, *way, row.field]) if path else "/".join([*way, row.field])
        if not hits:
            if row.card in "1+":
                reading.problems.append(Problem(_below(at, row.wire), "found 0, expected 1"))
            continue
        if len(hits) > 1 and not row.listed:
            reading.problems.append(Problem(hits[1].at, f"found {len(hits)}, expected at most 1"))
            continue
        items: list[Any] = []
        for hit in hits:
            place = f"{here}/{len(items)}" if row.listed else here
            bad, leaves = len(reading.problems), len(reading.seen)
            value = _value(record, row, hit, place, strays, reading)
            alone = reading.partly and not path and row.listed and isinstance(row.kind, Record)
            if alone and len(reading.problems) > bad:
                problems = tuple(reading.problems[bad:])
                reading.refused.append(Refusal(hit.at, hit.item or 0, problems, row.steps[0]))
                del reading.problems[bad:], reading.seen[leaves:]
                reading.seen.extend(_refused_leaves(record, hit))
            else:
                items.append(value)
        if row.field:
            part, _, leaf = row.field.rpartition("/")
            content = values.setdefault((*way, part) if part else way, {})
            content[leaf] = tuple(items) if row.listed else items[0]
    if not found and not strays:
        reading.seen.append(Seen(at, path, "" if xml else {}, None, record))
    if len(reading.problems) > before:
        return None
    return _build(record, values, strays, at, reading)


def _refused_leaves(record: Record, hit: _Found) -> Iterator[Seen]:
    leaves = xml_leaves(hit.node, hit.at) if is_xml(hit.node) else json_leaves(hit.node, hit.at)
    for leaf, raw in leaves:
        yield Seen(leaf, None, raw, REFUSED, record)


def _below(at: str, wire: str) -> str:
    return at if wire == "." else f"{at}/{wire}"


def _value(
    record: Record, row: Row, hit: _Found, path: str, strays: dict[str, Any], reading: Reading
) -> Any:
    if isinstance(row.kind, Record):
        return _read(row.kind, hit.node, hit.at, path, reading)
    raw = hit.node
    try:
        if is_xml(raw):
            raw = raw.text or ""
            value = row.kind.parse(raw)
            same = row.kind.exact or row.kind.format(value) == raw
        elif isinstance(raw, _Attribute):
            raw = raw.text
            value = row.kind.parse(raw)
            same = row.kind.exact or row.kind.format(value) == raw
        else:
            value = row.kind.from_json(raw)
            same = row.kind.exact or row.kind.to_json(value) == raw
    except ValueError as error:
        reading.problems.append(Problem(hit.at, str(error)))
        return None
    if not same:
        strays[spelling_key(row, hit.item)] = raw
    if isinstance(raw, list) and raw:
        for place, part in enumerate(raw):
            reading.seen.append(Seen(f"{hit.at}/{place}", f"{path}/{place}", part, row, record))
    else:
        reading.seen.append(Seen(hit.at, path, raw, row, record))
    return value


def spelling_key(row: Row, item: int | None) -> str:
    """Where an object's extras keep the spelling of a leaf that has a canonical field."""
    return f"~{row.wire}" if item is None else f"~{row.wire}#{item}"


def stray_key(prefix: str, name: str) -> str:
    """Where an object's extras keep a JSON member that no row names: its path, names escaped.

    >>> stray_key("", "x/y"), stray_key("cdr_location/", "level"), stray_key("", "~x")
    ('x~1y', 'cdr_location/level', './~0x')
    """
    key = prefix + name.replace("~", "~0").replace("/", "~1")
    return f"./{key}" if key.startswith(("~", "./")) else key


def extras_path(protocol: str, key: str = "") -> str:
    """The canonical path, below an object, of an extra.

    >>> extras_path("ocpi-2.2.1", "x_vendor")
    'extras/ocpi-2.2.1/x_vendor'
    """
    return f"extras/{protocol}/{key}" if key else f"extras/{protocol}"


def note_unsaid(ctx: Context, part: str, extras: Any, protocol: str) -> None:
    """Note what the extras of other protocols hold, beyond spellings, as dropped.

    ``part`` is the field path of the object that has them, below the one being written.
    """
    for other, kept in extras.items():
        if other == protocol:
            continue
        for key, raw in kept.items():
            if not key.startswith("~") and raw is not None and raw != []:
                path = extras_path(other, key)
                ctx.dropped(
                    f"{part}/{path}" if part else path,
                    "unknown-field",
                    f"kept as extra {other}:{key}",
                )


class _Attribute(NamedTuple):
    text: str


@dataclass
class _Strays:
    """What no row names, kept for the object at canonical path ``path``."""

    record: Record
    path: str
    kept: dict[str, Any]
    reading: Reading

    def keep(self, key: str, raw: Any, leaves: Iterable[tuple[str, str, Any]]) -> None:
        """``leaves``: each one's place in the message, its path below the key, its value."""
        self.kept[key] = raw
        path = extras_path(self.record.wire.protocol, key)
        base = f"{self.path}/{path}" if self.path else path
        for place, below, leaf in leaves:
            self.reading.seen.append(Seen(place, base + below, leaf, STRAY, self.record))


def _gather_xml(
    rows: list[Flat],
    node: Any,
    at: str,
    prefix: tuple[str, ...],
    found: dict[str, list[_Found]],
    strays: _Strays,
) -> None:
    """Find the element or attribute of each row below ``node``; what no row names is a stray."""
    depth = len(prefix)
    here = [row for _, row in rows if row.steps[:depth] == prefix]
    by_step: dict[str, list[Row]] = {}
    for row in here:
        if len(row.steps) > depth:
            by_step.setdefault(row.steps[depth], []).append(row)
    for name, text in node.attrib.items():
        if name.startswith(XSI):
            continue
        key = f"@{name}"
        if key in by_step:
            _add(found, by_step[key][0], _Attribute(text), f"{at}/{key}", at)
        else:
            strays.keep("/".join([*prefix, key]), text, [(f"{at}/{key}", "", text)])
    if "." in by_step:
        _add(found, by_step["."][0], _Attribute(node.text or ""), at, at)
    counts: dict[str, int] = {}
    space = strays.record.wire.namespace
    for child, step in xml_steps(node):
        name = local(child.tag)
        counts[name] = counts.get(name, 0) + 1
        matching = by_step.get(name) if child.tag == f"{{{space}}}{name}" else None
        if not matching:
            for leaf, text in xml_leaves(child, f"{at}/{step}"):
                strays.keep("/".join([*prefix, leaf[len(at) + 1 :]]), text, [(leaf, "", text)])
            continue
        listed = any(row.listed for row in matching) and depth == 0
        place = f"{at}/{name}[{counts[name]}]" if listed else f"{at}/{name}"
        if any(len(row.steps) == depth + 1 for row in matching):
            _add(found, matching[0], child, place, at)
        else:
            _gather_xml(rows, child, place, (*prefix, name), found, strays)


def _add(found: dict[str, list[_Found]], row: Row, node: Any, place: str, _: str) -> None:
    hits = found.setdefault(row.wire, [])
    hits.append(_Found(node, place, len(hits) if row.listed else None))


def _gather_json(
    rows: list[Flat],
    node: Any,
    at: str,
    found: dict[str, list[_Found]],
    strays: _Strays,
) -> None:
    whole = next((row for _, row in rows if row.wire == "."), None)
    if whole is not None and len(rows) == 1:
        _gather_json_list(whole, node, at, (), found, strays)
        return
    if not isinstance(node, dict):
        strays.reading.problems.append(Problem(at, "is no object"))
        return
    tree: dict[str, Any] = {}
    for _, row in rows:
        branch = tree
        for step in row.steps[:-1]:
            branch = branch.setdefault(step, {})
        branch[row.steps[-1]] = row
    _gather_json_object(tree, node, at, "", found, strays)


def _gather_json_object(
    tree: dict[str, Any],
    node: dict[str, Any],
    at: str,
    prefix: str,
    found: dict[str, list[_Found]],
    strays: _Strays,
) -> None:
    for key, value in node.items():
        place = f"{at}/{key.replace('~', '~0').replace('/', '~1')}"
        rest = tree.get(key)
        if value is None or rest is None:
            leaves = ((place + below, below, raw) for below, raw in json_leaves(value))
            strays.keep(stray_key(prefix, key), value, leaves)
        elif isinstance(rest, Row):
            if rest.listed:
                _gather_json_list(rest, value, place, (), found, strays)
            else:
                _add(found, rest, value, place, at)
        else:
            inner = next(row for row in _rows_of(rest))
            if inner.listed:
                steps = inner.steps[1:]
                _gather_json_list(inner, value, place, steps, found, strays)
            elif isinstance(value, dict):
                _gather_json_object(rest, value, place, f"{prefix}{key}/", found, strays)
            else:
                strays.reading.problems.append(Problem(place, "is no object"))


def _rows_of(tree: dict[str, Any]) -> Iterator[Row]:
    for value in tree.values():
        if isinstance(value, Row):
            yield value
        else:
            yield from _rows_of(value)


def _gather_json_list(
    row: Row,
    value: Any,
    place: str,
    inner: tuple[str, ...],
    found: dict[str, list[_Found]],
    strays: _Strays,
) -> None:
    if row.bare and isinstance(value, dict):
        _add(found, row, value, place, place)
        return
    if not isinstance(value, list):
        strays.reading.problems.append(Problem(place, "is no list"))
        return
    if not value:
        strays.keep(row.wire, [], [(place, "", [])])
        if row.card == "+":
            strays.reading.problems.append(Problem(place, "is empty, expected at least 1"))
    for index, item in enumerate(value):
        where = f"{place}/{index}"
        for step in inner:
            item = item.get(step) if isinstance(item, dict) else None
            where = f"{where}/{step}"
        _add(found, row, item, where, place)


def _build(
    record: Record,
    values: dict[tuple[str, ...], dict[str, Any]],
    strays: dict[str, Any],
    at: str,
    reading: Reading,
) -> Any:
    def make(current: Record, way: tuple[str, ...]) -> Any:
        content: dict[str, Any] = dict(values.get(way, {}))
        for row in current.rows:
            if row.card == "=":
                content[row.field] = row.value
            elif row.card == "" and isinstance(row.kind, Record):
                part = make(row.kind, (*way, row.field))
                if part is not None:
                    content[row.field] = part
        for path, cls in current.parts.items():
            inner = values.get((*way, path))
            if inner:
                name, listed, _ = path.partition("/0")
                rows = [row for row in current.rows if row.field.rpartition("/")[0] == path]
                made = _complete(cls, inner, rows, at, reading)
                content[name] = (made,) if listed else made
        if way and not content:
            return None
        if not way and strays:
            content["extras"] = {current.wire.protocol: strays}
        return _complete(current.cls, content, current.rows, at, reading)

    return make(record, ())


def _complete(
    cls: type[Canonical],
    content: dict[str, Any],
    rows: Iterable[Row],
    at: str,
    reading: Reading,
) -> Any:
    """An object; None, and problems, where fields are absent that it cannot do without."""
    missing = set(cls.__struct_fields__) - content.keys() - _defaults(cls).keys()
    for row in rows:
        if row.field.rpartition("/")[2] in missing:
            whole = row.card == "" and isinstance(row.kind, Record)
            wire = next(flat_rows(row.kind)).row.wire if whole else row.wire  # type: ignore[arg-type]
            reading.problems.append(Problem(_below(at, wire), "found 0, expected 1"))
    return None if missing else cls(**content)


# -- writing ---------------------------------------------------------------------------------


@dataclass
class Writing:
    """What a plain writing leaves behind besides the tree, when it is traced."""

    wrote: list[Wrote] = field(default_factory=list)


def write(
    record: Record,
    obj: Canonical,
    ctx: Context | None = None,
    *,
    name: str | None = None,
    xml: bool | None = None,
    writing: Writing | None = None,
) -> Any:
    """The element or JSON value of a canonical object; raises Inexpressible with every problem."""
    ctx = ctx if ctx is not None else Context()
    writing = writing if writing is not None else Writing()
    as_xml = bool(record.wire.namespace) if xml is None else xml
    problems: list[Problem] = []
    root = name or record.name
    out = _Xml(record.wire.namespace, root) if as_xml else _Json(root)
    result = _write(record, obj, ctx, out, root, writing, problems)
    if problems:
        raise Inexpressible(problems)
    return result


class _Xml:
    """Builds elements."""

    def __init__(self, namespace: str, root: str) -> None:
        self.namespace, self.root = namespace, root

    def path(self, where: WirePath) -> str:
        return xml_path(self.root, where)

    def start(self, name: str) -> Any:
        return etree.Element(f"{{{self.namespace}}}{name}", nsmap={None: self.namespace})  # type: ignore[dict-item]

    def leaf(self, kind: Kind, value: Any, spelling: Any, ctx: Context) -> str:
        text = kind.format(value)
        known = isinstance(spelling, str) and spelling != text and _may_stay(kind, spelling, ctx)
        if known and _means(kind.parse, spelling, value):
            text = spelling
        escape(text)
        return text

    def put(self, node: Any, row: Row, raw: Any) -> None:
        *outer, last = row.steps
        for step in outer:
            inner = None if row.listed else node.find(f"{{{self.namespace}}}{step}")
            node = (
                inner
                if inner is not None
                else etree.SubElement(node, f"{{{self.namespace}}}{step}")
            )
        if last.startswith("@"):
            node.set(last[1:], raw)
        elif last == ".":
            node.text = raw
        elif isinstance(raw, str):
            etree.SubElement(node, f"{{{self.namespace}}}{last}").text = raw
        else:
            raw.tag = f"{{{self.namespace}}}{last}"
            node.append(raw)

    def finish(self, node: Any, record: Record, extras: dict[str, Any]) -> tuple[Any, list[str]]:
        """The finished node, and which of the extras were put into it."""
        return node, []


class _Json:
    """Builds dictionaries and lists."""

    def __init__(self, root: str) -> None:
        self.root = root

    def path(self, where: WirePath) -> str:
        return json_path(where)

    def start(self, name: str) -> Any:
        return {}

    def leaf(self, kind: Kind, value: Any, spelling: Any, ctx: Context) -> Any:
        raw = kind.to_json(value)
        known = spelling is not None and spelling != raw and _may_stay(kind, spelling, ctx)
        return spelling if known and _means(kind.from_json, spelling, value) else raw

    def put(self, node: Any, row: Row, raw: Any) -> None:
        *outer, last = row.steps
        if row.listed:
            if last == "." and not outer:
                node.setdefault(".", []).append(raw)
                return
            item = raw
            for step in reversed(row.steps[1:]):
                item = {step: item}
            node.setdefault(row.steps[0], []).append(item)
            return
        for step in outer:
            node = node.setdefault(step, {})
        node[last] = raw

    def finish(self, node: Any, record: Record, extras: dict[str, Any]) -> tuple[Any, list[str]]:
        """The finished value, and which of the extras were put into it."""
        if [row.wire for row in record.rows if row.card != "="] == ["."]:
            return node.get(".", []), [key for key in extras if key == "." and not node]
        wires = [row for _, row in flat_rows(record) if row.card != "="]
        known = {row.steps[0] for row in wires} | {row.wire for row in wires}
        restored = []
        for key, raw in extras.items():
            if key.startswith("~"):
                continue
            wanted = raw is None or raw == [] or (record.wire.open and key not in known)
            if wanted and self._restore(node, key, raw):
                restored.append(key)
        return node, restored

    def _restore(self, node: Any, key: str, raw: Any) -> bool:
        """Put a kept member back where it was, unless something is there by now."""
        names = key.removeprefix("./").split("/")
        *outer, last = (name.replace("~1", "/").replace("~0", "~") for name in names)
        for name in outer:
            node = node.setdefault(name, {})
        if not isinstance(node, dict) or last in node:
            return False
        node[last] = raw
        return True


def _means(parse: Callable[[Any], Any], spelling: Any, value: Any) -> bool:
    try:
        return bool(parse(spelling) == value)
    except ValueError:
        return False


def _may_stay(kind: Kind, spelling: Any, ctx: Context) -> bool:
    return kind.sayable is None or ctx.verbatim or kind.sayable(spelling)


def _write(
    record: Record,
    obj: Any,
    ctx: Context,
    out: _Xml | _Json,
    name: str,
    writing: Writing,
    problems: list[Problem],
) -> Any:
    extras = dict((obj.extras or {}).get(record.wire.protocol) or {})
    node = out.start(name)
    leaves = _write_rows(record, obj, ctx, out, writing, problems, node, extras)
    note_unsaid(ctx, "", obj.extras or {}, record.wire.protocol)
    result, restored = out.finish(node, record, extras)
    if ctx.traced:
        writing.wrote.extend(_restored(record, restored, extras, ctx, out))
        if not leaves and not restored:
            where = tuple((frame.wire, frame.place) for frame in ctx.stack if frame.wire)
            row = Row("", "", record, "1")
            empty = "" if isinstance(out, _Xml) else result
            paths = ctx.resolve(ctx.path)
            writing.wrote.append(Wrote(out.path(where), paths, empty, row, record, sure=False))
    return result


def _restored(
    record: Record, keys: list[str], extras: dict[str, Any], ctx: Context, out: _Xml | _Json
) -> Iterator[Wrote]:
    """The leaves of extras that were put back."""
    base = out.path(tuple((frame.wire, frame.place) for frame in ctx.stack if frame.wire))
    here = f"{ctx.path}/" if ctx.path else ""
    for key in keys:
        target = base if key == "." else f"{base}/{key.removeprefix('./')}"
        path = f"{here}{extras_path(record.wire.protocol, key)}"
        for below, raw in json_leaves(extras[key]):
            yield Wrote(target + below, ctx.resolve(path + below), raw, STRAY, record)


def _write_rows(
    record: Record,
    obj: Any,
    ctx: Context,
    out: _Xml | _Json,
    writing: Writing,
    problems: list[Problem],
    node: Any,
    extras: dict[str, Any],
) -> int:
    """Write the rows of a record (an inline part's into its parent's node); how many leaves."""
    leaves = 0
    for row in record.rows:
        if row.card == "=":
            continue
        value = row.write(obj, ctx) if row.write else value_at(obj, row.field)
        if row.card == "" and isinstance(row.kind, Record):
            if value is None:
                missing = [r for _, r in flat_rows(row.kind) if r.card in "1+" and r.card]
                if missing:
                    problems.append(Problem(_where(out, ctx, missing[0].wire), "has no value"))
                continue
            with _nested(ctx, obj, row, value, Frame(row.field, None, "", None)):
                leaves += _write_rows(row.kind, value, ctx, out, writing, problems, node, extras)
            continue
        value, defaulted = _with_default(row, obj, ctx, value)
        if value is None or value == ():
            if row.card in "1+":
                problems.append(Problem(_where(out, ctx, row.wire), "has no value"))
            continue
        for index, item in enumerate(value) if row.listed else ((None, value),):
            leaves += 1
            _write_item(
                record, row, obj, item, index, defaulted, ctx, out, writing, problems, node, extras
            )
    _note_unread(record, obj, ctx)
    return leaves


def _with_default(row: Row, obj: Any, ctx: Context, value: Any) -> tuple[Any, bool]:
    if (value is None or value == ()) and row.default:
        value = row.default(obj, ctx)
        if value is not None and value != ():
            ctx.defaulted(row.wire, row.rule or "default")
            return value, True
    return value, False


def _where(out: _Xml | _Json, ctx: Context, wire: str) -> str:
    return out.path((*((f.wire, f.place) for f in ctx.stack if f.wire), (wire, None)))


def _write_item(
    record: Record,
    row: Row,
    obj: Any,
    item: Any,
    index: int | None,
    defaulted: bool,
    ctx: Context,
    out: _Xml | _Json,
    writing: Writing,
    problems: list[Problem],
    node: Any,
    extras: dict[str, Any],
) -> None:
    if isinstance(row.kind, Record):
        frame = Frame(row.field, index, row.wire, index)
        inner = row.steps[-1] if isinstance(out, _Xml) else row.wire
        with _nested(ctx, obj, row, item, frame, defaulted=defaulted):
            raw = _write(row.kind, item, ctx, out, inner, writing, problems)
        out.put(node, row, raw)
        return
    try:
        raw = out.leaf(row.kind, item, extras.get(spelling_key(row, index)), ctx)
    except (ValueError, TypeError, AttributeError) as error:
        problems.append(Problem(_where(out, ctx, row.wire), str(error)))
        return
    out.put(node, row, raw)
    if ctx.traced:
        where = (
            *((frame.wire, frame.place) for frame in ctx.stack if frame.wire),
            (row.wire, index),
        )
        paths, sure = ((), True) if defaulted else _sources(ctx, obj, row, item, index)
        target = out.path(where)
        if isinstance(raw, list) and raw:
            for place, part in enumerate(raw):
                each = tuple(f"{path}/{place}" for path in paths)
                writing.wrote.append(Wrote(f"{target}/{place}", each, part, row, record, sure))
        else:
            writing.wrote.append(Wrote(target, paths, raw, row, record, sure))


def _sources(
    ctx: Context, obj: Any, row: Row, item: Any, index: int | None
) -> tuple[tuple[str, ...], bool]:
    """The canonical paths that a leaf says, and whether that is sure."""
    own = value_at(obj, row.field) if row.field else None
    names, sure = [name for name in (row.field, *row.uses) if name] or [""], False
    if row.write is None or own is item or own == item:
        names, sure = [row.field], True
    elif index is not None and isinstance(own, tuple) and item in own:
        same = index < len(own) and own[index] == item  # of several equal ones, that in its place
        names, sure, index = [row.field], True, index if same else own.index(item)
    here = ctx.path
    paths: list[str] = []
    for name in names:
        whole = f"{here}/{name}" if here and name else here or name
        if index is not None and name == row.field and len(names) == 1:
            whole = f"{whole}/{index}"
        paths.extend(ctx.resolve(whole))
    return tuple(paths), sure


@contextmanager
def _nested(
    ctx: Context,
    obj: Any,
    row: Row,
    item: Any,
    frame: Frame,
    *,
    defaulted: bool = False,
) -> Iterator[None]:
    """Around the writing of a nested object: its frame, and where it came from."""
    origin = None
    if ctx.traced:
        origin = () if defaulted else _origin(ctx.path, obj, row, item, ctx)
    ctx.stack.append(frame)
    if origin is not None:
        ctx.aliases.append((ctx.path, origin))
    try:
        yield
    finally:
        ctx.stack.pop()
        if origin is not None:
            ctx.aliases.pop()


def _origin(base: str, obj: Any, row: Row, item: Any, ctx: Context) -> tuple[Any, ...] | None:
    """Where a nested object that is about to be written came from; None: from its own path.

    An object that was made without telling its origins came from nowhere.
    """
    known = ctx.origins.get(id(item))
    if known is not None and known[0] is item:
        return known[1]
    own = value_at(obj, row.field) if row.field else None
    if row.write is None or own is item:
        return None
    if isinstance(own, tuple):
        for place, candidate in enumerate(own):
            if candidate is item:
                return (("", "/".join(filter(None, [base, row.field, str(place)]))),)
    return ()


def _note_unread(record: Record, obj: Any, ctx: Context) -> None:
    """A canonical value that no row reads is dropped, and said so."""
    for path in ("", *record.parts):
        part = value_at(obj, path) if path else obj
        if part is None:
            continue
        prefix = f"{path}/" if path else ""
        read_fields = record.reads(path)
        for name in part.__struct_fields__:
            if name == "extras" or name in read_fields:
                continue
            value = getattr(part, name)
            if value is not None and value != () and value != _defaults(type(part)).get(name):
                ctx.dropped(prefix + name, "no-counterpart", record.lost.get(prefix + name))
        if path:
            note_unsaid(ctx, path, part.extras or {}, record.wire.protocol)
        if path.endswith("/0"):
            others = value_at(obj, path[:-2])
            for place in range(1, len(others)):
                ctx.dropped(f"{path[:-2]}/{place}", "one-item-only")


def _defaults(cls: type[Canonical]) -> dict[str, Any]:
    fields = cls.__struct_fields__
    values = cls.__struct_defaults__
    pairs = zip(fields[len(fields) - len(values) :], values, strict=True)
    return {name: value for name, value in pairs if value is not NODEFAULT}
