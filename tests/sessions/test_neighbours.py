"""What one caller does concerns no other; and nobody leaves anything behind."""

import asyncio
import gc
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from tests.sessions.serving import run_pipeline, voice_server
from tests.transports.client import RATE, Caller, Echo, audio_message, eventually, speech
from tests.transports.raw_peer import upgrade
from voicewire import (
    ClientConnection,
    Limits,
    OutputTransportMessageFrame,
    Pipeline,
    PipelineRunner,
    PipelineTask,
    SessionTransport,
    SileroVADAnalyzer,
    VoiceServer,
)
from voicewire.vad.shared import shared_engine
from voicewire.vad.silero import SileroModel

pytestmark = pytest.mark.anyio

FRAME_SECS = 0.02

FRAME_BYTES = round(FRAME_SECS * RATE) * 2


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


abandoned: list[asyncio.Task[None]] = []
"""Pipelines of bots that have crashed without ending them."""


async def bot(transport: SessionTransport) -> None:
    """Echo; but crash at `/crash`, and send much, quickly, at `/stall`."""
    path = transport.client.path
    if path == "/crash":
        abandoned.append(asyncio.create_task(run_pipeline(transport, Echo())))
        await asyncio.sleep(0.5)
        raise ValueError("a fault of the bot")
    if path == "/stall":
        await send_much(transport)
    else:
        # An echo is always spoken to; interrupted, it would not say every frame.
        await run_pipeline(transport, Echo(), allow_interruptions=False)


async def send_much(transport: SessionTransport) -> None:
    task = PipelineTask(Pipeline([transport.input(), transport.output()]))

    @transport.event_handler("on_client_connected")
    async def send(_: SessionTransport, client: ClientConnection) -> None:
        for _number in range(100):
            await task.queue_frame(OutputTransportMessageFrame("x" * 60_000))

    await PipelineRunner().run(task)


async def speak_in_real_time(caller: Caller, pcm: bytes) -> None:
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    for number, offset in enumerate(range(0, len(pcm), FRAME_BYTES)):
        await asyncio.sleep(began_at + number * FRAME_SECS - loop.time())
        await caller.send(audio_message(pcm[offset : offset + FRAME_BYTES]))


async def flood(caller: Caller) -> None:
    message = audio_message(bytes(FRAME_BYTES))
    try:
        while True:
            await caller.send([message] * 10)
            await asyncio.sleep(0)
    except ConnectionClosed:
        pass


async def stall(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection that nobody reads."""
    host, port = url.removeprefix("ws://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    writer.transport.pause_reading()  # type: ignore[attr-defined]  # a read transport too
    writer.write(upgrade("/stall"))
    return reader, writer


async def test_of_fifty_sessions_one_crashes_one_stalls_one_floods_and_47_get_every_frame() -> None:
    pcm, rate, _ = speech("sense_0880")
    assert rate == RATE
    pcm = pcm[: 100 * FRAME_BYTES]

    async with voice_server(
        bot,
        vad_analyzer=SileroVADAnalyzer(),
        audio_out_max_lag_secs=0.5,
        audio_in_max_ahead_secs=2.0,
    ) as server:
        good = [Caller(server.url) for _ in range(47)]
        for caller in good:
            await caller.__aenter__()
        crasher, flooder = Caller(f"{server.url}/crash"), Caller(f"{server.url}/flood")
        await crasher.__aenter__()
        await flooder.__aenter__()
        _, stalled = await stall(server.url)
        await eventually(lambda: len(server.sessions) == 50)
        flooding = asyncio.create_task(flood(flooder))

        await asyncio.gather(*(speak_in_real_time(caller, pcm) for caller in good))
        for caller in good:
            await caller.heard(len(pcm))
        await eventually(lambda: server.stats.lagging_clients == 1)
        assert [caller.pcm == pcm for caller in good] == [True] * 47
        assert (await crasher.closed())[0] == 1011
        assert server.stats.rests > 0

        flooding.cancel()
        stalled.transport.abort()
        flooder.socket.transport.abort()
        for caller in (*good, crasher, flooder):
            await caller.__aexit__(None, None, None)
        await eventually(lambda: not server.sessions)


async def come_and_go(url: str, number: int, message: bytes) -> None:
    """Connect, say something, and leave in one of the ways in which callers do."""
    caller = Caller(url)
    await caller.__aenter__()
    await caller.send([message] * (number % 5))
    if number % 3 == 0:
        caller.socket.transport.abort()
    await caller.__aexit__(None, None, None)


async def test_a_thousand_callers_come_and_go_and_leave_nothing_behind() -> None:
    pcm, _, _ = speech("sense_0880")
    message = audio_message(pcm[:RATE])
    engine = shared_engine("silero-16000", lambda: SileroModel(16000))

    async with voice_server(vad_analyzer=SileroVADAnalyzer(), limits=Limits()) as server:
        num_tasks = len(asyncio.all_tasks())
        for round_number in range(21):
            if round_number == 1:  # The first fifty have made what is made once.
                before = await files_when_all_is_over(server, num_tasks)
            await asyncio.gather(
                *(come_and_go(server.url, number, message) for number in range(50))
            )
        assert await files_when_all_is_over(server, num_tasks) == before
        assert engine.num_sessions == 0


async def files_when_all_is_over(server: VoiceServer, num_tasks: int) -> int:
    """Return how many files are open when all sessions and their tasks are over and forgotten."""
    await eventually(lambda: not server.sessions)
    await eventually(lambda: not num_transports())
    await eventually(lambda: len(asyncio.all_tasks()) == num_tasks)
    return num_files()


def num_transports() -> int:
    gc.collect()
    return sum(type(each) is SessionTransport for each in gc.get_objects())


def num_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
