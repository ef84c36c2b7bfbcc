"""Requests that go through the code together."""

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from gateway.cohort import LONGEST, Cohort, cohort_of
from gateway.routing.runtime import run
from gateway.step import STEP


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cohort(clock: Clock) -> Cohort:
    return cohort_of(clock)


def parts(name: str, said: list[str], count: int = 3) -> Any:
    async def go() -> str:
        for part in range(count):
            said.append(f"{name}{part}")
            await STEP
        return name

    return go()


def test_each_part_is_done_for_all_before_the_next(cohort: Cohort, clock: Clock) -> None:
    said: list[str] = []
    results = [cohort.start(parts(name, said)) for name in "abc"]
    assert said == ["a0", "b0", "c0"]
    clock.advance(0)
    assert said == ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"]
    assert [each.result for each in results] == ["a", "b", "c"]


def test_what_they_wait_for_together_begins_when_none_can_go_on(
    cohort: Cohort, clock: Clock
) -> None:
    said: list[str] = []
    found: Deferred[str] = Deferred()

    def look() -> None:
        said.append("look")
        found.callback("found")

    async def go(name: str) -> None:
        await STEP
        if name == "a":
            cohort.last(look)
        said.append(f"{name} {await found}")
        await STEP
        said.append(name)

    for name in ("a", "b"):
        cohort.start(go(name))
    cohort.start(parts("c", said))
    clock.advance(0)
    assert said == ["c0", "c1", "c2", "look", "a found", "b None", "a", "b"]


def test_who_comes_while_others_are_on_their_way_joins_them(cohort: Cohort, clock: Clock) -> None:
    said: list[str] = []

    async def first() -> None:
        await STEP
        cohort.start(parts("b", said, 1))
        said.append("a")
        await STEP
        said.append("a again")

    cohort.start(first())
    clock.advance(0)
    assert said == ["b0", "a", "a again"]


def test_sockets_are_looked_at_in_between(cohort: Cohort, clock: Clock) -> None:
    """However much there is to do."""
    said: list[str] = []

    async def slow() -> None:
        for _ in range(6):
            await STEP
            clock.rightNow += LONGEST / 2
            said.append("slow")

    cohort.start(slow())
    clock.callLater(0, said.append, "socket")
    clock.advance(0)
    assert said == ["slow", "slow", "socket", *4 * ["slow"]]


def test_who_comes_does_not_keep_others_from_their_end(cohort: Cohort, clock: Clock) -> None:
    """Though there is always somebody who could go on."""
    said: list[str] = []

    async def more() -> None:
        for _ in range(9):
            await STEP
            clock.rightNow += LONGEST / 3
            said.append("step")

    cohort.start(more())
    cohort.last(lambda: said.append("last"))
    clock.advance(0)
    assert said[:5] == ["step", "step", "step", "last", "step"]


def test_errors_come_to_who_waits_for_the_result(cohort: Cohort, clock: Clock) -> None:
    async def fails() -> None:
        await STEP
        raise ValueError("no")

    async def cannot_wait() -> str:
        try:
            await failing
        except KeyError:
            await STEP
            return "caught"
        return "not told"

    failing: Deferred[None] = Deferred()
    result, other = cohort.start(fails()), cohort.start(cannot_wait())
    failing.errback(KeyError())
    clock.advance(0)
    with pytest.raises(ValueError, match="no"):
        result.result.raiseException()  # type: ignore[attr-defined]
    result.addErrback(lambda _: None)
    assert other.result == "caught"


def test_one_that_fails_does_not_stop_the_others(cohort: Cohort, clock: Clock) -> None:
    """Not even by what should never fail."""
    said: list[str] = []
    cohort.last(lambda: 1 / 0)
    cohort.start(parts("a", said))
    with pytest.raises(ZeroDivisionError):
        clock.advance(0)
    cohort.last(lambda: said.append("last"))
    clock.advance(0)
    assert said == ["a0", "a1", "a2", "last"]


@pytest.mark.parametrize("stops", [True, False])
def test_cancelled_at_a_step(cohort: Cohort, clock: Clock, *, stops: bool) -> None:
    said: list[str] = []

    async def go() -> None:
        try:
            await STEP
        except CancelledError:
            said.append("cancelled")
            if stops:
                return
            await STEP
            said.append("after")

    result = cohort.start(go())
    errors: list[Any] = []
    result.addErrback(errors.append)
    result.cancel()
    assert said == ["cancelled"]
    clock.advance(0)
    assert said == (["cancelled"] if stops else ["cancelled", "after"])
    assert [type(each.value) for each in errors] == ([] if stops else [CancelledError])


def test_cancelled_while_it_waits(cohort: Cohort) -> None:
    """What it waits for is cancelled, and so are those that wait for it."""
    never: Deferred[None] = Deferred()

    async def inner() -> None:
        await never

    async def outer() -> str:
        try:
            await cohort.start(inner())
        except CancelledError:
            return "cancelled"
        return "not told"

    result = cohort.start(outer())
    result.cancel()
    assert result.result == "cancelled"
    assert never.called


def test_without_a_cohort_a_step_is_none(clock: Clock) -> None:
    """Under Twisted's own driver, and where nothing waits."""
    said: list[str] = []
    assert run(parts("a", said)) == "a"
    assert Deferred.fromCoroutine(parts("b", said)).result == "b"
    assert said == ["a0", "a1", "a2", "b0", "b1", "b2"]


def test_there_is_one_for_each_reactor() -> None:
    one, other = Clock(), Clock()
    assert cohort_of(one) is cohort_of(one)
    assert cohort_of(one) is not cohort_of(other)
