"""Connections that are reset, at each byte and at each moment of a turn."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.sessions.serving import run_pipeline, voice_server
from tests.soak.reasons import faults_of_counts
from tests.soak.server import look
from tests.soak.stage import reset
from tests.transports.client import Caller, Echo, Recorder, audio_message, eventually
from tests.transports.fakes import ToneVAD, tone
from tests.transports.raw_peer import upgrade
from voicewire import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    Frame,
    FrameDirection,
    InterruptionFrame,
    SessionTransport,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VoiceServer,
)
from voicewire.cli.bench.parser import client_message
from voicewire.sessions.ends import EndReason

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> Any:
    return ("asyncio", {"use_uvloop": True})


SETTLE_SECS = 0.05
"""In which the server reads what has been sent."""

CLOSE = b"\x88\x80abcd"


async def send_and_reset(server: VoiceServer, data: bytes) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(data)
    await asyncio.sleep(SETTLE_SECS)
    reset(writer)
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_a_reset_behind_any_byte_leaves_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    head, audio = upgrade(), client_message(audio_message(tone(0.002)))
    whole = head + audio + audio + CLOSE
    async with voice_server(vad_analyzer=ToneVAD()) as server:
        before = asyncio.all_tasks()
        for first in range(0, len(whole) + 1, 50):
            cuts = range(first, min(first + 50, len(whole) + 1))
            await asyncio.gather(*(send_and_reset(server, whole[:cut]) for cut in cuts))
        await eventually(lambda: not server.sessions and asyncio.all_tasks() <= before)
        await eventually(lambda: not server._listener.num_pending_handshakes)
        counts = server.session_counts
        assert faults_of_counts(look(server)) == []
        assert set(counts.ended) <= {EndReason.CONNECTION_LOST, EndReason.CALLER_LEFT}
        assert counts.started == len(whole) + 1 - len(head)
    assert not [record for record in caplog.records if record.exc_info or record.levelno > 30]


Deed = Callable[[Caller], Awaitable[None]]


async def begin_to_speak(caller: Caller) -> None:
    await caller.speak(tone(0.5))


async def speak_and_pause(caller: Caller) -> None:
    await caller.speak(tone(0.5) + bytes(2 * 16000))


async def speak_twice(caller: Caller) -> None:
    await speak_and_pause(caller)
    await caller.heard(16000)
    await begin_to_speak(caller)


MOMENTS: dict[str, tuple[Deed, type[Frame]]] = {
    "the caller speaks": (begin_to_speak, UserStartedSpeakingFrame),
    "the caller has spoken": (speak_and_pause, UserStoppedSpeakingFrame),
    "the bot begins": (speak_and_pause, BotStartedSpeakingFrame),
    "the caller interrupts": (speak_twice, InterruptionFrame),
    "the bot has spoken": (speak_and_pause, BotStoppedSpeakingFrame),
    "the conversation ends": (speak_and_pause, EndFrame),
}


@pytest.mark.parametrize(("deed", "moment"), MOMENTS.values(), ids=MOMENTS.keys())
async def test_a_reset_at_any_moment_of_a_turn_ends_its_own_session_alone(
    caplog: pytest.LogCaptureFixture, deed: Deed, moment: type[Frame]
) -> None:
    happened = asyncio.Event()

    class Watch(Recorder):
        def process(self, frame: Frame, direction: FrameDirection) -> None:
            super().process(frame, direction)
            if isinstance(frame, moment):
                happened.set()

    async def bot(transport: SessionTransport) -> None:
        is_watched = transport.client.path == "/reset"
        if is_watched and moment is EndFrame:

            @transport.event_handler("on_client_connected")
            async def end(_: SessionTransport, client: object) -> None:
                transport.input().push(EndFrame(), FrameDirection.UPSTREAM)

        await run_pipeline(transport, *([Watch()] if is_watched else []), Echo())

    async with (
        voice_server(bot, vad_analyzer=ToneVAD()) as server,
        Caller(server.url) as neighbour,
    ):
        caller = Caller(f"{server.url}/reset")
        await caller.__aenter__()
        with suppress(ConnectionClosed):
            await deed(caller)
        await asyncio.wait_for(happened.wait(), 10.0)
        caller.socket.transport.abort()
        await eventually(lambda: server.session_counts.ended.total() == 1)
        await caller.__aexit__(None, None, None)
        expected = EndReason.BOT_FINISHED if moment is EndFrame else EndReason.CONNECTION_LOST
        assert list(server.session_counts.ended) == [expected]
        await neighbour.speak(tone(0.1))
        await neighbour.heard(len(tone(0.1)))
    assert not [record for record in caplog.records if record.exc_info]
