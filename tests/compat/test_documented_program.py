"""The program of Pipecat's WebSocket server page, word for word, with a real client."""

import io
import re
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.compat.canned import ANSWER_HZ, GREETING_HZ, TONE_SECS, TTS_SAMPLE_RATE, loudest_hz
from tests.compat.plain_client import call, join_audio, load_frame_class, read_speech
from tests.compat.subject import Subject, run_program
from tests.conftest import DATA

DOCUMENTED = (Path(__file__).parent / "programs/documented.txt").read_text()

BEFORE = """
import asyncio
import logging
import sys

import voicewire
voicewire.install_as_pipecat()

from pipecat.frames.frames import LLMMessagesFrame
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineTask
from tests.compat.canned import CannedLLM, CannedSTT, ToneTTS

logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
logger = logging.getLogger("bot")
initial_messages = [{"role": "system", "content": ""}]
stt, llm, tts = CannedSTT(), CannedLLM(), ToneTTS()

"""

AFTER = """

task = PipelineTask(pipeline)
asyncio.run(PipelineRunner().run(task))
"""

STAND_IN = BEFORE + DOCUMENTED + AFTER

OUR_OWN = re.sub(r"from pipecat[.\w]+ import", "from voicewire import", STAND_IN).replace(
    "voicewire.install_as_pipecat()", ""
)

QUESTIONS = ("sense_0880.wav", "sense_0890.wav")

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Only the client runs here: one event loop is enough."""
    return "asyncio"


@pytest.fixture(scope="module")
def frame_class(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_frame_class(tmp_path_factory.mktemp("proto"))


@pytest.fixture(params=[STAND_IN, OUR_OWN], ids=["as pipecat", "as voicewire"])
def bot(request: pytest.FixtureRequest, free_tcp_port: int, tmp_path: Path) -> Iterator[Subject]:
    # Tests that run at the same time cannot share port 8765: the one word that is not as it was.
    source = request.param.replace("port=8765", f"port={free_tcp_port}")
    with run_program(source, tmp_path) as subject:
        yield subject


async def test_it_answers_two_spoken_questions_in_one_call(
    bot: Subject, free_tcp_port: int, frame_class: Any
) -> None:
    async with call(f"ws://127.0.0.1:{free_tcp_port}", frame_class) as client:
        greeting = await client.listen()
        answers = []
        for question in QUESTIONS:
            client.say(read_speech(DATA / "speech" / question))
            answers.append(await client.listen())
        address = client.websocket.local_address
    bot.stop()

    for said, frequency_hz in zip([greeting, *answers], [GREETING_HZ, *ANSWER_HZ], strict=False):
        assert {audio.sample_rate for audio in said} == {TTS_SAMPLE_RATE}
        pcm = join_audio(said)
        assert loudest_hz(pcm, TTS_SAMPLE_RATE) == pytest.approx(frequency_hz, abs=3)
        assert len(pcm) / 2 / TTS_SAMPLE_RATE == pytest.approx(TONE_SECS, abs=0.05)
    assert f"Client connected: {address}" in bot.output
    assert f"Client disconnected: {address}" in bot.output
    assert "Traceback" not in bot.output
    assert bot.exit_code == 0


async def test_each_audio_message_is_a_complete_wav_file(
    bot: Subject, free_tcp_port: int, frame_class: Any
) -> None:
    async with call(f"ws://127.0.0.1:{free_tcp_port}", frame_class, mic=False) as client:
        greeting = await client.listen()

    assert len(greeting) > 5
    for audio in greeting:
        assert int.from_bytes(audio.audio[4:8], "little") == len(audio.audio) - 8
        with wave.open(io.BytesIO(audio.audio)) as file:
            assert file.getframerate() == audio.sample_rate == TTS_SAMPLE_RATE
            assert file.getnchannels() == audio.num_channels == 1
            assert file.getsampwidth() == 2
            assert file.getnframes() * 2 == len(audio.audio) - 44


async def test_a_caller_who_sends_nothing_times_out_while_the_next_one_starts_anew(
    free_tcp_port: int, frame_class: Any, tmp_path: Path
) -> None:
    source = STAND_IN.replace("port=8765", f"port={free_tcp_port}")
    source = source.replace("session_timeout=180", "session_timeout=0.8")
    with run_program(source, tmp_path) as bot:
        addresses = []
        for _ in range(2):
            async with call(f"ws://127.0.0.1:{free_tcp_port}", frame_class, mic=False) as client:
                addresses.append(client.websocket.local_address)
                greeting = await client.listen()
                assert loudest_hz(join_audio(greeting), TTS_SAMPLE_RATE) == pytest.approx(
                    GREETING_HZ, abs=3
                )
        bot.stop()

    for address in addresses:
        assert bot.output.count(f"Session timeout for client: {address}") == 1
