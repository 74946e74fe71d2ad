"""Whole calls of real speech by every provider, answered by the embedded bot."""

import asyncio
import re
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conversations.stage import at_microphone
from tests.transports.client import eventually
from voicewire.audio.resample import StreamNormalizer
from voicewire.bots import embedded
from voicewire.services.local.voice import VOICE_SAMPLE_RATE, HibariEngine
from voicewire.services.local.whisper import WHISPER_SAMPLE_RATE, WhisperEngine
from voicewire.sessions import SessionTransport, VoiceServer
from voicewire.testing import (
    AsteriskLine,
    ExotelLine,
    GenesysLine,
    PhoneLine,
    PlivoLine,
    SimulatedPhone,
    TelnyxLine,
    TwilioLine,
    VonageLine,
)

pytestmark = [pytest.mark.local, pytest.mark.timeout(180)]

LINES: tuple[type[Any], ...] = (
    TwilioLine,
    TelnyxLine,
    PlivoLine,
    ExotelLine,
    VonageLine,
    GenesysLine,
    AsteriskLine,
)

AT_ONCE = 4
"""Calls at a time: as many as two cores answer without keeping anybody waiting."""


async def spoken(text: str) -> bytes:
    pcm = b"".join([piece async for piece in HibariEngine.shared().speak(text)])
    return at_microphone(pcm, VOICE_SAMPLE_RATE, 1)


async def heard(phone: SimulatedPhone, begins_at: int = 0) -> str:
    """Return what Whisper hears of what the caller has heard."""
    normalizer = StreamNormalizer(WHISPER_SAMPLE_RATE, 1)
    pcm = bytes(phone.played[begins_at:])
    mono = normalizer.process(pcm, phone.line.sample_rate, 1) + normalizer.flush()
    return (await WhisperEngine.shared().transcribe(mono)).text


@dataclass(frozen=True)
class Script:
    """What a caller says: mono s16le at 16 kHz."""

    question: bytes
    long_question: bytes
    interruption: bytes


async def call(server: VoiceServer, line: PhoneLine, path: str, script: Script) -> None:
    """Hear the greeting, press keys, ask, hear the answer, cut another one off, hang up."""
    async with SimulatedPhone(server.url + path, line) as phone:
        await phone.wait_until_silent()
        assert "voice" in (await heard(phone)).lower()
        greeted = len(phone.played)
        await phone.press("1#")
        asked_at = await phone.say(script.question)
        await phone.wait_until_heard(after=asked_at)
        await phone.wait_until_silent()
        answer = await heard(phone, greeted)
        assert re.search(r"56|fifty.?six", answer.lower()), answer
        asked_at = await phone.say(script.long_question)
        await phone.wait_until_heard(after=asked_at)
        await asyncio.sleep(1.0)
        interrupted_at = phone.now()
        phone.start_saying(script.interruption)
        await eventually(
            lambda: any(order.kind == "clear" for at, order in phone.orders if at > asked_at)
        )
        assert phone.heard_at - interrupted_at < 1.0
        await phone.hang_up()


@pytest.fixture(scope="module")
def outcomes() -> dict[str, BaseException | None]:
    """Make all calls, at their own path and at `/detect`."""

    async def make_all() -> dict[str, BaseException | None]:
        calls = {}

        async def bot(transport: SessionTransport) -> None:
            assert transport.call is not None
            calls[transport.dialect] = transport.call
            await embedded.bot(transport)

        server = VoiceServer(bot, host="127.0.0.1", port=0, params=embedded.transport_params)
        free = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(HibariEngine.shared().ready(), WhisperEngine.shared().ready())
        script = Script(
            await spoken("What is seven times eight?"),
            await spoken("What can you do?"),
            await spoken("Please stop."),
        )

        async def make(line: PhoneLine, *, detected: bool) -> None:
            async with free:
                await call(server, line, "/detect" if detected else line.path, script)
            made = calls[line.path[1:]]
            assert made.provider == line.path[1:]
            assert (made.from_number or "") == line.caller

        async with server:
            ends = await asyncio.gather(
                *(make(each(), detected=at % 2 == 1) for at, each in enumerate(LINES)),
                return_exceptions=True,
            )
        return {each.__name__: end for each, end in zip(LINES, ends, strict=True)}

    return asyncio.run(make_all())


@pytest.mark.parametrize("line", [each.__name__ for each in LINES])
def test_the_embedded_bot_answers_a_call(
    outcomes: dict[str, BaseException | None], line: str
) -> None:
    if (failure := outcomes[line]) is not None:
        raise failure
