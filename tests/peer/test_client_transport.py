"""Pipecat's own Python client talks with our server."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.compat.canned import (
    ANSWER_HZ,
    TONE_SECS,
    TTS_SAMPLE_RATE,
    CannedLLM,
    CannedSTT,
    ToneTTS,
    loudest_hz,
)
from tests.conftest import DATA
from voicewire import (
    Pipeline,
    PipelineRunner,
    PipelineTask,
    SileroVADAnalyzer,
    TranscriptionFrame,
    WebsocketServerParams,
    WebsocketServerTransport,
)
from voicewire.pipeline import BaseObserver, FramePushed

pytestmark = [pytest.mark.anyio, pytest.mark.peer]

CALLER = Path(__file__).with_name("caller.py")

QUESTIONS = ("sense_0880.wav", "LJ050-0131.wav")
"""The second at 22050 Hz, which the peer resamples to its own 16000."""


class Transcripts(BaseObserver):
    """Remembers what the server's speech-to-text heard."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    async def on_push_frame(self, data: FramePushed) -> None:
        if isinstance(data.frame, TranscriptionFrame) and isinstance(data.source, CannedSTT):
            self.texts.append(data.frame.text)


async def run_caller(python: Path, port: int, header: str) -> list[dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        str(python),
        str(CALLER),
        header,
        f"ws://127.0.0.1:{port}",
        *(str(DATA / "speech" / question) for question in QUESTIONS),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            output, log = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, log.decode()
    heard: list[dict[str, Any]] = json.loads(output.splitlines()[-1])
    return heard


@pytest.fixture
def anyio_backend() -> str:
    """One event loop is enough for what the peer does; each call lasts a quarter of a minute."""
    return "asyncio"


@pytest.mark.parametrize("header", ["wav", "raw"])
async def test_it_is_heard_and_hears_the_answer(peer_python: Path, header: str) -> None:
    transport = WebsocketServerTransport(
        host="127.0.0.1",
        port=0,
        params=WebsocketServerParams(
            audio_in_enabled=True, audio_out_enabled=True, vad_analyzer=SileroVADAnalyzer()
        ),
    )
    ready = asyncio.Event()

    @transport.event_handler("on_websocket_ready")
    async def on_websocket_ready(transport: object) -> None:
        ready.set()

    transcripts = Transcripts()
    task = PipelineTask(
        Pipeline([transport.input(), CannedSTT(), CannedLLM(), ToneTTS(), transport.output()]),
        observers=[transcripts],
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(PipelineRunner(handle_sigint=False, handle_sigterm=False).run(task))
        await ready.wait()
        heard = await run_caller(peer_python, transport.port, header)
        await task.cancel()

    assert transcripts.texts == ["Question 0", "Question 1"]
    assert not transport.stats.messages_refused
    assert len(heard) == 2
    for said, frequency_hz in zip(heard, ANSWER_HZ, strict=False):
        pcm = base64.b64decode(said["pcm"])
        assert said["formats"] == [[TTS_SAMPLE_RATE, 1]]
        assert loudest_hz(pcm, TTS_SAMPLE_RATE) == pytest.approx(frequency_hz, abs=3)
        assert len(pcm) / 2 / TTS_SAMPLE_RATE == pytest.approx(TONE_SECS, abs=0.05)
