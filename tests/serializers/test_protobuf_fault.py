"""What a peer may do wrong, and what it is told."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.audio.pcm import wav_bytes
from voicewire.errors import FrameDecodeError
from voicewire.serializers import ProtobufFrameSerializer
from voicewire.serializers.protobuf_fault import explain_fault
from voicewire.serializers.protos import frames_pb2 as proto

SECRET = "my password is swordfish"  # noqa: S105 it is what must not appear


def audio_message(
    audio: bytes = bytes(640), sample_rate: int = 16000, num_channels: int = 1, name: str = "audio"
) -> bytes:
    content = proto.AudioRawFrame(
        name=name, audio=audio, sample_rate=sample_rate, num_channels=num_channels
    )
    return proto.Frame(audio=content).SerializeToString()


def json_message(data: str) -> bytes:
    return proto.Frame(message=proto.MessageFrame(data=data)).SerializeToString()


def refusal(data: bytes | str) -> FrameDecodeError:
    with pytest.raises(FrameDecodeError) as caught:
        ProtobufFrameSerializer().deserialize(data)
    return caught.value


@pytest.mark.parametrize(
    ("data", "kind", "reason"),
    [
        ("hello", "text_message", "a text message; this wire has only binary ones"),
        ("", "text_message", "only binary ones"),
        (b"", "empty_message", "expected a protobuf Frame"),
        (
            b"\x4a\x01x",
            "unknown_frame",
            "unknown oneof field 9; expected 1, 2, 3, 4, 5, 100 (at byte 0)",
        ),
        (b"\x08\x01", "malformed_protobuf", "field 1 (text) has wire type 0 (at byte 0)"),
        (b"\x12\x05\x1a", "truncated", "field 2 needs 5 bytes, 1 are left (at byte 0)"),
        (b"\x12", "truncated", "ends inside a number (at byte 1)"),
        (b"\x12\x03\x1a\x09x", "truncated", "field 3 needs 9 bytes, 1 are left (at byte 2)"),
        (b"\x0f", "malformed_protobuf", "field 1 has wire type 7; expected 0, 1, 2 or 5"),
        (b"\x02\x00", "malformed_protobuf", "a field has the number 0; expected 1 or more"),
        (b"\xff" * 20, "malformed_protobuf", "a number is longer than 10 bytes (at byte 0)"),
        (b"\x0a\x04\x1a\x02\x78\xff", "invalid_utf8", "text in TextFrame.text is not UTF-8"),
        (b"\x22\x03\x0a\x01\xc3", "invalid_utf8", "MessageFrame.data is not UTF-8 (at byte 4)"),
        (b"\x12\x02\x1d\x00", "truncated", "field 3 needs 4 bytes, 1 are left"),
        (b"GET / HTTP/1.1\r\n", "malformed_protobuf", "has wire type"),
        (audio_message(audio=b""), "empty_audio", "no samples; expected at least one"),
        (b"\x12\x00", "audio_format", "sample rate 0 Hz; expected 8000..192000"),
        (audio_message(audio=bytes(639)), "partial_sample", "639 bytes; expected a multiple of 2"),
        (audio_message(bytes(6), 48000, 2), "partial_sample", "6 bytes; expected a multiple of 4"),
        (audio_message(sample_rate=0), "audio_format", "sample rate 0 Hz"),
        (audio_message(sample_rate=1), "audio_format", "sample rate 1 Hz"),
        (audio_message(sample_rate=7999), "audio_format", "expected 8000..192000"),
        (audio_message(sample_rate=2**32 - 1), "audio_format", "expected 8000..192000"),
        (audio_message(num_channels=0), "audio_format", "0 channels; expected 1..8"),
        (audio_message(num_channels=9), "audio_format", "9 channels; expected 1..8"),
        (json_message(""), "invalid_json", "Expecting value at character 0 of 0"),
        (json_message("[NaN]"), "invalid_json", "NaN is not a JSON number"),
        (json_message("[" * 10_000), "deep_json", "more than 64 levels deep"),
        (json_message("[" * 100_000), "large_json", "100000 characters of JSON; expected at most"),
    ],
)
def test_a_refusal_says_what_was_wrong(data: bytes | str, kind: str, reason: str) -> None:
    error = refusal(data)
    assert error.kind == kind
    assert reason in str(error)


@pytest.mark.parametrize(
    ("audio", "kind", "reason"),
    [
        (wav_bytes(bytes(640), 4000, 1), "audio_format", "sample rate 4000 Hz"),
        (wav_bytes(bytes(720), 16000, 9), "audio_format", "9 channels"),
        (wav_bytes(b"", 16000, 1), "empty_audio", "no samples"),
        (wav_bytes(bytes(640), 16000, 1)[:20], "invalid_wav", "not a 16-bit PCM WAV"),
        (b"RIFF\x04\x00\x00\x00WAVE", "invalid_wav", "not a 16-bit PCM WAV"),
        (
            wav_bytes(bytes(640), 16000, 1).replace(b"\x10\x00data", b"\x08\x00data"),
            "invalid_wav",
            "8-bit samples; 16-bit PCM is expected",
        ),
    ],
)
def test_a_wav_file_is_checked_too(audio: bytes, kind: str, reason: str) -> None:
    error = refusal(audio_message(audio))
    assert error.kind == kind
    assert reason in str(error)


@pytest.mark.parametrize(
    "data",
    [
        SECRET,
        SECRET.encode(),
        json_message(SECRET),
        json_message(f'{{"text": "{SECRET}'),
        audio_message(SECRET.encode() + b"x"),
        audio_message(b"RIFF\x00\x00\x00\x00WAVE" + SECRET.encode()),
        b"\x0a\x22\x1a\x20" + SECRET.encode() + b"\xff" * 8,
        b"\x12\x50" + SECRET.encode(),
    ],
)
def test_a_refusal_does_not_repeat_what_was_sent(data: bytes | str) -> None:
    assert "swordfish" not in str(refusal(data))


def test_looking_for_the_fault_in_a_long_message_of_junk_ends_soon() -> None:
    junk = b"\x4a\x00" * 100_000
    assert refusal(junk).kind == "unknown_frame"
    text_in_it = b"\x0a\x00" * 100_000 + b"\xff"
    assert refusal(text_in_it).kind == "malformed_protobuf"


def outcome(data: bytes) -> str:
    """Return the name of the frame that `data` becomes, or the kind of its refusal."""
    try:
        return type(ProtobufFrameSerializer().deserialize(data)).__name__
    except FrameDecodeError as error:
        return error.kind


@given(st.binary(max_size=60))
def test_any_bytes_become_a_frame_or_a_refusal(data: bytes) -> None:
    assert outcome(data)


@given(st.binary(max_size=60))
def test_the_place_to_blame_lies_in_the_message(data: bytes) -> None:
    offset = explain_fault(data).offset
    assert offset is None or 0 <= offset <= len(data)


@given(junk=st.binary(max_size=60), size=st.integers(0, 2**32 - 1))
def test_any_bytes_that_begin_like_a_wav_file_become_audio_or_a_refusal(
    junk: bytes, size: int
) -> None:
    begin = b"RIFF" + struct.pack("<I", size) + b"WAVEfmt "
    format_chunk = wav_bytes(bytes(8), 16000, 1)[16:36]
    for audio in (begin + junk, begin + format_chunk + junk):
        assert outcome(audio_message(audio)) in {
            "InputAudioRawFrame",
            "invalid_wav",
            "audio_format",
            "empty_audio",
            "partial_sample",
        }


@given(cut=st.integers(0, 60), position=st.integers(0, 60), value=st.integers(0, 255))
def test_a_damaged_message_becomes_a_frame_or_a_refusal(
    cut: int, position: int, value: int
) -> None:
    message = bytearray(audio_message(bytes(range(40))))
    message[position % len(message)] = value
    assert outcome(bytes(message[: len(message) - cut]))
