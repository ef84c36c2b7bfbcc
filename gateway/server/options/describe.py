"""What the options are: as JSON Schema for editors, as a table for the documentation."""

from typing import Any

from msgspec import NODEFAULT, Struct

from gateway.server.options.declared import Option, options

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(table: type[Struct]) -> dict[str, Any]:
    """JSON Schema of a file of these options."""
    return {"$schema": DIALECT} | _table_schema(table)


def reference(table: type[Struct]) -> str:
    """All options in Markdown: one heading and one table for each table of the file."""
    return "\n".join(_section(table, "", (table.__doc__ or "").partition("\n")[0]))


def _table_schema(table: type[Struct]) -> dict[str, Any]:
    required = [option.name for option in options(table) if option.default is NODEFAULT]
    found: dict[str, Any] = {
        "type": "object",
        "properties": {option.name: _option_schema(option) for option in options(table)},
        "additionalProperties": False,
    }
    return found | ({"required": required} if required else {})


def _option_schema(option: Option) -> dict[str, Any]:
    one = dict(option.kind.schema) if option.kind else _table_schema(_struct(option))
    found: dict[str, Any] = {"type": "array", "items": one} if option.many else one
    found["description"] = option.meaning
    if option.written_default is not None:
        found["default"] = option.written_default
    return found


def _struct(option: Option) -> type[Struct]:
    assert option.table is not None
    return option.table


def _section(table: type[Struct], heading: str, meaning: str) -> list[str]:
    lines = [f"## {heading}", ""] if heading else []
    lines += [meaning, ""]
    values = [option for option in options(table) if option.kind]
    if values:
        lines += ["| Option | Kind | Default | Meaning |", "|---|---|---|---|"]
        lines += [_row(option) for option in values]
        lines.append("")
    name = heading.strip("`[]")
    for option in options(table):
        if not option.kind:
            inner = f"{name}.{option.name}" if name else option.name
            brackets = f"`[[{inner}]]`" if option.many else f"`[{inner}]`"
            lines += _section(_struct(option), brackets, option.meaning)
    return lines


def _row(option: Option) -> str:
    assert option.kind is not None
    kind = f"array of {option.kind.name}" if option.many else option.kind.name
    if option.default is NODEFAULT:
        default = "required"
    else:
        written = option.written_default
        default = "" if written in (None, []) else f"`{_toml(written)}`"
    cells = (f"`{option.name}`", kind, default, option.meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case list():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case str():
            return f'"{value}"'
    return str(value)
