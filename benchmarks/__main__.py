"""``python -m benchmarks``: set up the peers, do the works in turns, write the report."""

import argparse
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from benchmarks import page, peers, report
from benchmarks.long_lists import ITEMS, QUICK
from benchmarks.measure import Contender, Work, in_turns
from benchmarks.works import works

ROUNDS = 3
MINUTES = 13.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("works", nargs="*", help="keys of works; all when left out")
    parser.add_argument("--list", action="store_true", help="print the keys of the works")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--minutes", type=float, default=MINUTES, help="begin no other work or round after that"
    )
    parser.add_argument("--quick", action="store_true", help="one round, short turns, no report")
    parser.add_argument("--ours", action="store_true", help="only Roamgate and the floor")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    parser.add_argument(
        "--again", type=Path, nargs="+", help="no run: write the page from figures of runs"
    )
    options = parser.parse_args()
    if options.again:
        page.write(report.joined(options.again))
        return 0
    every = works(QUICK if options.quick else ITEMS)
    if options.list:
        print("\n".join(f"{work.key:20} {work.title}" for work in every))
        return 0
    unknown = set(options.works) - {work.key for work in every}
    if unknown:
        parser.error(f"no such work: {', '.join(sorted(unknown))}")
    chosen = [work for work in every if not options.works or work.key in options.works]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(peers.ROOT), str(peers.BUILD / "python")])
    began = time.monotonic()
    taking_part = [each for work in chosen for each in _chosen(work, options)]
    missing = peers.set_up({need for each in taking_part for need in each.needs})
    for name, reason in missing.items():
        print(f"missing: {name}: {reason}", file=sys.stderr)
    until = began + 60 * options.minutes
    results = []
    for work in chosen:
        if time.monotonic() > until:
            missing[work.key] = f"not begun within {options.minutes:g} minutes"
        else:
            results.append(_do(work, options, missing, until))
    whole = report.Report.of(results, missing, time.monotonic() - began)
    print(report.table(whole))
    if options.json:
        options.json.write_bytes(report.json_of(whole))
    if options.write:
        page.write(whole)
    return 0


def _do(
    work: Work, options: argparse.Namespace, missing: dict[str, str], until: float
) -> report.Result:
    there = [each for each in _chosen(work, options) if not missing.keys() & set(each.needs)]
    if options.quick:
        work = replace(work, seconds=min(work.seconds, 1.0), warm=min(work.warm, 1.0))
    rounds = 1 if options.quick else work.rounds or options.rounds
    measured, failed = in_turns(there, work, rounds, _say, until)
    for name, reason in failed.items():
        print(f"failed: {work.key}: {name}: {reason}", file=sys.stderr)
    return report.Result.of(work, measured, failed)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _chosen(work: Work, options: argparse.Namespace) -> list[Contender]:
    return [each for each in work.contenders if not (options.ours and each.role == "peer")]


if __name__ == "__main__":
    sys.exit(main())
