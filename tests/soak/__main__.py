"""`python -m tests.soak --hours 2` soaks a server for hours, `--secs 1200` for 20 minutes."""

import argparse
import asyncio
import sys
import time

from tests.soak.report import faults_of, table
from tests.soak.run import soak
from tests.soak.scale import SHORT, scale_of


def main() -> int:
    """Return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--secs", type=float, help="instead of hours; below 60 is a short form")
    parser.add_argument("--seed", type=int, default=None, help="of what callers do")
    arguments = parser.parse_args()
    secs = arguments.secs if arguments.secs is not None else arguments.hours * 3600
    seed = arguments.seed if arguments.seed is not None else time.time_ns() % 1_000_000
    scale = scale_of(secs)
    print(f"soaking for {secs:g} s, with the seed {seed}", flush=True)
    outcome = asyncio.run(soak(secs, seed=seed, has_crowd=scale is not SHORT))
    print("\n".join(table(outcome, scale)))
    faults = faults_of(outcome, scale)
    print("\n" + "\n".join(f"FAULT: {fault}" for fault in faults) if faults else "\nno faults")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
