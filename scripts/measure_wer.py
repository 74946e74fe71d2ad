"""Measure how well and how fast a bot hears: the table of the README.

    python scripts/measure_wer.py                       # its own server, tests/data/speech
    python scripts/measure_wer.py --url ws://host:8765 FOLDER ...

Each recording is a call of its own with `voicewire call`, over a real socket in real time. What was
said stands in the table of the folder's README.md: columns "File" and "Transcript".
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.speech import normalise, word_error_rate  # noqa: E402 - not installed, but beside us

VOICEWIRE = [sys.executable, "-m", "voicewire"]


class Recording(NamedTuple):
    """A file and what is said in it."""

    path: Path
    transcript: str


class Measurement(NamedTuple):
    """What came of a recording."""

    recording: Recording
    heard: str
    latency_secs: float | None

    @property
    def error_rate(self) -> float:
        return word_error_rate(self.recording.transcript, self.heard)


def recordings_in(folder: Path) -> list[Recording]:
    """Return what the table of the folder's README names, but for what is no speech."""
    rows = [
        [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        for line in (folder / "README.md").read_text().splitlines()
        if line.startswith("|")
    ]
    header = [name.lower() for name in rows[0]]
    file, transcript = header.index("file"), header.index("transcript")
    return [
        Recording(folder / row[file], row[transcript])
        for row in rows[2:]
        if not row[transcript].startswith("(")
    ]


def measure(url: str, recording: Recording) -> Measurement:
    """Make one call."""
    done = subprocess.run(
        [*VOICEWIRE, "call", url, "--wav", str(recording.path), "--json"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    if not lines:
        raise SystemExit(done.returncode)  # The command has said why.
    summary = json.loads(lines[-1])
    question = summary["questions"][0]
    return Measurement(recording, question["transcript"], question["latency_secs"])


@contextmanager
def server() -> Iterator[str]:
    """Serve the embedded bot on a free port, and yield the address."""
    process = subprocess.Popen(
        [*VOICEWIRE, "serve", "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        if "listening on " not in first:
            raise SystemExit(f"the server did not start: {first}")
        yield first.split("listening on ")[1].split()[0]
    finally:
        process.kill()
        process.communicate()


def print_table(measurements: list[Measurement]) -> None:
    print("| Recording | Heard | WER | First audio |")
    print("|---|---|---|---|")
    for each in measurements:
        latency = "none" if each.latency_secs is None else f"{each.latency_secs:.2f} s"
        print(
            f"| `{each.recording.path.name}` | {each.heard} | {each.error_rate:.1%} | {latency} |"
        )
    num_words = [len(normalise(each.recording.transcript)) for each in measurements]
    num_wrong = sum(
        each.error_rate * words for each, words in zip(measurements, num_words, strict=True)
    )
    latencies = [each.latency_secs for each in measurements if each.latency_secs is not None]
    median = f"{statistics.median(latencies):.2f} s" if latencies else "none"
    print(f"| all, {sum(num_words)} words | | {num_wrong / sum(num_words):.1%} | median {median} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folders", nargs="*", type=Path, default=[ROOT / "tests/data/speech"])
    parser.add_argument("--url", help="a server that runs; without it one is started")
    options = parser.parse_args()
    recordings = [each for folder in options.folders for each in recordings_in(folder)]
    if options.url:
        measurements = [measure(options.url, each) for each in recordings]
    else:
        with server() as url:
            measurements = [measure(url, each) for each in recordings]
    print_table(measurements)
    print(f"\n{platform.machine()}, Python {platform.python_version()}, {platform.system()}")


if __name__ == "__main__":
    main()
