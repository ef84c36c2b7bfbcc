"""On which line of a TOML text each key stands.

Source: TOML 1.0.0.
Limits: the text is valid; ``tomllib`` has read it before.
Why: ``tomllib`` tells no positions, and a fault without its line is looked for in the wrong place.
"""

import re
import tomllib
from bisect import bisect_right

Path = tuple[str | int, ...]
"""Keys, and indexes (from 0) in arrays."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\r\n]+")


def lines(text: str) -> dict[Path, int]:
    """The line, from 1, of every table, key and array item."""
    return _Scanner(text).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._newlines = [match.start() for match in re.finditer("\n", text)]
        self._found: dict[Path, int] = {}
        self._counts: dict[Path, int] = {}  # tables seen in each array of tables

    def scan(self) -> dict[Path, int]:
        table: Path = ()
        while self._skip():
            if self._text.startswith("[", self._at):
                table = self._header()
            else:
                self._pair(table)
        return self._found

    def _header(self) -> Path:
        many = self._text.startswith("[[", self._at)
        line = self._line()
        self._at += 2 if many else 1
        keys = self._keys()
        self._at = self._text.index("]]" if many else "]", self._at) + (2 if many else 1)
        table: Path = ()
        for key in keys[:-1]:
            table = self._last((*table, key))
            self._found.setdefault(table, line)
        table = (*table, keys[-1])
        if many:
            self._found.setdefault(table, line)
            self._counts[table] = self._counts.get(table, 0) + 1
        table = self._last(table)
        self._found[table] = line
        return table

    def _last(self, table: Path) -> Path:
        """An array of tables stands for its newest one."""
        count = self._counts.get(table)
        return table if count is None else (*table, count - 1)

    def _pair(self, table: Path) -> None:
        line = self._line()
        path = table
        for key in self._keys():
            path = (*path, key)
            self._found.setdefault(path, line)
        self._at = self._text.index("=", self._at) + 1
        self._value(path)

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._blanks()
            if match := _BARE.match(self._text, self._at):
                keys.append(match.group())
            else:
                match = _STRING.match(self._text, self._at)
                assert match is not None
                keys.append(tomllib.loads(f"key = {match.group()}")["key"])
            self._at = match.end()
            self._blanks()
            if not self._text.startswith(".", self._at):
                return keys
            self._at += 1

    def _value(self, path: Path) -> None:
        self._blanks()
        if match := _STRING.match(self._text, self._at):
            self._at = match.end()
        elif self._text.startswith("[", self._at):
            self._items(path, "]")
        elif self._text.startswith("{", self._at):
            self._items(path, "}")
        else:
            match = _SCALAR.match(self._text, self._at)
            assert match is not None
            self._at = match.end()

    def _items(self, path: Path, end: str) -> None:
        self._at += 1
        count = 0
        while self._skip() and not self._text.startswith(end, self._at):
            if end == "]":
                self._found[(*path, count)] = self._line()
                self._value((*path, count))
                count += 1
            else:
                self._pair(path)
            self._skip()
            if self._text.startswith(",", self._at):
                self._at += 1
        self._at += 1

    def _blanks(self) -> None:
        while self._text[self._at : self._at + 1] in (" ", "\t"):
            self._at += 1

    def _skip(self) -> bool:
        """Go to the next thing; False at the end."""
        match = _BLANK.match(self._text, self._at)
        assert match is not None
        self._at = match.end()
        return self._at < len(self._text)

    def _line(self) -> int:
        return bisect_right(self._newlines, self._at - 1) + 1
