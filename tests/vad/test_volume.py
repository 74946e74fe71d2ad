"""Loudness on the scale of `min_volume`."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.vad.volume import smooth, volume, volumes


def constant(amplitude: int) -> bytes:
    return np.full(512, amplitude, "<i2").tobytes()


def test_digital_silence_has_no_volume() -> None:
    assert volume(constant(0)) == 0.0


def test_the_default_threshold_lies_at_an_amplitude_of_100() -> None:
    """-50 dB below the full scale of 32768."""
    assert volume(constant(100)) == pytest.approx(0.6)
    assert 20 * math.log10(100 / 32768) == pytest.approx(-50.3, abs=0.1)


def test_twenty_decibels_are_a_fifth_of_the_scale() -> None:
    assert volume(constant(1000)) - volume(constant(100)) == pytest.approx(0.2)


def test_the_loudest_there_is_is_clamped() -> None:
    assert volume(constant(-32768)) == 1.0


def test_smoothing_takes_a_fifth_of_the_newest() -> None:
    assert smooth(1.0, 0.5) == pytest.approx(0.6)


@given(st.binary(min_size=2, max_size=2048))
def test_volume_lies_between_0_and_1(pcm: bytes) -> None:
    assert 0.0 <= volume(pcm[: len(pcm) // 2 * 2]) <= 1.0


@given(st.lists(st.binary(min_size=64, max_size=64), min_size=1, max_size=20))
def test_many_windows_have_the_volumes_that_each_has_alone(windows: list[bytes]) -> None:
    windows += [bytes(64), b"\x00\x80" * 32]
    together = volumes(np.frombuffer(b"".join(windows), "<i2").reshape(-1, 32))
    assert together.tolist() == pytest.approx([volume(pcm) for pcm in windows], abs=1e-5)
