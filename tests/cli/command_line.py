"""The command line as its user has it: a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

VOICEWIRE = [sys.executable, "-m", "voicewire"]


@contextmanager
def running(
    arguments: Sequence[str], *, cwd: Path | None = None, variables: Mapping[str, str] | None = None
) -> "Iterator[Server]":
    """Run `voicewire serve`, with these variables in its environment, and leave nothing behind."""
    # Whoever starts the tests in the background has SIGINT ignored, and children inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [*VOICEWIRE, "serve", *arguments],
            cwd=cwd,
            env={**os.environ, **(variables or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        yield Server(process)
    finally:
        process.kill()
        process.communicate()


class Server:
    """A running `voicewire serve`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.lines: list[str] = []
        """What it has printed, on stdout and stderr, as far as it has been read."""

    def wait_for(self, text: str) -> str:
        """Read on until a line holds `text`, and return that line."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))
            if text in line:
                return self.lines[-1]
        raise AssertionError(f"no {text!r} in {self.lines}")

    def wait_until_ready(self) -> str:
        """Return the address."""
        return self.wait_for("listening on ").split("listening on ")[1].split()[0]

    def end(self, number: signal.Signals | None = None, *, within_secs: float = 15.0) -> int:
        """Send a signal, or wait for it to end by itself; return the exit code."""
        if number is not None:
            self._process.send_signal(number)
        rest, _ = self._process.communicate(timeout=within_secs)
        self.lines += rest.splitlines()
        return self._process.returncode
