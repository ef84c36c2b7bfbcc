"""Repeats an operation: ``python -m benchmarks.inside NAME``.

It reads from its input how many seconds to work, line by line, and answers each with a ``Sample``.
"""

import gc
import resource
import sys
import time
from importlib import import_module

import msgspec

from benchmarks.measure import Sample
from benchmarks.operations import OPERATIONS


def main(name: str) -> None:
    for module in ("small", "signing", "writing"):
        import_module(f"benchmarks.{module}")
    once = OPERATIONS[name]()
    once()
    for line in sys.stdin:
        gc.collect()
        seconds, count, step, spent = float(line), 0, 1, 0.0
        began, clock = time.process_time(), time.monotonic()
        while spent < seconds:
            for _ in range(step):
                once()
            count += step
            spent = time.process_time() - began
            if spent < seconds / 10:
                step *= 2
        took = time.monotonic() - clock
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        sample = Sample(cpu=spent / count, rate=count / took, peak=peak)
        print(msgspec.json.encode(sample).decode(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
