import wave
from pathlib import Path

import numpy as np
import pytest

from voicewire.audio.pcm import parse_wav
from voicewire.cli.call.playback import Piece
from voicewire.cli.call.recorder import ReplyRecorder
from voicewire.cli.call.sound import Sound
from voicewire.cli.console import CommandError


def loud(secs: float, rate: int = 16000, channels: int = 1) -> Sound:
    return Sound(b"\0\x20" * (round(secs * rate) * channels), rate, channels)


def recording(tmp_path: Path, at: float = 0.0) -> ReplyRecorder:
    recorder = ReplyRecorder(tmp_path / "reply.wav")
    recorder.begin(at)
    return recorder


def test_pieces_lie_where_they_were_heard(tmp_path: Path) -> None:
    recorder = recording(tmp_path, at=100.0)
    recorder.add(Piece(100.5, loud(0.25)))
    recorder.add(Piece(100.75, loud(0.25)))
    recorder.add(Piece(102.0, loud(0.5)))
    recorder.close()
    pcm, rate, channels = parse_wav((tmp_path / "reply.wav").read_bytes())
    assert (rate, channels) == (16000, 1)
    is_loud = np.frombuffer(pcm, "<i2") > 0
    changes = np.flatnonzero(np.diff(is_loud.astype(int))) + 1
    assert list(changes / rate) == pytest.approx([0.5, 1.0, 2.0])
    assert len(is_loud) / rate == pytest.approx(2.5)


def test_a_hairs_breadth_between_two_pieces_is_no_pause(tmp_path: Path) -> None:
    recorder = recording(tmp_path)
    recorder.add(Piece(0.0, loud(0.5)))
    recorder.add(Piece(0.5004, loud(0.5)))
    recorder.close()
    pcm, _, _ = parse_wav((tmp_path / "reply.wav").read_bytes())
    assert np.frombuffer(pcm, "<i2").min() > 0


def test_pieces_of_another_format_are_brought_to_the_first_ones(tmp_path: Path) -> None:
    recorder = recording(tmp_path)
    recorder.add(Piece(0.0, loud(1.0)))
    recorder.add(Piece(1.0, loud(1.0, rate=48000, channels=2)))
    recorder.close()
    pcm, rate, channels = parse_wav((tmp_path / "reply.wav").read_bytes())
    assert (rate, channels) == (16000, 1)
    assert len(pcm) / 2 / rate == pytest.approx(2.0, abs=0.001)


def test_a_bot_that_said_nothing_leaves_an_empty_file(tmp_path: Path) -> None:
    recording(tmp_path).close()
    with wave.open(str(tmp_path / "reply.wav")) as file:
        assert file.getnframes() == 0


def test_without_a_call_the_file_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "reply.wav").write_text("an earlier reply")
    ReplyRecorder(tmp_path / "reply.wav").close()
    assert (tmp_path / "reply.wav").read_text() == "an earlier reply"


def test_a_file_that_cannot_be_written_is_told_before_the_call(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be written"):
        ReplyRecorder(tmp_path / "nowhere" / "reply.wav")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk")
def test_a_full_disk_is_told_once_and_nothing_more_is_written() -> None:
    recorder = ReplyRecorder(Path("/dev/full"))
    recorder.begin(0.0)
    with pytest.raises(CommandError, match="/dev/full: cannot be written: no space left on device"):
        recorder.add(Piece(0.0, loud(1.0)))
    recorder.add(Piece(1.0, loud(1.0)))
    recorder.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk")
def test_a_disk_that_is_full_at_the_end_is_told() -> None:
    recorder = ReplyRecorder(Path("/dev/full"))
    recorder.begin(0.0)
    with pytest.raises(CommandError, match="no space left on device"):
        recorder.close()
    recorder.close()
