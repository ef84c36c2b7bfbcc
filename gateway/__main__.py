"""Entry point of the command: ``roamgate`` or ``python -m gateway``.

Why: ``translate`` stands in pipelines and is called for each of many messages; ``serve`` runs for
months. So a plain call of these is read here, and neither waits for the libraries of the whole
command line nor keeps them in memory (9 MB); whatever is irregular (help, a wrong option) goes to
``gateway.cli.app``.
"""

import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from gateway.cli.usage import MOST_WORKERS

_TRANSLATE = {"--from": "source", "--to": "target", "--report": "report"} | {
    "--time-zone": "time_zone"
}
_SERVE = {"--config": "config", "-c": "config", "--workers": "workers"}
_WORKERS = {str(number) for number in range(1, MOST_WORKERS + 1)}


def plain_translate(arguments: list[str]) -> dict[str, Any] | None:
    """What a plain call of ``translate`` asks for; None for any other call.

    >>> plain_translate(["translate", "--from", "ochp-1.4", "--to=ocpi-2.2.1", "cdrs.xml"])["file"]
    PosixPath('cdrs.xml')
    >>> plain_translate(["translate", "--help"])
    """
    if arguments[:1] != ["translate"] or (read := _plain(arguments[1:], _TRANSLATE)) is None:
        return None
    given, rest = read
    files = [each for each in rest if each != "--envelope"]
    if len(files) > 1 or not {"source", "target"} <= given.keys():
        return None
    if any(each.startswith("-") for each in files):
        return None
    return {
        "source": given["source"],
        "target": given["target"],
        "file": Path(files[0]) if files else None,
        "report": Path(given["report"]) if "report" in given else None,
        "envelope": "--envelope" in rest,
        "time_zone": given.get("time_zone"),
    }


def plain_serve(arguments: list[str]) -> dict[str, Any] | None:
    """The same for ``serve``.

    >>> plain_serve(["serve", "-c", "roamgate.toml", "--workers=2"])["workers"]
    2
    >>> plain_serve(["serve", "--workers", "many"])
    """
    if arguments[:1] != ["serve"] or (read := _plain(arguments[1:], _SERVE)) is None:
        return None
    given, rest = read
    workers = given.get("workers", "1")
    if rest or workers not in _WORKERS:
        return None
    return {"config": Path(given.get("config", "roamgate.toml")), "workers": int(workers)}


def _plain(
    arguments: list[str], options: Mapping[str, str]
) -> tuple[dict[str, str], list[str]] | None:
    """The values of these options by the names they stand for, and all else; None where an option
    has no value, or a short one has it behind ``=``."""
    given: dict[str, str] = {}
    others: list[str] = []
    rest = iter(arguments)
    for each in rest:
        name, equals, value = each.partition("=")
        if name not in options:
            others.append(each)
            continue
        found = value if equals else next(rest, "")
        if not found or found.startswith("-") or (equals and not name.startswith("--")):
            return None
        given[options[name]] = found
    return given, others


def _spare(unused: str, *, of: str) -> None:
    """Load a library as if another one were not there, which it would load for what is not used
    here: to colour tracebacks, for 4 MB."""
    if unused not in sys.modules:
        sys.modules[unused] = None  # type: ignore[assignment] # an import of it fails
        import_module(of)
        del sys.modules[unused]


def main() -> None:
    """Run the command line."""
    try:
        _run(sys.argv[1:])
    except KeyboardInterrupt:  # wherever a command does not take signals itself
        sys.exit(130)


def _run(arguments: list[str]) -> None:
    if (asked := plain_translate(arguments)) is not None:
        from gateway.cli.translate import command

        sys.exit(command(**asked))
    if (asked := plain_serve(arguments)) is not None:
        _spare("rich", of="structlog")
        from gateway.cli.serve import command as serve

        sys.exit(serve(**asked))
    from gateway.cli.app import app

    app()


if __name__ == "__main__":
    main()
