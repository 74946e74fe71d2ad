"""The examples, each with a real caller."""

import asyncio
import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.compat.canned import loudest_hz, tone
from tests.compat.conftest import as_pipecat as as_pipecat
from tests.compat.plain_client import (
    MIC_SAMPLE_RATE,
    PlainClient,
    call,
    join_audio,
    load_frame_class,
    read_speech,
)
from tests.conftest import DATA
from tests.transports.client import eventually
from voicewire.testing import SimulatedPhone, TwilioLine

EXAMPLES = Path(__file__).parents[1] / "examples"

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def frame_class(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_frame_class(tmp_path_factory.mktemp("proto"))


@pytest.fixture
def question() -> bytes:
    return read_speech(DATA / "speech/sense_0880.wav")


def transport_messages(client: PlainClient) -> list[Any]:
    return [json.loads(each.message.data) for each in client.messages if each.HasField("message")]


def load_main(name: str) -> Any:
    return runpy.run_path(str(EXAMPLES / name), run_name="example")["main"]


async def test_many_callers_each_hear_their_own_echo(
    frame_class: Any, free_tcp_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    server = asyncio.ensure_future(load_main("many_callers.py")(free_tcp_port))
    url = f"ws://127.0.0.1:{free_tcp_port}"
    async with call(url, frame_class) as low, call(url, frame_class) as high:
        low.say(tone(440, 1.0, MIC_SAMPLE_RATE))
        high.say(tone(880, 1.0, MIC_SAMPLE_RATE))
        await asyncio.sleep(1.5)
    await asyncio.sleep(0.5)
    server.cancel()
    await asyncio.gather(server, return_exceptions=True)

    for client, pitch in ((low, 440), (high, 880)):
        heard = b"".join(message.audio.audio for message in client.messages)
        assert loudest_hz(heard, MIC_SAMPLE_RATE) == pytest.approx(pitch, abs=3)
    assert capsys.readouterr().out.count("has left after") == 2


async def test_echo_plays_back_what_it_hears(frame_class: Any, free_tcp_port: int) -> None:
    bot = asyncio.ensure_future(load_main("echo.py")(free_tcp_port))
    async with call(f"ws://127.0.0.1:{free_tcp_port}", frame_class) as client:
        client.say(tone(440, 1.0, MIC_SAMPLE_RATE))
        await asyncio.sleep(1.5)
    bot.cancel()
    await asyncio.gather(bot, return_exceptions=True)

    heard = [frame.audio for frame in client.messages]
    assert {audio.sample_rate for audio in heard} == {MIC_SAMPLE_RATE}
    pcm = join_audio(heard)
    assert loudest_hz(pcm, MIC_SAMPLE_RATE) == pytest.approx(440, abs=3)
    num_sounding = np.count_nonzero(np.frombuffer(pcm, "<i2"))
    assert num_sounding / MIC_SAMPLE_RATE == pytest.approx(1.0, abs=0.05)


async def test_phone_bot_repeats_what_is_said_and_hangs_up_when_it_is_told_to(
    free_tcp_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    bot = asyncio.ensure_future(load_main("phone_bot.py")(free_tcp_port))
    await eventually(lambda: "waiting for calls" in capsys.readouterr().out)
    url = f"ws://127.0.0.1:{free_tcp_port}/twilio"
    async with SimulatedPhone(url, TwilioLine()) as phone:
        await phone.say(tone(440, 1.0, MIC_SAMPLE_RATE))
        await phone.wait_until_heard()
        assert "twilio: +15550100 calls" in capsys.readouterr().out
        await phone.press("#")
        await eventually(lambda: phone.is_over)
    bot.cancel()
    await asyncio.gather(bot, return_exceptions=True)
    assert loudest_hz(bytes(phone.played), 8000) == pytest.approx(440, abs=3)


async def test_doorbell_rings_when_the_caller_has_spoken_and_ends_the_conversation(
    frame_class: Any, free_tcp_port: int, question: bytes
) -> None:
    bot = asyncio.ensure_future(load_main("doorbell.py")(free_tcp_port, num_rings=1))
    async with call(f"ws://127.0.0.1:{free_tcp_port}", frame_class) as client:
        client.say(question)
        rings = await client.listen()
        async with asyncio.timeout(10):
            await client.websocket.wait_closed()
            await bot

    assert loudest_hz(join_audio(rings), 24000) == pytest.approx(880, abs=3)
    assert transport_messages(client) == [{"rings_left": 0}]
    assert client.websocket.close_code == 1000


@pytest.mark.usefixtures("as_pipecat")
async def test_pipecat_bot_repeats_what_the_caller_has_said(
    frame_class: Any, free_tcp_port: int, question: bytes
) -> None:
    bot = asyncio.ensure_future(load_main("pipecat_bot.py")(free_tcp_port))
    async with call(f"ws://127.0.0.1:{free_tcp_port}", frame_class) as client:
        repeats = []
        for _ in range(2):
            client.say(question)
            repeats.append(await client.listen())
    async with asyncio.timeout(10):
        await bot  # It ends when its caller hangs up.

    spoken = np.frombuffer(question, "<i2").astype(float)
    for repeat in repeats:
        heard = np.frombuffer(join_audio(repeat), "<i2").astype(float)
        match = np.correlate(heard, spoken[16000:24000])
        assert match.max() > 0.9 * np.square(spoken[16000:24000]).sum()
    assert transport_messages(client) == [{"type": "listening"}] * 2
