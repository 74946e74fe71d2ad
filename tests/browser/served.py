"""A server in a thread of its own, with bots that answer by heart."""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from voicewire import (
    Frame,
    FrameDirection,
    InlineProcessor,
    InterruptionFrame,
    LLMMessagesFrame,
    LLMService,
    Pipeline,
    PipelineRunner,
    PipelineTask,
    SessionTransport,
    SileroVADAnalyzer,
    TTSAudioRawFrame,
    UserStoppedSpeakingFrame,
    VoiceServer,
    WebsocketServerParams,
)
from voicewire.context import LLMContext
from voicewire.services.local.stt import WhisperSTTService
from voicewire.services.local.tts import HibariTTSService

GREETING = "Hello and welcome. What would you like to know about the sea?"

ANSWER = (
    "The sea covers most of our planet. Many animals live in deep water. "
    "The oldest of them are older than the trees. Sailors have told stories about them for ages. "
    "Some of these stories are true, and others nobody believes any more. "
    "Ships still cross the ocean every day, and they carry nearly everything that we buy."
)


class Reciter(LLMService):
    """Greets, and answers each question with the same words."""

    async def stream_answer(self, context: LLMContext) -> AsyncGenerator[str, None]:
        for word in (ANSWER if context.messages else GREETING).split(" "):
            yield f"{word} "


async def reciter(transport: SessionTransport) -> None:
    """Hears, answers and speaks with the models on this machine, and no language model."""
    task = PipelineTask(
        Pipeline(
            [
                transport.input(),
                WhisperSTTService(),
                Reciter(),
                HibariTTSService(),
                transport.output(),
            ]
        )
    )

    @transport.rtvi.event_handler("on_client_ready")
    async def greet(_: Any) -> None:
        await task.queue_frame(LLMMessagesFrame([]))

    @transport.rtvi.event_handler("on_client_message")
    async def echo(rtvi: Any, message: Any) -> None:
        if message.type == "fail":
            await rtvi.send_error_response(message, "as you wished")
        else:
            await rtvi.send_server_response(message, {"echo": message.data})

    await PipelineRunner().run(task)


HUM_RATE = 24_000
HUM_SECS = 1200.0
ONE_SECOND = (
    (8000 * np.sin(2 * np.pi * 200 * np.arange(HUM_RATE) / HUM_RATE)).astype("<i2").tobytes()
)


class Hum(InlineProcessor):
    """Hums, and begins anew when the caller who interrupted it has finished.

    Attributes:
        interrupted_at: The server's decisions, in seconds of `time.time()`.
    """

    def __init__(self, interrupted_at: list[float]) -> None:
        super().__init__()
        self.interrupted_at = interrupted_at

    def hum(self) -> None:
        for _ in range(round(HUM_SECS)):
            self.push(TTSAudioRawFrame(ONE_SECOND, HUM_RATE, 1))

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, InterruptionFrame):
            self.interrupted_at.append(time.time())
        self.push(frame, direction)
        if isinstance(frame, UserStoppedSpeakingFrame):
            self.hum()


def hummer(interrupted_at: list[float]) -> Callable[[SessionTransport], Any]:
    """Return a bot that hums from the client's hello on, and notes when it is interrupted."""

    async def bot(transport: SessionTransport) -> None:
        hum = Hum(interrupted_at)
        task = PipelineTask(Pipeline([transport.input(), hum, transport.output()]))

        @transport.rtvi.event_handler("on_client_ready")
        async def begin(_: Any) -> None:
            hum.hum()

        await PipelineRunner().run(task)

    return bot


@dataclass(frozen=True)
class Served:
    """A server that runs."""

    url: str

    @property
    def page(self) -> str:
        return self.url.replace("ws://", "http://")


@contextlib.contextmanager
def served(
    bot: Callable[[SessionTransport], Any],
    *,
    host: str = "localhost",
    port: int = 0,
    enter: Callable[[], None] = lambda: None,
    **params: Any,
) -> Iterator[Served]:
    """Serve a bot from a thread.

    Args:
        bot: Called once for each caller.
        host: Where to listen.
        port: Where to listen.
        enter: Called in the thread before anything else.
        params: Of the transport.
    """
    settings: dict[str, Any] = {
        "audio_in_enabled": True,
        "audio_out_enabled": True,
        "audio_out_max_queued_secs": HUM_SECS + 1,
        "vad_analyzer": SileroVADAnalyzer(),
    }
    server_params = WebsocketServerParams(**settings | params)
    running: queue.Queue[tuple[str, Callable[[], object]] | BaseException] = queue.Queue()

    async def run() -> None:
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with VoiceServer(bot, host=host, port=port, params=server_params) as server:
            running.put((server.url, partial(loop.call_soon_threadsafe, over.set)))
            await over.wait()

    def run_thread() -> None:
        try:
            enter()
            asyncio.run(run())
        except BaseException as exc:
            running.put(exc)
            raise

    thread = threading.Thread(target=run_thread, daemon=True)
    thread.start()
    started = running.get(timeout=30)
    if isinstance(started, BaseException):
        raise started
    url, stop = started
    try:
        yield Served(url)
    finally:
        stop()
        thread.join(30)
