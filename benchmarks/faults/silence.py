"""Faults of those who do not read, do not answer, or are slow to."""

import asyncio
import time

from benchmarks.bots.numbered import BLOCK_SECS
from benchmarks.faults.callers import Caller, audio_message, say
from benchmarks.faults.children import Talkers
from benchmarks.faults.crowd import is_served
from benchmarks.faults.raw import (
    BINARY,
    CLOSE,
    blocking_socket,
    client_frame,
    dial,
    read_frame,
    upgrade,
)
from benchmarks.faults.servers import Server, Values

LOOK_SECS = 0.1

FAST_SECS = 30.0
"""How long the bot is handed speech."""

FAST_TIMES = 20
"""It is handed so many seconds of speech a second."""

PATIENCE_SECS = 60.0
"""What a server has not noticed by then it has not noticed."""

STALL_SECS = 8.0
MUTE_SECS = 50.0

TIMEOUT_SECS = 3
"""For `session_timeout`."""


async def gone_after_secs(server: Server, port: int) -> float | None:
    """Return how long the server still held the connection from a port; None if it went on."""
    began_at = time.monotonic()
    while server.has_connection_from(port):
        if time.monotonic() - began_at > PATIENCE_SECS:
            return None
        await asyncio.sleep(LOOK_SECS)
    return time.monotonic() - began_at


async def never_reads(server: Server) -> Values:
    """Let the bot talk on, faster than in real time, and read nothing of it."""
    before_mb = most_mb = server.memory_mb
    with blocking_socket(server.url, receive_buffer_bytes=4096) as sock:
        sock.sendall(upgrade(server.url))
        await asyncio.sleep(0.5)
        sock.recv(256)
        wish = say(1, 50, pieces=round(FAST_SECS * FAST_TIMES), every_secs=1 / FAST_TIMES)
        began_at = time.monotonic()
        sock.sendall(client_frame(BINARY, wish))
        noticing = asyncio.create_task(gone_after_secs(server, sock.getsockname()[1]))
        while time.monotonic() - began_at < FAST_SECS:
            await asyncio.sleep(LOOK_SECS)
            most_mb = max(most_mb, server.memory_mb)
        closed_after_secs = await noticing
    async with Caller(server.url) as other:
        is_other_served = await is_served(other, 20_000)
    return {
        "memory_growth_mb": most_mb - before_mb,
        "closed_after_secs": closed_after_secs,
        "next_is_served": is_other_served,
    }


async def half_open(server: Server) -> Values:
    """Stop a caller's process: the connection stays, and nothing answers."""
    async with Talkers(server.url, 1, PATIENCE_SECS) as talkers:
        await asyncio.sleep(1.0)
        port = talkers.port
        talkers.stand_still()
        return {"noticed_after_secs": await gone_after_secs(server, port)}


async def stall(server: Server) -> Values:
    """Stop a caller's process for a while."""
    async with Talkers(server.url, 1, STALL_SECS + 5.0) as talkers:
        await asyncio.sleep(1.0)
        talkers.stand_still()
        await asyncio.sleep(STALL_SECS)
        talkers.go_on()
        report = await talkers.report()
    return {"is_kept": report.num_there == 1}


async def late_pongs(server: Server) -> Values:
    """Speak without a pause and read everything, but answer no ping: as behind a slow link."""
    reader, writer = await dial(server.url)
    writer.write(upgrade(server.url))
    await reader.readuntil(b"\r\n\r\n")
    began_at = time.monotonic()
    closing = asyncio.create_task(_closed_at(reader))
    number = 0
    while not closing.done() and time.monotonic() - began_at < MUTE_SECS:
        writer.write(client_frame(BINARY, audio_message(number, 10)))
        number = (number + 10) % 30_000
        await asyncio.sleep(10 * BLOCK_SECS)
    closing.cancel()
    writer.transport.abort()
    is_kept = not closing.done()
    return {
        "is_kept": is_kept,
        "dropped_after_secs": None if is_kept else closing.result() - began_at,
    }


async def session_timeout(server: Server) -> Values:
    """Speak for longer than `session_timeout`, then be silent for longer."""
    async with Caller(server.url) as caller:
        await caller.connect()
        await caller.speak(1, round((TIMEOUT_SECS + 2) / BLOCK_SECS))
        is_kept = caller.is_there
        await asyncio.sleep(TIMEOUT_SECS + 2)
        return {"is_kept_while_speaking": is_kept, "is_ended_when_silent": not caller.is_there}


async def _closed_at(reader: asyncio.StreamReader) -> float:
    try:
        while (await read_frame(reader))[0] != CLOSE:
            pass
    except (asyncio.IncompleteReadError, OSError):
        pass
    return time.monotonic()
