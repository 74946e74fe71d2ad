"""`make bench-faults`: the same faults for our server and for Pipecat's.

python -m benchmarks.faults [--rounds N] [--only NAMES] [--sides NAMES] [--report]. It writes
benchmarks/faults.json and benchmarks/RESULTS.md; what is left out of a run stays as it was.
"""

import argparse
import asyncio
import json
import os
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.faults.catalogue import FAULTS, QUICK
from benchmarks.faults.page import unmet
from benchmarks.faults.servers import SIDES, Server, serving
from benchmarks.side_by_side.machine import CALLERS_CORE, describe, pinned
from benchmarks.side_by_side.peers import PIPECAT, ROOT, PeerError
from benchmarks.side_by_side.processes import RunError
from benchmarks.side_by_side.report import whole_page

ROUNDS = 3

Record = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    raw = options.out / "faults.json"
    if not options.report:
        try:
            PIPECAT.make()
        except PeerError as exc:
            print(exc, file=sys.stderr)
            return 1
        names = options.only or (QUICK if options.quick else list(FAULTS))
        _measure(names, options.sides, 1 if options.quick else options.rounds, raw)
    for words in unmet(json.loads(raw.read_text())["records"], "voicewire"):
        print(f"a goal that ours misses: {words}", file=sys.stderr)
    if (options.out / "results.json").exists():
        (options.out / "RESULTS.md").write_text(whole_page(options.out))
    return 0


def _measure(names: Sequence[str], sides: Sequence[str], rounds: int, raw: Path) -> None:
    """Let the faults happen, and write down what there is after each."""
    before: list[Record] = json.loads(raw.read_text())["records"] if raw.exists() else []
    results: dict[str, Any] = {
        "command": shlex.join(["python", "-m", "benchmarks.faults", *sys.argv[1:]]),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": describe(),
        "records": [
            each for each in before if each["fault"] not in names or each["side"] not in sides
        ],
    }
    for round_number, name, side in steps(names, sides, rounds):
        results["records"].append(record(name, side, round_number))
        print(json.dumps(results["records"][-1]), file=sys.stderr, flush=True)
        raw.write_text(json.dumps(results, indent=1) + "\n")


def steps(names: Sequence[str], sides: Sequence[str], rounds: int) -> list[tuple[int, str, str]]:
    """Return what is to happen: round, fault and side."""
    return [
        (round_number, name, side)
        for round_number in range(1, rounds + 1)
        for name in names
        for side in sides
        if FAULTS[name].is_for(SIDES[side]) and (round_number == 1 or not FAULTS[name].is_slow)
    ]


def record(name: str, side: str, round_number: int) -> Record:
    """Return what a fault does to a fresh server of a side."""
    fault = FAULTS[name]
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    noted: Record = {"fault": name, "side": side, "round": round_number, "load": load}
    try:
        with (
            serving(SIDES[side], *fault.options_for(SIDES[side])) as server,
            pinned(CALLERS_CORE),
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            noted |= runner.run(_happen(name, server))
    except RunError as exc:
        noted["error"] = str(exc)
    except Exception as exc:  # noqa: BLE001 - one fault must not end all the others
        noted["error"] = f"{type(exc).__name__}: {exc}"
    return noted


async def _happen(name: str, server: Server) -> Record:
    return dict(await FAULTS[name].happen(server))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench-faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="a few faults, once")
    parser.add_argument("--only", nargs="+", default=[], choices=FAULTS, metavar="FAULT")
    parser.add_argument("--sides", nargs="+", default=list(SIDES), choices=SIDES, metavar="SIDE")
    parser.add_argument("--report", action="store_true", help="write the page again")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "benchmarks", help="directory for what is written"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
