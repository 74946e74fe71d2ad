from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from voicewire.audio.pcm import BYTES_PER_SAMPLE
from voicewire.audio.resample import StreamNormalizer, StreamResampler

USUAL_PAIRS = [
    (48000, 16000),
    (44100, 16000),
    (24000, 16000),
    (22050, 16000),
    (11025, 16000),
    (8000, 16000),
    (16000, 8000),
    (24000, 8000),
    (24000, 48000),
    (44100, 48000),
    (192000, 8000),
]


def tone(frequency: float, sample_rate: int, secs: float = 0.5) -> bytes:
    time = np.arange(round(sample_rate * secs)) / sample_rate
    wave = np.rint(20000 * np.sin(2 * np.pi * frequency * time))
    return bytes(wave.astype("<i2").data)


def samples(pcm: bytes) -> NDArray[np.float64]:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def whole(resampler: StreamResampler, pcm: bytes) -> bytes:
    return resampler.process(pcm) + resampler.flush()


def in_chunks(resampler: StreamResampler, pcm: bytes, chunk_bytes: int) -> bytes:
    chunks = [pcm[at : at + chunk_bytes] for at in range(0, len(pcm), chunk_bytes)]
    return b"".join(map(resampler.process, chunks)) + resampler.flush()


@pytest.mark.parametrize(("from_rate", "to_rate"), USUAL_PAIRS)
def test_a_tone_stays_itself(from_rate: int, to_rate: int) -> None:
    frequency = 0.8 * min(from_rate, to_rate) / 2
    output = samples(whole(StreamResampler(from_rate, to_rate), tone(frequency, from_rate)))
    expected = samples(tone(frequency, to_rate))
    edge = len(expected) // 20  # at both ends a tone that is switched on and off is not a tone
    error = (output[: len(expected)] - expected)[edge:-edge]
    assert np.sqrt(np.mean(error**2)) < 3  # of 20000: -75 dB


@pytest.mark.parametrize(("from_rate", "to_rate"), [(48000, 16000), (44100, 16000), (16000, 8000)])
def test_what_the_lower_rate_cannot_hold_is_silenced(from_rate: int, to_rate: int) -> None:
    output = samples(whole(StreamResampler(from_rate, to_rate), tone(0.6 * to_rate, from_rate)))
    edge = len(output) // 20
    assert np.abs(output[edge:-edge]).max() <= 4  # of 20000: -74 dB


@pytest.mark.parametrize(("from_rate", "to_rate"), USUAL_PAIRS)
def test_no_time_is_lost_or_won(from_rate: int, to_rate: int) -> None:
    output = whole(StreamResampler(from_rate, to_rate), bytes(BYTES_PER_SAMPLE * from_rate))
    assert len(output) == BYTES_PER_SAMPLE * to_rate


@given(
    pair=st.sampled_from(USUAL_PAIRS),
    cuts=st.lists(st.integers(0, 2000), max_size=6),
    num_channels=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_chunks_give_what_the_whole_gives(
    pair: tuple[int, int], cuts: list[int], num_channels: int, seed: int
) -> None:
    noise = np.random.default_rng(seed).normal(0, 9000, (2000, num_channels))
    frames = noise.astype("<i2")
    edges = [0, *sorted(cuts), 2000]
    resampler = StreamResampler(*pair, num_channels)
    chunked = b"".join(
        resampler.process(frames[start:end].tobytes()) for start, end in pairwise(edges)
    )
    chunked += resampler.flush()
    expected = whole(StreamResampler(*pair, num_channels), frames.tobytes())
    assert len(chunked) == len(expected)
    # A matrix product may round its last bit by its shape.
    assert np.abs(samples(chunked) - samples(expected)).max() <= 1


def test_single_samples_join_without_a_click() -> None:
    output = samples(in_chunks(StreamResampler(16000, 24000), tone(300, 16000, 0.1), 2))
    steepest = 20000 * 2 * np.pi * 300 / 24000
    assert np.abs(np.diff(output[100:-100])).max() < 1.01 * steepest


@pytest.mark.parametrize(("from_rate", "to_rate"), USUAL_PAIRS)
def test_nothing_is_held_back_beyond_the_stated_delay(from_rate: int, to_rate: int) -> None:
    resampler = StreamResampler(from_rate, to_rate)
    assert resampler.delay_secs <= 0.003
    num_in = num_out = 0
    for _ in range(20):
        num_in += 256
        num_out += len(resampler.process(bytes(512))) // BYTES_PER_SAMPLE
        held_secs = num_in / from_rate - num_out / to_rate
        assert held_secs <= resampler.delay_secs + 1 / min(from_rate, to_rate)


def test_channels_stay_apart() -> None:
    left, right = samples(tone(440, 48000)), samples(tone(1000, 48000))
    stereo = np.stack([left, right], axis=1).astype("<i2").tobytes()
    output = samples(whole(StreamResampler(48000, 16000, 2), stereo)).reshape(-1, 2)
    alone = StreamResampler(48000, 16000)
    assert np.abs(output[:, 0] - samples(whole(alone, tone(440, 48000)))).max() <= 1
    assert np.abs(output[:, 1] - samples(whole(alone, tone(1000, 48000)))).max() <= 1


def test_after_a_flush_it_is_as_new() -> None:
    resampler = StreamResampler(44100, 16000)
    first = whole(resampler, tone(440, 44100))
    assert whole(resampler, tone(440, 44100)) == first


def test_equal_rates_pass_through() -> None:
    resampler = StreamResampler(16000, 16000)
    pcm = tone(440, 16000)
    assert resampler.process(pcm) is pcm
    assert resampler.flush() == b""
    assert resampler.delay_secs == 0.0


def test_loud_sound_is_clipped_rather_than_wrapped() -> None:
    square = np.repeat([32767, -32768] * 20, 40).astype("<i2").tobytes()
    output = samples(whole(StreamResampler(16000, 24000), square))
    assert output.max() == 32767  # the filter overshoots at each edge
    assert output.min() == -32768
    assert np.abs(np.diff(output)).max() < 2 * 32768 * 0.9  # no jump from one end to the other


def test_an_odd_rate_is_met_to_a_thousandth() -> None:
    output = whole(StreamResampler(47999, 16000), bytes(2 * 47999))
    assert len(output) == pytest.approx(2 * 16000, rel=1e-3)


@pytest.mark.parametrize(
    ("from_rate", "to_rate", "num_channels"),
    [(1, 16000, 1), (0, 16000, 1), (16000, 7999, 1), (192001, 16000, 1), (8000, 16000, 9)],
)
def test_absurd_formats_are_refused(from_rate: int, to_rate: int, num_channels: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        StreamResampler(from_rate, to_rate, num_channels)


def test_a_normalizer_mixes_and_resamples() -> None:
    normalizer = StreamNormalizer(16000, 1)
    voice = samples(tone(440, 48000))
    stereo = np.stack([voice, np.zeros_like(voice)], axis=1).astype("<i2").tobytes()
    output = samples(normalizer.process(stereo, 48000, 2) + normalizer.flush())
    expected = samples(tone(440, 16000)) / 2
    assert len(output) == len(expected)
    assert np.abs(output - expected)[100:-100].max() < 3


def test_a_normalizer_follows_a_change_of_rate_without_losing_time() -> None:
    normalizer = StreamNormalizer(16000, 1)
    output = b"".join(
        [
            normalizer.process(tone(440, 48000), 48000, 1),
            normalizer.process(tone(440, 44100), 44100, 1),
            normalizer.process(tone(440, 16000), 16000, 1),
            normalizer.process(tone(440, 8000), 8000, 1),
            normalizer.flush(),
        ]
    )
    assert len(output) == 4 * len(tone(440, 16000))


def test_a_normalizer_keeps_a_refused_change_from_ending_the_stream() -> None:
    normalizer = StreamNormalizer(16000, 1)
    pcm = tone(440, 48000)
    before = normalizer.process(pcm, 48000, 1)
    with pytest.raises(ValueError, match="sample rate 1 Hz"):
        normalizer.process(pcm, 1, 1)
    output = before + normalizer.process(pcm, 48000, 1) + normalizer.flush()
    assert output == whole(StreamResampler(48000, 16000), pcm + pcm)


@pytest.mark.parametrize("num_channels", [0, 9])
def test_a_normalizer_refuses_absurd_channels(num_channels: int) -> None:
    normalizer = StreamNormalizer(16000, 1)
    with pytest.raises(ValueError, match="channels; expected 1"):
        normalizer.process(bytes(1440), 16000, num_channels)


def test_a_normalizer_makes_stereo_of_mono() -> None:
    normalizer = StreamNormalizer(24000, 2)
    pcm = tone(440, 24000)
    stereo = samples(normalizer.process(pcm, 24000, 1)).reshape(-1, 2)
    assert (stereo[:, 0] == samples(pcm)).all()
    assert (stereo[:, 1] == samples(pcm)).all()
