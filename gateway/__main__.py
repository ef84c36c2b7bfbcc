"""Entry point of the command: ``roamgate`` or ``python -m gateway``.

Why: ``translate`` stands in pipelines and is called for each of many messages; ``serve`` runs for
months. So a plain call of these is read here, and neither waits for the libraries of the whole
command line nor keeps them in memory (9 MB); whatever is irregular (help, a wrong option) goes to
``gateway.cli.app``.
"""

import sys
from pathlib import Path
from typing import Any

from gateway.cli.usage import MOST_WORKERS

_WITH_VALUE = {"--from": "source", "--to": "target", "--report": "report"} | {
    "--time-zone": "time_zone"
}
_WORKERS = {str(number) for number in range(1, MOST_WORKERS + 1)}


def plain_translate(arguments: list[str]) -> dict[str, Any] | None:
    """What a plain call of ``translate`` asks for; None for any other call.

    >>> plain_translate(["translate", "--from", "ochp-1.4", "--to=ocpi-2.2.1", "cdrs.xml"])["file"]
    PosixPath('cdrs.xml')
    >>> plain_translate(["translate", "--help"])
    """
    if arguments[:1] != ["translate"]:
        return None
    found: dict[str, Any] = {"file": None, "report": None, "envelope": False, "time_zone": None}
    files: list[str] = []
    rest = iter(arguments[1:])
    for each in rest:
        name, equals, value = each.partition("=")
        if each == "--envelope":
            found["envelope"] = True
        elif name in _WITH_VALUE:
            given = value if equals else next(rest, "")
            if not given or given.startswith("-"):
                return None
            found[_WITH_VALUE[name]] = given
        elif each.startswith("-"):
            return None
        else:
            files.append(each)
    if len(files) > 1 or not {"source", "target"} <= found.keys():
        return None
    found["file"] = Path(files[0]) if files else None
    found["report"] = Path(found["report"]) if found["report"] else None
    return found


def plain_serve(arguments: list[str]) -> dict[str, Any] | None:
    """The same for ``serve``.

    >>> plain_serve(["serve", "-c", "roamgate.toml", "--workers=2"])["workers"]
    2
    >>> plain_serve(["serve", "--workers", "many"])
    """
    if arguments[:1] != ["serve"]:
        return None
    found: dict[str, Any] = {"config": Path("roamgate.toml"), "workers": 1}
    rest = iter(arguments[1:])
    for each in rest:
        name, equals, value = each.partition("=")
        given = value if equals else next(rest, "")
        if (name == "--config" or each == "-c") and given and not given.startswith("-"):
            found["config"] = Path(given)
        elif name == "--workers" and given in _WORKERS:
            found["workers"] = int(given)
        else:
            return None
    return found


def main() -> None:
    """Run the command line."""
    arguments = sys.argv[1:]
    if (asked := plain_translate(arguments)) is not None:
        from gateway.cli.translate import command

        sys.exit(command(**asked))
    if (asked := plain_serve(arguments)) is not None:
        from gateway.cli.serve import command as serve

        try:
            sys.exit(serve(**asked))
        except KeyboardInterrupt:  # before it takes signals itself
            sys.exit(130)
    from gateway.cli.app import app

    app()


if __name__ == "__main__":
    main()
