from pathlib import Path

import pytest
from websockets.frames import Opcode

from voicewire.audio.pcm import wav_bytes
from voicewire.cli.bench.dialect import ProtobufDialect
from voicewire.cli.bench.plan import FRAME_BYTES
from voicewire.cli.bench.speech import cut_frames, load_phrases, stamped, wire_messages
from voicewire.cli.call.sound import Sound
from voicewire.cli.console import CommandError


def test_the_package_has_speech_of_its_own() -> None:
    phrases = load_phrases(None)
    assert [phrase.name for phrase in phrases] == [
        "sense_0870.wav",
        "sense_0880.wav",
        "sense_0890.wav",
    ]
    assert sum(phrase.duration_secs for phrase in phrases) == pytest.approx(15.39, abs=0.01)


def test_recordings_are_brought_to_the_format_of_the_wire(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav_bytes(bytes(4 * 4800), 48000, 2))
    (phrase,) = load_phrases(tmp_path)
    assert (phrase.sample_rate, phrase.num_channels) == (16000, 1)
    assert len(phrase.pcm) == pytest.approx(2 * 1600, abs=8)


def test_a_directory_without_recordings_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no WAV files") as caught:
        load_phrases(tmp_path)
    assert caught.value.exit_code == 2


def test_the_last_frame_is_filled_with_silence() -> None:
    frames = cut_frames([Sound(b"\1\1" * 400, 16000, 1)])
    assert frames == [b"\1\1" * 320, b"\1\1" * 80 + bytes(480)]


def test_more_speech_than_can_be_counted_is_refused() -> None:
    with pytest.raises(CommandError, match="more than 1311 s"):
        cut_frames([Sound(bytes(FRAME_BYTES * 65_537), 16000, 1)])


def test_there_is_one_masked_message_for_each_frame() -> None:
    frames = stamped([bytes(FRAME_BYTES)] * 3)
    messages = wire_messages(frames, ProtobufDialect())
    assert len(set(messages)) == 3
    assert all(message[0] == 0x80 | Opcode.BINARY and message[1] & 0x80 for message in messages)
