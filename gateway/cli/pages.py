"""Writes the pages of docs/ that are made from tables, and the table in the README.

Run by ``make docs``; a test compares the files with what this would write.
"""

import sys
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from gateway import registry
from gateway.cli import security_page
from gateway.mapping.page import coverage, nested, table
from gateway.server import config

START, END = "<!-- made by make docs: start -->", "<!-- made by make docs: end -->"
_STATES = {"both": "server and client", "in": "server", "out": "client", "none": "not yet"}


def manifest(family: str) -> dict[str, Any]:
    """What an adapter says of itself: versions, sides, operations and their state."""
    package = type(registry.adapter(family)).__module__.rpartition(".")[0]
    return tomllib.loads((files(package) / "manifest.toml").read_text(encoding="utf-8"))


def status_table(families: tuple[str, ...]) -> str:
    """What works today, as the manifests say: operations or modules of one state in one row."""
    lines = ["| protocol | what | state |", "|---|---|---|"]
    for family in families:
        said = manifest(family)
        rows: dict[str, list[str]] = {}
        for name, entry in (said.get("operations") or said["modules"]).items():
            state = entry if isinstance(entry, str) else entry["state"]
            why = "" if isinstance(entry, str) else f" ({entry['why']})"
            rows.setdefault(f"{_STATES[state]}{why}", []).append(name)
        for state, names in rows.items():
            versions = ", ".join(said["versions"])
            lines.append(f"| {family.upper()} {versions} | {', '.join(names)} | {state} |")
    return "\n".join(lines) + "\n"


def protocol_page(family: str) -> str:
    """All record tables of an adapter."""
    adapter = registry.adapter(family)
    parts = [
        f"# {family.upper()}: every field",
        "",
        "Made from the adapter's tables; do not edit. `card.` is the cardinality (1 ? + *);",
        "`canonical` the field of the model. Fields without a row are named where that is known.",
        "",
    ]
    for protocol in adapter.protocols:
        parts += [f"## {protocol}", ""]
        known: dict[str, Any] = {}
        for form in adapter.forms(protocol).values():
            nested(form.record, known)
        parts += [table(record) for record in known.values()]
    return "\n".join(parts)


def coverage_page(families: tuple[str, ...]) -> str:
    """How much of each protocol's objects each other protocol carries, and what not."""
    lines = [
        "# Coverage",
        "",
        "Made from the tables; do not edit. Of the canonical fields that a message of the first",
        "protocol can fill: those that the second protocol says, exactly or by a rule. What the",
        "second does not say is named; it is reported as dropped whenever it holds a value.",
        "",
    ]
    for source in registry.protocols():
        for target in registry.protocols():
            if source != target:
                lines += list(_coverage(source, target))
    return "\n".join(lines) + "\n"


def _coverage(source: str, target: str) -> Iterator[str]:
    yield f"## {source} to {target}"
    yield ""
    yield "| message | fields | carried | not said |"
    yield "|---|---|---|---|"
    forms = registry.adapter_for(source).forms(source).values()
    first = {form.message: form for form in reversed(forms)}
    others = registry.adapter_for(target).forms(target).values()
    for message, form in reversed(first.items()):
        other = next((other for other in others if other.message is message), None)
        if other is None:
            yield f"| {form.name} |  |  | no such message |"
            continue
        carried, lost = coverage(form.record, other.record)
        total = len(carried) + len(lost)
        if total:
            names = ", ".join(f"`{name}`" for name in sorted(lost))
            yield f"| {form.name} | {total} | {len(carried)} | {names} |"
    yield ""


def _between(page: str, made: str) -> str:
    """The page with what is made in its place."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{made}{END}{after}"


def pages(root: Path) -> dict[Path, str]:
    """Every made file and its text."""
    families = tuple(sorted({p.partition("-")[0] for p in registry.protocols()}))
    readme = (root / "README.md").read_text(encoding="utf-8")
    security = (root / "docs" / "security.md").read_text(encoding="utf-8")
    made = {
        root / "docs" / "security.md": _between(security, security_page.tables()),
        root / "docs" / "configuration.md": config.reference(),
        root / "docs" / "coverage.md": coverage_page(families),
        root / "README.md": _between(readme, status_table(families)),
    }
    return made | {root / "docs" / f"{f}-fields.md": protocol_page(f) for f in families}


def main() -> None:
    """Write what has changed."""
    for path, text in pages(Path.cwd()).items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
