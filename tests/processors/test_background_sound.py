"""Sound under the bot's voice."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.services.rig import Rig, running
from voicewire.audio.pcm import wav_bytes
from voicewire.errors import ConfigurationError
from voicewire.frames import (
    ClientConnectedFrame,
    ClientDisconnectedFrame,
    Frame,
    OutputAudioRawFrame,
    TTSAudioRawFrame,
)
from voicewire.processors import BackgroundSound, SoundMixer
from voicewire.processors.background_sound import MAX_FORMATS

pytestmark = pytest.mark.anyio


def pcm(*samples: int) -> bytes:
    return np.array(samples, "<i2").tobytes()


def speech(*samples: int, rate: int = 8000, channels: int = 1) -> OutputAudioRawFrame:
    return OutputAudioRawFrame(pcm(*samples), rate, channels)


def heard(rig: Rig) -> list[int]:
    audio = b"".join(frame.audio for frame in rig.all_of(OutputAudioRawFrame))
    return [int(sample) for sample in np.frombuffer(audio, "<i2")]


def tone(rate: int, *, hertz: int, num_samples: int) -> NDArray[np.float64]:
    return 8000 * np.sin(2 * np.pi * hertz * np.arange(num_samples) / rate)


SOUND = BackgroundSound(pcm(10, 20, 30), sample_rate=8000)


async def test_the_sound_goes_on_from_frame_to_frame_and_begins_again() -> None:
    async with running(SoundMixer(SOUND, volume=1)) as rig:
        await rig.send(speech(100, 100), speech(200, 200, 200), speech())
        assert heard(rig) == [110, 120, 230, 210, 220]


async def test_the_volume_is_that_of_the_sound_not_of_the_voice() -> None:
    mixer = SoundMixer(SOUND, volume=0.5)
    async with running(mixer) as rig:
        await rig.send(speech(100, 100, 100))
        mixer.volume -= 0.5
        await rig.send(speech(100))
        assert heard(rig) == [105, 110, 115, 100]


async def test_what_is_too_loud_is_clipped() -> None:
    loud = BackgroundSound(pcm(30000, -30000), sample_rate=8000)
    async with running(SoundMixer(loud, volume=1)) as rig:
        await rig.send(speech(30000, -30000))
        assert heard(rig) == [32767, -32768]


async def test_what_else_a_frame_says_stays() -> None:
    async with running(SoundMixer(SOUND)) as rig:
        frame = TTSAudioRawFrame(pcm(0, 0), 8000, 1, "utterance")
        frame.pts = 7
        await rig.send(frame)
        (mixed,) = rig.all_of(TTSAudioRawFrame)
        assert (mixed.context_id, mixed.pts) == ("utterance", 7)
        assert frame.audio == pcm(0, 0)


async def test_stereo_speech_gets_a_mono_sound_on_both_sides() -> None:
    async with running(SoundMixer(SOUND, volume=1)) as rig:
        await rig.send(speech(0, 1, 0, 1, channels=2))
        assert heard(rig) == [10, 11, 20, 21]


async def test_a_stereo_wav_is_mixed_down_for_mono_speech() -> None:
    stereo = BackgroundSound(wav_bytes(pcm(10, 30, 40, 60), 8000, 2))
    async with running(SoundMixer(stereo, volume=1)) as rig:
        await rig.send(speech(0, 0, 0))
        assert heard(rig) == [20, 50, 20]


async def test_a_tone_goes_through_a_change_of_rate_without_a_seam() -> None:
    # 100 Hz fit into 0.1 s: the loop's end meets its beginning.
    loop = tone(44100, hertz=100, num_samples=4410)
    sound = BackgroundSound(loop.astype("<i2").tobytes(), sample_rate=44100)
    async with running(SoundMixer(sound, volume=1)) as rig:
        await rig.send(*(speech(*[0] * 480, rate=24000) for _ in range(15)))
        expected = tone(24000, hertz=100, num_samples=15 * 480)
        assert np.abs(np.array(heard(rig)) - expected).max() < 20


async def test_a_sound_shorter_than_the_filter_is_resampled_too() -> None:
    sound = BackgroundSound(pcm(1000), sample_rate=48000)
    async with running(SoundMixer(sound, volume=1)) as rig:
        await rig.send(speech(0, 0))
        assert heard(rig) == pytest.approx([1000, 1000], abs=1)


async def test_the_place_in_the_sound_is_kept_when_the_rate_changes() -> None:
    ramp = BackgroundSound(pcm(*range(0, 16000, 10)), sample_rate=8000)
    async with running(SoundMixer(ramp, volume=1)) as rig:
        await rig.send(speech(*[0] * 800), speech(0, rate=16000), speech(0))
        assert heard(rig)[-2:] == pytest.approx([8000, 8000], abs=15)


async def test_a_sound_is_resampled_once_for_all_sessions() -> None:
    sound = BackgroundSound(pcm(*[5] * 100), sample_rate=8000)
    assert sound.loop(24000, 1) is sound.loop(24000, 1)
    kept = sound.loop(24000, 1)
    for rate in range(9000, 9000 + MAX_FORMATS):
        sound.loop(rate, 1)
    assert sound.loop(24000, 1) is not kept


async def test_the_sound_is_ready_for_the_pipelines_rate_before_the_first_caller() -> None:
    sound = BackgroundSound(pcm(5), sample_rate=8000)
    async with running(SoundMixer(sound)):
        assert list(sound._loops) == [(24000, 1)]


@pytest.mark.parametrize("change", [ClientConnectedFrame, ClientDisconnectedFrame])
async def test_each_caller_hears_the_sound_from_its_beginning(change: type[Frame]) -> None:
    async with running(SoundMixer(SOUND, volume=1)) as rig:
        await rig.send(speech(0), change(), speech(0))
        assert heard(rig) == [10, 10]


async def test_audio_that_the_output_will_refuse_is_left_to_it() -> None:
    async with running(SoundMixer(SOUND)) as rig:
        frames = [
            OutputAudioRawFrame(b"\0\0\0", 8000, 1),
            OutputAudioRawFrame(b"\0\0", 100, 1),
            OutputAudioRawFrame(b"\0\0", 8000, 0),
        ]
        await rig.send(*frames)
        assert rig.all_of(OutputAudioRawFrame) == frames


@pytest.mark.parametrize(
    ("audio", "rate", "fault"),
    [
        (pcm(1), None, "sample_rate"),
        (b"RIFF....WAVE", None, "not a 16-bit PCM WAV"),
        (b"", 8000, "0 bytes"),
        (b"\0", 8000, "1 bytes"),
        (pcm(1), 100, "100 Hz"),
        (bytes(2 * 8000 * 601), 8000, "longer than 600 s"),
    ],
)
def test_what_is_no_sound_is_refused(audio: bytes, rate: int | None, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        BackgroundSound(audio, sample_rate=rate)


def test_a_volume_beyond_the_sounds_own_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"0\.\.1"):
        SoundMixer(SOUND, volume=1.5)
