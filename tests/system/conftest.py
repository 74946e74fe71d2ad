"""The whole program, as a user starts it: a server and a caller in processes of their own."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command_line import VOICEWIRE, running

PATIENCE_SECS = 90.0


@dataclass
class CallReport:
    """What `voicewire call --json` has told."""

    exit_code: int
    events: list[dict[str, Any]]
    errors: str

    def of(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == name]

    @property
    def summary(self) -> dict[str, Any]:
        return self.of("summary")[0]

    @property
    def questions(self) -> list[dict[str, Any]]:
        questions: list[dict[str, Any]] = self.summary["questions"]
        return questions


@dataclass
class EmbeddedBot:
    """`voicewire serve`, with its models loaded."""

    url: str

    def call(self, *recordings: Path, options: tuple[str, ...] = ()) -> CallReport:
        files = [argument for path in recordings for argument in ("--wav", str(path))]
        done = subprocess.run(
            [*VOICEWIRE, "call", self.url, "--json", *files, *options],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECS,
            check=False,
        )
        events = [json.loads(line) for line in done.stdout.splitlines()]
        return CallReport(done.returncode, events, done.stderr)


@pytest.fixture(scope="session")
def embedded_bot() -> Iterator[EmbeddedBot]:
    """Serve the embedded bot for all tests: loading its models takes some seconds."""
    with running(["--port", "0"]) as server:
        yield EmbeddedBot(server.wait_until_ready())
