"""The short way through `ProtobufFrameSerializer` gives what the long way gives."""

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from voicewire.audio.pcm import wav_bytes
from voicewire.errors import FrameDecodeError
from voicewire.serializers import ProtobufFrameSerializer
from voicewire.serializers.protos import frames_pb2 as proto


def audio_message(**content: Any) -> bytes:
    usual: dict[str, Any] = {"name": "audio", "sample_rate": 16000, "num_channels": 1}
    audio = proto.AudioRawFrame(**({"audio": bytes(8)} | usual | content))
    return proto.Frame(audio=audio).SerializeToString()


def outcome(serializer: ProtobufFrameSerializer, data: bytes) -> tuple[object, ...]:
    """Return all that can be told of what becomes of `data`."""
    try:
        frame: Any = serializer.deserialize(data)
    except FrameDecodeError as error:
        return error.kind, str(error)
    fields = ("audio", "sample_rate", "num_channels", "pts", "text", "_name")
    numbered = frame.id if data.startswith(b"\x08", 2) else None  # ours differ from run to run
    return type(frame), numbered, *(getattr(frame, field, None) for field in fields)


def assert_one_serializer_is_as_good_as_many(messages: list[bytes]) -> None:
    kept = ProtobufFrameSerializer()
    for message in messages:
        assert outcome(kept, message) == outcome(ProtobufFrameSerializer(), message)


few_contents = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from([0, 7]),
        "name": st.sampled_from(["", "audio", "other"]),
        "audio": st.binary(min_size=8, max_size=8)
        | st.sampled_from([b"", b"RIFF", b"RIFFxxxx", bytes(9), bytes(300)]),
        "sample_rate": st.sampled_from([0, 8000, 16000, 48000]),
        "num_channels": st.sampled_from([0, 1, 2]),
        "pts": st.sampled_from([0, 99]),
    },
)
"""Few enough values that messages of one shape follow each other."""


@given(st.lists(few_contents.map(lambda content: audio_message(**content)), max_size=8))
@example([audio_message(), audio_message(audio=b"12345678"), audio_message(audio=b"RIFFxxxx")])
@example([audio_message(audio=bytes(52)), audio_message(audio=wav_bytes(bytes(8), 48000, 2))])
def test_messages_after_each_other_are_read_as_if_each_were_the_first(
    messages: list[bytes],
) -> None:
    assert_one_serializer_is_as_good_as_many(messages)


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 255), st.integers(0, 12)),
        min_size=1,
        max_size=8,
    )
)
def test_damaged_messages_after_a_good_one_are_read_as_if_each_were_the_first(
    damages: list[tuple[int, int, int]],
) -> None:
    good = audio_message(audio=bytes(range(20)))
    messages = [good]
    for position, value, cut in damages:
        damaged = bytearray(good)
        damaged[position % len(damaged)] = value
        messages += [bytes(damaged[: len(damaged) - cut]), good]
    assert_one_serializer_is_as_good_as_many(messages)


@given(st.permutations([b"\x12\x01x", b"\x1a\x04abcd", b"\x20\x80\x7d", b"\x28\x01"]))
def test_fields_in_another_order_are_read_alike(fields: list[bytes]) -> None:
    content = b"".join(fields)
    message = b"\x12" + bytes([len(content)]) + content
    assert_one_serializer_is_as_good_as_many([message, message.replace(b"abcd", b"efgh"), message])


@given(st.binary(max_size=12), st.binary(max_size=12))
def test_bytes_around_a_good_message_are_not_overlooked(before: bytes, after: bytes) -> None:
    good = audio_message()
    assert_one_serializer_is_as_good_as_many([good, before + good + after, good])
    again = before + good + after
    assert_one_serializer_is_as_good_as_many([again, again])


def test_a_repeated_shape_takes_the_short_way() -> None:
    serializer = ProtobufFrameSerializer()
    serializer.deserialize(audio_message())
    assert serializer._audio_mould.cast(audio_message(audio=b"12345678")) is not None
