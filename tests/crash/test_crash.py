"""The gateway is killed under load, on both databases: a short form of the harness.

ROAMGATE_CRASH_KILLS and ROAMGATE_CRASH_SEED make it longer and another one; hundreds of kills are
run by hand with ``python -m tests.crash.harness``.
"""

import asyncio
import os

import pytest

from tests.crash.harness import crash
from tests.gateway.store.conftest import MISSING, REQUIRED, SERVER

KILLS = int(os.environ.get("ROAMGATE_CRASH_KILLS", "5"))
SEED = int(os.environ.get("ROAMGATE_CRASH_SEED", "1"))
POSTGRESQL = pytest.mark.skipif(
    MISSING is not None and not REQUIRED, reason=f"no PostgreSQL: {MISSING}"
)


@pytest.mark.timeout(120 + 10 * KILLS)
@pytest.mark.parametrize(
    ("address", "processes"),
    [
        ("sqlite", 1),
        pytest.param(f"postgresql://postgres@{SERVER}", 2, marks=POSTGRESQL),
    ],
    ids=["sqlite", "postgresql"],
)
def test_nothing_is_lost_and_nothing_is_twice(tmp_path, address, processes):
    """Whenever it is killed, whatever partners do meanwhile."""
    run = asyncio.run(crash(tmp_path, address, kills=KILLS, seed=SEED, processes=processes))

    assert run.faults == []
    assert run.kills == KILLS
