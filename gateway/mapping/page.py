"""Reference pages out of the tables: one for people, one figure for coverage."""

from collections.abc import Iterator

from gateway.mapping.record import Record, Row


def table(record: Record) -> str:
    """The rows of a record as a Markdown table."""
    lines = [
        f"### {record.name}",
        "",
        f"{record.clause}; canonical `{record.cls.__name__}`.",
        "",
        "| wire | card. | canonical | kind | remark |",
        "|---|---|---|---|---|",
    ]
    lines.extend(_line(row) for row in _rows(record))
    for name, why in record.lost.items():
        lines.append(f"| - |  | `{name}` |  | not said: {why} |")
    return "\n".join(lines) + "\n"


def _rows(record: Record) -> Iterator[Row]:
    for row in record.rows:
        if row.card == "" and isinstance(row.kind, Record):
            for inner in _rows(row.kind):
                yield inner.__class__(
                    inner.wire,
                    f"{row.field}/{inner.field}",
                    inner.kind,
                    inner.card,
                    inner.note,
                    inner.write,
                    inner.uses,
                    inner.default,
                    inner.rule,
                    inner.value,
                )
        elif row.card != "=":
            yield row


def _line(row: Row) -> str:
    kind = (
        f"[{row.kind.name}](#{row.kind.name.lower()})"
        if isinstance(row.kind, Record)
        else (row.kind.name)
    )
    marks = [row.note] if row.note else []
    if row.uses:
        marks.append("written from " + ", ".join(f"`{name}`" for name in row.uses))
    if row.default:
        marks.append(f"default by rule `{row.rule or 'default'}`")
    elif row.rule:
        marks.append(f"rule `{row.rule}`")
    field = f"`{row.field}`" if row.field else "-"
    wire = row.wire.replace("|", "\\|")
    return f"| `{wire}` | {row.card} | {field} | {kind} | {'; '.join(marks)} |"


def nested(record: Record, known: dict[str, Record] | None = None) -> dict[str, Record]:
    """The record and all records below it, by name."""
    known = {} if known is None else known
    if record.name not in known:
        known[record.name] = record
        for row in _rows(record):
            if isinstance(row.kind, Record):
                nested(row.kind, known)
    return known


def says(record: Record, prefix: str = "") -> frozenset[str]:
    """The canonical leaf fields that a record's rows fill when it is read."""
    fields: set[str] = set()
    for row in record.rows:
        name = f"{prefix}{row.field}"
        if isinstance(row.kind, Record):
            fields |= says(row.kind, f"{name}/" if row.field else prefix)
        elif row.card != "=" and row.field:
            fields.add(name.replace("/0", ""))
    return frozenset(fields)


def reads(record: Record, prefix: str = "") -> frozenset[str]:
    """The canonical fields (or subtrees) that a record's rows read when it is written."""
    fields: set[str] = set()
    for row in record.rows:
        names = [name for name in (row.field, *row.uses) if name]
        fields |= {f"{prefix}{name}".replace("/0", "") for name in names}
        if isinstance(row.kind, Record) and row.field:
            fields.discard(f"{prefix}{row.field}")
            fields |= reads(row.kind, f"{prefix}{row.field}/")
    return frozenset(fields)


def coverage(source: Record, target: Record) -> tuple[frozenset[str], frozenset[str]]:
    """Of the fields that ``source`` says: those that ``target`` carries, and those it does not."""
    wanted, taken = says(source), reads(target)
    carried = frozenset(
        name
        for name in wanted
        if any(name == other or name.startswith(other + "/") for other in taken)
    )
    return carried, wanted - carried
