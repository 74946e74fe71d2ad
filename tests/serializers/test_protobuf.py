"""The wire as Pipecat speaks it: golden messages, round trips and what is carried."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.audio.pcm import wav_bytes
from voicewire.errors import FrameEncodeError
from voicewire.frames import (
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InputTransportMessageFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    TextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
)
from voicewire.serializers import ProtobufFrameSerializer

PCM = bytes(range(8))

# Made by the serializer of Pipecat 1.14.0.
AUDIO = bytes.fromhex(
    "122908ac0212154f7574707574417564696f5261774672616d6523371a08000102030405060720807d2801"
)
STEREO_WITH_PTS = bytes.fromhex(
    "123108ac0212154f7574707574417564696f5261774672616d6523371a08000102030405060720"
    "80f702280230cb89ec8ff723"
)
WAV_AUDIO = bytes.fromhex(
    "125608ac0212154f7574707574417564696f5261774672616d6523371a34524946462c0000005741564566"
    "6d74201000000001000100c05d000080bb0000020010006461746108000000000102030405060720c0bb012801"
)
TEXT = bytes.fromhex("0a180805120b546578744672616d6523351a074772c3bcc39f65")
TRANSCRIPTION = bytes.fromhex(
    "1a46080612145472616e736372697074696f6e4672616d6523361a0568656c6c6f2206757365722d31"
    "2a1d323032362d31312d30315431323a30303a30302e3030302b30303a3030"
)
MESSAGE = bytes.fromhex(
    "22720a707b226c6162656c223a2022727476692d6169222c202274797065223a2022626f742d7265616479222c20"
    "226964223a202231613262222c202264617461223a207b2276657273696f6e223a2022322e312e30222c20"
    "2274657874223a202247725c75303066635c7530306466"
    "65227d7d"
)
INTERRUPTION = bytes.fromhex("2a1708091213496e74657272757074696f6e4672616d652339")

# Made by the serializer of @pipecat-ai/websocket-transport 1.7.1.
JAVASCRIPT_AUDIO = bytes.fromhex("12161205617564696f1a08000102030405060720807d2801")
JAVASCRIPT_MESSAGE = bytes.fromhex(
    "22510a4f7b226c6162656c223a22727476692d6169222c2274797065223a22636c69656e742d7265616479222c"
    "226964223a2231613262222c2264617461223a7b2274657874223a224772c3bcc39f65227d7d"
)


MESSAGE_CONTENT = {
    "label": "rtvi-ai",
    "type": "bot-ready",
    "id": "1a2b",
    "data": {"version": "2.1.0", "text": "Grüße"},
}


def labelled(frame: Frame, id_: int, name: str, pts: int | None = None) -> Frame:
    frame.id, frame.name, frame.pts = id_, name, pts
    return frame


def decode(data: bytes) -> Any:
    return ProtobufFrameSerializer().deserialize(data)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (
            labelled(OutputAudioRawFrame(PCM, 16000, 1), 300, "OutputAudioRawFrame#7"),
            AUDIO,
        ),
        (
            labelled(
                OutputAudioRawFrame(PCM, 48000, 2), 300, "OutputAudioRawFrame#7", 1234567890123
            ),
            STEREO_WITH_PTS,
        ),
        (
            labelled(
                OutputAudioRawFrame(wav_bytes(PCM, 24000, 1), 24000, 1),
                300,
                "OutputAudioRawFrame#7",
            ),
            WAV_AUDIO,
        ),
        (labelled(TextFrame("Grüße"), 5, "TextFrame#5"), TEXT),
        (
            labelled(
                TranscriptionFrame("hello", "user-1", "2026-11-01T12:00:00.000+00:00"),
                6,
                "TranscriptionFrame#6",
            ),
            TRANSCRIPTION,
        ),
        (OutputTransportMessageFrame(MESSAGE_CONTENT), MESSAGE),
        (OutputTransportMessageUrgentFrame(MESSAGE_CONTENT), MESSAGE),
        (labelled(InterruptionFrame(), 9, "InterruptionFrame#9"), INTERRUPTION),
    ],
)
def test_messages_are_pipecats_to_the_byte(frame: Frame, message: bytes) -> None:
    assert ProtobufFrameSerializer(send_interruptions=True).serialize(frame) == message


def test_audio_from_pipecat_is_understood() -> None:
    frame = decode(AUDIO)
    assert type(frame) is InputAudioRawFrame
    assert (frame.audio, frame.sample_rate, frame.num_channels) == (PCM, 16000, 1)
    assert (frame.id, frame.name, frame.pts) == (300, "OutputAudioRawFrame#7", None)


def test_stereo_with_a_presentation_time_is_understood() -> None:
    frame = decode(STEREO_WITH_PTS)
    assert (frame.audio, frame.sample_rate, frame.num_channels) == (PCM, 48000, 2)
    assert frame.pts == 1234567890123


def test_a_wav_file_in_an_audio_message_is_unwrapped() -> None:
    frame = decode(WAV_AUDIO)
    assert (frame.audio, frame.sample_rate, frame.num_channels) == (PCM, 24000, 1)


def test_the_header_of_a_wav_file_counts_more_than_the_message_around_it() -> None:
    wrapped = OutputAudioRawFrame(wav_bytes(PCM, 44100, 2), 8000, 1)
    message = ProtobufFrameSerializer().serialize(wrapped)
    assert message is not None
    frame = decode(message)
    assert (frame.audio, frame.sample_rate, frame.num_channels) == (PCM, 44100, 2)


def test_audio_from_the_javascript_client_is_understood() -> None:
    frame = decode(JAVASCRIPT_AUDIO)
    assert (frame.audio, frame.sample_rate, frame.num_channels) == (PCM, 16000, 1)
    assert frame.name == "audio"
    assert frame.id != 0  # it numbers nothing; ours stays


def test_text_is_understood() -> None:
    frame = decode(TEXT)
    assert type(frame) is TextFrame
    assert (frame.text, frame.id, frame.name) == ("Grüße", 5, "TextFrame#5")


def test_a_transcription_is_understood() -> None:
    frame = decode(TRANSCRIPTION)
    assert type(frame) is TranscriptionFrame
    assert (frame.text, frame.user_id) == ("hello", "user-1")
    assert frame.timestamp == "2026-11-01T12:00:00.000+00:00"
    assert (frame.id, frame.name, frame.language) == (6, "TranscriptionFrame#6", None)


def test_a_message_is_understood() -> None:
    frame = decode(MESSAGE)
    assert type(frame) is InputTransportMessageFrame
    assert frame.message == MESSAGE_CONTENT


def test_a_message_from_the_javascript_client_is_understood() -> None:
    frame = decode(JAVASCRIPT_MESSAGE)
    assert frame.message == {
        "label": "rtvi-ai",
        "type": "client-ready",
        "id": "1a2b",
        "data": {"text": "Grüße"},
    }


def test_an_interruption_is_understood() -> None:
    frame = decode(INTERRUPTION)
    assert type(frame) is InterruptionFrame
    assert (frame.id, frame.name) == (9, "InterruptionFrame#9")


def test_fields_of_a_newer_peer_are_skipped() -> None:
    unknown_inside = JAVASCRIPT_AUDIO[2:] + b"\x4a\x03new"
    newer = b"\x12" + bytes([len(unknown_inside)]) + unknown_inside + b"\x7a\x03new"
    assert decode(newer).audio == PCM


def test_an_interruption_is_not_sent_unless_the_client_knows_it() -> None:
    assert ProtobufFrameSerializer().serialize(InterruptionFrame()) is None


@pytest.mark.parametrize(
    "frame",
    [InterimTranscriptionFrame("hel", "", ""), EndFrame(), InputAudioRawFrame(PCM, 16000, 1)],
)
def test_frames_that_this_wire_does_not_carry_give_nothing(frame: Frame) -> None:
    serializer = ProtobufFrameSerializer()
    assert serializer.serialize(frame) is None
    assert serializer.serialize(frame) is None  # the second time from memory


@pytest.mark.parametrize("frame_type", [TextFrame, LLMTextFrame, TTSTextFrame])
def test_every_kind_of_text_goes_out_as_text(frame_type: type[TextFrame]) -> None:
    message = ProtobufFrameSerializer().serialize(frame_type("hi"))
    assert message is not None
    assert decode(message).text == "hi"


def test_a_kind_of_audio_that_an_application_made_goes_out_as_audio() -> None:
    class Jingle(TTSAudioRawFrame):
        pass

    message = ProtobufFrameSerializer().serialize(Jingle(PCM, 24000, 1))
    assert message is not None
    assert decode(message).audio == PCM


@given(
    samples=st.binary(min_size=1, max_size=50),
    sample_rate=st.integers(8000, 192000),
    num_channels=st.integers(1, 8),
    pts=st.none() | st.integers(0, 2**64 - 1),
    name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200),
)
def test_audio_survives_the_round_trip(
    samples: bytes, sample_rate: int, num_channels: int, pts: int | None, name: str
) -> None:
    sent = TTSAudioRawFrame(samples * 2 * num_channels, sample_rate, num_channels)
    sent.pts, sent.name = pts, name
    message = ProtobufFrameSerializer().serialize(sent)
    assert message is not None
    received = decode(message)
    assert (received.audio, received.sample_rate) == (sent.audio, sample_rate)
    assert (received.num_channels, received.pts) == (num_channels, pts)
    assert (received.id, received.name) == (sent.id, name)


@given(st.text(), st.text(), st.text())
def test_text_survives_the_round_trip(text: str, user_id: str, timestamp: str) -> None:
    sent = TranscriptionFrame(text, user_id, timestamp)
    message = ProtobufFrameSerializer().serialize(sent)
    assert message is not None
    received = decode(message)
    assert (received.text, received.user_id, received.timestamp) == (text, user_id, timestamp)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=20,
)


@given(json_values)
def test_messages_survive_the_round_trip(value: Any) -> None:
    message = ProtobufFrameSerializer().serialize(OutputTransportMessageFrame(value))
    assert message is not None
    assert json.dumps(decode(message).message) == json.dumps(value)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (OutputAudioRawFrame(PCM, 0, 1), "sample rate 0 Hz; expected 8000..192000"),
        (OutputAudioRawFrame(PCM, 16000, 0), "0 channels; expected 1..8"),
        (OutputAudioRawFrame(None, 16000, 1), "OutputAudioRawFrame cannot be sent"),  # type: ignore[arg-type]
        (TextFrame("\ud800"), "TextFrame cannot be sent"),
        (labelled(OutputAudioRawFrame(PCM, 16000, 1), -1, "x"), "cannot be sent"),
        (labelled(OutputAudioRawFrame(PCM, 16000, 1), 1, "x", pts=-5), "cannot be sent"),
        (labelled(OutputAudioRawFrame(PCM, 16000, 1), 1, "x", pts=2**64), "cannot be sent"),
        (OutputTransportMessageFrame({"at": object()}), "object is not JSON serializable"),
    ],
)
def test_what_cannot_be_sent_says_why(frame: Frame, reason: str) -> None:
    with pytest.raises(FrameEncodeError) as caught:
        ProtobufFrameSerializer().serialize(frame)
    assert reason in str(caught.value)
