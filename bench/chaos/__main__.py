"""`python -m bench.chaos --buys 1000 --seed 1`: the storm, the calm after it, the comparison.

Exit status 0 when nothing was lost, doubled, of a wrong amount or stuck; the last line is one JSON object.
"""

import argparse
import json
import os
import signal
import sys
from pathlib import Path

from bench.chaos import plan
from bench.chaos.storm import FIGURES, Report, storm
from bench.chaos.world import Broken
from kopeck_local.postgres import PostgresFailed


def main() -> int:
    parser = argparse.ArgumentParser("python -m bench.chaos", description=__doc__)
    parser.add_argument("--buys", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder for data and logs, which are kept there")
    choices = (plan.HOLD, plan.KEYS)
    parser.add_argument("--without", nargs="*", default=(), choices=choices, help="faults to leave out")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # everything is stopped, as after Ctrl-C
    try:
        report = storm(
            options.buys,
            options.seed,
            without=options.without,
            keep=options.keep,
            say=lambda line: print(line, flush=True),
        )
    except (Broken, PostgresFailed) as problem:
        print(f"chaos: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("chaos: stopped before its end; nothing was compared", file=sys.stderr, flush=True)
        # All programs are stopped. A buyer's thread that was being started at that moment is known to nobody,
        # and Python would wait for it for ever.
        os._exit(130)
    show(report)
    return 1 if report.is_bad else 0


def show(report: Report) -> None:
    """The table for people, then the line for programs."""
    print("\nwhat the buyers and the seller saw")
    for what, times in sorted(report.told.items()):
        print(f"  {what:<40} {times:>7}")
    print("\nwhat was done to the shop")
    for what, times in sorted(report.struck.items()):
        print(f"  {what:<40} {times:>7}")
    print("\nStripe's ledger against the shop's database")
    for name in FIGURES:
        print(f"  {name:<40} {report.figures[name]:>7}")
    for name in ("lost", "doubled", "wrong_amount", "stuck"):
        for sentence in getattr(report.verdict, name)[:20]:
            print(f"  {name}: {sentence}")
    print(json.dumps(report.figures))


if __name__ == "__main__":
    sys.exit(main())
