"""What waits: its order, its bounds, and what an interruption leaves."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.transports.fakes import RATE, message, tone
from voicewire.audio.pcm import duration_secs
from voicewire.errors import QueueFullError
from voicewire.frames import (
    ControlFrame,
    EndFrame,
    Frame,
    OutputAudioRawFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    UninterruptibleFrame,
)
from voicewire.transports.send_queue import SendQueue


@dataclass(slots=True, eq=False)
class Signature(UninterruptibleFrame, ControlFrame):
    """Something that must arrive."""


def queue(sample_rate: int = RATE, max_audio_secs: float = 10.0, max_frames: int = 10) -> SendQueue:
    return SendQueue(sample_rate, 1, max_audio_secs=max_audio_secs, max_frames=max_frames)


def audio(secs: float, *, sample_rate: int = RATE, context_id: str | None = None) -> Frame:
    return TTSAudioRawFrame(tone(secs, sample_rate=sample_rate), sample_rate, 1, context_id)


def put(queue: SendQueue, *frames: Frame) -> None:
    for frame in frames:
        if isinstance(frame, OutputAudioRawFrame):
            queue.append_audio(frame)
        else:
            queue.append(frame)


def drain(queue: SendQueue) -> list[Frame | float]:
    """Return the frames and the seconds of audio in their order."""
    items: list[Frame | float] = []
    while (head := queue.head) is not None:
        if isinstance(head, Frame):
            items.append(queue.take_frame())
        else:
            items.append(duration_secs(len(queue.take_audio(1 << 30)), queue.sample_rate, 1))
    return items


def test_frames_keep_their_place_between_runs_of_audio() -> None:
    waiting = queue()
    first, second = message("1"), message("2")
    put(waiting, audio(0.02), audio(0.02), first, audio(0.1), second)
    assert len(waiting) == 4
    assert drain(waiting) == [0.04, first, 0.1, second]
    assert waiting.audio_secs == 0.0


def test_chunks_are_taken_up_to_the_end_of_a_run() -> None:
    waiting = queue()
    put(waiting, audio(0.03), message("1"), audio(0.03))
    sizes = [len(waiting.take_audio(640)), len(waiting.take_audio(640))]
    assert sizes == [640, 320]
    assert isinstance(waiting.head, Frame)
    assert waiting.audio_secs == pytest.approx(0.03)


def test_a_run_that_is_never_empty_takes_no_more_room() -> None:
    waiting = queue()
    put(waiting, audio(0.1))
    for _ in range(2000):
        put(waiting, audio(0.02))
        waiting.take_audio(640)
    run = waiting.head
    assert isinstance(run, bytearray)
    assert run.__alloc__() < 20_000


def test_audio_beyond_the_bound_is_refused() -> None:
    waiting = queue(max_audio_secs=0.1)
    put(waiting, audio(0.06), audio(0.06))
    with pytest.raises(QueueFullError, match=r"the output is full \(0.1 seconds of audio\)"):
        put(waiting, audio(0.06))
    assert waiting.audio_secs == pytest.approx(0.12)


def test_frames_beyond_the_bound_are_refused_but_for_those_that_must_arrive() -> None:
    waiting = queue(max_frames=2)
    put(waiting, message("1"), message("2"))
    with pytest.raises(QueueFullError, match="2 frames"):
        put(waiting, message("3"))
    put(waiting, Signature(), EndFrame())
    assert len(waiting) == 4


def test_an_end_arrives_where_audio_has_no_room() -> None:
    waiting = queue(24000, max_audio_secs=0.01)
    put(waiting, audio(0.5), EndFrame())
    assert len(waiting) == 2


def test_it_is_half_empty_when_both_bounds_are_far() -> None:
    waiting = queue(max_audio_secs=1.0, max_frames=4)
    answers = [waiting.is_half_empty]
    put(waiting, audio(0.6))
    answers.append(waiting.is_half_empty)
    waiting.clear()
    put(waiting, message("1"), message("2"))
    answers.append(waiting.is_half_empty)
    assert answers == [True, False, False]


@pytest.mark.parametrize("end", [TTSStoppedFrame(), EndFrame()], ids=lambda end: end.name)
def test_the_end_of_an_utterance_brings_out_the_resamplers_tail(end: Frame) -> None:
    waiting = queue(24000)
    put(waiting, audio(0.1))
    assert waiting.audio_secs < 0.0995
    put(waiting, end)
    assert drain(waiting) == [pytest.approx(0.1), end]


def test_other_frames_do_not_cut_the_resamplers_stream() -> None:
    whole, cut = queue(24000), queue(24000)
    pcm = tone(0.1)
    put(whole, OutputAudioRawFrame(pcm, RATE, 1), EndFrame())
    put(cut, OutputAudioRawFrame(pcm[:1600], RATE, 1), message("1"))
    put(cut, OutputAudioRawFrame(pcm[1600:], RATE, 1), EndFrame())
    first = cut.take_audio(1 << 30)
    cut.take_frame()
    assert first + cut.take_audio(1 << 30) == whole.take_audio(1 << 30)


def test_an_interruption_leaves_what_must_arrive() -> None:
    waiting = queue(24000)
    signature, end = Signature(), EndFrame()
    put(waiting, audio(0.1), signature, message("1"), audio(0.1), end)
    assert waiting.interrupt() == pytest.approx(0.2, abs=0.01)
    assert drain(waiting) == [signature, end]
    assert waiting.audio_secs == 0.0
    assert waiting.take_tail() == b""


def test_what_still_comes_of_an_utterance_that_was_cut_off_is_not_taken() -> None:
    waiting = queue()
    put(waiting, TTSStartedFrame("a"), audio(0.1, context_id="a"))
    waiting.interrupt()
    assert not waiting.append_audio(TTSAudioRawFrame(tone(0.1), RATE, 1, "a"))
    assert drain(waiting) == []
    assert waiting.append_audio(TTSAudioRawFrame(tone(0.1), RATE, 1, "b"))
    assert waiting.append_audio(TTSAudioRawFrame(tone(0.1), RATE, 1))
    assert waiting.append_audio(OutputAudioRawFrame(tone(0.1), RATE, 1))


def test_an_utterance_cut_off_before_its_first_audio_is_not_taken_either() -> None:
    waiting = queue()
    put(waiting, TTSStartedFrame("a"))
    waiting.interrupt()
    waiting.interrupt()
    assert not waiting.append_audio(TTSAudioRawFrame(tone(0.1), RATE, 1, "a"))


def test_a_service_may_use_one_name_for_all_its_utterances() -> None:
    waiting = queue()
    put(waiting, TTSStartedFrame("a"), audio(0.1, context_id="a"))
    waiting.interrupt()
    put(waiting, TTSStartedFrame("a"))
    assert waiting.append_audio(TTSAudioRawFrame(tone(0.1), RATE, 1, "a"))


@pytest.mark.parametrize(
    ("num_bytes", "sample_rate", "num_channels", "words"),
    [
        (641, 16000, 1, "641 bytes; expected a multiple of 2"),
        (642, 16000, 2, "642 bytes; expected a multiple of 4"),
        (640, 0, 1, "sample rate 0 Hz"),
        (640, 16000, 0, "0 channels"),
    ],
)
def test_audio_that_would_become_noise_is_refused(
    num_bytes: int, sample_rate: int, num_channels: int, words: str
) -> None:
    waiting = queue()
    with pytest.raises(ValueError, match=words):
        put(waiting, OutputAudioRawFrame(bytes(num_bytes), sample_rate, num_channels))
    assert waiting.head is None
    assert waiting.take_tail() == b""


@pytest.mark.parametrize("audio", [None, "ab", [1, 2], 640, memoryview(bytes(640)).cast("h")])
def test_audio_that_is_not_bytes_is_refused(audio: Any) -> None:
    waiting = queue()
    with pytest.raises(ValueError, match=f"audio of type {type(audio).__name__}; expected bytes"):
        put(waiting, OutputAudioRawFrame(audio, RATE, 1))
    assert waiting.head is None
    assert waiting.audio_secs == 0.0


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_audio_may_be_anything_that_is_like_bytes(kind: Callable[[bytes], Any]) -> None:
    waiting = queue()
    pcm = tone(0.02)
    put(waiting, OutputAudioRawFrame(kind(pcm), RATE, 1), OutputAudioRawFrame(kind(pcm), RATE, 1))
    assert waiting.take_audio(1 << 30) == pcm + pcm


@pytest.mark.parametrize("what", [None, "text", bytearray(2), EndFrame])
def test_what_is_no_frame_is_refused(what: Any) -> None:
    waiting = queue()
    with pytest.raises(TypeError, match="expected an instance of Frame, got"):
        waiting.append(what)
    assert waiting.head is None
