"""What the tests of the telephone wires share."""

import base64
import json
from typing import Any

import numpy as np
import pytest

from voicewire.audio.g711 import alaw_to_pcm, pcm_to_alaw, pcm_to_ulaw, ulaw_to_pcm
from voicewire.errors import FrameDecodeError
from voicewire.frames import InputAudioRawFrame, OutputAudioRawFrame
from voicewire.serializers import FrameSerializer

ULAW = bytes(range(160))
"""20 ms, as a provider sends it."""
ALAW = bytes(range(96, 256))
ULAW_PCM, ALAW_PCM = ulaw_to_pcm(ULAW), alaw_to_pcm(ALAW)

SPEECH = (3000 * np.sin(np.arange(160) / 5)).astype("<i2").tobytes()
"""20 ms at 8 kHz, as the bot speaks it."""
SPEECH_ULAW, SPEECH_ALAW = pcm_to_ulaw(SPEECH), pcm_to_alaw(SPEECH)


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def tell(serializer: FrameSerializer, *messages: Any) -> list[Any]:
    """Hand messages to a serializer: dicts as JSON, others as they are; return what comes."""
    return [
        serializer.deserialize(json.dumps(message) if isinstance(message, dict) else message)
        for message in messages
    ]


def said(message: bytes | str | None) -> Any:
    """Return what a text message says."""
    assert isinstance(message, str)
    return json.loads(message)


def speak(serializer: FrameSerializer, pcm: bytes = SPEECH, rate: int = 8000) -> bytes | str | None:
    return serializer.serialize(OutputAudioRawFrame(pcm, rate, 1))


def assert_heard(frame: Any, pcm: bytes, rate: int = 8000) -> None:
    assert type(frame) is InputAudioRawFrame
    assert (frame.audio, frame.sample_rate, frame.num_channels) == (pcm, rate, 1)


def assert_refused(serializer: FrameSerializer, message: Any, kind: str) -> FrameDecodeError:
    with pytest.raises(FrameDecodeError) as caught:
        tell(serializer, message)
    assert caught.value.kind == kind
    return caught.value


def changed(message: dict[str, Any], *path: str, to: Any) -> dict[str, Any]:
    """Return a copy of a message with another value at a path."""
    copy: dict[str, Any] = json.loads(json.dumps(message))
    inner = copy
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = to
    return copy


def without(message: dict[str, Any], *path: str) -> dict[str, Any]:
    """Return a copy of a message without the field at a path."""
    copy = changed(message, *path, to=None)
    inner = copy
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return copy
