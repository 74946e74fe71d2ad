"""All targets, one after the other: `make fuzz`, `make fuzz SECS=600 ARGS="twilio telnyx"`.

What libFuzzer finds stays in `.fuzz/TARGET`: `corpus`, from which the next run goes on, and
`crashes`, of which `python -m fuzz --replay FILE TARGET` shows one. Whoever mends it adds the input
to `fuzz/corpus/TARGET.txt`, which `make test` runs through, and writes a test of what was wrong.
"""

import argparse
import hashlib
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from fuzz.inputs import read_corpus
from fuzz.keep import keep
from fuzz.targets import TARGETS, replay

WORK = Path(".fuzz")
MAX_INPUT_BYTES = 8192
HANG_SECS = 10
MAX_MEMORY_MB = 2048
MAX_CRASHES = 10
"""Of one target in one run: what crashes more often is to be mended first."""

MAX_TOKENS = 500


@dataclass
class Outcome:
    """What came of a target."""

    target: str
    num_executions: int = 0
    secs: float = 0.0
    coverage: int = 0
    num_inputs: int = 0
    num_crashes: int = 0


def fuzz(target: str, secs: float) -> Outcome:
    """Fuzz one target in processes of its own; after a crash, in another."""
    folder = WORK / target
    corpus, crashes = folder / "corpus", folder / "crashes"
    corpus.mkdir(parents=True, exist_ok=True)
    crashes.mkdir(exist_ok=True)
    num_crashes_before = len(list(crashes.iterdir()))
    kept = read_corpus(target)
    for each in kept:
        (corpus / hashlib.sha1(each).hexdigest()).write_bytes(each)  # as libFuzzer names them
    words = folder / "words"
    words.write_text(_dictionary(kept), "ascii")
    outcome = Outcome(target)
    began_at = time.monotonic()
    for _ in range(MAX_CRASHES):
        left_secs = secs - (time.monotonic() - began_at)
        if left_secs < 1:
            break
        _run(target, left_secs, corpus, crashes, words, folder / "log", outcome)
    outcome.secs = time.monotonic() - began_at
    outcome.num_inputs = len(list(corpus.iterdir()))
    outcome.num_crashes = len(list(crashes.iterdir())) - num_crashes_before
    return outcome


def _run(
    target: str, secs: float, corpus: Path, crashes: Path, words: Path, log: Path, outcome: Outcome
) -> None:
    options = {
        "max_total_time": max(1, round(secs)),
        "max_len": MAX_INPUT_BYTES,
        "timeout": HANG_SECS,
        "rss_limit_mb": MAX_MEMORY_MB,
        "dict": words,
        "artifact_prefix": f"{crashes}/",
        "print_final_stats": 1,
    }
    arguments = [f"-{name}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "fuzz.run", target, *arguments, str(corpus)]
    with log.open("w") as output:
        subprocess.run(command, stdout=output, stderr=output, check=False)
    said = log.read_text(errors="replace")
    outcome.num_executions += _last(r"stat::number_of_executed_units: +(\d+)", said)
    outcome.coverage = max(outcome.coverage, _last(r"\bcov: (\d+)", said))
    if "stat::" not in said:
        sys.exit(f"{' '.join(command)}\nhas not run:\n{said[-2000:]}")


def _last(pattern: str, text: str) -> int:
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def _dictionary(inputs: list[bytes]) -> str:
    """Return the words of the inputs, which libFuzzer could hardly guess."""
    words = {word for each in inputs for word in re.findall(rb'"[\w:./-]{1,30}"', each)}
    marks = [b"\xffT", b"\xffB", b"\xffT{", b'":', b"null", b"true", b"-1", b"1e999", b"\\ud800"]
    escaped = ("".join(f"\\x{value:02x}" for value in word) for word in sorted(words)[:MAX_TOKENS])
    return "".join(
        f'"{word}"\n'
        for word in [*("".join(f"\\x{v:02x}" for v in mark) for mark in marks), *escaped]
    )


def _print_table(outcomes: list[Outcome]) -> None:
    print(f"\n{'target':16} {'executions':>12} {'a second':>9} {'coverage':>9} {'crashes':>8}")
    for each in outcomes:
        rate = each.num_executions / max(each.secs, 1e-9)
        print(
            f"{each.target:16} {each.num_executions:12,} {rate:9,.0f} "
            f"{each.coverage:9,} {each.num_crashes:8}"
        )
    print(f"{'together':16} {sum(each.num_executions for each in outcomes):12,}")
    for each in outcomes:
        if each.num_crashes:
            print(f"{each.target}: the inputs that crashed are in {WORK / each.target}/crashes")


def main() -> int:
    """Return 1 if anything has crashed."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--secs", type=float, default=60.0, help="for each target")
    parser.add_argument("--keep", action="store_true", help="add what was found to fuzz/corpus")
    parser.add_argument("--replay", type=Path, help="run this one input, and show what happens")
    arguments = parser.parse_args()
    unknown = set(arguments.targets) - set(TARGETS)
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; expected some of {', '.join(TARGETS)}")
    names = arguments.targets or list(TARGETS)
    if arguments.replay is not None:
        for name in names:
            replay(name, [arguments.replay.read_bytes()])
        return 0
    outcomes = []
    for name in names:
        if arguments.keep:
            found = (path.read_bytes() for path in (WORK / name / "corpus").iterdir())
            print(f"{name}: {keep(name, found)} added", flush=True)
            continue
        print(f"{name} ...", flush=True)
        outcomes.append(fuzz(name, arguments.secs))
    if outcomes:
        _print_table(outcomes)
    return int(any(each.num_crashes for each in outcomes))


if __name__ == "__main__":
    sys.exit(main())
