"""The client in OpenAI's own Python package talks, interrupts and runs a function."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from tests.conversations.stage import SHORT_STORY, STORY
from tests.openai_realtime.stage import (
    ASK_SHORT_STORY,
    ASK_STORY,
    ASK_WEATHER,
    REALTIME_RATE,
    STOP,
    WEATHER_TOOL,
    realtime_server,
    said,
)
from tests.speech import word_error_rate
from tests.transports.client import eventually
from voicewire.audio.g711 import pcm_to_ulaw, ulaw_to_pcm
from voicewire.audio.pcm import duration_secs
from voicewire.audio.resample import StreamNormalizer
from voicewire.context import LLMContext
from voicewire.services.local.whisper import WHISPER_SAMPLE_RATE, WhisperEngine
from voicewire.sessions import VoiceServer

pytestmark = [pytest.mark.local, pytest.mark.timeout(120)]

PACKET_SECS = 0.02


class Client:
    """A microphone that never pauses, and all that has come."""

    def __init__(self, connection: AsyncRealtimeConnection, rate: int = REALTIME_RATE) -> None:
        self.connection = connection
        self.rate = rate
        self.events: list[Any] = []
        self.audio = bytearray()
        self._to_say = bytearray()

    async def listen(self) -> None:
        async for event in self.connection:
            self.events.append(event)
            if event.type == "response.output_audio.delta":
                self.audio += base64.b64decode(event.delta)

    async def talk(self) -> None:
        size = round(PACKET_SECS * self.rate) * 2
        while True:
            pcm = bytes(self._to_say[:size]).ljust(size, b"\0")
            del self._to_say[:size]
            coded = pcm if self.rate == REALTIME_RATE else pcm_to_ulaw(pcm)
            await self.connection.input_audio_buffer.append(audio=base64.b64encode(coded).decode())
            await asyncio.sleep(PACKET_SECS)

    def say(self, text: str) -> None:
        self._to_say += said(text, self.rate)

    async def wait_for(self, kind: str, *, after: int = 0) -> Any:
        """Return the first event of a kind behind so many others."""
        found: list[Any] = []

        def is_there() -> bool:
            found[:] = [each for each in self.events[after:] if each.type == kind]
            return bool(found)

        await eventually(is_there, 20.0)
        return found[0]

    def kinds(self) -> list[str]:
        """Return the kinds of events in order, each once where it is repeated."""
        kinds = [each.type for each in self.events]
        return [kind for index, kind in enumerate(kinds) if kind != (kinds[index - 1 :] or [""])[0]]


@asynccontextmanager
async def calling(
    server: VoiceServer, rate: int = REALTIME_RATE, **wishes: Any
) -> AsyncIterator[Client]:
    api = AsyncOpenAI(api_key="none", websocket_base_url=f"{server.url}/v1")
    async with api.realtime.connect(model="gpt-realtime") as connection:
        client = Client(connection, rate)
        tasks = [asyncio.create_task(client.listen())]
        if wishes:
            session: Any = {"type": "realtime", **wishes}
            await connection.session.update(session=session)
            await client.wait_for("session.updated")
        tasks.append(asyncio.create_task(client.talk()))
        try:
            yield client
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def heard(pcm: bytes, rate: int) -> str:
    normalizer = StreamNormalizer(WHISPER_SAMPLE_RATE, 1)
    mono = normalizer.process(pcm, rate, 1) + normalizer.flush()
    return (await WhisperEngine.shared().transcribe(mono)).text


async def a_question_is_answered(server: VoiceServer) -> None:
    async with calling(server, instructions="You tell stories.") as client:
        client.say(ASK_SHORT_STORY)
        done = await client.wait_for("response.done")
        assert done.response.status == "completed"
        kinds = [
            kind
            for kind in client.kinds()
            if kind != "conversation.item.input_audio_transcription.delta"
        ]
        assert kinds[2:] == [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "conversation.item.input_audio_transcription.completed",
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added",
            "response.output_audio_transcript.delta",
            "response.output_audio.delta",
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "response.output_item.done",
            "conversation.item.done",
            "response.done",
        ]
        asked = await client.wait_for("conversation.item.input_audio_transcription.completed")
        assert "short story" in asked.transcript.lower()
        said_by_bot = await client.wait_for("response.output_audio_transcript.done")
        assert said_by_bot.transcript.strip() == SHORT_STORY
        assert word_error_rate(SHORT_STORY, await heard(bytes(client.audio), REALTIME_RATE)) <= 0.3


async def an_interruption_is_remembered(server: VoiceServer, contexts: list[LLMContext]) -> None:
    async with calling(server) as client:
        client.say(ASK_STORY)
        item = await client.wait_for("response.output_item.added")
        first = len(client.events)
        await client.wait_for("response.output_audio.delta")
        await asyncio.sleep(1.5)
        client.say(STOP)
        started = await client.wait_for("input_audio_buffer.speech_started", after=first)
        assert started.audio_start_ms > 0
        done = await client.wait_for("response.done", after=first)
        assert (done.response.status, done.response.status_details.reason) == (
            "cancelled",
            "turn_detected",
        )
        await client.connection.conversation.item.truncate(
            item_id=item.item.id, content_index=0, audio_end_ms=1500
        )
        truncated = await client.wait_for("conversation.item.truncated", after=first)
        assert (truncated.item_id, truncated.audio_end_ms) == (item.item.id, 1500)
        await client.wait_for("response.created", after=client.events.index(done))
        (mine,) = (
            each
            for each in contexts
            if "story" in str(each.messages[:1]).lower()
            and "short" not in str(each.messages[:1]).lower()
        )
        told = next(each["content"] for each in mine.messages if each["role"] == "assistant")
        assert STORY.startswith(told)
        assert 2 <= len(told.split()) <= 7


async def a_function_runs_in_the_client(server: VoiceServer) -> None:
    formats = {
        "input": {"format": {"type": "audio/pcmu"}},
        "output": {"format": {"type": "audio/pcmu"}},
    }
    async with calling(server, 8000, tools=[WEATHER_TOOL], audio=formats) as client:
        client.say(ASK_WEATHER)
        asked = await client.wait_for("response.function_call_arguments.done")
        assert (asked.name, json.loads(asked.arguments)) == ("get_weather", {"city": "Paris"})
        done = await client.wait_for("response.done")
        assert [each.type for each in done.response.output] == ["function_call"]
        behind = client.events.index(done)
        await client.connection.conversation.item.create(
            item={"type": "function_call_output", "call_id": asked.call_id, "output": "it rains"}
        )
        await client.connection.response.create()
        answer = await client.wait_for("response.output_audio_transcript.done", after=behind)
        assert answer.transcript.strip() == "The service says: it rains."
        assert not [each for each in client.events if each.type == "error"]
        told = await heard(ulaw_to_pcm(bytes(client.audio)), 8000)
        assert "rain" in told.lower()
        assert 1.0 < duration_secs(2 * len(client.audio), 8000, 1) < 5.0


async def a_button_is_pressed_to_talk(server: VoiceServer) -> None:
    audio = {"input": {"turn_detection": None}}
    async with calling(server, audio=audio) as client:
        pcm = said(ASK_SHORT_STORY)
        await client.connection.input_audio_buffer.append(audio=base64.b64encode(pcm).decode())
        await client.connection.input_audio_buffer.commit()
        await client.connection.response.create()
        done = await client.wait_for("response.done")
        assert done.response.output[0].content[0].transcript.strip() == SHORT_STORY
        kinds = client.kinds()
        assert "input_audio_buffer.speech_started" not in kinds
        assert kinds.count("input_audio_buffer.committed") == 1


async def a_text_is_answered_in_text(server: VoiceServer) -> None:
    async with calling(server, output_modalities=["text"]) as client:
        await client.connection.conversation.item.create(
            item={
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": ASK_SHORT_STORY}],
            }
        )
        await client.connection.response.create()
        answer = await client.wait_for("response.output_text.done")
        assert answer.text.strip() == SHORT_STORY
        await client.wait_for("response.done")
        assert not client.audio


async def mistakes_are_answered(server: VoiceServer) -> None:
    async with calling(server) as client:
        connection = client.connection
        for event, code in (
            ({"type": "session.fly", "event_id": "mine"}, "invalid_value"),
            ({"type": "session.update", "session": {"tools": [{"name": ""}]}}, "invalid_value"),
            ({"type": "conversation.item.retrieve", "item_id": "none"}, "item_not_found"),
            ({"type": "response.cancel"}, "response_cancel_not_active"),
            ({"type": "input_audio_buffer.append"}, "invalid_type"),
            ({"type": "conversation.item.delete", "item_id": "none"}, "item_not_found"),
            (
                {
                    "type": "conversation.item.create",
                    "item": {"type": "function_call_output", "call_id": "x", "output": "y"},
                },
                "invalid_tool_call_id",
            ),
        ):
            before = len(client.events)
            await connection.send_raw(json.dumps(event))
            error = (await client.wait_for("error", after=before)).error
            assert error.code == code
            assert error.event_id == event.get("event_id")
        for nonsense, code in (
            ("no json", "invalid_json"),
            ('{"type":"input_audio_buffer.append","audio":"?"}', "invalid_base64"),
            ('{"type":"input_audio_buffer.append","audio":"AA=="}', "partial_sample"),
        ):
            before = len(client.events)
            await connection.send_raw(nonsense)
            assert (await client.wait_for("error", after=before)).error.code == code
        client.say(ASK_SHORT_STORY)
        assert (await client.wait_for("response.done")).response.status == "completed"


CONVERSATIONS = (
    a_question_is_answered,
    an_interruption_is_remembered,
    a_function_runs_in_the_client,
    a_button_is_pressed_to_talk,
    a_text_is_answered_in_text,
    mistakes_are_answered,
)


@pytest.fixture(scope="module")
def outcomes() -> dict[str, BaseException | None]:
    """Hold all conversations, three at a time."""

    async def hold_all() -> dict[str, BaseException | None]:
        contexts: list[LLMContext] = []
        free = asyncio.Semaphore(3)

        async def hold(conversation: Any, *more: Any) -> None:
            async with free:
                await conversation(server, *more)

        async with realtime_server(contexts) as server:
            ends = await asyncio.gather(
                *(
                    hold(each, *([contexts] if each is an_interruption_is_remembered else []))
                    for each in CONVERSATIONS
                ),
                return_exceptions=True,
            )
        return {each.__name__: end for each, end in zip(CONVERSATIONS, ends, strict=True)}

    return asyncio.run(hold_all())


@pytest.mark.parametrize("name", [each.__name__ for each in CONVERSATIONS])
def test_a_conversation(outcomes: dict[str, BaseException | None], name: str) -> None:
    if (failure := outcomes[name]) is not None:
        raise failure
