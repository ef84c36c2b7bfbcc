"""What an encoder may know besides the object, and where it says what it lost.

``Facts`` are passed in by the caller (the exchange answers from the store and the configuration,
the command line from the message alone): adapters look nothing up themselves.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any, ClassVar, NamedTuple, Protocol

from gateway.model.base import PartyId


class Outcome(StrEnum):
    """The fate of a field."""

    EXACT = "exact"
    CONVERTED = "converted"
    DEFAULTED = "defaulted"
    APPROXIMATED = "approximated"
    DROPPED = "dropped"


class Note(NamedTuple):
    """A fate that depends on the value: the canonical path, the wire path written, why."""

    outcome: Outcome
    rule: str
    path: str
    target: "WirePath | None"
    why: str | None = None
    origins: tuple[str, ...] = ()


def mended(what: str) -> Note:
    """Where a message was read otherwise than it came: ``path: how``."""
    place, _, how = what.partition(": ")
    return Note(Outcome.CONVERTED, "peer-deviation", place, None, how)


class Facts(Protocol):
    """What only the gateway can know. None: unknown, then the named default rule holds."""

    def now(self) -> datetime:
        """The present instant, UTC."""
        ...

    def time_zone(self, *, evse_id: str | None, country: str | None) -> str | None:
        """The IANA zone of a site, by EVSE id or by alpha-3 country with a single zone."""
        ...

    def evse(self, evse_id: str) -> Any | None:
        """The stored ``Location`` reduced to this one EVSE, or None."""
        ...

    def party_name(self, party: PartyId) -> str | None:
        """The display name of a party."""
        ...

    def wire_id(self, kind: str, canonical: str) -> str | None:
        """The id that the target partner knows for a canonical id (kinds: cdr, tariff, location,
        evse_uid, session), or None where none was agreed."""
        ...

    def canonical_id(self, kind: str, wire: str) -> str | None:
        """The reverse of ``wire_id``."""
        ...

    def noted(self, protocol: str, name: str, notes: "Sequence[Note]") -> None:
        """A message or object of this wire name was written; its fates that depend on values."""
        ...


class NoFacts:
    """Facts of somebody who has only the message: all unknown, but the clock."""

    def __init__(self, now: datetime | None = None) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now or datetime.now(UTC)

    def time_zone(self, *, evse_id: str | None, country: str | None) -> str | None:
        return None

    def evse(self, evse_id: str) -> Any | None:
        return None

    def party_name(self, party: PartyId) -> str | None:
        return None

    def wire_id(self, kind: str, canonical: str) -> str | None:
        return None

    def canonical_id(self, kind: str, wire: str) -> str | None:
        return None

    def noted(self, protocol: str, name: str, notes: "Sequence[Note]") -> None:
        return None


class Frame(NamedTuple):
    """One step of an encoding: the canonical field and index, and the wire name and index."""

    field: str
    item: int | None
    wire: str
    place: int | None


WirePath = tuple[tuple[str, int | None], ...]
# Pairs of (path below a made object, canonical path in the original message).
Origins = tuple[tuple[str, str], ...]


@dataclass
class Context:
    """Goes through one encoding: facts and partner options in, notes out.

    ``stack`` holds the way from the message to the object being written, one frame a nested record.
    In a traced encoding ``origins`` tells, for an object that a ``write`` function made, where in
    the original message its parts came from.
    """

    facts: Facts = field(default_factory=NoFacts)
    options: Mapping[str, Any] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    stack: list[Frame] = field(default_factory=list)
    traced: bool = False
    quiet: bool = False
    """An attempt: nobody is told of its notes."""
    counts: ClassVar[bool] = False
    """Notes are counted, their places are of no interest."""
    verbatim: bool = False
    """Not for a partner: every value in the spelling that came in, if it may be sent or not."""
    origins: dict[int, tuple[Any, Origins]] = field(default_factory=dict)
    aliases: list[tuple[str, Origins]] = field(default_factory=list)
    _made: "dict[Any, _Made]" = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The canonical path of the object being written."""
        steps: list[str] = []
        for field_name, item, _, _ in self.stack:
            if field_name:
                steps.append(field_name)
            if item is not None:
                steps.append(str(item))
        return "/".join(steps)

    def once(self, make: Callable[..., Any], obj: Any, *of: Any) -> Any:
        """``make(obj, ctx)``, which depends on nothing but ``of`` (parts of ``obj``, or all of it),
        the facts and the options."""
        return make(obj, self)

    def note(
        self, outcome: Outcome, rule: str, fields: str, target: str | None, why: str | None = None
    ) -> None:
        """Record a fate: ``fields`` is the canonical field (path) below the present object.

        ``target`` is the wire path below the present record, or None when dropped.
        """
        here = self.path
        where = None if target is None else self._at(target)
        path = f"{here}/{fields}" if here and fields else here or fields
        origins = self.resolve(path) if self.traced else ()
        self.notes.append(Note(outcome, rule, path, where, why, origins))

    def carried(self, fields: str, target: str, rule: str = "", why: str | None = None) -> None:
        """The value at wire path ``target`` says the canonical field: by a rule, or as it is.

        For values that a ``write`` makes of other fields than its row's own; nothing is lost, so
        it is noted only when somebody traces.
        """
        if self.traced:
            self.note(Outcome.CONVERTED, rule, fields, target, why)

    def dropped(self, fields: str, rule: str = "no-counterpart", why: str | None = None) -> None:
        """The value of a canonical field (path) is not said by the target."""
        self.note(Outcome.DROPPED, rule, fields, None, why)

    def approximated(self, fields: str, target: str, rule: str, why: str | None = None) -> None:
        """The value at wire path ``target`` says less or other than the canonical field does."""
        self.note(Outcome.APPROXIMATED, rule, fields, target, why)

    def inferred(self, fields: str, target: str, rule: str) -> None:
        """The value at ``target`` depends on this field as well, besides one that is noted.

        An approximation of which another note tells the loss; noted only when somebody traces.
        """
        if self.traced:
            self.note(Outcome.APPROXIMATED, rule, fields, target)

    def defaulted(self, target: str, rule: str, why: str | None = None) -> None:
        """The value at wire path ``target`` comes from a rule, not from the message."""
        self.notes.append(Note(Outcome.DEFAULTED, rule, self.path, self._at(target), why))

    def _at(self, target: str) -> WirePath:
        """The wire path of what is at ``target`` below the present record."""
        above = [(wire, place) for _, _, wire, place in self.stack if wire]
        return (*above, (target, None))

    def came_from(self, made: Any, *origins: tuple[str, str]) -> Any:
        """Say where the parts of a made object came from: pairs of (path below ``made``, canonical
        path below the present object). The longest matching prefix counts; several pairs with the
        same prefix all count. Returns ``made``. Costs nothing when nobody traces.
        """
        if self.traced:
            base = self.path
            known = tuple(
                (below, f"{base}/{origin}" if base and origin else base or origin)
                for below, origin in origins
            )
            self.origins[id(made)] = (made, known)
        return made

    def resolve(self, path: str, depth: int | None = None) -> tuple[str, ...]:
        """The canonical paths of the original message behind a path of a made object.

        ``aliases`` holds, for each made object around the present one, its path and its origins.
        """
        depth = len(self.aliases) if depth is None else depth
        for place in range(depth - 1, -1, -1):
            prefix, pairs = self.aliases[place]
            if path != prefix and not path.startswith(prefix + "/"):
                continue
            rest = path[len(prefix) + 1 :]
            fitting = [
                (below, origin)
                for below, origin in pairs
                if not below or rest == below or rest.startswith(below + "/")
            ]
            longest = max((len(below) for below, _ in fitting), default=0)
            result: list[str] = []
            for below, origin in fitting:
                if len(below) == longest:
                    tail = rest[len(below) :].lstrip("/")
                    result.extend(self.resolve(f"{origin}/{tail}" if tail else origin, place))
            return tuple(result)
        return (path,)


class _Made:
    """What a function made of objects, and the notes of it; kept as long as objects come again."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, ...], tuple[Any, Any, list[Note]]] = {}
        self.hits = self.misses = 0
        self.worth = True

    def keep(self, key: tuple[int, ...], of: Any, made: Any, notes: list[Note]) -> None:
        """``of`` is kept so that its identity stays its own."""
        self.misses += 1
        if len(self.known) >= _KEPT:
            self.known.clear()
            self.worth = self.hits > self.misses / 2
            self.hits = self.misses = 0
        if self.worth:
            self.known[key] = of, made, notes


_KEPT = 256


class Counting(Context):
    """A context whose notes are only counted: outcome and rule, without their places.

    For lists of any length; nobody traces them. Items of such a list share objects that came in the
    same words; what is made of these is made once.
    """

    counts = True

    def once(self, make: Callable[..., Any], obj: Any, *of: Any) -> Any:
        said = self._made.get(make)
        if said is None:
            said = self._made[make] = _Made()
        if not said.worth:
            return make(obj, self)
        key = tuple(map(id, of or (obj,)))
        found = said.known.get(key)
        if found is not None:
            said.hits += 1
            self.notes += found[2]
            return found[1]
        mark = len(self.notes)
        made = make(obj, self)
        said.keep(key, of or obj, made, self.notes[mark:])
        return made

    def note(
        self, outcome: Outcome, rule: str, fields: str, target: str | None, why: str | None = None
    ) -> None:
        self.notes.append(_counted(outcome, rule))

    def defaulted(self, target: str, rule: str, why: str | None = None) -> None:
        self.notes.append(_counted(Outcome.DEFAULTED, rule))


@cache
def _counted(outcome: Outcome, rule: str) -> Note:
    return Note(outcome, rule, "", None)
