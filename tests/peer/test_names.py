"""The names that we stand in for are names that Pipecat has, or had."""

import json
import subprocess
from pathlib import Path

import pytest

from voicewire import frames
from voicewire.compat.pipecat import PIPECAT_VERSION, TABLE

pytestmark = pytest.mark.peer

NAMES = Path(__file__).with_name("names.py")

OF_OLDER_RELEASES = {
    "pipecat.audio.vad.webrtc",
    "pipecat.transports.network.fastapi_websocket",
    "pipecat.transports.network.websocket_server",
    "pipecat.vad.silero",
    "pipecat.vad.vad_analyzer",
}

NAMES_OF_OLDER_RELEASES = {
    "BotInterruptionFrame",
    "ClientDisconnectedFrame",
    "InputTransportMessageUrgentFrame",
    "LLMMessagesFrame",
    "RTVIConfig",
    "StartInterruptionFrame",
    "TransportMessageFrame",
    "TransportMessageUrgentFrame",
}

WITH_FASTAPI = {"pipecat.transports.websocket.fastapi"}
"""The environment has no FastAPI, without which these cannot be imported."""

FRAMES_OF_OUR_OWN = {
    "BotSpeechCutFrame",
    "LLMSpeculationFrame",
    "LifecycleFrame",
    "Message",
    "PlayoutMarkFrame",
    "PlayoutPositionFrame",
    "SpokenSentence",
    "TTSSentenceFrame",
    "WordTime",
    "VADUserStartingFrame",
}

FRAMES_OF_RTVI = {
    "RTVIClientMessageFrame",
    "RTVIServerMessageFrame",
    "RTVIServerResponseFrame",
}
"""There they do not stand among the other frames."""


def test_each_is_a_name_of_this_release_or_known_to_be_older(peer_python: Path) -> None:
    names = [
        [path, name]
        for path, names in TABLE.items()
        if path not in OF_OLDER_RELEASES | WITH_FASTAPI
        for name in ({*names, *frames.__all__} - {"*"} if "*" in names else names)
    ]

    done = subprocess.run(
        [str(peer_python), str(NAMES)],
        input="".join(json.dumps(each) + "\n" for each in names),
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )

    missing = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert {path for path, name in missing if name in FRAMES_OF_RTVI} == {"pipecat.frames.frames"}
    names_missing = {name for _, name in missing}
    assert names_missing == NAMES_OF_OLDER_RELEASES | FRAMES_OF_OUR_OWN | FRAMES_OF_RTVI


def test_the_release_is_the_one_that_we_say(peer_python: Path) -> None:
    program = "from importlib.metadata import version; print(version('pipecat-ai'))"
    done = subprocess.run(
        [str(peer_python), "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == PIPECAT_VERSION
