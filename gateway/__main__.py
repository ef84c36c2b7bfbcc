"""Entry point of the command: ``roamgate`` or ``python -m gateway``.

Why: ``translate`` stands in pipelines and is called for each of many messages. So a plain call of
it is read here and does not wait for the libraries of the other commands; whatever is irregular
(help, a wrong option) goes to the whole command line in ``gateway.cli.app``.
"""

import sys
from pathlib import Path
from typing import Any

_WITH_VALUE = {"--from": "source", "--to": "target", "--report": "report"} | {
    "--time-zone": "time_zone"
}


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


def main() -> None:
    """Run the command line."""
    asked = plain_translate(sys.argv[1:])
    if asked is None:
        from gateway.cli.app import app

        app()
        return
    from gateway.cli.translate import command

    sys.exit(command(**asked))


if __name__ == "__main__":
    main()
