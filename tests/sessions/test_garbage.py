"""What a session leaves: nothing that only the garbage collector would find.

The collector stops everybody, so a server lets it look seldom; what waits for it is memory.
"""

import asyncio
import contextlib
import gc
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.routing import Mount
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.sessions.resuming import ResumingClient
from tests.sessions.serving import voice_server
from tests.transports.client import Caller, Echo, audio_message, eventually
from tests.transports.fakes import tone
from tests.transports.test_asgi import serving
from voicewire import (
    BaseTransport,
    ClientConnection,
    EndFrame,
    Frame,
    FrameDirection,
    FrameProcessor,
    LLMContext,
    LLMContextAggregatorPair,
    LLMMessagesAppendFrame,
    ParallelPipeline,
    Pipeline,
    PipelineRunner,
    PipelineTask,
    SessionTransport,
    SileroVADAnalyzer,
    WebsocketServerParams,
)
from voicewire.sessions.asgi import VoiceApp
from voicewire.testing import SimulatedPhone, TwilioLine

pytestmark = pytest.mark.anyio


class Busy(FrameProcessor):
    """Has a task of its own, and thinks about what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self._is_told: asyncio.Task[None] | None = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if self._is_told is None:
            self._is_told = self.create_task(self._wait())
        await asyncio.sleep(0)
        await self.push_frame(frame, direction)

    async def _wait(self) -> None:
        await asyncio.sleep(60.0)


async def bot(transport: SessionTransport) -> None:
    """Do what users' bots do: have handlers that hold the task, the transport and the context."""
    context = LLMContext()
    pair = LLMContextAggregatorPair(context)
    branches = ParallelPipeline([Busy()], [Echo()])
    steps = [transport.input(), pair.user(), branches, transport.output(), pair.assistant()]
    task = PipelineTask(Pipeline(steps), idle_timeout_secs=60.0)

    @transport.event_handler("on_client_connected")
    async def connected(_: BaseTransport, client: ClientConnection) -> None:
        await task.queue_frame(LLMMessagesAppendFrame([{"role": "user", "content": "hello"}]))
        transport.remember(context)

    @transport.event_handler("on_client_disconnected")
    async def disconnected(_: BaseTransport, client: ClientConnection) -> None:
        await task.cancel()

    @transport.rtvi.event_handler("on_client_message")
    async def asked(rtvi: Any, message: Any) -> None:
        if message.data == "end":
            await task.queue_frame(EndFrame())
        elif message.data == "fail":
            raise RuntimeError("a fault of a handler")
        elif transport.client.path == "/fail":
            raise RuntimeError("another one")

    @task.event_handler("on_pipeline_finished")
    async def finished(_: PipelineTask, frame: Frame) -> None:
        context.add_message({"role": "user", "content": "goodbye"})

    if transport.client.path == "/fail":
        raise RuntimeError("a fault of the bot")
    await PipelineRunner().run(task)


async def talk(url: str) -> None:
    async with Caller(url) as caller:
        await caller.send(audio_message(tone(0.3)))
        await eventually(lambda: caller.pcm)


async def be_reset(url: str) -> None:
    async with Caller(url) as caller:
        await caller.send(audio_message(tone(0.3)))
        await eventually(lambda: caller.pcm)
        caller.socket.transport.abort()


async def be_let_down(url: str) -> None:
    async with Caller(f"{url}/fail") as caller:
        await caller.closed()


async def babble(url: str) -> None:
    async with connect(url, proxy=None) as socket:
        await socket.send(b"\xff\xff")
        await socket.send(b"x" * (2 << 20))
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.recv()


async def lose_and_resume(url: str) -> None:
    async with ResumingClient(url) as client:
        await client.speak(0, 10)
        for _ in range(2):
            client.lose_connection()
            await client.speak(0, 5)
            await client.come_back()
        await client.ask("client-message", {"t": "note", "d": "fail"})
        await client.say_hello()


async def be_told_goodbye(url: str) -> None:
    async with ResumingClient(url) as client:
        await client.ask("client-message", {"t": "note", "d": "end"})
        await eventually(lambda: client.close_code is not None)


async def lose_for_good(url: str) -> None:
    async with ResumingClient(url) as client:
        await client.speak(0, 10)
        client.lose_connection()


async def telephone(url: str) -> None:
    async with SimulatedPhone(url + TwilioLine.path, TwilioLine()) as phone:
        said_at = await phone.say(tone(0.3))
        await phone.wait_until_heard(after=said_at, within_secs=10.0)
        await phone.hang_up()


async def speak_openais_wire(url: str) -> None:
    async with connect(f"{url}/v1/realtime?model=x", proxy=None) as client:
        assert json.loads(await client.recv())["type"] == "session.created"
        await client.send(json.dumps({"type": "response.create"}))
        await client.send(json.dumps({"type": "nonsense"}))
        while json.loads(await client.recv())["type"] != "error":
            pass


CALLERS = (
    talk,
    be_reset,
    be_let_down,
    babble,
    lose_and_resume,
    be_told_goodbye,
    lose_for_good,
    telephone,
    speak_openais_wire,
)


def is_of_a_session(thing: object) -> bool:
    module = type(thing).__module__
    return module.startswith("voicewire.") and not module.startswith("voicewire.testing.")


@contextmanager
def nothing_for_the_collector() -> Iterator[None]:
    """Fail if something of voicewire's is left that only the garbage collector would find."""
    gc.collect()
    gc.disable()
    try:
        yield
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = [each for each in gc.garbage if is_of_a_session(each)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
        gc.collect()
    assert left == []


@pytest.mark.parametrize("call", CALLERS, ids=lambda call: call.__name__)
async def test_a_session_that_is_over_is_gone(call: Callable[[str], Awaitable[None]]) -> None:
    async with voice_server(
        bot, vad_analyzer=SileroVADAnalyzer(), resume_window_secs=0.2
    ) as server:

        async def call_and_settle() -> None:
            await call(server.url)
            await eventually(lambda: not server.sessions)
            await asyncio.sleep(0.05)

        await call_and_settle()  # What is made once, for all, is there by now.
        with nothing_for_the_collector():
            await call_and_settle()


@pytest.mark.parametrize(
    "call", [talk, be_reset, lose_and_resume, lose_for_good], ids=lambda call: call.__name__
)
async def test_nor_does_one_leave_anything_in_an_application(
    call: Callable[[str], Awaitable[None]],
) -> None:
    params = WebsocketServerParams(
        audio_in_enabled=True, audio_out_enabled=True, resume_window_secs=0.2
    )
    app = VoiceApp(bot, params=params)
    async with serving(Mount("/voice", app)) as url:

        async def call_and_settle() -> None:
            await call(f"{url}/voice/ws")
            await eventually(lambda: not app.sessions)
            await asyncio.sleep(0.05)

        await call_and_settle()
        with nothing_for_the_collector():
            await call_and_settle()
