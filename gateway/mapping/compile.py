"""Record tables compiled to straight-line functions.

At start each record becomes four functions: element to object, JSON value to object, object to XML
text, object to JSON value. They know the one regular way of a message that has passed its schema:
fields in schema order, nothing unknown. Whatever is irregular (an unknown field, a value that the
kind refuses, a field that cannot be said) makes them give up, and the plain form in
``interpret.py`` takes over, which lists problems, keeps strays and notes losses. The two agree by
test.

Nobody edits what is generated; ``Codec.source`` shows it.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from lxml import etree

from gateway.errors import Malformed
from gateway.mapping import interpret, regular
from gateway.mapping.carriers import XSI, escape, is_xml
from gateway.mapping.context import Context, Frame
from gateway.mapping.kinds import Kind
from gateway.mapping.record import Record, Row
from gateway.model.base import Canonical

# Kinds whose text is made of digits, signs, letters and colons: nothing to escape.
_SAFE = frozenset({"number", "boolean", "code", "utc", "local", "hms", "hours"})


MOST, LONGEST = 256, 64
"""Values that are remembered per field of a record, and characters of one."""
_PART = 1024
"""Characters of a part of an item that is remembered as a whole."""


class Remembered(dict[Any, Any]):
    """What a pure function makes of a text, for texts that come again and again.

    Bounded: what is full is emptied, and what is frequent is soon there again. Only texts are kept
    (and instants where the form depends on the instant alone): among other values equal ones may be
    written differently.
    """

    def __init__(
        self, function: Callable[[Any], Any], *kinds: type, longest: int = LONGEST
    ) -> None:
        super().__init__()
        self._function, self._kinds, self._longest = function, (str, *kinds), longest

    def __missing__(self, value: Any) -> Any:
        made = self._function(value)
        kind = type(value)
        if kind in self._kinds and (kind is not str or len(value) <= self._longest):
            if len(self) >= MOST:
                self.clear()
            self[value] = made
        return made


class _Frames(dict[int, Frame]):
    """The frames of the items of a list."""

    def __init__(self, row: Row) -> None:
        super().__init__()
        self._row = row

    def __missing__(self, place: int) -> Frame:
        frame = Frame(self._row.field, place, self._row.wire, place)
        if place < MOST:
            self[place] = frame
        return frame


def _with_spelling(parse: Callable[[Any], Any], back: Callable[[Any], Any]) -> Callable[..., Any]:
    """The value, and whether it would be written otherwise than it came."""

    def both(raw: Any) -> tuple[Any, bool]:
        value = parse(raw)
        return value, bool(back(value) != raw)

    return both


def _escaped(back: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: escape(back(value))


class Irregular(Exception):
    """The compiled form does not cover this message."""


CANNOT = (Irregular, ValueError, TypeError, AttributeError, LookupError)
"""What a compiled form raises where the plain one has to take over."""


class _Missing:
    pass


MISSING = _Missing()


class Codec:
    """The compiled forms of one record, with the plain form behind them."""

    def __init__(self, record: Record, compiler: "Compiler") -> None:
        self.record = record
        self._compiler = compiler
        self.source: dict[str, str] = {}
        self._functions: dict[str, Callable[..., Any]] = {}

    def function(self, form: str) -> Callable[..., Any]:
        """The compiled function: read_xml, read_text, read_json, write_xml or write_json."""
        if form not in self._functions:
            self._compiler.build(self, form)
        return self._functions[form]

    def install(self, form: str, source: str, function: Callable[..., Any]) -> None:
        self.source[form] = source
        self._functions[form] = function

    def read(self, node: Any, at: str | None = None) -> Any:
        """The canonical object of an element or JSON value; raises Malformed."""
        form = "read_xml" if is_xml(node) else "read_json"
        try:
            return self.function(form)(node)
        except CANNOT:
            return interpret.read(self.record, node, at)

    def read_partly(self, node: Any) -> tuple[Any, list[interpret.Refusal]]:
        """The same of a message with lists, without those items that cannot be read, and these.

        Raises Malformed when anything else is wrong.
        """
        try:
            return self.read(node), []
        except Malformed:
            reading = interpret.Reading(partly=True)
            return interpret.read(self.record, node, reading=reading), reading.refused

    def write_xml(self, obj: Canonical, ctx: Context | None = None, name: str | None = None) -> str:
        """The XML text, the namespace declared on the root; raises Inexpressible."""
        ctx = ctx or Context()
        mark, depth = len(ctx.notes), len(ctx.stack)
        pieces: list[str] = []
        try:
            root = name or self.record.name
            self.function("write_xml")(
                obj, ctx, pieces.append, root, f' xmlns="{self.record.wire.namespace}"'
            )
            text = "".join(pieces)
        except CANNOT:
            del ctx.notes[mark:], ctx.stack[depth:]
            tree = interpret.write(self.record, obj, ctx, name=name, xml=True)
            text = str(etree.tostring(tree, encoding="unicode"))
        self._tell(ctx, mark, depth)
        return text

    def write_json(self, obj: Canonical, ctx: Context | None = None) -> Any:
        """The JSON value; raises Inexpressible."""
        ctx = ctx or Context()
        mark, depth = len(ctx.notes), len(ctx.stack)
        try:
            value = self.function("write_json")(obj, ctx)
        except CANNOT:
            del ctx.notes[mark:], ctx.stack[depth:]
            value = interpret.write(self.record, obj, ctx, xml=False)
        self._tell(ctx, mark, depth)
        return value

    def _tell(self, ctx: Context, mark: int, depth: int) -> None:
        if depth == 0 and not ctx.quiet:
            ctx.facts.noted(self.record.wire.protocol, self.record.name, ctx.notes[mark:])


class Compiler:
    """Builds and keeps the codecs; one for the whole process."""

    def __init__(self) -> None:
        self._codecs: dict[int, Codec] = {}

    def codec(self, record: Record) -> Codec:
        """The codec of a record (built at first use of each form)."""
        known = self._codecs.get(id(record))
        if known is None:
            known = self._codecs[id(record)] = Codec(record, self)
        return known

    def build(self, codec: Codec, form: str) -> None:
        """Generate, compile and install one form."""
        unit = _Unit(codec.record, self, form)
        getattr(unit, form)()
        source = "\n".join([*unit.helpers, *unit.lines]) + "\n"
        scope = unit.scope
        exec(compile(source, f"<{codec.record} {form}>", "exec"), scope)  # noqa: S102 - our tables
        codec.install(form, source, scope["f"])


class _Unit:
    """The source of one function, line by line, and the names it uses."""

    def __init__(self, record: Record, compiler: Compiler, form: str) -> None:
        self.record, self.compiler, self.form = record, compiler, form
        self.lines: list[str] = []
        self.helpers: list[str] = []
        self.scope: dict[str, Any] = {
            "Irregular": Irregular,
            "MISSING": MISSING,
            "alone": _alone,
            "escape": escape,
            "need": _need,
        }
        self.count = 0
        self.parts: dict[str, str] = {}

    def emit(self, depth: int, *lines: str) -> None:
        self.lines.extend("    " * depth + line for line in lines)

    def bind(self, value: Any, hint: str = "g") -> str:
        """A name for a value that the function uses."""
        self.count += 1
        name = f"{hint}{self.count}"
        self.scope[name] = value
        return name

    def nested(self, record: Record) -> str:
        """A name for the compiled function of a nested record (late bound: tables may recurse)."""
        codec = self.compiler.codec(record)
        form = self.form
        if codec.record is self.record:
            return "f"
        return self.bind(codec.function(form), "r")

    # -- reading ---------------------------------------------------------------------------

    def read_xml(self) -> None:
        rows = [flat for flat in interpret.flat_rows(self.record) if flat.row.card != "="]
        self.emit(0, "def f(e):")
        self.emit(1, "x = None")
        names: dict[str, str] = {}
        attributes = [row for _, row in rows if row.wire.startswith("@")]
        own = [row for _, row in rows if row.wire == "."]
        elements = [row for _, row in rows if row not in attributes and row not in own]
        for row in attributes:
            names[row.wire] = var = f"v{len(names)}"
            self.emit(1, f"t = e.get({row.wire[1:]!r})")
            self._text_value(1, row, var)
        if attributes:
            self._check_attributes(1, "e", attributes)
        for row in own:
            names[row.wire] = var = f"v{len(names)}"
            self.emit(1, "t = e.text or ''")
            self._text_value(1, row, var)
        if elements:
            self.emit(1, "i = iter(e)", "c = next(i, None)")
        for group in _groups(elements, self.record):
            for row in group:
                names[row.wire] = f"v{len(names)}"
            if len(group) > 1:
                self._shared(group, names)
            else:
                self._element(group[0], names[group[0].wire])
        if elements:
            self.emit(1, "if c is not None: raise Irregular")
        elif not own:
            self.emit(1, "if len(e): raise Irregular")
        self._construct(names)

    def _tag(self, step: str) -> str:
        return self.bind(f"{{{self.record.wire.namespace}}}{step}", "t")

    def _element(self, row: Row, var: str) -> None:
        tag = self._tag(row.steps[0])
        if row.listed:
            self.emit(1, f"{var} = []", f"while c is not None and c.tag == {tag}:")
            self._content(2, row, "k", item=f"len({var})")
            self.emit(2, f"{var}.append(k)", "c = next(i, None)")
            if row.card == "+":
                self.emit(1, f"if not {var}: raise Irregular")
            self.emit(1, f"{var} = tuple({var})")
        elif row.card == "1":
            self.emit(1, f"if c is None or c.tag != {tag}: raise Irregular")
            self._content(1, row, var)
            self.emit(1, "c = next(i, None)")
        else:
            self.emit(1, f"if c is not None and c.tag == {tag}:")
            self._content(2, row, var)
            self.emit(2, "c = next(i, None)")
            self.emit(1, "else:", f"    {var} = None")

    def _check_attributes(self, depth: int, node: str, rows: list[Row]) -> None:
        check = self.bind(_attribute_check({row.steps[-1][1:] for row in rows}), "check")
        self.emit(depth, f"if len({node}.keys()) != {len(rows)}:", f"    {check}({node})")

    def _shared(self, rows: list[Row], names: dict[str, str]) -> None:
        """An element whose attributes and children are fields of this object."""
        tag = self._tag(rows[0].steps[0])
        depth = 1
        if any(row.card == "1" for row in rows):
            self.emit(1, f"if c is None or c.tag != {tag}: raise Irregular")
        else:
            self.emit(1, " = ".join(names[row.wire] for row in rows) + " = None")
            self.emit(1, f"if c is not None and c.tag == {tag}:")
            depth = 2
        attributes = [row for row in rows if row.steps[1].startswith("@")]
        for row in attributes:
            self.emit(depth, f"t = c.get({row.steps[1][1:]!r})")
            self._text_value(depth, row, names[row.wire])
        if attributes:
            self._check_attributes(depth, "c", attributes)
        self.emit(depth, "j = iter(c)", "d = next(j, None)")
        for row in rows:
            if row in attributes:
                continue
            var, inner = names[row.wire], depth
            if row.card == "1":
                self.emit(
                    depth, f"if d is None or d.tag != {self._tag(row.steps[1])}: raise Irregular"
                )
            else:
                self.emit(depth, f"{var} = None")
                self.emit(depth, f"if d is not None and d.tag == {self._tag(row.steps[1])}:")
                inner = depth + 1
            if isinstance(row.kind, Record):
                self.emit(inner, f"{var} = {self.nested(row.kind)}(d)")
            else:
                self.emit(inner, "if len(d): raise Irregular", "t = d.text or ''")
                self._parse(inner, row, var, "t", None)
            self.emit(inner, "d = next(j, None)")
        self.emit(depth, "if d is not None: raise Irregular", "c = next(i, None)")

    def _content(self, depth: int, row: Row, var: str, item: str | None = None) -> None:
        node = "c"
        for step in row.steps[1:]:
            self.emit(depth, f"if len({node}) != 1: raise Irregular", f"d = {node}[0]")
            self.emit(depth, f"if d.tag != {self._tag(step)}: raise Irregular")
            node = "d"
        if isinstance(row.kind, Record):
            self.emit(depth, f"{var} = {self.nested(row.kind)}({node})")
            return
        self.emit(depth, f"if len({node}): raise Irregular", f"t = {node}.text or ''")
        self._parse(depth, row, var, "t", item)

    def _text_value(self, depth: int, row: Row, var: str, text: str = "t") -> None:
        if row.card == "1":
            self.emit(depth, f"if {text} is None: raise Irregular")
            self._parse(depth, row, var, text, None)
        else:
            self.emit(depth, f"if {text} is None:", f"    {var} = None", "else:")
            self._parse(depth + 1, row, var, text, None)

    def _parse(self, depth: int, row: Row, var: str, raw: str, item: str | None) -> None:
        kind = row.kind
        assert not isinstance(kind, Record)
        as_json = self.form == "read_json"
        parse = kind.from_json if as_json else kind.parse
        if as_json and kind.jparse is not None:
            parse = kind.jparse
        if kind.exact:
            self.emit(depth, f"{var} = {self._made(kind, parse, raw)}")
            return
        back = (kind.jformat or kind.format) if as_json else kind.format
        key = f"~{row.wire}"
        where = f"f'{key}#{{{item}}}'" if item else repr(key)
        both = self._made(kind, _with_spelling(parse, back), raw)
        self.emit(
            depth,
            f"{var}, s = {both}",
            "if s:",
            "    if x is None: x = {}",
            f"    x[{where}] = {raw}",
        )

    def _made(self, kind: Kind, make: Callable[[Any], Any], raw: str) -> str:
        """What ``make`` gives for a value of the wire; only texts are worth remembering."""
        if self.form == "read_json" and kind.jparse is not None:
            return f"{self.bind(make, 'p')}({raw})"
        return f"{self.bind(Remembered(make), 'p')}[{raw}]"

    def read_text(self) -> None:
        """The object of a match of ``regular.element``; what repeats is read once."""
        found = regular.element(self.record, "").rows
        texts = [f"t{number}" for number in range(len(found))]
        self.emit(0, "def f(m):")
        self.emit(1, "x = None", f"{', '.join(['_', *texts])}, = m.groups()")
        leaves = [
            text
            for row, text in zip(found, texts, strict=True)
            if not (row.listed or isinstance(row.kind, Record))
        ]
        if leaves:
            self.scope["meant"] = regular.meant
            self.emit(1, "if '&' in m[0]:")
            self.emit(2, *(f"if {text}: {text} = meant({text})" for text in leaves))
        names: dict[str, str] = {}
        for row, text in zip(found, texts, strict=True):
            names[row.wire] = var = f"v{len(names)}"
            if isinstance(row.kind, Record) or (row.listed and row.kind.exact):
                part = Remembered(self._elements(row, row.kind), longest=_PART)
                absent = "()" if row.listed else "None"
                self.emit(1, f"{var} = {self.bind(part, 'r')}[{text}] if {text} else {absent}")
            elif row.listed:
                matches = f"{self.bind(regular.items(row).finditer, 'i')}({text})"
                self.emit(1, "l = []", f"for n, k in enumerate({matches}):")
                self.emit(2, f"k = {self.bind(regular.meant, 'm')}(k[2])")
                self._parse(2, row, "o", "k", "n")
                self.emit(2, "l.append(o)")
                self.emit(1, f"{var} = tuple(l)")
            elif row.card == "1":
                self._parse(1, row, var, text, None)
            else:
                self._text_value(1, row, var, text)
        self._construct(names)

    def _elements(self, row: Row, kind: Record | Kind) -> Callable[[str], Any]:
        """What reads the elements of a row, one or a list, from their text."""
        if isinstance(kind, Kind):
            parse, values = kind.parse, regular.items(row).finditer
            return lambda text: tuple([parse(regular.meant(each[2])) for each in values(text)])
        read = self.compiler.codec(kind).function("read_text")
        pattern = regular.element(kind, row.steps[-1]).pattern
        if row.listed:
            return lambda text: tuple(map(read, pattern.finditer(text)))
        return lambda text: read(pattern.match(text))

    def _construct(self, names: dict[str, str]) -> None:
        protocol = self.record.wire.protocol

        def argument(cls: type[Canonical], row: Row) -> str:
            """A field's value; the default of its class where an optional field is absent."""
            name, value = row.field.rpartition("/")[2], names[row.wire]
            defaults = interpret._defaults(cls)
            if row.card == "?" and name not in defaults:
                value = f"need({value})"
            elif row.card == "?" and defaults[name] is not None:
                value = f"{self.bind(defaults[name], 'd')} if {value} is None else {value}"
            return f"{name}={value}"

        def content(record: Record, depth: int) -> tuple[list[str], list[str]]:
            given: list[str] = []
            variables: list[str] = []
            parts: dict[str, list[Row]] = {path: [] for path in record.parts}
            for row in record.rows:
                if "/" in row.field:
                    parts[row.field.rpartition("/")[0]].append(row)
                elif row.card == "=":
                    given.append(f"{row.field}={self.bind(row.value, 'k')}")
                elif row.card == "" and isinstance(row.kind, Record):
                    inner, inner_vars = content(row.kind, depth + 1)
                    var = f"w{self.count}"
                    self.count += 1
                    cls = self.bind(row.kind.cls, "C")
                    made = f"{cls}({', '.join(inner)})"
                    if any(r.card in ("1", "+") for _, r in interpret.flat_rows(row.kind)):
                        self.emit(1, f"{var} = {made}")
                    else:
                        empty = (
                            " and ".join(f"({v} is None or {v} == ())" for v in inner_vars)
                            or "False"
                        )
                        self.emit(1, f"{var} = None if {empty} else {made}")
                    needed = row.field not in interpret._defaults(record.cls)
                    given.append(f"{row.field}=need({var})" if needed else f"{row.field}={var}")
                    variables.append(var)
                elif row.field:
                    given.append(argument(record.cls, row))
                    variables.append(names[row.wire])
            for path, rows in parts.items():
                inner_vars = [names[row.wire] for row in rows]
                inner = [argument(record.parts[path], row) for row in rows]
                name, listed, _ = path.partition("/0")
                made = f"{self.bind(record.parts[path], 'C')}({', '.join(inner)})"
                if listed:
                    made = f"({made},)"
                if not any(row.card in ("1", "+") for row in rows):
                    empty = " and ".join(f"({v} is None or {v} == ())" for v in inner_vars)
                    made = f"{'()' if listed else 'None'} if {empty} else {made}"
                given.append(f"{name}={made}")
                variables.extend(inner_vars)
            return given, variables

        given, _ = content(self.record, 0)
        cls = self.bind(self.record.cls, "C")
        extras = f"None if x is None else {{{protocol!r}: x}}"
        self.emit(1, f"return {cls}({', '.join([*given, f'extras={extras}'])})")

    def read_json(self) -> None:
        rows = [row for _, row in interpret.flat_rows(self.record) if row.card != "="]
        self.emit(0, "def f(d):")
        self.emit(1, "x = None")
        names: dict[str, str] = {}
        if [row.wire for row in rows] == ["."]:
            row = rows[0]
            names["."] = "v0"
            self.emit(1, "if type(d) is not list or not d: raise Irregular")
            assert isinstance(row.kind, Record)
            self.emit(1, f"v0 = tuple([{self.nested(row.kind)}(k) for k in d])")
            self._construct(names)
            return
        if _deep(rows):
            self.emit(1, "raise Irregular")  # lists below a field: the plain reader serves
            return
        self.emit(1, "if type(d) is not dict: raise Irregular", "n = 0")
        inner = self._json_objects(rows)
        for row in rows:
            names[row.wire] = var = f"v{len(names)}"
            self.emit(1, f"k = {inner.get(row.steps[0], 'd')}.get({row.steps[-1]!r}, MISSING)")
            absent = (
                "raise Irregular"
                if row.card in ("1", "+")
                else (f"{var} = ()" if row.listed else f"{var} = None")
            )
            self.emit(1, "if k is MISSING:", f"    {absent}", "elif k is None:")
            self.emit(2, "n += 1", "if x is None: x = {}", f"x[{row.wire!r}] = None", absent)
            self.emit(1, "else:", "    n += 1")
            if row.listed:
                self.emit(2, "if type(k) is not list: raise Irregular")
                self.emit(2, "if not k:")
                self.emit(3, "if x is None: x = {}", f"x[{row.wire!r}] = []", absent)
                self.emit(2, "else:")
                if isinstance(row.kind, Record):
                    self.emit(3, f"{var} = tuple([{self.nested(row.kind)}(j) for j in k])")
                else:
                    self.emit(3, "l = []", "for m, j in enumerate(k):")
                    self._parse(4, row, "o", "j", "m")
                    self.emit(4, "l.append(o)")
                    self.emit(3, f"{var} = tuple(l)")
            elif isinstance(row.kind, Record):
                self.emit(2, f"{var} = {self.nested(row.kind)}(k)")
            else:
                self._parse(2, row, var, "k", None)
        lengths = " + ".join(f"len({node})" for node in ("d", *inner.values()))
        self.emit(1, f"if n != {lengths}:")
        self.scope["strays"] = _strays
        for node, prefix, known in (
            ("d", "", {row.steps[0] for row in rows}),
            *(
                (node, f"{step}/", {row.steps[1] for row in rows if row.steps[0] == step})
                for step, node in inner.items()
            ),
        ):
            self.emit(2, f"x = strays(x, {node}, {self.bind(frozenset(known), 'K')}, {prefix!r})")
        self._construct(names)

    def _json_objects(self, rows: list[Row]) -> dict[str, str]:
        """Variables for the objects below fields whose members are fields of this object."""
        below: dict[str, list[Row]] = {}
        for row in rows:
            if len(row.steps) > 1:
                below.setdefault(row.steps[0], []).append(row)
        inner: dict[str, str] = {}
        for step, members in below.items():
            inner[step] = node = f"h{len(inner)}"
            self.emit(1, f"{node} = d.get({step!r}, MISSING)")
            depth = 1
            if all(row.card != "1" for row in members):
                self.emit(1, f"if {node} is MISSING:", f"    {node} = {{}}", "else:")
                depth = 2
            self.emit(depth, f"if type({node}) is not dict or not {node}: raise Irregular")
            self.emit(depth, "n += 1")
        return inner

    # -- writing ---------------------------------------------------------------------------

    def write_xml(self) -> None:
        self.emit(0, "def f(o, ctx, a, name, ns):")
        self._head()
        has_attributes = any(
            row.wire.startswith("@") for _, row in interpret.flat_rows(self.record)
        )
        self.emit(1, "a(f'<{name}{ns}" + ("'" if has_attributes else ">'") + ")")
        self._xml_rows(self.record, "o", attributes=True)
        if has_attributes:
            self.emit(1, "a('>')")
        self._xml_rows(self.record, "o", attributes=False)
        self._tail()
        self.emit(1, "a(f'</{name}>')")

    def _head(self) -> None:
        protocol = self.record.wire.protocol
        self.scope["note_unsaid"] = interpret.note_unsaid
        self.emit(1, "x = None", "if o.extras is not None:")
        self.emit(2, f"x = o.extras.get({protocol!r})")
        self.emit(2, f"note_unsaid(ctx, '', o.extras, {protocol!r})")
        for path in self.record.parts:
            self.parts[path] = var = f"part{len(self.parts)}"
            name, listed, _ = path.partition("/0")
            if listed:
                self.emit(1, f"if len(o.{name}) > 1: raise Irregular")
                self.emit(1, f"{var} = o.{name}[0] if o.{name} else None")
            else:
                self.emit(1, f"{var} = o.{name}")
            self.emit(1, f"if {var} is not None and {var}.extras is not None: raise Irregular")

    def _tail(self) -> None:
        self._unread(self.record, "o")

    def _unread(self, record: Record, obj: str) -> None:
        self._unread_of(record, record.cls, obj, "")
        for path, cls in record.parts.items():
            self._unread_of(record, cls, self.parts[path], path)

    def _unread_of(self, record: Record, cls: type[Canonical], obj: str, path: str) -> None:
        read_fields = record.reads(path)
        prefix = f"{path}/" if path else ""
        given = f"{obj} is not None and " if path else ""
        defaults = interpret._defaults(cls)
        for name in cls.__struct_fields__:
            if name == "extras" or name in read_fields:
                continue
            test = f"{obj}.{name} is not None"
            default = defaults.get(name)
            if default is not None:
                test = f"{obj}.{name} != {self.bind(default, 'd')}"
            why = record.lost.get(prefix + name)
            self.emit(
                1, f"if {given}{test}: ctx.dropped({prefix + name!r}, 'no-counterpart', {why!r})"
            )

    def _value(self, row: Row, obj: str, var: str) -> None:
        if _written(row):
            assert isinstance(row.kind, Record)
            write = self.nested(row.kind)
            if self.form == "write_xml":
                write = f"alone({write}, {row.steps[-1]!r})"
            given = f"{obj}, ctx, {self.bind(_Frames(row), 'F')}, {write}"
            self.emit(1, f"{var} = {self.bind(row.write, 'w')}.written({given})")
        elif row.write:
            self.emit(1, f"{var} = {self.bind(row.write, 'w')}({obj}, ctx)")
        elif "/" in row.field:
            path, _, leaf = row.field.rpartition("/")
            part = self.parts[path]
            self.emit(1, f"{var} = None if {part} is None else {part}.{leaf}")
        else:
            self.emit(1, f"{var} = {obj}.{row.field}")
        if row.default:
            self.emit(1, f"if {var} is None or {var} == ():")
            self.emit(2, f"{var} = {self.bind(row.default, 'w')}({obj}, ctx)")
            rule = row.rule or "default"
            self.emit(2, f"if {var} is not None and {var} != ():")
            self.emit(3, f"ctx.defaulted({row.wire!r}, {rule!r})")

    def _part(self, row: Row, obj: str, attributes: bool, body: Callable[..., None]) -> None:
        """Rows of an inline part: its frame around them, nothing when it is absent."""
        assert isinstance(row.kind, Record)
        self.count += 1
        var = f"q{self.count}"
        self._value(row, obj, var)
        frame = self.bind(Frame(row.field, None, "", None), "F")
        missing = any(r.card in ("1", "+") for _, r in interpret.flat_rows(row.kind))
        if missing:
            self.emit(1, f"if {var} is None: raise Irregular")
        start = len(self.lines)
        self.emit(1, f"ctx.stack.append({frame})")
        body(row.kind, var, attributes)
        self._unread(row.kind, var)
        self.emit(1, "ctx.stack.pop()")
        if not missing:
            inner = self.lines[start:]
            self.lines[start:] = [f"    if {var} is not None:", *("    " + line for line in inner)]

    def _spelled(self, depth: int, row: Row, var: str, raw: str, item: str | None) -> None:
        """Give a value its wire form, in the spelling that came in where that is kept."""
        kind = row.kind
        assert not isinstance(kind, Record)
        as_json = self.form == "write_json"
        back = (kind.jformat or kind.format) if as_json else kind.format
        parse = (kind.jparse or kind.from_json) if as_json else kind.parse
        safe = as_json or kind.unit in _SAFE
        if kind.exact:  # nothing to look up in the extras
            whole = back if safe else _escaped(back)
            if kind.unit == "text":
                self.emit(depth, f"{raw} = {self.bind(Remembered(whole), 'b')}[{var}]")
            else:
                self.emit(depth, f"{raw} = {self.bind(whole, 'b')}({var})")
            return
        if kind.unit == "utc":
            self.emit(depth, f"{raw} = {self.bind(Remembered(back, datetime), 'b')}[{var}]")
        else:
            self.emit(depth, f"{raw} = {self.bind(back, 'b')}({var})")
        key = f"~{row.wire}"
        where = f"f'{key}#{{{item}}}'" if item else repr(key)
        self.emit(depth, "if x is not None:")
        self.emit(depth + 1, f"u = x.get({where})")
        meant = f"{self.bind(interpret._means, 'm')}({self.bind(parse, 'p')}, u, {var})"
        if kind.sayable is not None:
            meant += f" and (ctx.verbatim or {self.bind(kind.sayable, 'm')}(u))"
        self.emit(depth + 1, f"if u is not None and u != {raw} and {meant}: {raw} = u")
        if not safe:
            self.emit(depth, f"{raw} = escape({raw})")

    def _xml_rows(self, record: Record, obj: str, attributes: bool) -> None:
        shared = _shared_steps(record.rows)
        for row in record.rows:
            if row.card == "=":
                continue
            if row.steps[0] in shared:
                if not attributes and row is shared[row.steps[0]][0]:
                    self._xml_shared(shared[row.steps[0]], obj)
                continue
            if row.card == "" and isinstance(row.kind, Record):
                has = [r.wire.startswith("@") for _, r in interpret.flat_rows(row.kind)]
                if any(has) and not all(has):
                    raise TypeError(f"{record}: an inline part mixes attributes and elements")
                if any(has) == attributes:
                    self._part(row, obj, attributes, self._xml_rows)
                continue
            if row.wire.startswith("@") != attributes:
                continue
            self.count += 1
            var = f"v{self.count}"
            self._value(row, obj, var)
            empty = f"not {var}" if row.listed else f"{var} is None"
            if row.card in ("1", "+"):
                self.emit(1, f"if {empty}: raise Irregular")
                depth = 1
            else:
                self.emit(1, f"if {var}:" if row.listed else f"if {var} is not None:")
                depth = 2
            if row.wire.startswith("@"):
                self._spelled(depth, row, var, "s", None)
                self.emit(depth, f"a(f' {row.wire[1:]}=\"{{s}}\"')")
            elif row.wire == ".":
                self._spelled(depth, row, var, "s", None)
                self.emit(depth, "a(s)")
            else:
                self._xml_element(depth, row, var)

    def _xml_shared(self, rows: list[Row], obj: str) -> None:
        """An element whose attributes and children are fields of this object."""
        names = {}
        for row in rows:
            self.count += 1
            names[row.wire] = var = f"v{self.count}"
            self._value(row, obj, var)
            if row.card == "1":
                self.emit(1, f"if {var} is None: raise Irregular")
        depth = 1
        if all(row.card != "1" for row in rows):
            self.emit(1, f"if {' or '.join(f'{v} is not None' for v in names.values())}:")
            depth = 2
        self.emit(depth, f"a({'<' + rows[0].steps[0]!r})")
        attributes = [row for row in rows if row.steps[1].startswith("@")]
        for row in attributes:
            self.emit(depth, f"if {names[row.wire]} is not None:")
            self._spelled(depth + 1, row, names[row.wire], "s", None)
            self.emit(depth + 1, f"a(f' {row.steps[1][1:]}=\"{{s}}\"')")
        self.emit(depth, "a('>')")
        for row in rows:
            if row in attributes:
                continue
            self.emit(depth, f"if {names[row.wire]} is not None:")
            last = row.steps[1]
            if isinstance(row.kind, Record):
                frame = self.bind(Frame(row.field, None, row.wire, None), "F")
                self.emit(depth + 1, f"ctx.stack.append({frame})")
                write = self.nested(row.kind)
                self.emit(depth + 1, f"{write}({names[row.wire]}, ctx, a, {last!r}, '')")
                self.emit(depth + 1, "ctx.stack.pop()")
            else:
                self._spelled(depth + 1, row, names[row.wire], "s", None)
                self.emit(depth + 1, f"a(f'<{last}>{{s}}</{last}>')")
        self.emit(depth, f"a({'</' + rows[0].steps[0] + '>'!r})")

    def _xml_element(self, depth: int, row: Row, var: str) -> None:
        before = "".join(f"<{step}>" for step in row.steps[:-1])
        after = "".join(f"</{step}>" for step in reversed(row.steps[:-1]))
        last = row.steps[-1]
        if _written(row):
            self.emit(depth, f"for k in {var}: a(f'{before}{{k}}{after}')")
            return
        if isinstance(row.kind, Record):
            write = self.nested(row.kind)
            each, frame = var, self.bind(Frame(row.field, None, row.wire, None), "F")
            if row.listed:
                self.emit(depth, f"for m, j in enumerate({var}):")
                depth, each = depth + 1, "j"
                frame = f"{self.bind(_Frames(row), 'F')}[m]"
            self.emit(depth, f"ctx.stack.append({frame})")
            if before:
                self.emit(depth, f"a({before!r})")
            self.emit(depth, f"{write}({each}, ctx, a, {last!r}, '')")
            if after:
                self.emit(depth, f"a({after!r})")
            self.emit(depth, "ctx.stack.pop()")
            return
        item = None
        if row.listed:
            self.emit(depth, f"for m, j in enumerate({var}):")
            depth, var, item = depth + 1, "j", "m"
        self._spelled(depth, row, var, "s", item)
        self.emit(depth, f"a(f'{before}<{last}>{{s}}</{last}>{after}')")

    def write_json(self) -> None:
        rows = [row for _, row in interpret.flat_rows(self.record) if row.card != "="]
        self.emit(0, "def f(o, ctx):")
        if [row.wire for row in rows] == ["."]:
            row = rows[0]
            self._head()
            self._value(row, "o", "v")
            assert isinstance(row.kind, Record)
            if _written(row):
                self.emit(1, "r = v")
            else:
                self.emit(1, f"r = {self._each(row, self.nested(row.kind))}(v, ctx)")
            self._tail()
            self.emit(1, "return r")
            return
        if _deep(rows):
            self.emit(1, "raise Irregular")  # lists below a field: the plain writer serves
            return
        self._head()
        self.emit(1, "r = {}")
        self._json_rows(self.record, "o", False)
        self._tail()
        known = self.bind(frozenset(row.steps[0] for row in rows), "K")
        self.emit(1, "if x is not None:", "    for k, u in x.items():")
        self.emit(3, "if k[0] == '~' or k in r: continue")
        self.emit(3, "if '/' in k or '~' in k: raise Irregular")
        opened = f" or ({self.record.wire.open!r} and k not in {known})"
        self.emit(3, f"if u is None or u == []{opened}: r[k] = u")
        self.emit(1, "return r")

    def _json_rows(self, record: Record, obj: str, attributes: bool) -> None:
        for row in record.rows:
            if row.card == "=":
                continue
            if row.card == "" and isinstance(row.kind, Record):
                self._part(row, obj, attributes, self._json_rows)
                continue
            self.count += 1
            var = f"v{self.count}"
            self._value(row, obj, var)
            empty = f"not {var}" if row.listed else f"{var} is None"
            depth = 1
            if row.card in ("1", "+"):
                self.emit(1, f"if {empty}: raise Irregular")
            else:
                self.emit(1, f"if {var}:" if row.listed else f"if {var} is not None:")
                depth = 2
            self._json_value(depth, row, var)

    def _each(self, row: Row, write: str) -> str:
        """The name of a function that writes the items of a list."""
        self.count += 1
        name = f"each{self.count}"
        self.helpers += [
            f"def {name}(v, ctx):",
            "    l = []",
            "    for m, j in enumerate(v):",
            f"        ctx.stack.append({self.bind(_Frames(row), 'F')}[m])",
            f"        l.append({write}(j, ctx))",
            "        ctx.stack.pop()",
            "    return l",
        ]
        return name

    def _json_value(self, depth: int, row: Row, var: str) -> None:
        if _written(row):
            self.emit(depth, f"{_slot(row)} = {var}")
            return
        if isinstance(row.kind, Record):
            write = self.nested(row.kind)
            if row.listed:
                self.emit(depth, f"r[{row.wire!r}] = {_once(self._each(row, write), var)}")
            else:
                one = self.bind(Frame(row.field, None, row.wire, None), "F")
                self.emit(
                    depth,
                    f"ctx.stack.append({one})",
                    f"{_slot(row)} = {_once(write, var)}",
                    "ctx.stack.pop()",
                )
            return
        if row.listed:
            self.emit(depth, "l = []", f"for m, j in enumerate({var}):")
            self._spelled(depth + 1, row, "j", "s", "m")
            self.emit(depth + 1, "l.append(s)")
            self.emit(depth, f"r[{row.wire!r}] = l")
        else:
            self._spelled(depth, row, var, "s", None)
            self.emit(depth, f"{_slot(row)} = s")


def _once(write: str, var: str) -> str:
    """The call of a writer; what repeats in a long list is written once."""
    return f"ctx.once({write}, {var}) if ctx.counts else {write}({var}, ctx)"


def _written(row: Row) -> bool:
    """Whether a list's ``write`` gives its items written (``listed.py``)."""
    return getattr(row.write, "record", None) is row.kind and row.default is None


def _alone(write: Callable[..., None], name: str) -> Callable[[Any, Context], str]:
    """A function that writes an element by itself."""

    def written(obj: Any, ctx: Context) -> str:
        pieces: list[str] = []
        write(obj, ctx, pieces.append, name, "")
        return "".join(pieces)

    return written


def _strays(
    kept: dict[str, Any] | None, node: dict[str, Any], known: frozenset[str], prefix: str
) -> dict[str, Any]:
    """What is kept of a JSON object, and its members that no row names."""
    kept = kept if kept is not None else {}
    for name, value in node.items():
        if name not in known:
            kept[interpret.stray_key(prefix, name)] = value
    return kept


def _need(value: Any) -> Any:
    """A value that its object cannot do without."""
    if value is None:
        raise Irregular
    return value


def _deep(rows: list[Row]) -> bool:
    """Whether rows lie too deep for the compiled JSON forms."""
    return any(len(row.steps) > 2 or (len(row.steps) == 2 and row.listed) for row in rows)


def _slot(row: Row) -> str:
    """Where a row's JSON value goes."""
    if len(row.steps) == 1:
        return f"r[{row.wire!r}]"
    return f"r.setdefault({row.steps[0]!r}, {{}})[{row.steps[1]!r}]"


def _groups(rows: list[Row], record: Record) -> list[list[Row]]:
    """The rows by the element that they share, in order."""
    groups: list[list[Row]] = []
    for row in rows:
        if groups and groups[-1][0].steps[0] == row.steps[0]:
            groups[-1].append(row)
        else:
            groups.append([row])
    if len({group[0].steps[0] for group in groups}) != len(groups):
        raise TypeError(f"{record}: rows of one element do not stand together")
    for group in groups:
        if len(group) > 1 and any(row.listed or len(row.steps) != 2 for row in group):
            raise TypeError(f"{record}: {group[0].steps[0]} is not shared by simple rows only")
    return groups


def _shared_steps(rows: tuple[Row, ...]) -> dict[str, list[Row]]:
    """The elements that several rows share, with these rows."""
    by_step: dict[str, list[Row]] = {}
    for row in rows:
        if len(row.steps) > 1 and row.card != "=":
            by_step.setdefault(row.steps[0], []).append(row)
    return {step: group for step, group in by_step.items() if len(group) > 1}


def _attribute_check(known: set[str]) -> Callable[[Any], None]:
    def check(element: Any) -> None:
        for name in element.keys():  # noqa: SIM118 - an element, not a dict
            if name not in known and not name.startswith(XSI):
                raise Irregular

    return check


COMPILER = Compiler()


def codec(record: Record) -> Codec:
    """The process's codec of a record."""
    return COMPILER.codec(record)


def plain(record: Record) -> Iterator[str]:
    """The generated source of every form, for reading."""
    built = codec(record)
    for form in ("read_xml", "read_json", "write_xml", "write_json"):
        built.function(form)
        yield built.source[form]
