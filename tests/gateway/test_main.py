"""The entry of the command: a plain translate loads little, everything else goes the long way."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.__main__ import main, plain_serve, plain_translate
from gateway.cli.app import serve, translate

WIRE = Path(__file__).parents[1] / "wire/ochp/1.4/AddCDRs/request_rich.xml"
HEAVY = ("typer", "rich", "pydantic", "twisted", "zeep", "spyne", "sqlalchemy", "xmlschema", "ssl")
WATCHED = """
import sys
from gateway.__main__ import main
try:
    main()
finally:
    print(*sorted(set(sys.argv[-1].split(",")) & set(sys.modules)), file=sys.stderr)
"""


def test_translate_loads_none_of_the_large_libraries() -> None:
    """The time until a translation begins is that of a few small modules."""
    code = WATCHED.replace("main()", f"sys.argv[1:] = {[*PLAIN, str(WIRE)]!r}; main()", 1)
    code = code.replace("sys.argv[-1]", repr(",".join(HEAVY)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.startswith("[")
    *table, loaded = done.stderr.splitlines()
    assert table[-1] == "3 in, 3 out, 0 dropped, 0 refused"
    assert loaded == ""


PLAIN = ["translate", "--from", "ochp-1.4", "--to", "ocpi-2.2.1"]


def test_the_short_way_knows_the_options_of_the_long_one() -> None:
    """Each option and argument of the command is read, and under its own name."""
    every = [*PLAIN, "--report=r.json", "--envelope", "--time-zone", "Europe/Berlin", "in.xml"]
    read = plain_translate(every)

    assert read is not None
    assert read.keys() == inspect.signature(translate).parameters.keys()
    assert read == {
        "source": "ochp-1.4",
        "target": "ocpi-2.2.1",
        "report": Path("r.json"),
        "envelope": True,
        "time_zone": "Europe/Berlin",
        "file": Path("in.xml"),
    }


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["serve"],
        [*PLAIN, "--help"],
        [*PLAIN, "--repor", "x"],
        [*PLAIN, "a.xml", "b.xml"],
        [*PLAIN, "--report"],
        ["translate", "--from", "--to", "ocpi-2.2.1"],
        ["translate", "--to", "ocpi-2.2.1"],
    ],
)
def test_what_is_irregular_goes_the_long_way(arguments: list[str]) -> None:
    """Help, other commands and mistakes are for the whole command line, which explains them."""
    assert plain_translate(arguments) is None


def test_serve_keeps_no_command_line_in_memory() -> None:
    """What runs for months holds what it needs for that."""
    code = WATCHED.replace("main()", "sys.argv[1:] = ['serve', '-c', 'not-there.toml']; main()", 1)
    code = code.replace("sys.argv[-1]", repr("typer,click,pydantic"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert done.returncode == 2
    told, loaded = done.stderr.splitlines()
    assert "not-there.toml" in told
    assert loaded == ""


def test_who_interrupts_the_start_sees_no_stack_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 130, as of every command."""

    def interrupted(config: Path, workers: int) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("gateway.cli.serve.command", interrupted)
    monkeypatch.setattr("sys.argv", ["roamgate", "serve"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 130


def test_the_short_way_to_serve_knows_the_options_of_the_long_one() -> None:
    read = plain_serve(["serve", "--config", "a.toml", "--workers=3"])

    assert read is not None
    assert read.keys() == inspect.signature(serve).parameters.keys()
    assert read == {"config": Path("a.toml"), "workers": 3}
    assert plain_serve(["serve"]) == {"config": Path("roamgate.toml"), "workers": 1}
    assert plain_serve(["serve", "-c", "b.toml"]) == {"config": Path("b.toml"), "workers": 1}


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["demo"],
        ["serve", "--help"],
        ["serve", "a.toml"],
        ["serve", "--config"],
        ["serve", "--config="],
        ["serve", "-c=a.toml"],
        ["serve", "=a.toml"],
        ["serve", "--workers", "0"],
        ["serve", "--workers", "65"],
        ["serve", "--workers", "--config"],
    ],
)
def test_what_is_irregular_of_serve_goes_the_long_way(arguments: list[str]) -> None:
    assert plain_serve(arguments) is None
