"""How often something may happen, on a clock of the test's own."""

from gateway.server import pace
from gateway.server.pace import Pace


def test_a_burst_and_then_the_rate():
    now = [0.0]
    each = Pace(2, 3, lambda: now[0])
    assert [each.take("a") for _ in range(4)] == [True] * 3 + [False]
    assert each.take("b")
    now[0] = 0.5
    assert [each.take("a") for _ in range(2)] == [True, False]
    now[0] = 100
    assert [each.take("a") for _ in range(4)] == [True] * 3 + [False]


def test_memory_is_bounded(monkeypatch):
    """First who has not come for a while is forgotten, then all are."""
    monkeypatch.setattr(pace, "_KEYS", 3)
    now = [0.0]
    each = Pace(1, 2, lambda: now[0])
    assert [each.take(key) for key in "aabbc"] == [True] * 5
    now[0] = 1
    assert each.take("d")  # c is whole again
    assert len(each._buckets) == 3
    assert [each.take("a") for _ in range(2)] == [True, False]
    assert each.take("e")
    assert len(each._buckets) == 1
