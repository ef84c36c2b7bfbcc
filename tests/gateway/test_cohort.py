"""Requests that go through the code together."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure

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


def slow(clock: Clock, said: list[str], seconds: float, count: int) -> Any:
    async def go() -> None:
        for _ in range(count):
            await STEP
            clock.rightNow += seconds
            said.append("slow")

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
    cohort.start(slow(clock, said, LONGEST / 2, 6))
    clock.callLater(0, said.append, "socket")
    clock.advance(0)
    assert said == ["slow", "slow", "socket", *4 * ["slow"]]


def test_who_comes_does_not_keep_others_from_their_end(cohort: Cohort, clock: Clock) -> None:
    """Though there is always somebody who could go on."""
    said: list[str] = []
    cohort.start(slow(clock, said, LONGEST / 3, 9))
    cohort.last(lambda: said.append("last"))
    clock.advance(0)
    assert said[:5] == ["slow", "slow", "slow", "last", "slow"]


def test_what_is_done_together_does_not_keep_sockets_waiting(cohort: Cohort, clock: Clock) -> None:
    said: list[str] = []

    def again() -> None:
        clock.rightNow += LONGEST / 2
        said.append("last")
        if len(said) < 20:
            cohort.last(again)

    cohort.last(again)
    clock.callLater(0, said.append, "socket")
    clock.advance(0)
    assert said.index("socket") <= 3


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
    assert outcome(result) == "ValueError('no')"
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


def test_a_step_raises_nothing(cohort: Cohort, clock: Clock) -> None:
    """Who is cancelled at a step is cancelled at what it waits for next."""
    said: list[str] = []

    async def go() -> str:
        await STEP
        said.append("gone on")
        try:
            await Deferred()
        except CancelledError:
            return "cancelled"
        return "not told"

    result = cohort.start(go())
    result.cancel()
    assert said == []
    clock.advance(0)
    assert said == ["gone on"]
    assert result.result == "cancelled"


def test_cancelled_at_its_last_step(cohort: Cohort, clock: Clock) -> None:
    """It has its end all the same."""
    result = cohort.start(parts("a", [], 1))
    result.cancel()
    clock.advance(0)
    assert result.result == "a"


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


Driver = Callable[[Any], "Deferred[Any]"]


async def gives_up() -> None:
    await Deferred()


async def goes_on(waits: "list[Deferred[Any]]") -> str:
    """Takes no notice of being cancelled, twice."""
    came = []
    for each in waits:
        try:
            came.append(await each)
        except CancelledError:
            came.append("cancelled")
    return " ".join(came)


async def fails_later(waits: "list[Deferred[Any]]") -> None:
    try:
        await waits[0]
    except CancelledError:
        await waits[1]
        raise ValueError("its own") from None


def cancelled_once(start: Driver) -> Any:
    result = start(gives_up())
    result.cancel()
    return outcome(result)


def cancelled_and_gone_on(start: Driver) -> Any:
    waits: list[Deferred[Any]] = [Deferred(), Deferred()]
    result = start(goes_on(waits))
    result.cancel()
    before = outcome(result)
    waits[1].callback("came")
    return before, outcome(result)


def cancelled_twice(start: Driver) -> Any:
    waits: list[Deferred[Any]] = [Deferred(), Deferred(), Deferred()]
    result = start(goes_on(waits))
    result.cancel()
    result.cancel()
    waits[2].callback("came")
    result.cancel()
    return outcome(result)


def failed_after_it(start: Driver) -> Any:
    waits: list[Deferred[Any]] = [Deferred(), Deferred()]
    result = start(fails_later(waits))
    result.cancel()
    waits[1].callback(None)
    return outcome(result)


def too_late(start: Driver) -> Any:
    clock, waits = Clock(), [Deferred[Any](), Deferred[Any]()]
    result = start(goes_on(waits))
    result.addTimeout(1, clock)
    clock.advance(2)
    before = outcome(result)
    waits[1].callback("came")
    return before, outcome(result)


def fails_at_once(start: Driver) -> Any:
    async def go() -> None:
        raise ValueError("at once")

    return outcome(start(go()))


def waits_for_what_failed(start: Driver) -> Any:
    async def go() -> None:
        await fail(KeyError("before"))

    return outcome(start(go()))


def many_that_are_there(start: Driver) -> Any:
    async def go() -> int:
        return sum([await succeed(1) for _ in range(5000)])

    return outcome(start(go()))


def outcome(result: "Deferred[Any]") -> Any:
    """What has come so far."""
    seen: list[Any] = []

    def see(came: Any) -> Any:
        seen.append(repr(came.value) if isinstance(came, Failure) else came)
        return None if isinstance(came, Failure) else came

    result.addBoth(see)
    return seen[0] if seen else "nothing yet"


@pytest.mark.parametrize(
    "case",
    [
        cancelled_once,
        cancelled_and_gone_on,
        cancelled_twice,
        failed_after_it,
        too_late,
        fails_at_once,
        waits_for_what_failed,
        many_that_are_there,
    ],
)
def test_all_else_is_as_under_twisted_s_own_driver(cohort: Cohort, case: Any) -> None:
    assert case(cohort.start) == case(Deferred.fromCoroutine)


def test_what_cannot_be_awaited(cohort: Cohort) -> None:
    class Odd:
        def __await__(self) -> Any:
            yield 7

    async def go() -> None:
        await Odd()

    assert outcome(cohort.start(go())) == "TypeError('7 cannot be awaited here')"


def test_what_a_coroutine_gave_stands_in_no_later_error(cohort: Cohort) -> None:
    """It may name a card, and errors are logged with what was handled when they came up."""
    answer: Deferred[str] = Deferred()

    async def ask() -> str:
        return await answer

    async def outer() -> None:
        await cohort.start(ask())
        raise KeyError("nothing")

    errors: list[Any] = []
    cohort.start(outer()).addErrback(errors.append)
    answer.callback("04AABBCC")
    assert errors[0].value.__context__ is None


def test_nothing_is_left_of_a_coroutine(cohort: Cohort, clock: Clock) -> None:
    """Not even until the next collection of garbage."""

    class Held:
        pass

    async def go(held: Held) -> None:
        await STEP

    held = Held()
    seen = weakref.ref(held)
    cohort.start(go(held))
    del held
    gc.disable()
    try:
        clock.advance(0)
        assert seen() is None
    finally:
        gc.enable()


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
