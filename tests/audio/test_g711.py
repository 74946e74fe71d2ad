"""G.711, against the reference algorithm of ITU-T G.191 and against Python's own audioop."""

import struct
import sys
import warnings
from collections.abc import Callable
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.audio.g711 import alaw_to_pcm, pcm_to_alaw, pcm_to_ulaw, ulaw_to_pcm

SAMPLES = range(-32768, 32768)
ALL_PCM = struct.pack("<65536h", *SAMPLES)
ALL_CODES = bytes(range(256))


# The algorithm of ITU-T G.191 (2023), Annex A, `g711.c`, step by step as it is described there:
# https://www.itu.int/rec/T-REC-G.191. Loops where the module has tables.


def reference_ulaw(sample: int) -> int:
    magnitude = (~sample if sample < 0 else sample) >> 2
    magnitude = min(magnitude + 33, 0x1FFF)
    segment_number, rest = 1, magnitude >> 6
    while rest:
        segment_number += 1
        rest >>= 1
    high_nibble = 8 - segment_number
    low_nibble = 0xF - (magnitude >> segment_number & 0xF)
    code = high_nibble << 4 | low_nibble
    return code | 0x80 if sample >= 0 else code


def reference_ulaw_value(code: int) -> int:
    sign = -1 if code < 0x80 else 1
    inverted = ~code & 0xFF
    exponent, mantissa = inverted >> 4 & 7, inverted & 0xF
    step_size = 4 << (exponent + 1)
    return sign * ((0x80 << exponent) + step_size * mantissa + step_size // 2 - 4 * 33)


def reference_alaw(sample: int) -> int:
    magnitude = (~sample if sample < 0 else sample) >> 4
    if magnitude > 15:
        exponent = 1
        while magnitude > 16 + 15:
            magnitude >>= 1
            exponent += 1
        magnitude = magnitude - 16 + (exponent << 4)
    if sample >= 0:
        magnitude |= 0x80
    return magnitude ^ 0x55


def reference_alaw_value(code: int) -> int:
    toggled = (code ^ 0x55) & 0x7F
    exponent, mantissa = toggled >> 4, toggled & 0xF
    if exponent > 0:
        mantissa += 16
    mantissa = (mantissa << 4) + 8
    if exponent > 1:
        mantissa <<= exponent - 1
    return mantissa if code > 127 else -mantissa


def test_every_sample_is_coded_as_in_the_standard() -> None:
    assert pcm_to_ulaw(ALL_PCM) == bytes(map(reference_ulaw, SAMPLES))
    assert pcm_to_alaw(ALL_PCM) == bytes(map(reference_alaw, SAMPLES))


def test_every_code_is_the_sample_of_the_standard() -> None:
    assert ulaw_to_pcm(ALL_CODES) == struct.pack("<256h", *map(reference_ulaw_value, range(256)))
    assert alaw_to_pcm(ALL_CODES) == struct.pack("<256h", *map(reference_alaw_value, range(256)))


@pytest.mark.parametrize(
    ("code", "ulaw", "alaw"),
    [
        (0x00, -32124, -5504),
        (0x55, -716, -8),
        (0x7F, 0, -848),
        (0x80, 32124, 5504),
        (0xD5, 716, 8),
        (0xFF, 0, 848),
    ],
)
def test_known_codes(code: int, ulaw: int, alaw: int) -> None:
    assert struct.unpack("<h", ulaw_to_pcm(bytes([code]))) == (ulaw,)
    assert struct.unpack("<h", alaw_to_pcm(bytes([code]))) == (alaw,)


def test_silence_stays_silence() -> None:
    assert pcm_to_ulaw(bytes(4)) == b"\xff\xff"
    assert ulaw_to_pcm(b"\xff\xff") == bytes(4)
    assert pcm_to_alaw(bytes(4)) == b"\xd5\xd5"


def test_what_is_decoded_is_coded_the_same_again() -> None:
    # Mu-law has two zeros; the negative one becomes the positive one.
    again = bytearray(ALL_CODES)
    again[0x7F] = 0xFF
    assert pcm_to_ulaw(ulaw_to_pcm(ALL_CODES)) == again
    assert pcm_to_alaw(alaw_to_pcm(ALL_CODES)) == ALL_CODES


@given(st.binary(max_size=64).filter(lambda pcm: len(pcm) % 2 == 0))
def test_samples_do_not_touch_each_other(pcm: bytes) -> None:
    parts = [pcm[offset : offset + 2] for offset in range(0, len(pcm), 2)]
    assert pcm_to_ulaw(pcm) == b"".join(map(pcm_to_ulaw, parts))
    assert pcm_to_alaw(pcm) == b"".join(map(pcm_to_alaw, parts))
    assert ulaw_to_pcm(pcm) == b"".join(ulaw_to_pcm(bytes([code])) for code in pcm)


@pytest.mark.parametrize("encode", [pcm_to_ulaw, pcm_to_alaw])
def test_half_a_sample_is_an_error(encode: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ValueError, match="multiple"):
        encode(bytes(3))


@pytest.fixture
def audioop() -> ModuleType:
    if sys.version_info >= (3, 13):
        pytest.skip("audioop left Python with 3.13")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import audioop

    return audioop


def test_audioop_decodes_alike(audioop: ModuleType) -> None:
    assert ulaw_to_pcm(ALL_CODES) == audioop.ulaw2lin(ALL_CODES, 2)
    assert alaw_to_pcm(ALL_CODES) == audioop.alaw2lin(ALL_CODES, 2)


def test_audioop_codes_alike_where_it_keeps_to_the_standard(audioop: ModuleType) -> None:
    ours, theirs = pcm_to_ulaw(ALL_PCM), audioop.lin2ulaw(ALL_PCM, 2)
    differing = [n for n, a, b in zip(SAMPLES, ours, theirs, strict=True) if a != b]
    # It takes the two's complement of a negative 14-bit sample where the standard takes the ones'
    # complement. So it leaves each of the 127 intervals below zero one 14-bit step too early.
    assert len(differing) == 127 * 4
    assert all(n < 0 for n in differing)
    assert all(a - b == 1 for a, b in zip(ours, theirs, strict=True) if a != b)
    assert pcm_to_alaw(ALL_PCM) == audioop.lin2alaw(ALL_PCM, 2)
