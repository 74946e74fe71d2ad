"""Real speech over real sockets, heard by the real detectors."""

import pytest

from tests.transports.client import Caller, eventually, serving, speech
from voicewire.frames import (
    InterruptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from voicewire.vad import SileroVADAnalyzer, VADAnalyzer, WebRTCVADAnalyzer

pytestmark = pytest.mark.anyio

SPEAKING = (
    VADUserStartedSpeakingFrame,
    UserStartedSpeakingFrame,
    InterruptionFrame,
    VADUserStoppedSpeakingFrame,
    UserStoppedSpeakingFrame,
)


@pytest.mark.parametrize("recording", ["sense_0880", "LJ050-0131", "jfk"])
@pytest.mark.parametrize("message_secs", [0.016, 60.0])
async def test_a_recording_has_a_beginning_and_an_end(recording: str, message_secs: float) -> None:
    pcm, sample_rate, num_channels = speech(recording)
    second = bytes(2 * sample_rate * num_channels)
    async with (
        serving(
            vad_analyzer=SileroVADAnalyzer(),
            audio_in_passthrough=False,
            max_message_bytes=1 << 22,
        ) as served,
        Caller(served.url) as caller,
    ):
        await caller.speak(
            pcm + second + second,
            sample_rate=sample_rate,
            num_channels=num_channels,
            message_secs=message_secs,
        )
        await eventually(lambda: served.heard.of(UserStoppedSpeakingFrame))
        once = [kind.__name__ for kind in SPEAKING]
        names = served.heard.names(*SPEAKING)  # A long pause may make two of one recording.
        assert names == (once * len(names))[: len(names)]


@pytest.mark.parametrize("analyzer", [SileroVADAnalyzer, WebRTCVADAnalyzer])
async def test_a_caller_who_leaves_in_mid_sentence_leaves_the_next_one_quiet(
    analyzer: type[VADAnalyzer],
) -> None:
    pcm, _, _ = speech("sense_0870")
    if analyzer is WebRTCVADAnalyzer:
        pytest.importorskip("webrtcvad")
    async with serving(vad_analyzer=analyzer()) as served:
        for number in range(2):
            async with Caller(served.url) as caller:
                await caller.speak(pcm[:64000])
                await eventually(lambda: served.heard.of(UserStartedSpeakingFrame))
            await served.happened("disconnected", number)
            served.heard.frames.clear()
        async with Caller(served.url) as caller:
            await caller.speak(bytes(64000))
            await eventually(lambda: served.heard.frames)
            await caller.speak(bytes(64000))
            assert served.heard.names(*SPEAKING) == []
