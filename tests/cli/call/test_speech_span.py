import numpy as np
import pytest

from tests.conftest import DATA
from voicewire.audio.pcm import from_float, mix_channels
from voicewire.cli.call.sound import Sound, load_sound
from voicewire.cli.call.speech_span import find_speech

RATE = 16000


def noise(secs: float, level: float) -> bytes:
    samples = np.random.default_rng(1).normal(0.0, level, round(secs * RATE))
    return from_float(samples.astype(np.float32))


def test_speech_is_what_lies_between_silences() -> None:
    pcm = bytes(2 * RATE) + noise(0.5, 0.1) + bytes(RATE)
    assert find_speech(Sound(pcm, RATE, 1)) == pytest.approx((1.0, 1.5))


def test_a_pause_is_part_of_the_speech() -> None:
    pcm = noise(0.5, 0.1) + bytes(2 * RATE) + noise(0.5, 0.1)
    assert find_speech(Sound(pcm, RATE, 1)) == pytest.approx((0.0, 2.0))


def test_hiss_is_no_speech() -> None:
    pcm = noise(1.0, 0.003) + noise(0.5, 0.1) + noise(1.0, 0.003)
    assert find_speech(Sound(pcm, RATE, 1)) == pytest.approx((1.0, 1.5))


def test_stereo_ends_where_mono_does() -> None:
    pcm = noise(0.5, 0.1) + bytes(2 * RATE)
    stereo = Sound(mix_channels(pcm, 1, 2), RATE, 2)
    assert find_speech(stereo) == find_speech(Sound(pcm, RATE, 1))


@pytest.mark.parametrize("secs", [0.001, 1.0])
def test_where_all_is_silent_the_whole_of_it_counts(secs: float) -> None:
    silence = Sound(bytes(2 * round(secs * RATE)), RATE, 1)
    assert find_speech(silence) == pytest.approx((0.0, secs))


def test_real_speech_ends_before_the_recording_does() -> None:
    sound = load_sound(DATA / "speech" / "sense_0880.wav")
    span = find_speech(Sound(sound.pcm + bytes(2 * RATE), RATE, 1))
    assert 0.0 <= span.start_secs < 0.5
    assert sound.duration_secs - 0.5 < span.end_secs <= sound.duration_secs
