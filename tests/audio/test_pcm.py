import io
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.audio.pcm import (
    duration_secs,
    from_float,
    is_wav,
    mix_channels,
    num_bytes,
    parse_wav,
    to_float,
    wav_bytes,
)


def pcm(*samples: int) -> bytes:
    return b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples)


def test_a_stereo_second_is_twice_as_many_bytes_as_a_mono_second() -> None:
    assert duration_secs(32000, 16000, 1) == 1.0
    assert duration_secs(64000, 16000, 2) == 1.0


@given(st.integers(0, 100_000), st.sampled_from([8000, 11025, 16000, 48000]), st.integers(1, 8))
def test_bytes_and_seconds_are_each_others_inverse(
    num_samples: int, sample_rate: int, num_channels: int
) -> None:
    length = num_samples * num_channels * 2
    assert num_bytes(
        duration_secs(length, sample_rate, num_channels), sample_rate, num_channels
    ) == (length)


def test_a_length_is_never_part_of_a_sample() -> None:
    assert num_bytes(0.00003, 16000, 2) == 0
    assert num_bytes(0.00004, 16000, 2) == 4


def test_floats_span_minus_one_to_one() -> None:
    assert to_float(pcm(-32768, 0, 16384)).tolist() == [-1.0, 0.0, 0.5]


@given(st.lists(st.integers(-32768, 32767)))
def test_samples_survive_the_way_through_floats(samples: list[int]) -> None:
    assert from_float(to_float(pcm(*samples))) == pcm(*samples)


def test_floats_out_of_range_are_clipped() -> None:
    assert from_float(np.array([-2.0, 1.0, 2.0], np.float32)) == pcm(-32768, 32767, 32767)


def test_channels_are_averaged_into_one() -> None:
    assert mix_channels(pcm(100, 300, -1, -3), 2, 1) == pcm(200, -2)


def test_loud_channels_do_not_wrap_around() -> None:
    assert mix_channels(pcm(32767, 32767, -32768, -32768), 2, 1) == pcm(32767, -32768)


def test_one_channel_is_repeated() -> None:
    assert mix_channels(pcm(1, 2), 1, 3) == pcm(1, 1, 1, 2, 2, 2)


def test_channels_become_another_number_by_way_of_one() -> None:
    assert mix_channels(pcm(10, 20, 30), 3, 2) == pcm(20, 20)


def test_the_same_channels_are_passed_through() -> None:
    audio = pcm(1, 2)
    assert mix_channels(audio, 2, 2) is audio


@given(st.binary(max_size=40), st.integers(8000, 192000), st.integers(1, 8))
def test_a_wav_file_is_read_as_it_was_written(
    audio: bytes, sample_rate: int, num_channels: int
) -> None:
    audio *= 2 * num_channels
    data = wav_bytes(audio, sample_rate, num_channels)
    assert is_wav(data)
    assert parse_wav(data) == (audio, sample_rate, num_channels)


def test_samples_alone_are_no_wav_file() -> None:
    assert not is_wav(bytes(640))
    assert not is_wav(b"RIFF")
    assert not is_wav(b"")


def test_other_sample_widths_are_named() -> None:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(3)
        file.setframerate(16000)
        file.writeframes(bytes(9))
    with pytest.raises(ValueError, match="24-bit samples; 16-bit PCM is expected"):
        parse_wav(buffer.getvalue())


def test_a_file_that_ends_in_its_header_is_damaged() -> None:
    with pytest.raises(ValueError, match="not a 16-bit PCM WAV: it ends too early"):
        parse_wav(wav_bytes(bytes(8), 16000, 1)[:30])


def test_a_chunk_that_claims_more_than_the_file_holds_is_damaged() -> None:
    claims = b"RIFF\x24\x00\x00\x00WAVEfmt \x00\x00\x00\x00\x00\x00\x00\x01"
    with pytest.raises(ValueError, match="not a 16-bit PCM WAV"):
        parse_wav(claims)


@given(st.binary(max_size=60))
def test_damage_is_a_value_error_and_nothing_else(junk: bytes) -> None:
    whole = wav_bytes(bytes(8), 16000, 1)
    for data in (junk, whole[:12] + junk, whole[:36] + junk):
        try:
            parse_wav(data)
        except ValueError as error:
            assert str(error)  # noqa: PT017 some junk is a fine file
