"""How many examples the generated tests try: few by default, many with ROAMGATE_THOROUGH=1."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

THOROUGH = os.environ.get("ROAMGATE_THOROUGH") == "1"
TIMES = 20
LONG = pytest.mark.timeout(1800 if THOROUGH else 120)
"""For tests that take their time when they are thorough."""


def budget(examples: int) -> settings:
    """Settings for ``examples`` repeatable examples, or for many random ones."""
    return settings(
        max_examples=examples * TIMES if THOROUGH else examples,
        deadline=None,
        derandomize=not THOROUGH,
        database=None,
        phases=[Phase.explicit, Phase.generate],  # these messages take minutes to shrink
        suppress_health_check=list(HealthCheck),
    )


def of_any(values: st.SearchStrategy[Any], check: Callable[[Any], None], examples: int) -> None:
    """Try ``check`` with values (for tests that are parametrised too)."""

    def holds(value: Any) -> None:
        check(value)

    budget(examples)(given(values)(holds))()
