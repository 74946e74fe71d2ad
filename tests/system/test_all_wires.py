"""One server answers a browser, a telephone, an OpenAI client and a device at a time."""

import asyncio
import base64
import json
import re
import statistics
import tempfile
from pathlib import Path

import pytest
from openai import AsyncOpenAI
from playwright.sync_api import WebSocket, expect
from websockets.asyncio.client import connect

from tests.browser.chromium import chromium, eared_page
from tests.browser.sounds import words_heard
from tests.conversations.stage import rehearse, speech
from tests.openai_realtime.stage import said
from voicewire.audio.pcm import wav_bytes
from voicewire.bots import embedded
from voicewire.services.local.whisper import WhisperEngine
from voicewire.sessions import VoiceServer
from voicewire.testing import SimulatedPhone, TwilioLine

pytestmark = [pytest.mark.local, pytest.mark.timeout(120)]

QUESTION = "What is seven times eight?"
PACKET_SECS = 0.02


ANSWER = re.compile("56|fifty.?six", re.IGNORECASE)


def assert_answered(text: str) -> None:
    assert ANSWER.search(text), text


async def by_a_browser(url: str) -> None:
    """Talk with Opus, which our own client alone asks for."""
    with tempfile.TemporaryDirectory() as folder:
        await asyncio.to_thread(talk_in_a_browser, url, Path(folder, "microphone.wav"))


def talk_in_a_browser(url: str, microphone: Path) -> None:
    pcm = bytes(32_000 * 7) + speech(QUESTION) + bytes(32_000 * 40)
    microphone.write_bytes(wav_bytes(pcm, 16_000, 1))
    received: list[int] = []
    sent: list[int] = []

    def watch(socket: WebSocket) -> None:
        socket.on("framereceived", lambda message: received.append(len(message)))
        socket.on("framesent", lambda message: sent.append(len(message)))

    with chromium(microphone) as browser, eared_page(browser) as eared:
        page = eared.page
        page.on("websocket", watch)
        page.goto(f"{url.replace('ws://', 'http://')}/?codec=opus")
        page.get_by_role("button", name="Talk").click()
        expect(page.locator("#captions")).to_contain_text(ANSWER, timeout=60_000)
        expect(page.locator("body")).to_have_attribute("data-phase", "yours", timeout=20_000)
        assert_answered(words_heard(eared.heard()))
        assert not [line for line in eared.logs if "error" in line.lower()], eared.logs
    # PCM has 640 bytes in 20 ms at 16 kHz, and 960 at 24 kHz.
    for sizes in (received, sent):
        assert statistics.median(sizes) < 200, (received, sent)


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
        async with server, asyncio.timeout(90.0), asyncio.TaskGroup() as callers:
            for call in (by_a_browser, by_telephone, by_openais_client, by_a_device):
                callers.create_task(call(server.url))

    asyncio.run(call_all())
