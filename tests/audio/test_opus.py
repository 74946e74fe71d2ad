"""Opus on real speech."""

import sys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audio.wideband import delay_of, delayed, frames_of, likeness, samples_of, speech
from voicewire.audio.opus import (
    FRAME_MS,
    MAX_PACKET_MS,
    MAX_SILENT_BYTES,
    SAMPLE_RATES,
    OpusDecoder,
    OpusEncoder,
)
from voicewire.errors import ConfigurationError, MissingExtraError

pytest.importorskip("opuslib_next", reason="the extra 'opus' is not installed")

SILENCE = bytes(640)

ALIKE = 0.8
"""The likeness of what is heard to what was said. The encoder takes away what rumbles below a voice
and turns the phase of its lowest tones."""


def with_noise(pcm: bytes) -> bytes:
    """Return a recording with what a microphone adds in a quiet room."""
    samples = samples_of(pcm)
    noise = np.random.default_rng(1).normal(0, 10, len(samples))
    return np.rint(samples + noise).clip(-32768, 32767).astype("<i2").tobytes()


def encode(encoder: OpusEncoder, pcm: bytes) -> list[bytes]:
    return [encoder.encode(frame) for frame in frames_of(pcm, encoder.frame_bytes)]


def decode(packets: list[bytes], sample_rate: int = 16_000) -> list[bytes]:
    decoder = OpusDecoder(sample_rate)
    return [decoder.decode(packet) for packet in packets]


def decode_with_losses(
    packets: list[bytes], replace: Callable[[OpusDecoder, bytes], bytes]
) -> list[bytes]:
    """Lose every tenth packet, and put what `replace` makes of the next one in its place."""
    decoder = OpusDecoder(16_000)
    return [
        replace(decoder, packets[number + 1]) if number % 10 == 5 else decoder.decode(packet)
        for number, packet in enumerate(packets[:-1])
    ]


@pytest.mark.parametrize("frame_ms", FRAME_MS)
@pytest.mark.parametrize("rate", SAMPLE_RATES)
def test_speech_comes_out_as_it_went_in(rate: int, frame_ms: int) -> None:
    pcm = speech(rate)
    encoder = OpusEncoder(rate, frame_ms=frame_ms, bitrate=32_000)
    packets = encode(encoder, pcm)
    heard = decode(packets, rate)
    assert {len(frame) for frame in heard} == {encoder.frame_bytes} == {rate * frame_ms // 500}
    said, whole = pcm[: len(packets) * encoder.frame_bytes], b"".join(heard)
    delay = delay_of(whole, said, rate // 50)
    assert likeness(whole, delayed(said, delay)) > ALIKE


@pytest.mark.parametrize("bitrate", [12_000, 24_000, 48_000])
def test_the_bitrate_holds_on_average(bitrate: int) -> None:
    packets = encode(OpusEncoder(16_000, bitrate=bitrate), speech())
    spent = 8 * sum(map(len, packets)) / (len(packets) * 0.02)
    assert spent == pytest.approx(bitrate, rel=0.1)


def test_what_is_coded_at_one_rate_is_decoded_at_another() -> None:
    packets = encode(OpusEncoder(48_000, frame_ms=60), speech(48_000))
    (first, *_) = decode(packets, 8000)
    assert len(first) == 8000 * 60 // 500


def test_higher_complexity_is_another_stream_of_the_same_size() -> None:
    simple, thorough = (encode(OpusEncoder(16_000, complexity=n), speech()) for n in (0, 10))
    assert simple != thorough
    assert sum(map(len, thorough)) == pytest.approx(sum(map(len, simple)), rel=0.05)


def test_a_lost_packet_is_nearer_to_what_was_said_by_its_copy_than_concealed() -> None:
    pcm = speech()
    encoder = OpusEncoder(16_000, bitrate=24_000, expected_loss_percent=20)
    packets = encode(encoder, pcm)
    concealed = decode_with_losses(packets, lambda decoder, _: decoder.conceal(20))
    recovered = decode_with_losses(packets, lambda decoder, packet: decoder.recover(packet, 20))
    said = pcm[: len(recovered) * 640]
    said = delayed(said, delay_of(b"".join(decode(packets)), said, 320))

    def of_the_lost(frames: list[bytes]) -> bytes:
        return b"".join(frames[5::10])

    lost = of_the_lost(frames_of(said, 640))
    assert likeness(of_the_lost(recovered), lost) > 0.75
    assert likeness(of_the_lost(concealed), lost) < 0.5


def test_without_a_copy_recovering_is_concealing() -> None:
    packets = encode(OpusEncoder(16_000, bitrate=24_000), speech())
    concealed = decode_with_losses(packets, lambda decoder, _: decoder.conceal(20))
    recovered = decode_with_losses(packets, lambda decoder, packet: decoder.recover(packet, 20))
    assert concealed == recovered


@pytest.mark.parametrize("frame_ms", FRAME_MS)
def test_concealing_goes_on_with_the_sound_and_ends_in_silence(frame_ms: int) -> None:
    decoder = OpusDecoder(16_000)
    for packet in encode(OpusEncoder(16_000, frame_ms=frame_ms), speech()[: 32 * 1200]):
        decoder.decode(packet)
    concealed = [decoder.conceal(frame_ms) for _ in range(25)]
    assert {len(frame) for frame in concealed} == {32 * frame_ms}
    first, *_, last = [np.abs(samples_of(frame)).max() for frame in concealed]
    assert first > 5000
    assert last < first / 20


def test_silence_is_next_to_nothing_with_dtx() -> None:
    pcm = with_noise(speech() + 150 * SILENCE)
    with_dtx, without = (encode(OpusEncoder(16_000, dtx=dtx), pcm)[-100:] for dtx in (True, False))
    assert sum(map(len, with_dtx)) < sum(map(len, without)) / 10
    unsent = [packet for packet in with_dtx if len(packet) <= MAX_SILENT_BYTES]
    assert len(unsent) > 0.9 * len(with_dtx)
    assert {len(frame) for frame in decode(with_dtx)} == {640}


def test_speech_after_a_pause_is_whole_with_dtx() -> None:
    pcm = speech()
    said = pcm[: 640 * 100] + 100 * SILENCE + pcm[: 640 * 100]
    heard = b"".join(decode(encode(OpusEncoder(16_000, dtx=True), said)))
    delay = delay_of(heard, said, 320)
    after = 640 * 200
    assert likeness(heard[after:], delayed(said, delay)[after:]) > ALIKE


def test_several_frames_in_a_packet_are_decoded() -> None:
    first, second = encode(OpusEncoder(16_000), speech()[32 * 1000 :])[:2]
    assert first[0] == second[0]  # one configuration
    # RFC 6716, section 3.2.5: code 3, two frames of variable size, the first one's length.
    packet = bytes([first[0] | 3, 0x82, len(first) - 1]) + first[1:] + second[1:]
    assert OpusDecoder(16_000).decode(packet) == b"".join(decode([first, second]))


@pytest.mark.parametrize("length", [0, 638, 641, 1280])
def test_half_a_frame_is_not_coded(length: int) -> None:
    with pytest.raises(ValueError, match=f"{length} bytes of audio; expected 640"):
        OpusEncoder(16_000).encode(bytes(length))


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\xff",  # code 3 without the number of frames
        b"\x03\x00",  # no frames
        b"\x03\x3f",  # 63 frames of 10 ms
        b"\xfd\x00\x00\x00",  # two frames of equal size in an odd number of bytes
        b"\xfa\xfc",  # a length that is cut off
        bytes(1300) + b"\x00" * 1300,  # a frame of more than 1275 bytes
    ],
)
def test_what_is_no_packet_is_refused(packet: bytes) -> None:
    decoder = OpusDecoder(16_000)
    with pytest.raises(ValueError, match="not an Opus packet"):
        decoder.decode(packet)
    with pytest.raises(ValueError, match="not an Opus packet"):
        decoder.recover(packet, 20)


SHARED = OpusDecoder(16_000)
PACKETS = encode(OpusEncoder(16_000, expected_loss_percent=20), speech())


def take(decoder: OpusDecoder, packet: bytes) -> None:
    """Decode anything: whole samples come of it, or a ValueError."""
    ways: list[Callable[[bytes], bytes]] = [lambda lost: decoder.recover(lost, 20), decoder.decode]
    for way in ways:
        try:
            pcm = way(packet)
        except ValueError:
            continue
        assert len(pcm) % 2 == 0
        assert len(pcm) <= 32 * MAX_PACKET_MS


@given(st.binary(max_size=1500))
@settings(max_examples=2000, deadline=None)
def test_any_bytes_are_a_packet_or_refused(packet: bytes) -> None:
    take(SHARED, packet)


@given(
    st.sampled_from(PACKETS),
    st.integers(0, 200),
    st.integers(0, 200),
    st.binary(max_size=8),
)
@settings(max_examples=2000, deadline=None)
def test_a_damaged_packet_is_a_packet_or_refused(
    packet: bytes, start: int, end: int, damage: bytes
) -> None:
    take(SHARED, packet[:start] + damage + packet[end:])


def test_after_thousands_of_damaged_packets_the_next_whole_ones_are_heard() -> None:
    rng = np.random.default_rng(7)
    decoder = OpusDecoder(16_000)
    for _ in range(10_000):
        packet = bytearray(PACKETS[rng.integers(len(PACKETS))])
        for at in rng.integers(len(packet), size=3):
            packet[at] ^= 1 << rng.integers(8)
        take(decoder, bytes(packet[: rng.integers(len(packet) + 1)]))
    heard = b"".join(decoder.decode(packet) for packet in PACKETS)
    half_second = 32 * 500
    assert likeness(heard[half_second:], b"".join(decode(PACKETS))[half_second:]) > 0.99


def test_two_streams_share_nothing() -> None:
    pcm = speech()
    alone = encode(OpusEncoder(16_000), pcm)
    first, second = OpusEncoder(16_000), OpusEncoder(16_000)
    backwards = frames_of(pcm[::-1], 640)
    for frame, other, expected in zip(frames_of(pcm, 640), backwards, alone, strict=True):
        assert first.encode(frame) == expected
        second.encode(other)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("frame_ms", 30),
        ("bitrate", 5999),
        ("bitrate", 128_001),
        ("complexity", 11),
        ("expected_loss_percent", 101),
    ],
)
def test_a_setting_outside_its_range_is_refused(setting: str, value: int) -> None:
    with pytest.raises(ConfigurationError, match=f"{setting} is {value}; expected one of "):
        OpusEncoder(16_000, **{setting: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("codec", [OpusEncoder, OpusDecoder])
def test_another_rate_is_refused(codec: Callable[[int], object]) -> None:
    with pytest.raises(ConfigurationError, match="44100; expected one of 8000, 12000, 16000, 24"):
        codec(44_100)


@pytest.mark.parametrize("codec", [OpusEncoder, OpusDecoder])
def test_a_missing_package_is_named_with_its_extra(
    codec: Callable[[int], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opuslib_next", None)
    with pytest.raises(MissingExtraError, match=r'pip install "voicewire\[opus\]"'):
        codec(16_000)
