"""Lists whose notes are counted: what comes again is made once, with all that was noted of it."""

from typing import Any

from gateway.mapping.context import Context, Counting, NoFacts, Outcome


def counting() -> Counting:
    return Counting(NoFacts(), {})


def test_what_comes_again_is_made_once_and_noted_each_time() -> None:
    """The same objects in other surroundings: one call, and the notes of two."""
    asked: list[Any] = []

    def make(pair: tuple[Any, Any], ctx: Context) -> Any:
        asked.append(pair[0])
        ctx.dropped("a", "too-long")
        return [pair[0]]

    ctx, shared = counting(), "x" * 3
    made = [ctx.once(make, (shared, place), shared) for place in range(3)]

    assert made == [["xxx"]] * 3
    assert asked == ["xxx"]
    assert [note[:2] for note in ctx.notes] == [(Outcome.DROPPED, "too-long")] * 3


def test_equal_objects_are_not_the_same() -> None:
    """What is equal may be written otherwise."""
    ctx = counting()
    texts = ["".join(["a", "b"]) for _ in range(2)]

    assert [ctx.once(lambda text, ctx: id(text), text) for text in texts] == list(map(id, texts))


def test_what_never_comes_again_is_soon_not_remembered() -> None:
    """Nothing is kept of a list in which all differs."""
    ctx = counting()

    def make(text: str, ctx: Context) -> str:
        return text.upper()

    for number in range(2000):
        assert ctx.once(make, f"t{number}") == f"T{number}"
    kept = ctx._made[make]
    assert not kept.worth
    assert not kept.known


def test_a_context_that_is_looked_at_makes_everything_anew() -> None:
    """Places differ, so each is noted for itself."""
    ctx, asked = Context(), list[int]()

    def make(item: int, ctx: Context) -> None:
        asked.append(item)

    for _ in range(2):
        ctx.once(make, 1)
    assert asked == [1, 1]
