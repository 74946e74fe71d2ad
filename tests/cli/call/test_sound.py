import sys
import wave
from pathlib import Path

import pytest

from voicewire.audio.pcm import wav_bytes
from voicewire.cli.call.sound import Sound, load_sound
from voicewire.cli.console import CommandError


def refusal(path: Path) -> tuple[str, int]:
    with pytest.raises(CommandError) as caught:
        load_sound(path)
    assert "\n" not in caught.value.message
    return caught.value.message, caught.value.exit_code


def test_a_wav_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "question.wav"
    path.write_bytes(wav_bytes(b"\1\2\3\4" * 441, 44100, 2))
    assert load_sound(path) == Sound(b"\1\2\3\4" * 441, 44100, 2, "question.wav")


def test_a_wav_of_24_bits_is_decoded(tmp_path: Path) -> None:
    pytest.importorskip("miniaudio")
    path = tmp_path / "studio.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(3)
        file.setframerate(48000)
        file.writeframes(b"\0\1\2" * 480)
    assert load_sound(path) == Sound(b"\1\2" * 480, 48000, 1, "studio.wav")


def test_without_miniaudio_only_pcm_wav_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "miniaudio", None)
    path = tmp_path / "question.flac"
    path.write_bytes(b"fLaC")
    message, exit_code = refusal(path)
    assert 'pip install "voicewire[audio]"' in message
    assert exit_code == 1


def test_a_file_that_does_not_exist_is_told(tmp_path: Path) -> None:
    path = tmp_path / "nothing.wav"
    assert refusal(path) == (f"{path}: cannot be read: no such file or directory", 2)


def test_what_is_not_audio_is_told(tmp_path: Path) -> None:
    pytest.importorskip("miniaudio")
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam")
    assert refusal(path) == (f"{path}: is not audio in a format that is known here", 2)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (wav_bytes(b"", 16000, 1), "holds no audio"),
        (wav_bytes(b"\0\0", 4000, 1), "sample rate 4000 Hz; expected 8000..192000"),
    ],
)
def test_audio_that_no_server_takes_is_told(tmp_path: Path, data: bytes, fault: str) -> None:
    path = tmp_path / "odd.wav"
    path.write_bytes(data)
    assert refusal(path) == (f"{path}: {fault}", 2)


def test_cutting_beyond_the_end_gives_silence() -> None:
    assert Sound(b"\1\1" * 10, 10, 1).cut(0.5, 1.5) == b"\1\1" * 5 + bytes(10)
