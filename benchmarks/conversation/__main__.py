"""Measure how a conversation feels, and write it into benchmarks/RESULTS.md. 20 minutes.

python -m benchmarks.conversation [--short] [--room room.wav]
"""

import argparse
import asyncio
import json
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.conversation import measures
from benchmarks.conversation.echo import echo
from benchmarks.side_by_side.report import with_conversation

FOLDER = Path(__file__).parents[1]


def main() -> None:
    options = _options()
    figures = asyncio.run(_measure(options))
    results = {
        "command": _command(options),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "figures": figures,
    }
    if options.short:
        print(json.dumps(results, indent=2))
        return
    (FOLDER / "conversation.json").write_text(json.dumps(results, indent=2) + "\n")
    (FOLDER / "RESULTS.md").write_text(with_conversation(FOLDER))


async def _measure(options: argparse.Namespace) -> dict[str, Any]:
    short = options.short
    return {
        "added": await measures.added_delay(turns=2 if short else 12),
        "barge_in": await measures.barge_in(interruptions=3 if short else 30),
        "memory": await measures.memory(interruptions=16 if short else 200, can_flush=True),
        "memory_stock": await measures.memory(interruptions=16 if short else 200, can_flush=False),
        "embedded": await measures.embedded_answers(rounds=1 if short else 3),
        "echo": await echo(options.room, minutes=1.0 if short else 10.0),
    }


def _command(options: argparse.Namespace) -> str:
    room = ["--room", options.room.name] if options.room else []
    return shlex.join(["python", "-m", "benchmarks.conversation", *room])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="see whether it works; writes nothing")
    parser.add_argument("--room", type=Path, help="a room's impulse response, WAV")
    return parser.parse_args()


if __name__ == "__main__":
    main()
