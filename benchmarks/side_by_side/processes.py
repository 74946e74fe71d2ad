"""Processes of the comparison: servers on one core, what calls them on the other."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from benchmarks.side_by_side.machine import CALLERS_CORE, SERVER_CORE, pinned
from benchmarks.side_by_side.peers import PICOWS, PIPECAT, ROOT

START_SECS = 60.0
"""How long a server may take until it listens."""

SETTLE_SECS = 0.7
"""From its first word until it is called or measured."""

STOP_SECS = 10.0

QUIET = os.environ | {"LOGURU_LEVEL": "ERROR"}
"""For servers: Pipecat's log on the terminal would cost it more than all else."""

OUR_PYTHON = Path(sys.executable)


class RunError(Exception):
    """A measurement did not give a figure; the message says why."""


@dataclass(frozen=True, slots=True)
class Side:
    """A server that can be started.

    Attributes:
        title: For the report.
        python: Of its environment.
        arguments: The module, and what it is told.
    """

    title: str
    python: Path
    arguments: tuple[str, ...]


def _bot(python: Path, module: str, *arguments: str) -> tuple[Path, tuple[str, ...]]:
    return python, (f"benchmarks.bots.{module}", *arguments)


SIDES = {
    "picows": Side("bare echo on picows", *_bot(PICOWS.python, "picows_echo")),
    "listener": Side("bare echo on our listener", *_bot(OUR_PYTHON, "voicewire_listener")),
    "inline": Side("voicewire, inline echo", *_bot(OUR_PYTHON, "voicewire_bots", "inline")),
    "mailbox": Side("voicewire, async echo", *_bot(OUR_PYTHON, "voicewire_bots", "mailbox")),
    "vad": Side("voicewire, async echo, Silero", *_bot(OUR_PYTHON, "voicewire_bots", "vad")),
    "answer": Side("voicewire, answers", *_bot(OUR_PYTHON, "voicewire_bots", "answer")),
    "talker": Side("voicewire, talks", *_bot(OUR_PYTHON, "voicewire_bots", "talker")),
    "pipecat": Side("Pipecat on FastAPI, echo", *_bot(PIPECAT.python, "pipecat_fastapi", "echo")),
    "pipecat-vad": Side(
        "Pipecat on FastAPI, echo, Silero", *_bot(PIPECAT.python, "pipecat_fastapi", "vad")
    ),
    "pipecat-talker": Side(
        "Pipecat on FastAPI, talks", *_bot(PIPECAT.python, "pipecat_fastapi", "talker")
    ),
    "pipecat-single": Side(
        "Pipecat's own WebSocket server, echo", *_bot(PIPECAT.python, "pipecat_single")
    ),
}


@dataclass(frozen=True, slots=True)
class Server:
    """A server that listens.

    Attributes:
        url: Where.
        pid: Its process.
        cpu_secs: What it took to get here, from the start of the process.
        rss_mb: Resident memory when it got here, in megabytes (10^6 bytes).
    """

    url: str
    pid: int
    cpu_secs: float
    rss_mb: float


@contextmanager
def serving(name: str) -> Iterator[Server]:
    """Run one of `SIDES` within the block.

    Raises:
        RunError: It did not start. Why stands on stderr.
    """
    side = SIDES[name]
    with pinned(SERVER_CORE):
        process = subprocess.Popen(
            [side.python, "-m", *side.arguments],
            cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True, env=QUIET,
        )  # fmt: skip
    assert process.stdout is not None
    try:
        ready = _await_ready(name, process.stdout)
        time.sleep(SETTLE_SECS)
        yield Server(ready["url"], process.pid, ready["cpu_secs"], ready["rss_mb"])
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def run_json(
    python: Path, arguments: Sequence[str], *, core: int = CALLERS_CORE, timeout_secs: float
) -> dict[str, Any]:
    """Run `python -m arguments` and return the JSON object that it prints last.

    Raises:
        RunError: It failed, or took longer.
    """
    with _started(python, arguments, core) as process:
        try:
            out, _ = process.communicate(timeout=timeout_secs)
        except subprocess.TimeoutExpired as exc:
            raise RunError(f"{arguments[0]} took more than {timeout_secs:g} s") from exc
    try:
        report = json.loads(out[out.index("{") :])
    except ValueError as exc:
        raise RunError(f"{arguments[0]} ended with {process.returncode} and no figures") from exc
    assert isinstance(report, dict)
    return report


@contextmanager
def _started(
    python: Path, arguments: Sequence[str], core: int
) -> "Iterator[subprocess.Popen[str]]":
    with pinned(core):
        process = subprocess.Popen(
            [python, "-m", *arguments],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            # With what it has started itself; all of them are in the session that began with it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


@contextmanager
def beside(arguments: Sequence[str], *, core: int = CALLERS_CORE) -> Iterator[None]:
    """Run `python -m arguments` of our environment within the block, until the block ends."""
    with _started(OUR_PYTHON, arguments, core) as process:
        yield
        if process.poll() is not None:
            raise RunError(f"{arguments[0]} ended early, with {process.returncode}")


def _await_ready(name: str, stdout: IO[bytes]) -> dict[str, Any]:
    is_readable, _, _ = select.select([stdout], [], [], START_SECS)
    line = stdout.readline() if is_readable else b""
    if not line:
        raise RunError(f"{name} did not start")
    ready = json.loads(line)
    assert isinstance(ready, dict)
    return ready
