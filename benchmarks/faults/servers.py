"""The servers under test, each a process of its own."""

import contextlib
import json
import select
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from benchmarks.side_by_side.machine import SERVER_CORE, pinned
from benchmarks.side_by_side.peers import PIPECAT, ROOT
from benchmarks.side_by_side.processes import OUR_PYTHON, QUIET, START_SECS, STOP_SECS, RunError

Values = dict[str, bool | float | str | None]
"""What a fault did. None is what did not happen."""

SETTLE_SECS = 0.5
"""From its first word until it is called."""


@dataclass(frozen=True, slots=True)
class Side:
    """A server that faults happen to.

    Attributes:
        title: For the report.
        python: Of its environment.
        arguments: The module, and what it is told before the port.
        path: Where callers connect.
        has_many_callers: Whether it is made for more than one at a time.
        has_places: Whether it can be told how many callers it takes.
    """

    title: str
    python: Path
    arguments: tuple[str, ...]
    path: str = "/"
    has_many_callers: bool = True
    has_places: bool = False


SIDES = {
    "voicewire": Side(
        "voicewire", OUR_PYTHON, ("benchmarks.bots.voicewire_faults",), has_places=True
    ),
    "pipecat": Side(
        "Pipecat on FastAPI", PIPECAT.python, ("benchmarks.bots.pipecat_faults", "fastapi"), "/ws"
    ),
    "pipecat-single": Side(
        "Pipecat's own server",
        PIPECAT.python,
        ("benchmarks.bots.pipecat_faults", "single"),
        has_many_callers=False,
    ),
}


@dataclass(slots=True)
class Server:
    """A server that runs.

    Attributes:
        side: What it is.
        port: Where it listens.
        options: What it was told beside the port.
        log: Where its standard error goes.
        process: Itself.
    """

    side: Side
    port: int
    options: tuple[str, ...]
    log: IO[bytes]
    process: "subprocess.Popen[bytes]" = field(init=False)

    @property
    def url(self) -> str:
        """Where callers connect."""
        return f"ws://127.0.0.1:{self.port}{self.side.path}"

    @property
    def memory_mb(self) -> float:
        """Resident memory, megabytes (10^6 bytes)."""
        return float(psutil.Process(self.process.pid).memory_info().rss / 1e6)

    def has_connection_from(self, port: int) -> bool:
        """Return whether it holds a connection whose other end has this port."""
        held = psutil.Process(self.process.pid).net_connections("tcp")
        return any(each.raddr and each.raddr.port == port for each in held)

    def start(self) -> None:
        """Start it, and return when it lets callers in.

        Raises:
            RunError: It did not start.
        """
        with pinned(SERVER_CORE):
            self.process = subprocess.Popen(
                [self.side.python, "-m", *self.side.arguments, str(self.port), *self.options],
                cwd=ROOT, stdout=subprocess.PIPE, stderr=self.log, start_new_session=True,
                env=QUIET | {"LOGURU_LEVEL": "WARNING"},
            )  # fmt: skip
        assert self.process.stdout is not None
        is_readable, _, _ = select.select([self.process.stdout], [], [], START_SECS)
        if not is_readable or "url" not in json.loads(self.process.stdout.readline() or "{}"):
            raise RunError(f"{self.side.title} did not start: {self.logged()[-500:]}")

    def stop(self) -> None:
        """End it, by force if need be."""
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECS)
        self.kill()

    def kill(self) -> None:
        """End it by force, if it has not ended."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def logged(self) -> str:
        """Return what it has written to standard error."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    @property
    def num_tracebacks(self) -> int:
        """How many tracebacks there are in its log."""
        return self.logged().count("Traceback (most recent call last)")


@contextmanager
def serving(side: Side, *options: str) -> Iterator[Server]:
    """Run a server within the block.

    Raises:
        RunError: It did not start.
    """
    with tempfile.TemporaryFile() as log:
        server = Server(side, _free_port(), options, log)
        try:
            server.start()
            time.sleep(SETTLE_SECS)
            yield server
        finally:
            if hasattr(server, "process"):
                server.stop()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
