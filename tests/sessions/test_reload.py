"""Workers are renewed, and servers end, without a lost call: real programs and real signals."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection

from tests.sessions.programs import (
    PATIENCE_SECS,
    Program,
    call,
    call_each_worker,
    is_alive,
    program,
)
from tests.transports.client import audio_message, eventually
from tests.transports.fakes import tone

pytestmark = pytest.mark.anyio

LIVE_CALLS = int(os.environ.get("RELOAD_CALLS", "20"))
"""`make reload-test` has 100."""

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def hear_echo(socket: ClientConnection) -> None:
    """Say something, and hear it."""
    await socket.send(audio_message(tone(0.04)))
    assert await asyncio.wait_for(socket.recv(), PATIENCE_SECS)


async def call_all_the_time(url: str, pids: set[int], is_over: asyncio.Event) -> int:
    """Call again and again, each time from a new connection; return how often."""
    count = 0
    while not is_over.is_set():
        socket, pid = await call(url)
        await hear_echo(socket)
        await socket.close()
        pids.add(pid)
        count += 1
    return count


async def knock_all_the_time(url: str, is_over: asyncio.Event) -> int:
    """Come in again and again with a request that takes its time; return how often."""
    port = int(url.rpartition(":")[2])
    count = 0
    while not is_over.is_set():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HANDSHAKE[:40])
        await asyncio.sleep(0.2)
        writer.write(HANDSHAKE[40:])
        status = await asyncio.wait_for(reader.readline(), PATIENCE_SECS)
        assert status.startswith(b"HTTP/1.1 101"), status
        writer.close()
        await writer.wait_closed()
        count += 1
    return count


async def reloaded(server: Program, old: set[int], seen: set[int]) -> None:
    """Tell the workers to be renewed, and return when only new ones answer."""
    server.tell(signal.SIGHUP)
    await eventually(lambda: len(seen - old) >= len(old), PATIENCE_SECS)


async def test_a_reload_loses_no_call_and_refuses_none() -> None:
    async with program(workers=2, max_sessions=LIVE_CALLS + 50) as server:
        for socket in (await call_each_worker(server.url, 2)).values():  # Both have started.
            await socket.close()
        calls = await asyncio.gather(*(call(server.url) for _ in range(LIVE_CALLS)))
        pids = [pid for _, pid in calls]
        old = set(pids)
        assert len(old) == 2
        assert min(map(pids.count, old)) > LIVE_CALLS / 4  # They share their callers.

        seen: set[int] = set()
        is_over = asyncio.Event()
        # Whatever goes wrong with one of these calls is raised here.
        callers = [
            *(asyncio.create_task(call_all_the_time(server.url, seen, is_over)) for _ in range(4)),
            *(asyncio.create_task(knock_all_the_time(server.url, is_over)) for _ in range(8)),
        ]
        await reloaded(server, old, seen)
        is_over.set()
        counts = await asyncio.gather(*callers)
        assert min(counts) > 0

        newcomer, pid = await call(server.url)
        assert pid not in old
        for socket, _ in calls:  # They go on, where they were.
            await hear_echo(socket)
        assert all(map(is_alive, old))
        for socket, _ in calls:
            await socket.close()
        await eventually(lambda: not any(map(is_alive, old)), PATIENCE_SECS)
        await hear_echo(newcomer)
        await newcomer.close()


async def test_calls_go_on_when_successors_cannot_start_and_as_long_as_is_allowed_when_they_do(
    tmp_path: Path,
) -> None:
    fault = tmp_path / "fault"
    async with program(workers=2, fails_if=str(fault), reload_secs=0.2) as server:
        sockets = await call_each_worker(server.url, 2)
        fault.touch()
        server.tell(signal.SIGHUP)
        assert server.process.stderr is not None
        async with asyncio.timeout(PATIENCE_SECS):
            while b"those that are there go on" not in await server.process.stderr.readline():
                pass
        for socket in sockets.values():
            await hear_echo(socket)

        await asyncio.sleep(0.5)
        fault.unlink()
        server.tell(signal.SIGHUP)
        for socket in sockets.values():
            await asyncio.wait_for(socket.wait_closed(), PATIENCE_SECS)
            assert (socket.close_code, socket.close_reason) == (1001, "the server is going away")
        await eventually(lambda: not any(map(is_alive, sockets)), PATIENCE_SECS)
        await hear_echo((await call(server.url))[0])
