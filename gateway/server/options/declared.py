"""The options that a struct declares, found from its annotations.

Every other use of a declaration (reading, JSON Schema, the reference page) starts from here.
"""

from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import NODEFAULT, Struct

from gateway.server.options.kinds import FLAG, Kind, choice


class Option(NamedTuple):
    """One key of a table."""

    name: str
    field: str
    """Its attribute."""
    kind: Kind | None
    """None: it is a table."""
    table: type[Struct] | None
    many: bool
    """An array of these."""
    default: Any
    """NODEFAULT: the key is required."""
    meaning: str

    @property
    def written_default(self) -> Any:
        """The default of a value as it would stand in the file; None: it has none."""
        if self.kind is None or self.default is None or self.default is NODEFAULT:
            return None
        if self.many:
            return [self.kind.write(item) for item in self.default]
        return self.kind.write(self.default)


@cache
def options(table: type[Struct]) -> tuple[Option, ...]:
    """The options of a table, in the order of their declaration."""
    hints = get_type_hints(table, include_extras=True)
    return tuple(_option(field, hints[field.name]) for field in msgspec.structs.fields(table))


def _option(field: msgspec.structs.FieldInfo, hint: Any) -> Option:
    bare, notes = _unwrapped(hint)
    many = get_origin(bare) is tuple
    if many:
        bare, inner = _unwrapped(get_args(bare)[0])
        notes += inner
    kind = next((note for note in notes if isinstance(note, Kind)), None)
    if kind is None and get_origin(bare) is Literal:
        kind = choice(*get_args(bare))
    if kind is None and bare is bool:
        kind = FLAG
    table = None if kind else bare
    default = field.default
    if default is NODEFAULT and field.default_factory is not NODEFAULT:
        default = field.default_factory()
    meaning = next(note for note in notes if isinstance(note, str))
    return Option(field.encode_name, field.name, kind, table, many, default, meaning)


def _unwrapped(hint: Any) -> tuple[Any, list[Any]]:
    """A type without Annotated and ``| None``, and its annotations."""
    notes: list[Any] = []
    while True:
        if get_origin(hint) is Annotated:
            hint, *more = get_args(hint)
            notes += more
        elif get_origin(hint) in (Union, UnionType):
            meant = [each for each in get_args(hint) if each is not NoneType]
            if len(meant) > 1:
                return hint, notes
            (hint,) = meant
        else:
            return hint, notes
