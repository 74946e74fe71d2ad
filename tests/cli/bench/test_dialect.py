import numpy as np
import pytest

from voicewire.audio.pcm import wav_bytes
from voicewire.cli.bench.dialect import Audio, ProtobufDialect
from voicewire.frames import (
    InputAudioRawFrame,
    OutputAudioRawFrame,
    OutputTransportMessageUrgentFrame,
    TextFrame,
)
from voicewire.serializers import ProtobufFrameSerializer

DIALECT = ProtobufDialect()
SERVER = ProtobufFrameSerializer()
PCM = np.arange(320, dtype="<i2").tobytes()


def test_a_server_understands_the_callers_audio() -> None:
    frame = SERVER.deserialize(DIALECT.audio_message(Audio(PCM, 16000, 1)))
    assert isinstance(frame, InputAudioRawFrame)
    assert (frame.audio, frame.sample_rate, frame.num_channels) == (PCM, 16000, 1)


def test_a_servers_audio_is_read() -> None:
    message = SERVER.serialize(OutputAudioRawFrame(PCM, 24000, 1))
    assert message is not None
    assert DIALECT.read(message) == Audio(PCM, 24000, 1)


def test_audio_in_a_wav_file_is_unwrapped() -> None:
    message = SERVER.serialize(OutputAudioRawFrame(wav_bytes(PCM, 8000, 2), 8000, 2))
    assert message is not None
    audio = DIALECT.read(message)
    assert audio == Audio(PCM, 8000, 2)
    assert audio.secs == pytest.approx(0.02)


def test_a_json_message_is_read() -> None:
    message = SERVER.serialize(OutputTransportMessageUrgentFrame({"type": "hello"}))
    assert message is not None
    assert DIALECT.read(message) == {"type": "hello"}


def test_everything_else_is_nothing() -> None:
    text = SERVER.serialize(TextFrame("hello"))
    a_list = SERVER.serialize(OutputTransportMessageUrgentFrame([1]))
    assert text is not None
    assert a_list is not None
    broken_wav = DIALECT.audio_message(Audio(b"RIFF    WAVEjunk", 16000, 1))
    empty = DIALECT.audio_message(Audio(b"", 16000, 1))
    for message in (text, a_list, broken_wav, empty, b"\xff\xff", b"", "text"):
        assert DIALECT.read(message) is None
