"""Reads a TOML file into declared structs and lists everything that is wrong with it.

Why: where a value is wrong the rest is read on, so that one look at the list mends the whole file.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from msgspec import NODEFAULT, UNSET, Struct

from gateway.errors import ConfigError, Problem
from gateway.server.options import lines
from gateway.server.options.declared import Option, options
from gateway.server.options.kinds import Surroundings, hint, say_type

T = TypeVar("T", bound=Struct)

MAX_BYTES = 4 * 1024 * 1024
_PLACE = re.compile(r" \(at line (\d+), column \d+\)$|\(at end of document\)$")


class Reading:
    """One file and the problems found in it."""

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        """Raises ConfigError for a file that is no TOML; all else comes together, in ``check``."""
        self._path = path
        self._around = Surroundings(path.absolute().parent, environment)
        self._problems: list[tuple[int, Problem]] = []
        text = _text(path)
        try:
            self._tree = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(_syntax(path, text, str(error))) from None
        except RecursionError:
            raise ConfigError(Problem(str(path), "is nested too deeply")) from None
        self._lines = lines.lines(text)

    def read(self, table: type[T]) -> T:
        """The whole file. Where it has problems, what is wrong is UNSET: call ``check``."""
        found: T = self._table(table, self._tree, ())
        return found

    def fault(self, at: lines.Path, reason: str, *, about: lines.Path | None = None) -> None:
        """Note a problem on the line of ``at``; it is said to be in ``about``."""
        place = at
        while place and place not in self._lines:
            place = place[:-1]
        line = self._lines.get(place, 1)
        label = self._label(at if about is None else about)
        where = f"{self._path}:{line}"
        self._problems.append((line, Problem(f"{where}: {label}" if label else where, reason)))

    def check(self) -> None:
        """Raise ConfigError if there were problems, in the order of their lines."""
        if self._problems:
            ordered = sorted(self._problems, key=lambda problem: problem[0])
            raise ConfigError(problem for _, problem in ordered)

    def _table(self, table: type[Struct], tree: dict[str, Any], at: lines.Path) -> Any:
        known = {option.name: option for option in options(table)}
        for name in tree.keys() - known.keys():
            self.fault((*at, name), f"unknown key {name!r}{hint(name, known)}", about=at)
        values = {}
        for name, option in known.items():
            if name in tree:
                values[option.field] = self._value(option, tree[name], (*at, name))
            elif option.written_default is not None:
                # read as if it stood there: a file may be relative to this one
                values[option.field] = self._value(option, option.written_default, (*at, name))
            elif option.default is not NODEFAULT:
                values[option.field] = option.default
            else:
                self.fault(at, f"key {name!r} is missing")
                values[option.field] = UNSET
        return table(**values)

    def _value(self, option: Option, value: Any, at: lines.Path) -> Any:
        if not option.many:
            return self._one(option, value, at)
        if not isinstance(value, list):
            self.fault(at, f"is {say_type(value)}, an array is meant")
            return UNSET
        found = [self._one(option, item, (*at, place)) for place, item in enumerate(value)]
        if option.kind is not None:
            for place, item in enumerate(found):
                if item is not UNSET and item in found[:place]:
                    self.fault((*at, place), "is there twice", about=at)
        return tuple(found) if option.table or UNSET not in found else UNSET

    def _one(self, option: Option, value: Any, at: lines.Path) -> Any:
        if option.table is not None:
            if isinstance(value, dict):
                return self._table(option.table, value, at)
            self.fault(at, f"is {say_type(value)}, a table is meant")
            return UNSET
        assert option.kind is not None
        try:
            return option.kind.read(value, self._around)
        except ValueError as error:
            about = at[:-1] if option.many else at
            self.fault(at, str(error), about=about)
            return UNSET

    def _label(self, at: lines.Path) -> str:
        """A path in words: ``party.acme.ochp`` where the file has ``id = "acme"``."""
        label = ""
        here: Any = self._tree
        for key in at:
            try:
                here = here[key]
            except (KeyError, IndexError, TypeError):
                here = None
            if isinstance(key, str):
                label += f".{key}" if label else key
            elif isinstance(here, dict) and isinstance(here.get("id"), str):
                label += f".{here['id']}"
            else:
                label += f"[{key + 1}]"
        return label


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(Problem(str(path), f"cannot be read: {error.strerror}")) from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(Problem(f"{path}:{line}", "is no UTF-8 text")) from None
    if len(content) > MAX_BYTES:
        raise ConfigError(Problem(str(path), f"is larger than {MAX_BYTES} bytes"))
    return text


def _syntax(path: Path, text: str, message: str) -> Problem:
    found = _PLACE.search(message)
    line = found[1] if found and found[1] else text.count("\n") + 1
    return Problem(f"{path}:{line}", _PLACE.sub("", message).strip())
