"""`python -m tests.simulation --seed 7` shows one run, `--runs 5000` makes many."""

import argparse
import sys
import time

from tests.simulation.world import run


def main() -> int:
    """Return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this one alone, and tell its story")
    parser.add_argument("--first", type=int, default=0, help="the first seed of many")
    parser.add_argument("--runs", type=int, default=1000)
    arguments = parser.parse_args()
    if arguments.seed is not None:
        outcome = run(arguments.seed)
        print("\n".join([*outcome.story, *outcome.problems]))
        return int(bool(outcome.problems))
    began_at = time.monotonic()
    num_bad = num_sessions = 0
    for seed in range(arguments.first, arguments.first + arguments.runs):
        outcome = run(seed)
        num_sessions += outcome.num_sessions
        if outcome.problems:
            num_bad += 1
            print(f"python -m tests.simulation --seed {seed}")
            print("".join(f"    {each}\n" for each in outcome.problems), end="", flush=True)
    secs = time.monotonic() - began_at
    print(f"{arguments.runs} runs, {num_sessions} sessions, {num_bad} with problems, {secs:.0f} s")
    return int(num_bad > 0)


if __name__ == "__main__":
    sys.exit(main())
