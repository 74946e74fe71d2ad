"""`make bench`: measure voicewire beside its peers, and write benchmarks/RESULTS.md.

python -m benchmarks.side_by_side [--rounds N] [--quick] [--no-long] [--only NAMES] [--report]
"""

import argparse
import json
import os
import shlex
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.side_by_side.machine import describe
from benchmarks.side_by_side.measures import Measurer, Sizes
from benchmarks.side_by_side.peers import ENVIRONMENTS, ROOT, PeerError
from benchmarks.side_by_side.processes import RunError
from benchmarks.side_by_side.report import whole_page
from benchmarks.side_by_side.schedule import Step, schedule

ROUNDS = 5

QUICK = Sizes(secs=3.0, callers=150, idle_callers=500, long_secs=30.0)
"""Whether it works; the figures are no good."""


def main() -> int:
    options = _options()
    raw, page = options.out / "results.json", options.out / "RESULTS.md"
    if options.report:
        page.write_text(whole_page(options.out))
        return 0
    # Also where the shell has started us deaf to Ctrl-C, in the background.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        for environment in ENVIRONMENTS:
            environment.make()
    except PeerError as exc:
        print(exc, file=sys.stderr)
        return 1
    results = _measure(options, raw)
    page.write_text(whole_page(options.out))
    print(f"{page} and {raw.name} are written", file=sys.stderr)
    return 0 if results["is_complete"] else 130


def _measure(options: argparse.Namespace, raw: Path) -> dict[str, Any]:
    """Do all that is scheduled, and write down what there is after each step."""
    steps = schedule(
        1 if options.quick else options.rounds,
        with_long=not options.no_long,
        only=frozenset(options.only),
    )
    results: dict[str, Any] = {
        "command": _command(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": describe(),
        "is_complete": False,
        "records": [],
    }
    measurer = Measurer(QUICK if options.quick else Sizes())
    started = time.monotonic()
    try:
        for number, step in enumerate(steps, 1):
            _tell(f"{number}/{len(steps)}  round {step.round_number}  {step.what}  {step.side}")
            results["records"].append(_record(measurer, step))
            results["took_secs"] = time.monotonic() - started
            raw.write_text(json.dumps(results, indent=1) + "\n")
        results["is_complete"] = True
    except KeyboardInterrupt:
        _tell("ended: writing what there is")
    results["took_secs"] = time.monotonic() - started
    raw.write_text(json.dumps(results, indent=1) + "\n")
    return results


def _record(measurer: Measurer, step: Step) -> dict[str, Any]:
    started = time.monotonic()
    record: dict[str, Any] = {"what": step.what, "side": step.side, "round": step.round_number}
    try:
        record |= getattr(measurer, step.what)(step.side)
    except RunError as exc:
        record["error"] = str(exc)
    except Exception as exc:  # noqa: BLE001 - one step's fault must not end all the others
        record["error"] = f"{type(exc).__name__}: {exc}"
    if "error" in record:
        _tell(f"    {record['error']}")
    record["took_secs"] = round(time.monotonic() - started, 1)
    return record


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="one short round: does it work?")
    parser.add_argument("--no-long", action="store_true", help="leave the ten minutes' run out")
    parser.add_argument("--only", nargs="+", default=[], help="measurements, such as cost")
    parser.add_argument(
        "--report", action="store_true", help="write the page again from results.json"
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "benchmarks", help="directory for what is written"
    )
    return parser.parse_args()


def _command() -> str:
    """Return what was typed: make's command line where it was make."""
    return os.environ.get("BENCH_COMMAND") or shlex.join(
        ["python", "-m", "benchmarks.side_by_side", *sys.argv[1:]]
    )


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
