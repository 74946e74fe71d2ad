"""What systemd does, done to real processes with real sockets."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sessions.programs import PATIENCE_SECS, ROOT, Program, call
from voicewire import ConfigurationError
from voicewire.sessions.systemd import Notifier, inherited_sockets

pytestmark = pytest.mark.anyio

LIKE_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", WATCHDOG_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(PATIENCE_SECS)
        yield sock


async def told(manager: socket.socket, *expected: str) -> None:
    """Return when the manager has been told all of it, whatever else comes."""
    missing = set(expected)
    while missing:
        said = (await asyncio.to_thread(manager.recv, 4096)).decode()
        missing.discard(said.partition("\n")[0])


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_service_serves_on_the_socket_that_was_opened_for_it(
    workers: int, manager: socket.socket
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        url = f"ws://127.0.0.1:{sock.getsockname()[1]}"
        early = asyncio.create_task(call(url))  # It waits in the queue of the socket.
        os.set_inheritable(sock.fileno(), True)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", LIKE_SYSTEMD, str(sock.fileno())),
            *("-m", "tests.sessions.program", json.dumps({"workers": workers})),
            cwd=ROOT,
            env={**os.environ, "NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "200000"},
            pass_fds=(sock.fileno(),),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        server = Program(process)
        try:
            await told(manager, "READY=1", "WATCHDOG=1")
            await told(manager, "WATCHDOG=1")
            caller, _ = await early
            if workers > 1:
                server.tell(signal.SIGHUP)
                await told(manager, "RELOADING=1")
                await told(manager, "READY=1")
            server.tell(signal.SIGTERM)
            await told(manager, "STOPPING=1")
            await caller.wait_closed()
            assert caller.close_code == 1001
            assert await server.ended() == (0, "")
            with socket.create_connection(sock.getsockname(), 5):
                pass  # It would wait for the next server to be started.
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()


def test_sockets_for_another_process_are_left_alone() -> None:
    environ = {"LISTEN_PID": "1", "LISTEN_FDS": "1"}
    assert inherited_sockets(environ) == []
    assert environ == {"LISTEN_PID": "1", "LISTEN_FDS": "1"}


def test_sockets_are_told_of_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "voice"}
        (inherited,) = inherited_sockets(environ, first_fd=os.dup(sock.fileno()))
        with inherited:
            assert inherited.getsockname() == sock.getsockname()
            assert not inherited.get_inheritable()
        assert environ == {}


@pytest.mark.parametrize(
    ("told_fds", "words"), [("x", "LISTEN_FDS is 'x'"), ("1", "descriptor 999 is no socket")]
)
def test_what_is_no_socket_is_an_error(told_fds: str, words: str) -> None:
    environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": told_fds}
    with pytest.raises(ConfigurationError, match=words):
        inherited_sockets(environ, first_fd=999)


def test_an_abstract_socket_is_told_too() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0voicewire-test-{os.getpid()}")
        manager.settimeout(PATIENCE_SECS)
        Notifier(f"@voicewire-test-{os.getpid()}").ready()
        assert manager.recv(100) == b"READY=1"


def test_a_manager_that_is_gone_harms_nobody(tmp_path: Path) -> None:
    Notifier(str(tmp_path / "gone")).ready()


@pytest.mark.parametrize(
    ("environ", "secs"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
    ],
)
def test_the_watchdog_is_told_twice_as_often_as_it_asks(
    environ: dict[str, str], secs: float | None
) -> None:
    assert Notifier.from_environment(environ).alive_every_secs == secs
    assert environ == {}


@pytest.mark.parametrize(
    "environ", [{"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"}, {"NOTIFY_SOCKET": "vsock:2:1"}]
)
def test_nonsense_in_the_environment_is_an_error(environ: dict[str, str]) -> None:
    name = next(iter(environ))
    with pytest.raises(ConfigurationError, match=f"{name} is"):
        Notifier.from_environment(environ)
