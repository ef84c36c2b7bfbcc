"""What commands share: what they say and end with when something cannot be done."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.errors import ConfigError, StoreUnavailable

MOST_WORKERS = 64
"""Processes of ``serve``."""


@contextmanager
def usage() -> Iterator[None]:
    """A wrong option or configuration is told in one line and ends with exit code 2."""
    try:
        yield
    except ConfigError as error:
        for problem in error.problems:
            failed(problem)
        raise SystemExit(2) from None
    except StoreUnavailable as error:
        raise SystemExit(failed(error)) from None


def failed(why: object) -> int:
    """Say why it has failed; the exit code."""
    print(f"roamgate: {why}", file=sys.stderr, flush=True)
    return 1
