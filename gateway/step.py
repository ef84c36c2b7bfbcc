"""``await STEP``: here a request lets those that came with it come as far.

Why: see ``gateway.cohort``. Without a cohort, under Twisted's own driver or in ``runtime.run``, it
does nothing.
"""

from collections.abc import Generator
from typing import Final


class Step:
    """What a coroutine says when it has done one part of its work."""

    def __await__(self) -> Generator["Step", None, None]:
        yield self


STEP: Final = Step()
