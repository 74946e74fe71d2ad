"""Servers in processes of their own, and calls to them."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

ROOT = Path(__file__).parents[2]

PATIENCE_SECS = 30.0


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
