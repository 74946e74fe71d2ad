import asyncio

import pytest

from tests.services.rig import Rig, running
from voicewire.frames import (
    ClientDisconnectedFrame,
    ErrorFrame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    MetricsFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from voicewire.pipeline import PipelineParams
from voicewire.services.stt import COMMIT_SECS, MAX_SEGMENT_SECS, PREROLL_SECS, SegmentedSTTService

pytestmark = pytest.mark.anyio


class CountingSTT(SegmentedSTTService):
    """Hears how long the audio is; waits for `may_answer` before it says so."""

    def __init__(self, *, sample_rate: int = 16000, interim_secs: float | None = None) -> None:
        super().__init__(sample_rate=sample_rate, interim_secs=interim_secs, user_id="me")
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.heard: list[bytes] = []

    async def transcribe(self, pcm: bytes) -> str:
        self.heard.append(pcm)
        await self.may_answer.wait()
        return f" {len(pcm) / 2 / self.sample_rate:.2f} "


def audio(secs: float, level: int = 1, sample_rate: int = 16000) -> list[InputAudioRawFrame]:
    num_samples = sample_rate // 50
    pcm = level.to_bytes(2, "little") * num_samples
    return [InputAudioRawFrame(pcm, sample_rate, 1) for _ in range(round(secs * 50))]


async def say(rig: Rig, secs: float, level: int = 1) -> None:
    await rig.send(VADUserStartedSpeakingFrame(), *audio(secs, level))
    await rig.send(VADUserStoppedSpeakingFrame())


async def test_a_stretch_of_speech_becomes_one_transcription() -> None:
    stt = CountingSTT()
    async with running(stt) as rig:
        await say(rig, 1.0)
        (frame,) = await rig.wait_for(TranscriptionFrame)
    assert (frame.text, frame.user_id) == ("1.00", "me")
    assert frame.timestamp


async def test_what_was_said_just_before_speech_was_noticed_is_heard_too() -> None:
    stt = CountingSTT()
    async with running(stt) as rig:
        await rig.send(*audio(10, level=1))
        await say(rig, 0.5, level=2)
        await rig.wait_for(TranscriptionFrame)
    (pcm,) = stt.heard
    assert len(pcm) / 32000 == pytest.approx(PREROLL_SECS + 0.5, abs=0.03)
    assert pcm.endswith(b"\x02\x00")


async def test_a_message_that_holds_a_whole_utterance_is_heard_whole() -> None:
    stt = CountingSTT()
    async with running(stt) as rig:
        await rig.send(InputAudioRawFrame(b"\x01\x00" * 160_000, 16000, 1), *audio(0.5))
        for _ in range(3):  # VAD notices afterwards, and may find several stretches in it.
            await rig.send(VADUserStartedSpeakingFrame(), VADUserStoppedSpeakingFrame())
        await rig.wait_for(TranscriptionFrame)
        await rig.settle()
    assert [len(pcm) / 32000 for pcm in stt.heard] == [10.5]


async def test_messages_of_one_sample_cost_no_more_memory_than_others() -> None:
    stt = CountingSTT()
    async with running(stt) as rig:
        await rig.send(VADUserStartedSpeakingFrame())
        tiny = [InputAudioRawFrame(b"\x01\x00", 16000, 1) for _ in range(3200)]
        await rig.send(*tiny)
        assert len(stt._chunks) == 10
        await rig.send(VADUserStoppedSpeakingFrame())
        (frame,) = await rig.wait_for(TranscriptionFrame)
    assert frame.text == "0.20"


async def test_the_next_stretch_begins_where_the_last_one_ended() -> None:
    stt = CountingSTT()
    async with running(stt) as rig:
        await say(rig, 1.0, level=1)
        await say(rig, 0.5, level=2)
        await rig.wait_for(TranscriptionFrame, 2)
    assert stt.heard[1] == b"\x02\x00" * 8000


async def test_audio_at_another_rate_is_brought_to_the_model() -> None:
    stt = CountingSTT(sample_rate=8000)
    async with running(stt) as rig:
        await say(rig, 1.0)
        (frame,) = await rig.wait_for(TranscriptionFrame)
    assert frame.text == "1.00"


async def test_microphone_audio_does_not_wait_for_the_model() -> None:
    stt = CountingSTT()
    stt.may_answer.clear()
    async with running(stt) as rig:
        await say(rig, 1.0)
        await rig.send(*audio(0.2))
        assert len(rig.all_of(InputAudioRawFrame)) == 60
        assert len(rig.all_of(VADUserStoppedSpeakingFrame)) == 1
        stt.may_answer.set()
        await rig.wait_for(TranscriptionFrame)


async def test_an_interruption_loses_no_words() -> None:
    stt = CountingSTT()
    stt.may_answer.clear()
    async with running(stt) as rig:
        await say(rig, 1.0)
        await rig.settle()
        await rig.send(InterruptionFrame())
        stt.may_answer.set()
        await rig.wait_for(TranscriptionFrame)


async def test_words_of_a_caller_who_left_are_dropped() -> None:
    stt = CountingSTT()
    stt.may_answer.clear()
    async with running(stt) as rig:
        await say(rig, 1.0)
        await rig.settle()
        await say(rig, 1.0)
        await rig.send(*audio(0.5, level=7))
        await rig.send(ClientDisconnectedFrame())
        stt.may_answer.set()
        await rig.settle()
        await say(rig, 0.2, level=2)
        (frame,) = await rig.wait_for(TranscriptionFrame)
    assert frame.text == "0.20"
    assert stt.heard[-1] == b"\x02\x00" * 3200


async def test_the_stretch_so_far_is_transcribed_while_the_caller_speaks() -> None:
    stt = CountingSTT(interim_secs=1.0)
    async with running(stt) as rig:
        await rig.send(VADUserStartedSpeakingFrame())
        for count in (1, 2):
            await rig.send(*audio(1.0))
            await rig.wait_for(InterimTranscriptionFrame, count)
        await rig.send(VADUserStoppedSpeakingFrame())
        await rig.wait_for(TranscriptionFrame)
        assert [f.text for f in rig.all_of(InterimTranscriptionFrame)] == ["1.00", "2.00"]
        assert [f.text for f in rig.all_of(TranscriptionFrame)] == ["2.00"]


async def test_a_slow_model_gets_one_interim_stretch_at_a_time() -> None:
    stt = CountingSTT(interim_secs=0.1)
    stt.may_answer.clear()
    async with running(stt) as rig:
        await rig.send(VADUserStartedSpeakingFrame(), *audio(3.0))
        await rig.settle()
        assert len(stt.heard) == 1
        await rig.send(VADUserStoppedSpeakingFrame())
        stt.may_answer.set()
        await rig.wait_for(TranscriptionFrame)
        assert rig.all_of(InterimTranscriptionFrame) == []
    assert len(stt.heard) == 2


async def test_speech_without_end_is_transcribed_piece_by_piece() -> None:
    stt = CountingSTT()
    async with running(stt) as rig:
        await rig.send(VADUserStartedSpeakingFrame())
        await rig.send(*audio(MAX_SEGMENT_SECS * 2 + 5))
        await rig.send(VADUserStoppedSpeakingFrame())
        await rig.wait_for(TranscriptionFrame, 3)
    assert sum(map(len, stt.heard)) / 32000 == pytest.approx(MAX_SEGMENT_SECS * 2 + 5)


async def test_metrics_are_pushed_where_they_are_wanted() -> None:
    async with running(CountingSTT(), params=PipelineParams(enable_metrics=True)) as rig:
        await say(rig, 0.5)
        (frame,) = await rig.wait_for(MetricsFrame)
    assert frame.data[0].name == "ttfb_secs"


async def speak(rig: Rig, secs: float) -> None:
    """Speak within a turn that somebody else ends."""
    await rig.send(VADUserStartedSpeakingFrame(), UserStartedSpeakingFrame(), *audio(secs))
    await rig.send(VADUserStoppedSpeakingFrame())


async def test_at_a_pause_the_turn_is_transcribed_and_at_its_end_the_text_is_there() -> None:
    stt = CountingSTT()
    async with running(stt) as rig:
        await speak(rig, 1.0)
        (interim,) = await rig.wait_for(InterimTranscriptionFrame)
        assert interim.text == "1.00"
        assert rig.all_of(TranscriptionFrame) == []
        await rig.send(*audio(0.3), UserStoppedSpeakingFrame())
        (final,) = await rig.wait_for(TranscriptionFrame)
    assert final.text == "1.00"
    assert len(stt.heard) == 1, "it is not transcribed again"


async def test_a_turn_that_ends_before_its_text_is_there_gets_it_later() -> None:
    stt = CountingSTT()
    stt.may_answer.clear()
    async with running(stt) as rig:
        await speak(rig, 1.0)
        await rig.send(UserStoppedSpeakingFrame())
        await rig.settle()
        stt.may_answer.set()
        (final,) = await rig.wait_for(TranscriptionFrame)
        await rig.settle()
    assert final.text == "1.00"
    assert rig.all_of(InterimTranscriptionFrame) == []


async def test_who_goes_on_after_a_pause_is_heard_as_a_whole() -> None:
    stt = CountingSTT()
    async with running(stt) as rig:
        await speak(rig, 1.0)
        await rig.wait_for(InterimTranscriptionFrame)
        await rig.send(*audio(0.4))
        await speak(rig, 0.5)
        await rig.send(UserStoppedSpeakingFrame())
        (final,) = await rig.wait_for(TranscriptionFrame)
    assert final.text == "1.90", "both stretches, and the pause between them"


async def test_a_long_pause_within_a_turn_is_shortened() -> None:
    stt = CountingSTT()
    async with running(stt) as rig:
        await speak(rig, 1.0)
        await rig.send(*audio(30))
        await speak(rig, 0.5)
        await rig.send(UserStoppedSpeakingFrame())
        (final,) = await rig.wait_for(TranscriptionFrame)
    assert float(final.text) == pytest.approx(1.5 + PREROLL_SECS, abs=0.03)


async def test_of_a_long_turn_what_was_said_up_to_a_pause_is_settled() -> None:
    stt = CountingSTT()
    async with running(stt) as rig:
        await speak(rig, COMMIT_SECS + 1.0)
        (settled,) = await rig.wait_for(TranscriptionFrame)
        await speak(rig, 0.5)
        await rig.send(UserStoppedSpeakingFrame())
        frames = await rig.wait_for(TranscriptionFrame, 2)
    assert settled.text == f"{COMMIT_SECS + 1.0:.2f}"
    assert frames[1].text == "0.50"


async def test_what_is_said_as_the_turn_ends_is_kept_for_the_next_one() -> None:
    stt = CountingSTT()
    async with running(stt) as rig:
        await speak(rig, 1.0)
        await rig.send(*audio(0.2), UserStoppedSpeakingFrame(), *audio(0.1))
        await rig.send(VADUserStartedSpeakingFrame(), *audio(0.5), VADUserStoppedSpeakingFrame())
        frames = await rig.wait_for(TranscriptionFrame, 2)
    assert frames[1].text == "0.80"


async def test_a_turn_that_is_ended_in_mid_speech_is_transcribed_up_to_there() -> None:
    stt = CountingSTT()
    async with running(stt) as rig:
        await rig.send(VADUserStartedSpeakingFrame(), UserStartedSpeakingFrame(), *audio(0.7))
        await rig.send(UserStoppedSpeakingFrame())
        (final,) = await rig.wait_for(TranscriptionFrame)
    assert final.text == "0.70"


async def test_a_model_that_hangs_is_given_up_and_the_next_words_are_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("voicewire.services.stt.TRANSCRIBE_SECS", 0.05)
    stt, errors = CountingSTT(), list[str]()
    stt.may_answer.clear()
    async with running(stt) as rig:

        @rig.task.event_handler("on_pipeline_error")
        async def on_error(task: object, frame: ErrorFrame) -> None:
            errors.append(frame.error)
            stt.may_answer.set()

        await say(rig, 1.0)
        async with asyncio.timeout(5):
            await stt.may_answer.wait()
        await say(rig, 0.5)
        (frame,) = await rig.wait_for(TranscriptionFrame)
    assert float(frame.text) < 1.5
    assert len(errors) == 1
    assert "no transcription for 0.05 s" in errors[0]
