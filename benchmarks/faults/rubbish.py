"""Faults of what is sent: what cannot be understood, what trickles, and what floods."""

import asyncio
import statistics
import time
from contextlib import suppress

from benchmarks.faults.callers import Caller, audio_message, longest_silence_secs
from benchmarks.faults.children import Talkers
from benchmarks.faults.crowd import is_served
from benchmarks.faults.heartbeat import Heartbeat
from benchmarks.faults.raw import BINARY, client_frame, dial, read_frame, upgrade
from benchmarks.faults.servers import Server, Values
from voicewire.serializers.protos import frames_pb2 as proto

GARBAGE: dict[str, bytes | str] = {
    "undecodable": b"\xff" * 50,
    "text": "hello?",
    "empty": b"",
    "ten_megabytes": bytes(10_000_000),
}

NUM_TRICKLING = 200
TRICKLE_SECS = 1.0
"""How often each of them sends a byte of its handshake."""

TRICKLE_PATIENCE_SECS = 45.0

FLOOD_SECS = 10.0
FLOOD_TIMES = 50
"""The flood is so many times real time."""

FLOOD_STEP_SECS = 0.02
BEFORE_SECS = 5.0


async def garbage(server: Server) -> Values:
    """Send what is no message, one kind after the other, while somebody else talks."""
    values: Values = {}
    tracebacks = server.num_tracebacks
    async with Caller(server.url) as other:
        talking = None
        if server.side.has_many_callers:
            await other.connect()
            talking = asyncio.create_task(other.speak(20_000, 2000))
        for name, message in GARBAGE.items():
            values[f"{name}_leaves"] = await _fate_of_who_sends(server, message)
        values["early_audio_is_answered"] = await _is_early_audio_answered(server)
        if talking is not None:
            talking.cancel()
            values["others_go_on"] = other.is_there
            values["others_silence_ms"] = 1000 * longest_silence_secs(other.arrivals)
    async with Caller(server.url) as following:
        values["next_is_served"] = await is_served(following, 15_000)
    values["tracebacks"] = server.num_tracebacks - tracebacks
    return values


async def _fate_of_who_sends(server: Server, message: bytes | str) -> str:
    async with Caller(server.url) as caller:
        if not await is_served(caller, 1000):
            return "is not let in"
        await caller.send(message)
        if await caller.is_answered(2000):
            return "goes on"
        return "hears nothing more" if caller.is_there else f"closed {caller.close_code}"


async def _is_early_audio_answered(server: Server) -> bool:
    """Return whether audio is echoed that comes with the handshake, before its answer."""
    reader, writer = await dial(server.url)
    writer.write(upgrade(server.url) + client_frame(BINARY, audio_message(3000, 20)))
    heard_bytes = 0
    with suppress(TimeoutError, asyncio.IncompleteReadError, OSError):
        async with asyncio.timeout(3.0):
            await reader.readuntil(b"\r\n\r\n")
            while heard_bytes < len(audio_message(3000, 18)):
                opcode, content = await read_frame(reader)
                if opcode == BINARY:
                    heard_bytes += len(proto.Frame.FromString(content).audio.audio)
    writer.transport.abort()
    return heard_bytes > 0


async def trickle(server: Server) -> Values:
    """Send the bytes of 200 handshakes one a second, and come in meanwhile."""
    began_at = time.monotonic()
    trickling = [asyncio.create_task(_trickle(server.url, began_at)) for _ in range(NUM_TRICKLING)]
    await asyncio.sleep(2.0)
    async with Caller(server.url) as caller:
        is_caller_served = await is_served(caller, 1)
    ends = [secs for secs in await asyncio.gather(*trickling) if secs is not None]
    return {
        "caller_is_served": is_caller_served,
        "cut": len(ends),
        "cut_after_secs": statistics.median(ends) if ends else None,
    }


async def _trickle(url: str, began_at: float) -> float | None:
    """Return when the server had enough of it; None if it never had."""
    reader, writer = await dial(url)
    writer.write(upgrade(url).removesuffix(b"\r\n") + b"X-Trickle: ")
    ended = asyncio.create_task(reader.read())
    try:
        while not ended.done() and time.monotonic() - began_at < TRICKLE_PATIENCE_SECS:
            writer.write(b"a")
            await asyncio.wait((ended,), timeout=TRICKLE_SECS)
        return time.monotonic() - began_at if ended.done() else None
    finally:
        ended.cancel()
        await asyncio.gather(ended, return_exceptions=True)
        writer.transport.abort()


async def flood(server: Server) -> Values:
    """Send audio at 50 times real time, while somebody else talks."""
    if not server.side.has_many_callers:
        return await _flood(server)
    secs = BEFORE_SECS + FLOOD_SECS + 1.0
    async with (
        Heartbeat(pid=server.process.pid) as heartbeat,
        Talkers(server.url, 1, secs) as talkers,
    ):
        await asyncio.sleep(BEFORE_SECS)
        began_at = time.monotonic()
        values = await _flood(server)
        heard = await talkers.report()
    around = heard.around(
        began_at, before_secs=BEFORE_SECS - 1.0, during_secs=FLOOD_SECS, server=heartbeat
    )
    return values | around | {"other_is_there": heard.num_there == 1}


async def _flood(server: Server) -> Values:
    before_mb = most_mb = server.memory_mb
    reader, writer = await dial(server.url)
    writer.write(upgrade(server.url))
    await reader.readuntil(b"\r\n\r\n")
    draining = asyncio.create_task(_drain(reader))
    began_at = time.monotonic()
    num_blocks = 0
    while (now := time.monotonic()) < began_at + FLOOD_SECS and not writer.is_closing():
        due = int((now - began_at) / FLOOD_STEP_SECS * FLOOD_TIMES)
        if writer.transport.get_write_buffer_size() == 0 and num_blocks < due:
            step = min(due - num_blocks, FLOOD_TIMES)
            messages = (audio_message(num_blocks + n) for n in range(step))
            writer.write(b"".join(client_frame(BINARY, each) for each in messages))
            num_blocks += step
        most_mb = max(most_mb, server.memory_mb)
        await asyncio.sleep(FLOOD_STEP_SECS)
    is_closed = writer.is_closing() or draining.done()
    draining.cancel()
    await asyncio.gather(draining, return_exceptions=True)
    writer.transport.abort()
    return {
        "memory_growth_mb": most_mb - before_mb,
        "taken_times_real_time": num_blocks * FLOOD_STEP_SECS / FLOOD_SECS,
        "is_closed": is_closed,
    }


async def _drain(reader: asyncio.StreamReader) -> None:
    while await reader.read(1 << 16):
        pass
