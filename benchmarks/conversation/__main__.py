"""Measure how a conversation feels, and write it into benchmarks/RESULTS.md. 20 minutes.

python -m benchmarks.conversation [--short] [--room room.wav] [--only embedded echo]
"""

import argparse
import asyncio
import json
import shlex
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.conversation import measures
from benchmarks.conversation.answers import embedded_answers
from benchmarks.conversation.echo import echo
from benchmarks.side_by_side.report import whole_page

FOLDER = Path(__file__).parents[1]


def main() -> None:
    options = _options()
    page = FOLDER / "conversation.json"
    figures = json.loads(page.read_text())["figures"] if page.exists() else {}
    for name, measure in _measures(options).items():
        if not options.only or name in options.only:
            print(name, file=sys.stderr, flush=True)
            date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
            figures[name] = {**asyncio.run(measure()), "date": date}
    results = {"command": _command(options), "figures": figures}
    if options.short:
        print(json.dumps(results, indent=2))
        return
    page.write_text(json.dumps(results, indent=2) + "\n")
    (FOLDER / "RESULTS.md").write_text(whole_page(FOLDER))


def _measures(options: argparse.Namespace) -> dict[str, Callable[[], Coroutine[Any, Any, Any]]]:
    short = options.short
    times = 16 if short else 200
    return {
        "added": partial(measures.added_delay, turns=2 if short else 12),
        "barge_in": partial(measures.barge_in, interruptions=3 if short else 30),
        "memory": partial(measures.memory, interruptions=times, can_flush=True),
        "memory_stock": partial(measures.memory, interruptions=times, can_flush=False),
        "embedded": partial(embedded_answers, rounds=1 if short else 2),
        "echo": partial(echo, options.room, minutes=1.0 if short else 10.0),
    }


def _command(options: argparse.Namespace) -> str:
    room = ["--room", options.room.name] if options.room else []
    return shlex.join(["python", "-m", "benchmarks.conversation", *room])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="see whether it works; writes nothing")
    parser.add_argument("--room", type=Path, help="a room's impulse response, WAV")
    parser.add_argument("--only", nargs="*", help="measure these again, and keep the others")
    return parser.parse_args()


if __name__ == "__main__":
    main()
