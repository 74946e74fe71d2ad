import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import DATA
from voicewire.audio.echo import MAX_DELAY_SECS, SAMPLE_RATE, compare, num_samples_played
from voicewire.audio.pcm import parse_wav, to_float

WINDOW = SAMPLE_RATE // 2


def voice(name: str) -> NDArray[np.float32]:
    pcm, sample_rate, num_channels = parse_wav((DATA / "speech" / name).read_bytes())
    assert (sample_rate, num_channels) == (SAMPLE_RATE, 1)
    return to_float(pcm)


def room(secs: float = 0.4) -> NDArray[np.float32]:
    """Return the response of a room: noise that fades by 60 dB in 0.4 s."""
    rng = np.random.default_rng(7)
    length = round(secs * SAMPLE_RATE)
    fading = 10 ** (-3 * np.arange(length) / length)
    response = rng.standard_normal(length) * fading * 0.02
    response[0] = 1.0
    return response.astype(np.float32)


def windows(
    heard: NDArray[np.float32], played: NDArray[np.float32], at_secs: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    end = round(at_secs * SAMPLE_RATE)
    return heard[end - WINDOW : end], played[end - num_samples_played() : end]


@pytest.mark.parametrize("delay_secs", [0.0, 0.13, 0.5])
@pytest.mark.parametrize("gain_db", [-6.0, -20.0])
def test_an_echo_is_known_by_its_delay_however_soft_it_is(
    delay_secs: float, gain_db: float
) -> None:
    played = voice("sense_0870.wav")
    late = np.concatenate((np.zeros(round(delay_secs * SAMPLE_RATE), np.float32), played))
    heard = np.convolve(late, room())[: len(played)].astype(np.float32) * 10 ** (gain_db / 20)
    for at_secs in (2.0, 3.0, 4.0, 5.0):
        likeness = compare(*windows(heard, played, at_secs))
        assert likeness.correlation > 0.7
        assert likeness.delay_secs == pytest.approx(delay_secs, abs=0.03)


def test_another_voice_resembles_it_less() -> None:
    played, heard = voice("sense_0870.wav"), voice("sense_0890.wav")
    found = [compare(*windows(heard, played, at)).correlation for at in np.arange(2.0, 5.0, 0.1)]
    assert np.mean(found) < 0.45
    assert max(found) < 0.8


def test_a_voice_over_the_echo_is_louder() -> None:
    played, other = voice("sense_0870.wav"), voice("sense_0890.wav")
    echo = np.convolve(played, room())[: len(played)].astype(np.float32) * 0.1
    both = echo.copy()
    both[: len(other)] += other
    alone = [compare(*windows(echo, played, at), delay_secs=0.0).gain_db for at in (2.0, 3.0, 4.0)]
    over = [compare(*windows(both, played, at), delay_secs=0.0).gain_db for at in (2.0, 3.0, 4.0)]
    assert min(over) > max(alone) + 6.0


def test_only_delays_near_a_known_one_are_tried() -> None:
    played = voice("sense_0870.wav")
    heard, theirs = windows(played, played, 3.0)
    assert compare(heard, theirs).delay_secs == pytest.approx(0.0, abs=0.02)
    near = compare(heard, theirs, delay_secs=MAX_DELAY_SECS)
    assert near.delay_secs == pytest.approx(MAX_DELAY_SECS, abs=0.04)
