"""How many calls by Twilio's wire a core holds, beside Pipecat with its Twilio serializer.

Written into benchmarks/RESULTS.md.

python -m benchmarks.twilio [--rounds 3] [--secs 8]. Both echo at 8 kHz; a call is held as long as
99 of 100 echoes come back within `MAX_P99_MS` and none is lost.
"""

import argparse
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.side_by_side.ladder import search
from benchmarks.side_by_side.machine import CALLERS_CORE, SERVER_CORE, pinned
from benchmarks.side_by_side.peers import PIPECAT
from benchmarks.side_by_side.processes import QUIET
from benchmarks.side_by_side.report import whole_page

FOLDER = Path(__file__).parent

MAX_P99_MS = 300.0
SIDES = {
    "voicewire": (Path(sys.executable), ("benchmarks.bots.voicewire_bots", "telephone")),
    "pipecat": (PIPECAT.python, ("benchmarks.bots.pipecat_twilio",)),
}


def holds(url: str, callers: int, secs: float) -> bool:
    with pinned(CALLERS_CORE):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.twilio_load", url, str(callers), str(secs)],
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
    report = json.loads(done.stdout)
    print(f"    {done.stdout.strip()}", file=sys.stderr, flush=True)
    is_late = report["p99_ms"] is None or report["p99_ms"] > MAX_P99_MS
    return not is_late and not report["lost"]


def callers_held(side: str, start: int, secs: float) -> int:
    python, arguments = SIDES[side]
    with pinned(SERVER_CORE):
        server = subprocess.Popen(
            [python, "-m", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=QUIET,
        )  # fmt: skip
    try:
        assert server.stdout is not None
        url = json.loads(server.stdout.readline())["url"] + "/twilio"
        return search(lambda callers: holds(url, callers, secs), start=start, stride=2)
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--secs", type=float, default=8.0)
    options = parser.parse_args()
    PIPECAT.make()
    held: dict[str, list[int]] = {side: [] for side in SIDES}
    start = {"voicewire": 200, "pipecat": 20}
    for _ in range(options.rounds):
        for side in SIDES:
            print(side, file=sys.stderr, flush=True)
            held[side].append(callers_held(side, start[side], options.secs))
            start[side] = held[side][-1] or 1
    results = {
        "command": f"python -m benchmarks.twilio --rounds {options.rounds} --secs {options.secs:g}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "max_p99_ms": MAX_P99_MS,
        "callers": held,
    }
    (FOLDER / "twilio.json").write_text(json.dumps(results, indent=2) + "\n")
    (FOLDER / "RESULTS.md").write_text(whole_page(FOLDER))


if __name__ == "__main__":
    main()
