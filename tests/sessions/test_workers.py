"""Several processes on one port, and one: real programs, told to end by real signals."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from tests.sessions.program import TOKENS
from tests.sessions.serving import echo
from tests.transports.client import audio_message, eventually
from tests.transports.fakes import tone
from voicewire import ConfigurationError, Identity, serve

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]

PATIENCE_SECS = 30.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Program:
    """A server in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.url = ""

    def tell(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> tuple[int | None, str]:
        """Return the exit code and what it had to say of it."""
        _, err = await asyncio.wait_for(self.process.communicate(), PATIENCE_SECS)
        return self.process.returncode, err.decode()


@asynccontextmanager
async def program(**settings: object) -> AsyncIterator[Program]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.sessions.program", json.dumps(settings)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    running = Program(process)
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), PATIENCE_SECS)
        running.url = line.decode().strip()
        yield running
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def call(url: str) -> tuple[ClientConnection, int]:
    """Return a connection and the process that serves it."""
    socket = await connect(url, compression=None, proxy=None)
    pid = await asyncio.wait_for(socket.recv(), PATIENCE_SECS)
    return socket, int(pid)


async def call_until_let_in(url: str) -> tuple[ClientConnection, int]:
    """Call again while all places are taken, or the worker that answers is dying."""
    async with asyncio.timeout(PATIENCE_SECS):
        while True:
            try:
                return await call(url)
            except (InvalidHandshake, OSError, ConnectionClosed):
                await asyncio.sleep(0.02)


async def call_each_worker(url: str, count: int) -> dict[int, ClientConnection]:
    """Return a connection to each of `count` processes; the kernel deals out the callers."""
    sockets: dict[int, ClientConnection] = {}
    async with asyncio.timeout(PATIENCE_SECS):
        while len(sockets) < count:
            socket, pid = await call_until_let_in(url)
            if pid in sockets:
                await socket.close()
            else:
                sockets[pid] = socket
    return sockets


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("workers", [1, 2])
async def test_sigterm_lets_the_bots_finish_and_says_goodbye(workers: int) -> None:
    async with program(workers=workers) as server:
        socket, _ = await call(server.url)
        pcm = tone(0.6)
        await socket.send(audio_message(pcm))
        await socket.recv()
        server.tell(signal.SIGTERM)
        messages = [message async for message in socket]

        assert socket.close_code == 1000
        assert sum(map(len, messages)) > 0.5 * len(pcm)
        assert await server.ended() == (0, "")


@pytest.mark.parametrize("workers", [1, 2])
async def test_sigint_ends_at_once(workers: int) -> None:
    async with program(workers=workers) as server:
        socket, _ = await call(server.url)
        await socket.send(audio_message(tone(20.0)))
        await socket.recv()
        began_at = time.monotonic()
        server.tell(signal.SIGINT)

        assert await server.ended() == (0, "")
        assert time.monotonic() - began_at < 10  # Far from the 20 s that were left to say.


START_ONE = """
import pathlib, signal, tempfile
from voicewire.sessions.limits import Limits
from voicewire.sessions.places import SharedPlaces
from voicewire.sessions.workers import _Seat

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "places"
        SharedPlaces.create(path, Limits())
        worker = _Seat(1)
        worker.start(print, 0, path)
        status = pathlib.Path(f"/proc/{worker.process.pid}/status").read_text()
        worker.process.kill()
        worker.process.join()
    blocked = int(status.split("SigBlk:")[1].split()[0], 16)
    print([number.name for number in signal.Signals if blocked >> (number - 1) & 1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the mask is read from /proc")
def test_the_first_worker_too_is_deaf_to_signals_until_it_can_end_without_a_traceback(
    tmp_path: Path,
) -> None:
    program = tmp_path / "start_one.py"
    program.write_text(START_ONE)
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['SIGINT', 'SIGTERM']"


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_bot_that_cannot_be_cancelled_does_not_keep_the_server(workers: int) -> None:
    async with program(workers=workers, is_stubborn=True) as server:
        await call(server.url)
        server.tell(signal.SIGINT)
        _, err = await server.ended()

        assert "its bot cannot be ended, and is left behind" in err


async def test_a_worker_that_dies_is_replaced_and_the_others_go_on() -> None:
    async with program(workers=2) as server:
        sockets = await call_each_worker(server.url, 2)
        victim, survivor = sockets
        os.kill(victim, signal.SIGKILL)
        replaced = await call_each_worker(server.url, 2)

        assert victim not in replaced
        await sockets[survivor].send(audio_message(tone(0.1)))
        assert await asyncio.wait_for(sockets[survivor].recv(), PATIENCE_SECS)
        for socket in (*sockets.values(), *replaced.values()):
            await socket.close()


async def test_all_workers_together_have_one_limit_and_the_dead_give_their_places_back() -> None:
    async with program(workers=2, max_sessions=3) as server:
        callers = await call_each_worker(server.url, 2)
        third, _ = await call_until_let_in(server.url)
        for _ in range(4):
            with pytest.raises(InvalidStatus) as refused:
                await call(server.url)
            assert refused.value.response.status_code == 503

        os.kill(next(iter(callers)), signal.SIGKILL)
        fourth, _ = await call_until_let_in(server.url)
        for each in (third, fourth, *callers.values()):
            await each.close()


async def test_a_token_that_lets_in_once_does_so_in_whichever_worker() -> None:
    async with program(workers=2, is_guarded=True) as server:
        pids: set[int] = set()
        for _ in range(20):
            token = TOKENS.issue(Identity("ada"))
            sockets = await asyncio.gather(
                *(call(f"{server.url}?token={token}") for _ in range(4)), return_exceptions=True
            )
            let_in = [each for each in sockets if not isinstance(each, BaseException)]
            refused = [each for each in sockets if isinstance(each, InvalidStatus)]
            assert (len(let_in), len(refused)) == (1, 3)
            assert {each.response.status_code for each in refused} == {401}
            for socket, pid in let_in:
                pids.add(pid)
                await socket.close()
        assert len(pids) == 2


async def test_workers_do_not_outlive_their_supervisor() -> None:
    async with program(workers=2) as server:
        sockets = await call_each_worker(server.url, 2)
        server.process.kill()
        await eventually(lambda: not any(map(is_alive, sockets)), PATIENCE_SECS)
        for socket in sockets.values():
            await socket.close()


async def test_workers_that_cannot_start_say_why() -> None:
    async with program(workers=2, fails=True) as server:
        code, err = await server.ended()

    assert code == 1
    assert "cannot start: weights.bin is missing" in err


async def test_two_servers_do_not_share_a_port_by_accident() -> None:
    async with program(workers=2) as server:
        port = int(server.url.rpartition(":")[2])
        async with program(workers=2, port=port) as second:
            code, err = await second.ended()

    assert code == 1
    assert f"port {port} on 127.0.0.1 is already in use" in err


def test_a_bot_that_other_processes_cannot_import_is_told_at_once() -> None:
    async def local(transport: object) -> None: ...

    with pytest.raises(ConfigurationError, match="at the top of a module"):
        serve(local, port=0, workers=2)


def test_no_workers_at_all_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="workers is 0; expected 1 or more"):
        serve(echo, port=0, workers=0)
