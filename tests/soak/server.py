"""The server that is soaked: `python -m tests.soak.server SCALE`, with Silero and a bot of no cost.

Prints a line of JSON when callers may come, one for each line on its stdin, and one at its end.
"""

import asyncio
import ctypes
import gc
import json
import logging
import os
import signal
import sys
from typing import Any

from tests.soak.scale import Scale
from voicewire import (
    BaseTransport,
    ClientConnection,
    EndFrame,
    Limits,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    Pipeline,
    PipelineRunner,
    PipelineTask,
    SessionTransport,
    SileroVADAnalyzer,
    VoiceServer,
    WebsocketServerParams,
)
from voicewire.cli.bench.bots import answer
from voicewire.sessions.serving import run_server
from voicewire.vad.shared import shared_engine
from voicewire.vad.silero import SileroModel

RATE = 16000

DRAIN_SECS = 10.0

GREETING_BYTES = RATE // 5 * 2
"""0.2 s."""

POURED_BYTES = 60_000
NUM_POURED = 50
"""Together more than all buffers on the way hold."""


async def bot(transport: SessionTransport) -> None:
    """Answer what is said; pour out messages at `/pour`, and say goodbye at once at `/brief`."""
    path = transport.client.path
    if path == "/pour":
        await pour(transport)
    elif path == "/brief":
        await be_brief(transport)
    else:
        await answer(transport)


async def pour(transport: BaseTransport) -> None:
    task = PipelineTask(Pipeline([transport.input(), transport.output()]))

    @transport.event_handler("on_client_connected")
    async def send(_: BaseTransport, client: ClientConnection) -> None:
        for _number in range(NUM_POURED):
            await task.queue_frame(OutputTransportMessageFrame("x" * POURED_BYTES))

    await PipelineRunner().run(task)


async def be_brief(transport: BaseTransport) -> None:
    task = PipelineTask(Pipeline([transport.input(), transport.output()]))

    @transport.event_handler("on_client_connected")
    async def leave(_: BaseTransport, client: ClientConnection) -> None:
        await task.queue_frames([OutputAudioRawFrame(bytes(GREETING_BYTES), RATE, 1), EndFrame()])

    await PipelineRunner().run(task)


def look(server: VoiceServer) -> dict[str, Any]:
    """Return what the server knows of itself."""
    counts, stats = server.session_counts, server.stats
    return {
        "url": server.url,
        "started": counts.started,
        "live": counts.live,
        "ended": dict(counts.ended),
        "refused": stats.messages_refused.total(),
        "rests": stats.rests,
        "interruptions": stats.interruptions,
        "blocks": sys.getallocatedblocks(),
        "listeners": shared_engine("silero-16000", lambda: SileroModel(RATE)).num_sessions,
    }


def say(news: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(news) + "\n")
    sys.stdout.flush()


def give_back_free_memory() -> None:
    """Have the C library keep none of what is free, so that memory is what the program holds."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # Of glibc.
    if trim is not None:
        trim(0)


def answer_questions(server: VoiceServer) -> None:
    """Say what there is for each line that comes; on `collect` when garbage has been collected."""
    loop = asyncio.get_running_loop()
    stdin = sys.stdin.fileno()

    def read() -> None:
        asked = os.read(stdin, 1024)
        if not asked:  # Whoever has started this is gone.
            loop.remove_reader(stdin)
            signal.raise_signal(signal.SIGTERM)
        if b"collect" in asked:
            gc.collect()
        give_back_free_memory()
        for _ in range(asked.count(b"\n")):
            say({**look(server), "tasks": len(asyncio.all_tasks())})

    loop.add_reader(stdin, read)
    say({**look(server), "tasks": len(asyncio.all_tasks())})


def main(scale: Scale) -> None:
    logging.basicConfig(level=logging.WARNING)
    server = VoiceServer(
        bot,
        host="127.0.0.1",
        port=0,
        params=WebsocketServerParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            vad_analyzer=SileroVADAnalyzer(),
            audio_in_max_ahead_secs=5.0,
            audio_out_max_lag_secs=scale.lag_secs,
            ping_interval_secs=scale.ping_secs,
            ping_timeout_secs=scale.ping_secs,
            resume_window_secs=scale.resume_secs,
        ),
        limits=Limits(max_sessions=2000, max_session_secs=scale.session_secs),
    )
    run_server(server, DRAIN_SECS, on_ready=lambda _: answer_questions(server))
    say(look(server))


if __name__ == "__main__":
    main(Scale(**json.loads(sys.argv[1])))
