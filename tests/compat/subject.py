"""Running a program in a process of its own, as its user would."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Subject:
    """A running program.

    Attributes:
        output: What it has printed, once it has ended.
        exit_code: None while it runs.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.output = ""
        self.exit_code: int | None = None

    def stop(self) -> None:
        """Ask it to end, as a service manager does, and wait."""
        self._process.send_signal(signal.SIGTERM)
        self.output, _ = self._process.communicate(timeout=20)
        self.exit_code = self._process.returncode


@contextlib.contextmanager
def run_program(source: str, directory: Path, *arguments: str) -> Iterator[Subject]:
    """Run the text of a program, which can import `tests`."""
    path = directory / "program.py"
    path.write_text(source)
    process = subprocess.Popen(
        [sys.executable, str(path), *arguments],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    subject = Subject(process)
    try:
        yield subject
    except BaseException:
        process.kill()
        sys.stdout.write(process.communicate()[0])  # Pytest shows it beside the failure.
        raise
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
