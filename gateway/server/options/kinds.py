"""A kind of value: how it is read, written and described; and what kinds are made of.

A ``read`` raises ValueError with a sentence that follows the value's path and tells what is meant.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple


class Surroundings(NamedTuple):
    """What a value may refer to."""

    directory: Path
    """Relative files are looked for from here."""
    environment: Mapping[str, str]

    def path(self, text: str) -> Path:
        """Where the file of this name is."""
        if not text or "\0" in text:
            raise ValueError("is no name of a file")
        return self.directory / text


@dataclass(frozen=True)
class Kind:
    """A kind of value."""

    name: str
    read: Callable[[Any, Surroundings], Any]
    schema: Mapping[str, Any]
    """JSON Schema of the value in the file."""
    write: Callable[[Any], Any] = field(default=lambda value: value)
    """From what ``read`` gives to what stands in the file."""


def text_kind(name: str, parse: Callable[[str], Any], write: Any = str, **schema: Any) -> Kind:
    """A kind that is written as a string."""

    def read(value: Any, _: Surroundings) -> Any:
        if type(value) is not str:
            raise ValueError(f"is {say_type(value)}, {name} is meant")
        return parse(value)

    return Kind(name, read, {"type": "string"} | schema, write)


def say_type(value: Any) -> str:
    """What a TOML value is, with its article."""
    names = {str: "a string", bool: "a boolean", int: "an integer", float: "a float"}
    names |= {dict: "a table", list: "an array"}
    return names.get(type(value), "a date or time")


def hint(given: str, known: Any) -> str:
    """A guess at what was meant, or nothing."""
    close = get_close_matches(given, list(known), 1, 0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def one_of(name: str, known: Callable[[], Any]) -> Callable[[str], str]:
    """Takes the text if it is known."""

    def parse(text: str) -> str:
        if text not in known():
            raise ValueError(f"{text!r} is no {name}{hint(text, known())}")
        return text

    return parse


def choice(*known: str) -> Kind:
    """One of a few words."""

    def parse(text: str) -> str:
        if text not in known:
            listed = ", ".join(known)
            raise ValueError(f"{text!r} is none of {listed}{hint(text, known)}")
        return text

    return text_kind(" or ".join(f'"{word}"' for word in known), parse, enum=list(known))


def whole(low: int, high: int) -> Kind:
    """An integer in a range, ends included."""

    def read(value: Any, _: Surroundings) -> int:
        if type(value) is not int:
            raise ValueError(f"is {say_type(value)}, an integer is meant")
        if not low <= value <= high:
            raise ValueError(f"{value} is not from {low} to {high}")
        return value

    schema = {"type": "integer", "minimum": low, "maximum": high}
    return Kind(f"integer, {low} to {high}", read, schema)


def matching(name: str, pattern: str, upper: bool = False) -> Kind:
    """Text of a pattern; with ``upper`` of either case, read as upper case."""

    def parse(text: str) -> str:
        value = text.upper() if upper and text.isascii() else text
        if not re.fullmatch(pattern, value):
            raise ValueError(f"{text!r} is no {name}")
        return value

    return text_kind(name, parse)


def _flag(value: Any, _: Surroundings) -> bool:
    if type(value) is not bool:
        raise ValueError(f"is {say_type(value)}, true or false is meant")
    return value


FLAG = Kind("boolean", _flag, {"type": "boolean"}, bool)
