"""One server answers a browser's wire, a telephone, an OpenAI client and a device at a time."""

import asyncio
import base64
import json
import re

import pytest
from openai import AsyncOpenAI
from websockets.asyncio.client import connect

from tests.conversations.stage import rehearse, speech
from tests.openai_realtime.stage import said
from voicewire.bots import embedded
from voicewire.services.local.whisper import WhisperEngine
from voicewire.sessions import VoiceServer
from voicewire.testing import SimulatedCaller, SimulatedPhone, TwilioLine

pytestmark = [pytest.mark.local, pytest.mark.timeout(120)]

QUESTION = "What is seven times eight?"
PACKET_SECS = 0.02


def assert_answered(text: str) -> None:
    assert re.search(r"56|fifty.?six", text.lower()), text


async def by_a_browsers_wire(url: str) -> None:
    async with SimulatedCaller(url) as caller:
        greeted = await caller.wait_for("bot-stopped-speaking")
        said_at = await caller.say(speech(QUESTION))
        await caller.wait_for("bot-stopped-speaking", after=said_at)
        assert_answered(caller.said_by_bot(after=greeted.at_secs))


async def by_telephone(url: str) -> None:
    async with SimulatedPhone(f"{url}/twilio", TwilioLine()) as phone:
        await phone.wait_until_silent()
        greeted = len(phone.played)
        said_at = await phone.say(speech(QUESTION))
        await phone.wait_until_heard(after=said_at)
        await phone.wait_until_silent()
        heard = bytes(phone.played[greeted:])
        doubled = b"".join(heard[at : at + 2] * 2 for at in range(0, len(heard), 2))
        assert_answered((await WhisperEngine.shared().transcribe(doubled)).text)


async def by_openais_client(url: str) -> None:
    api = AsyncOpenAI(api_key="none", websocket_base_url=f"{url}/v1")
    async with api.realtime.connect(model="gpt-realtime") as connection:

        async def talk() -> None:
            pcm = said(QUESTION) + bytes(48_000 * 10)
            for at in range(0, len(pcm), 960):
                packet = base64.b64encode(pcm[at : at + 960]).decode()
                await connection.input_audio_buffer.append(audio=packet)
                await asyncio.sleep(PACKET_SECS)

        talking = None
        async for event in connection:
            if event.type == "response.done" and talking is None:  # The greeting.
                talking = asyncio.create_task(talk())
            elif event.type == "response.output_audio_transcript.done" and talking is not None:
                talking.cancel()
                assert_answered(event.transcript)
                return


async def by_a_device(url: str) -> None:
    async with connect(f"{url}/raw") as device:
        audio = {"codec": "pcm", "sample_rate": 16000, "frame_ms": 20}
        hello = {"type": "hello", "audio_in": audio, "audio_out": audio, "events": True}
        await device.send(json.dumps(hello))

        async def talk() -> None:
            pcm = speech(QUESTION) + bytes(32_000 * 10)
            for at in range(0, len(pcm) - 640, 640):
                await device.send(pcm[at : at + 640])
                await asyncio.sleep(PACKET_SECS)

        talking, num_stopped, sentences = None, 0, []
        async for message in device:
            if isinstance(message, bytes):
                assert len(message) == 640
                continue
            event = json.loads(message)
            if event["type"] == "sentence":
                sentences.append(event["text"])
            elif event["type"] == "bot_stopped_speaking":
                num_stopped += 1
                if talking is None:
                    talking = asyncio.create_task(talk())
                else:
                    talking.cancel()
                    break
        assert_answered(sentences[-1])


def test_each_is_answered_in_their_own_wire_at_the_same_time() -> None:
    async def call_all() -> None:
        await rehearse(QUESTION)
        server = VoiceServer(
            embedded.bot, host="127.0.0.1", port=0, params=embedded.transport_params
        )
        async with server, asyncio.timeout(60.0), asyncio.TaskGroup() as callers:
            for call in (by_a_browsers_wire, by_telephone, by_openais_client, by_a_device):
                callers.create_task(call(server.url))

    asyncio.run(call_all())
