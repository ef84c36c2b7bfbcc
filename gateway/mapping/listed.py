"""Lists of which each item is said or reported, for itself.

A list row's ``write`` that gives the items which a record can say; the others are dropped with a
note, one by one. Whether an item can be said shows when it is written: the compiled form
(``written``) and a stream (``stream.py``) keep what they wrote; the plain form tries it beforehand.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, NamedTuple

from gateway.errors import Inexpressible, Problem
from gateway.mapping.compile import CANNOT, Irregular, codec
from gateway.mapping.context import Context, Frame, Note
from gateway.mapping.record import Record


class Candidate(NamedTuple):
    """An item that may be said, and the canonical paths of what it is made of.

    ``ready``: it is in the protocol's own shape and need not be tried; ``skip``: the rule, and
    perhaps the reason, by which it is not said at all.
    """

    item: Any
    origins: tuple[str, ...]
    ready: bool = False
    skip: tuple[str, str | None] | None = None


Find = Callable[[Any, Context], Iterable[Candidate]]
"""(message, ctx) -> its candidates, in order."""


class Listed:
    """The items of a message that ``record`` can say.

    ``needed``: the list must not be empty. ``key``: what the items have in common that are said as
    one (None: nothing), so that a stream keeps them together.
    """

    def __init__(
        self,
        record: Record,
        find: Find,
        *,
        needed: bool = False,
        key: Callable[[Any], Hashable] | None = None,
    ) -> None:
        self.record, self.find, self.needed, self.key = record, find, needed, key

    def __call__(self, message: Any, ctx: Context) -> tuple[Any, ...]:
        """Raises Inexpressible, with all reasons, when the list is needed and nothing of it can be
        said."""
        said: list[Any] = []
        problems: list[Problem] = []
        for place, each in enumerate(self.find(message, ctx)):
            wrong = self.wrong(each, place, ctx)
            if wrong:
                problems += wrong
            else:
                said.append(each.item)
        if self.needed and problems and not said:
            raise Inexpressible(problems)
        return tuple(said)

    def written(
        self,
        message: Any,
        ctx: Context,
        frames: Mapping[int, Frame],
        write: Callable[[Any, Context], Any],
    ) -> list[Any]:
        """As ``__call__``, but gives the items as ``write`` writes them; it may raise anything of
        ``CANNOT``, and so does this for an item that only the plain form can say."""
        made: list[Any] = []
        notes: list[Note] = []
        problems: list[Problem] = []
        outside, depth = ctx.notes, len(ctx.stack)
        for place, each in enumerate(self.find(message, ctx)):
            if each.skip is not None:
                problems += self.skipped(each, ctx)
                continue
            ctx.notes = []
            ctx.stack.append(frames[len(made)])
            try:
                made.append(write(each.item, ctx))
                notes += ctx.notes
                continue
            except (*CANNOT, Inexpressible):
                if each.ready:
                    raise
            finally:
                ctx.notes = outside
                del ctx.stack[depth:]
            wrong = self.wrong(each, place, ctx)
            if not wrong:
                raise Irregular
            problems += wrong
        outside += notes  # after what was noted of the list, as the plain form does
        if self.needed and problems and not made:
            raise Inexpressible(problems)
        return made

    def wrong(self, each: Candidate, place: int, ctx: Context) -> list[Problem]:
        """Why a candidate cannot be said; noted as dropped then."""
        if each.skip is not None:
            return self.skipped(each, ctx)
        if each.ready:
            return []
        attempt = Context(ctx.facts, ctx.options, quiet=True)
        try:
            if self.record.wire.namespace:
                codec(self.record).write_xml(each.item, attempt)
            else:
                codec(self.record).write_json(each.item, attempt)
        except Inexpressible as error:
            return self.unsaid(each, place, error, ctx)
        return []

    def skipped(self, each: Candidate, ctx: Context) -> list[Problem]:
        """Note a candidate that a rule leaves out."""
        assert each.skip is not None
        rule, why = each.skip
        for origin in each.origins:
            ctx.dropped(origin, rule, why)
        return [Problem(each.origins[0], why or rule)]

    def unsaid(
        self, each: Candidate, place: int, error: Inexpressible, ctx: Context
    ) -> list[Problem]:
        """Note a candidate that could not be written. ``place``: its number among the found."""
        why = "; ".join(map(str, error.problems))
        for origin in each.origins:
            ctx.dropped(origin, "inexpressible", why)
        if self.record.wire.namespace:
            return [Problem(each.origins[0], str(problem)) for problem in error.problems]
        return [Problem(f"/{place}{problem.path}", problem.reason) for problem in error.problems]
