"""Several processes on one port, and one: real programs, told to end by real signals."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.sessions.program import TOKENS
from tests.sessions.programs import (
    PATIENCE_SECS,
    call,
    call_each_worker,
    call_until_let_in,
    is_alive,
    program,
)
from tests.sessions.serving import echo
from tests.transports.client import audio_message, eventually
from tests.transports.fakes import tone
from voicewire import ConfigurationError, Identity, serve

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("workers", [1, 2])
async def test_sigterm_lets_the_bots_finish_and_says_goodbye(workers: int) -> None:
    async with program(workers=workers) as server:
        socket, _ = await call(server.url)
        pcm = tone(0.6)
        await socket.send(audio_message(pcm))
        await socket.recv()
        server.tell(signal.SIGTERM)
        messages = [message async for message in socket]

        assert (socket.close_code, socket.close_reason) == (1001, "the server is going away")
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


@pytest.mark.parametrize("workers", [1, 2])
async def test_sigint_right_behind_sigterm_ends_at_once(workers: int) -> None:
    async with program(workers=workers) as server:
        socket, _ = await call(server.url)
        await socket.send(audio_message(tone(20.0)))
        await socket.recv()
        server.tell(signal.SIGTERM)
        await asyncio.sleep(0.2)
        began_at = time.monotonic()
        server.tell(signal.SIGINT)

        assert await server.ended() == (0, "")
        assert time.monotonic() - began_at < 8  # Less than a drain takes.


START_ONE = """
import pathlib, signal
from voicewire.sessions.limits import Limits
from voicewire.auth.used_tokens import SharedUsedTokens
from voicewire.sessions.places import SharedPlaces
from voicewire.sessions.seat import WorkerProcess
from voicewire.sessions.worker import Worker

if __name__ == "__main__":
    file, used = SharedPlaces.create(Limits()), SharedUsedTokens.create()
    worker = WorkerProcess(
        print, lambda pipe, channel: Worker(1, 1, [], file, used, pipe, channel, b""), 1
    )
    status = pathlib.Path(f"/proc/{worker.pid}/status").read_text()
    worker.kill()
    worker.bury()
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
    assert done.stdout.strip() == "['SIGHUP', 'SIGINT', 'SIGTERM']"


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
    async with program(workers=2, is_guarded=True) as server, asyncio.timeout(PATIENCE_SECS):
        pids: Counter[int] = Counter()
        while len(pids) < 2 or pids.total() < 20:  # The kernel deals out the callers.
            token = TOKENS.issue(Identity("ada"))
            sockets = await asyncio.gather(
                *(call(f"{server.url}?token={token}") for _ in range(4)), return_exceptions=True
            )
            let_in = [each for each in sockets if not isinstance(each, BaseException)]
            refused = [each for each in sockets if isinstance(each, InvalidStatus)]
            assert (len(let_in), len(refused)) == (1, 3)
            assert {each.response.status_code for each in refused} == {401}
            for socket, pid in let_in:
                pids[pid] += 1
                await socket.close()


def temporary_files() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("voicewire-*"))


async def test_workers_do_not_outlive_their_supervisor_and_nothing_is_left_in_files() -> None:
    before = temporary_files()
    async with program(workers=2) as server:
        sockets = await call_each_worker(server.url, 2)
        server.process.kill()
        await eventually(lambda: not any(map(is_alive, sockets)), PATIENCE_SECS)
        for socket in sockets.values():
            await socket.close()
    assert temporary_files() <= before


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


@pytest.mark.parametrize("name", ["drain_secs", "reload_secs"])
@pytest.mark.parametrize("secs", [-1.0, float("nan"), float("inf"), "10"])
def test_a_time_that_is_none_is_an_error(name: str, secs: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} is .*; expected seconds, from 0"):
        serve(echo, port=0, **{name: secs})
