"""What compiled forms remember: bounded, and never another value's form."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from gateway.mapping.compile import LONGEST, MOST, Remembered


def test_a_text_is_worked_out_once() -> None:
    """The same text again is a look into a dictionary."""
    asked: list[Any] = []

    def made(value: Any) -> str:
        asked.append(value)
        return value.upper()

    known = Remembered(made)

    assert [known["a"], known["b"], known["a"]] == ["A", "B", "A"]
    assert asked == ["a", "b"]


def test_what_is_remembered_is_bounded() -> None:
    """Neither many texts nor a long one stay."""
    known = Remembered(str.upper)
    for number in range(10 * MOST):
        assert known[f"t{number}"] == f"T{number}"
    known["x" * (LONGEST + 1)]

    assert len(known) <= MOST
    assert "x" * (LONGEST + 1) not in known


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, True), (Decimal("1.0"), Decimal("1.00")), (1, Decimal(1))],
    ids=str,
)
def test_equal_values_keep_their_own_forms(one: Any, other: Any) -> None:
    """Numbers that are equal are written differently."""
    known = Remembered(str)

    assert (known[one], known[other]) == (str(one), str(other))
    assert not known


def test_instants_are_remembered_where_only_the_instant_counts() -> None:
    """Equal instants with other offsets have the same UTC form."""
    known = Remembered(lambda at: at.astimezone(UTC).isoformat(), datetime)
    here = datetime(2031, 5, 2, 9, tzinfo=UTC)
    there = here.astimezone(timezone(timedelta(hours=2)))

    assert known[here] == known[there] == "2031-05-02T09:00:00+00:00"
    assert len(known) == 1


def test_a_refusal_is_not_remembered() -> None:
    """Each wrong value is refused anew."""
    known = Remembered(int)
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            known["x"]
    assert not known
