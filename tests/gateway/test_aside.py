"""Long work beside short."""

import threading
import time
from collections.abc import Iterator

import pytest

from gateway import aside
from gateway.aside import LONGEST, SHARE, Aside


class Clock:
    """Time that passes only in rests and when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.rests: list[float] = []

    def rest(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(aside.time, "monotonic", lambda: made.now)
    monkeypatch.setattr(aside._free, "wait", made.rest)
    return made


@pytest.fixture
def short() -> Iterator[None]:
    """Something short is under way."""
    aside.begin()
    yield
    aside.end()


def test_nobody_rests_alone(clock: Clock) -> None:
    work = Aside()
    for _ in range(1000):
        clock.now += 0.001
        work.pause()
    assert clock.rests == []


def test_who_is_slow_does_not_stop_long_work(clock: Clock, short: None) -> None:
    """It gets its share of the time, however long something short is under way."""
    work, worked = Aside(), 0.0
    for _ in range(1000):
        clock.now += 0.002
        worked += 0.002
        work.pause()
    assert sum(clock.rests) == pytest.approx(SHARE * worked)
    assert max(clock.rests) <= LONGEST


def test_what_it_owes_does_not_grow_for_ever(clock: Clock, short: None) -> None:
    work = Aside()
    clock.now += 3600
    work.pause()
    assert clock.rests == [LONGEST]


def test_a_rest_ends_with_what_was_short() -> None:
    aside.begin()
    aside.begin()
    work = Aside()
    time.sleep(LONGEST)
    thread = threading.Thread(target=work.pause)
    begun = time.monotonic()
    thread.start()
    aside.end()
    aside.end()
    thread.join(10)
    assert not thread.is_alive()
    assert time.monotonic() - begun < 10
    assert aside._free.is_set()


def test_it_is_quiet_a_while_after_the_last(clock: Clock) -> None:
    aside.begin()
    clock.now += 100
    assert not aside.is_quiet()
    aside.end()
    assert not aside.is_quiet()
    clock.now += 1.1 * aside.QUIET
    assert aside.is_quiet()


def test_another_thread_goes_first_now_and_then(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    yielded: list[float] = []
    monkeypatch.setattr(aside.os, "sched_yield", lambda: yielded.append(clock.now))
    work = Aside()
    for _ in range(100):
        clock.now += aside.SOON / 10
        work.pause()
    assert 8 <= len(yielded) <= 10
