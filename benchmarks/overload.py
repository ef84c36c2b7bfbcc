"""What overload does, and what is left of it: ``python -m benchmarks.overload [ROUNDS]``.

Not part of ``make bench``. In turns 900 clients ask all the time, which is many times what the
gateway can answer, and then a few ask at a tenth of what it can. A line a turn: answers with status
200 and others, p50 and p99 of all of them, megabytes resident; right after an overload nothing
should fail, and memory should not grow from turn to turn.
"""

import itertools
import sys

from benchmarks.hop import our_hop
from benchmarks.load import Load, at_rate, by_wrk
from benchmarks.server import write_requests
from benchmarks.soak import mixed, resident

MANY = 900
SECONDS = 6.0
CALM = 240
"""Requests right after an overload."""


def main(rounds: int) -> int:
    server = our_hop()
    good = [each for each in mixed() if b"no-xml" not in each and b"wrong" not in each]
    file, calm = write_requests(good), itertools.cycle(good)
    failed = 0

    def tell(what: str, load: Load) -> None:
        fine = load.requests - load.errors
        kept = resident(server.process.pid) / 1024
        times = f"{load.p50 * 1000:9.1f}{load.p99 * 1000:9.1f}"
        print(f"{what:9}{fine:8}{load.errors:8}{times}{kept:8.1f}", flush=True)

    try:
        print("turn         200   other   p50 ms   p99 ms      MB")
        usual = by_wrk(server.port, file, SECONDS)
        tell("usual", usual)
        rate = usual.requests / usual.seconds / 10
        for _ in range(rounds):
            tell("overload", by_wrk(server.port, file, SECONDS, MANY))
            after = at_rate(server.port, calm, rate, CALM / rate)
            failed += after.errors
            tell("after", after)
    finally:
        file.unlink()
        server.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
