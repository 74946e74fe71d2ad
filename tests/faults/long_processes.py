"""Workers that are killed, and servers that stand still."""

import asyncio
import os
import signal

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.faults.programs import served
from tests.faults.server import RATE, SAMPLE_VALUES, counted
from tests.sessions.programs import (
    PATIENCE_SECS,
    call_each_worker,
    call_until_let_in,
    program,
)
from tests.transports.client import Caller, audio_message
from voicewire.serializers.protos import frames_pb2 as proto

pytestmark = pytest.mark.anyio

PACKET_SECS = 0.02
PACKET_BYTES = 640

STANDSTILL_SECS = 1.5

LEAD_SECS = 0.08
MESSAGE_SECS = 0.04


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def speak(say: "ClientConnection | Caller", pcm: bytes) -> None:
    """Send audio in real time."""
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    for number in range(len(pcm) // PACKET_BYTES):
        await asyncio.sleep(began_at + number * PACKET_SECS - loop.time())
        at = number * PACKET_BYTES
        await say.send(audio_message(pcm[at : at + PACKET_BYTES]))


async def hear(socket: ClientConnection, num_bytes: int) -> bytes:
    heard = bytearray()
    async with asyncio.timeout(PATIENCE_SECS):
        while len(heard) < num_bytes:
            message = await socket.recv()
            assert isinstance(message, bytes)
            heard += proto.Frame.FromString(message).audio.audio
    return bytes(heard)


async def test_a_worker_killed_in_mid_sentence_ends_its_own_calls_and_no_other() -> None:
    pcm = counted(1.0)
    async with program(workers=2) as server:
        sockets = await call_each_worker(server.url, 2)
        (victim, cut), (_, spared) = sockets.items()
        hearing = asyncio.ensure_future(hear(spared, len(pcm)))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(speak(spared, pcm))
            await cut.send(audio_message(counted(10.0)))
            await cut.recv()
            os.kill(victim, signal.SIGKILL)
            with pytest.raises(ConnectionClosed):
                await hear(cut, 10 * 2 * RATE)
            again, _ = await call_until_let_in(server.url)
            await again.send(audio_message(pcm[: 10 * PACKET_BYTES]))
            assert await hear(again, 10 * PACKET_BYTES) == pcm[: 10 * PACKET_BYTES]
        assert await hearing == pcm
        for socket in (cut, spared, again):
            await socket.close()


async def stand_still(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(STANDSTILL_SECS)
    finally:
        os.kill(pid, signal.SIGCONT)


def heard_since(caller: Caller, num_before: int, began_at: float) -> list[tuple[float, float]]:
    """Return of each audio message since a standstill: when it came, and what came until then."""
    secs, all_of_it = 0.0, []
    for at, audio in list(zip(caller.arrivals, caller.audio, strict=True))[num_before:]:
        secs += len(audio.audio) / (2 * RATE)
        all_of_it.append((at - began_at, secs))
    return all_of_it


async def test_a_server_that_stood_still_goes_on_with_what_it_was_saying() -> None:
    async with served() as server, Caller(f"{server.url}/say/30") as caller:
        await caller.heard(RATE)
        await stand_still(server.process.pid)
        loop = asyncio.get_running_loop()
        num_before, began_at = len(caller.messages), loop.time() - caller.began_at
        await caller.heard(len(caller.pcm) + 2 * RATE)
        for at_secs, heard_secs in heard_since(caller, num_before, began_at):
            assert heard_secs <= at_secs + LEAD_SECS + 2 * MESSAGE_SECS, "a burst of old audio"
        said = np.frombuffer(caller.pcm, "<i2")
        assert (said == np.arange(len(said)) % SAMPLE_VALUES).all(), "lost, or out of order"


async def test_what_is_said_while_the_server_stands_still_is_heard_once_and_in_order() -> None:
    pcm = counted(STANDSTILL_SECS + 1.0)
    async with served() as server, Caller(server.url) as caller:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(speak(caller, pcm))
            await caller.heard(10 * PACKET_BYTES)
            await stand_still(server.process.pid)
        await caller.heard(len(pcm))
        assert caller.pcm == pcm
