"""Canonical objects as rows: what of one counts, and what only shows when several threads read."""

import json
import subprocess
import sys

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.routing import records

TOGETHER = """
import sys, threading
from gateway.model import message
from gateway.routing.records import unpack

sys.setswitchinterval(1e-6)
kinds = [each for each in vars(message).values()
         if isinstance(each, type) and issubclass(each, message.Message)]
body = b'{"tokens":[],"cdrs":[{"id":"1"}],"locations":[{"id":"x"}],"token":{"uid":"1"}}'
gate = threading.Barrier(8)

def read(first):
    gate.wait()
    for each in kinds[first:] + kinds[:first]:
        try:
            unpack(each, body)
        except ValueError:
            pass

threads = [threading.Thread(target=read, args=(number,)) for number in range(8)]
for each in threads:
    each.start()
for each in threads:
    each.join()
"""


def test_many_threads_may_be_the_first_to_read() -> None:
    """Once every second process ended with a segmentation fault here."""
    for _ in range(4):
        command = [sys.executable, "-c", TOGETHER]
        assert subprocess.run(command, timeout=60, check=False).returncode == 0


NAMES = st.sampled_from(
    (
        *("updated", "last_updated", "a/updated", "a/last_updated", "~updated", "x_updated", "id"),
        *("timestamp", "timestamp/DateTime", "a\\/updated", 'updated":"x'),
    )
)
VALUES = st.recursive(
    st.none()
    | st.integers()
    | st.sampled_from(["", "2031-05-02", 'updated":"', '"updated":', ","]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
@example({"updated": "x", "last_updated": "y"})
@example({"a": {"updated": "x"}, "updated": "z", "id": 1})
@settings(deadline=None)
def test_times_are_left_out_as_the_expression_says(value: object) -> None:
    """The quick way finds what the expression finds."""
    body = json.dumps(value, separators=(",", ":")).encode()

    assert records.without_times(body) == records._TIMES.sub(b"", body)
