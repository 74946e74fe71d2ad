"""Asterisk's chan_websocket, with the messages of its documentation."""

from typing import Any

import pytest

from tests.serializers.telephone import (
    ALAW,
    ALAW_PCM,
    SPEECH,
    SPEECH_ALAW,
    SPEECH_ULAW,
    ULAW,
    ULAW_PCM,
    assert_heard,
    assert_refused,
    said,
    speak,
    tell,
    without,
)
from voicewire.errors import FrameEncodeError
from voicewire.frames import (
    InputDTMFFrame,
    InterruptionFrame,
    KeypadEntry,
    OutputTransportMessageFrame,
    PlayoutMarkFrame,
)
from voicewire.serializers import AsteriskFrameSerializer, Call

# https://docs.asterisk.org/Configuration/Channel-Drivers/WebSocket/

CONNECTION = "e226e283-c90a-4ea9-9e37-389000b9ef47"
OLD_START = (
    f"MEDIA_START connection_id:{CONNECTION} channel:WebSocket/connectionid format:ulaw "
    "optimal_frame_size:160"
)
START = (
    f"MEDIA_START connection_id:{CONNECTION} channel:WebSocket/connectionid "
    "channel_id:pbx1-123456789.999 format:ulaw optimal_frame_size:160 ptime:20"
)
JSON_START: dict[str, Any] = {
    "event": "MEDIA_START",
    "connection_id": CONNECTION,
    "channel": "WebSocket/connectionid",
    "channel_id": "pbx1-123456789.999",
    "format": "ulaw",
    "optimal_frame_size": 160,
    "ptime": 20,
    "channel_variables": {
        "SOME_CHANNEL_VARIABLE": "some value",
        "ANOTHER_CHANNEL_VARIABLE": "some other value",
    },
}
STATUS = (
    "STATUS queue_length:43 xon_level:800 xoff_level:900 queue_full:false bulk_media:true "
    "media_paused:false"
)
CONVERSATION = [
    START,
    ULAW,
    "DTMF_END digit:5",
    "MEDIA_XOFF",
    "MEDIA_XON",
    "MEDIA_BUFFERING_COMPLETED 61ea9311-d501-46e5-8825-017b342b39f2",
    "MEDIA_MARK_PROCESSED my mark:1",
    "QUEUE_DRAINED",
    STATUS,
]


def event(name: str, **fields: Any) -> dict[str, Any]:
    return {"event": name, "channel_id": "pbx1-123456789.999", **fields}


JSON_CONVERSATION = [
    JSON_START,
    ULAW,
    event("DTMF_END", digit="5"),
    event("MEDIA_XOFF"),
    event("MEDIA_XON"),
    event("MEDIA_BUFFERING_COMPLETED", correlation_id="x"),
    event("MEDIA_MARK_PROCESSED", correlation_id="my mark:1"),
    event("QUEUE_DRAINED"),
    event("STATUS", queue_length=43, queue_full=False),
]


def started(message: Any = START, **params: Any) -> AsteriskFrameSerializer:
    serializer = AsteriskFrameSerializer(AsteriskFrameSerializer.InputParams(**params))
    assert tell(serializer, message) == [None]
    return serializer


@pytest.mark.parametrize("conversation", [CONVERSATION, JSON_CONVERSATION])
def test_a_whole_call_is_understood(conversation: list[Any]) -> None:
    frames = tell(AsteriskFrameSerializer(), *conversation)
    assert_heard(frames[1], ULAW_PCM)
    assert type(frames[2]) is InputDTMFFrame
    assert frames[2].button is KeypadEntry.FIVE
    assert type(frames[6]) is PlayoutMarkFrame
    assert frames[6].mark == "my mark:1"
    assert [frames[0], *frames[3:6], *frames[7:]] == [None] * 6


def test_the_start_message_says_which_channel() -> None:
    assert started().call == Call("asterisk", "pbx1-123456789.999", CONNECTION)
    assert started(OLD_START).call == Call("asterisk", "WebSocket/connectionid", CONNECTION)
    assert started(JSON_START).call == Call(
        "asterisk",
        "pbx1-123456789.999",
        CONNECTION,
        custom_parameters=JSON_START["channel_variables"],
    )


@pytest.mark.parametrize(
    ("name", "rate", "coded", "heard", "spoken"),
    [
        ("ulaw", 8000, ULAW, ULAW_PCM, SPEECH_ULAW),
        ("alaw", 8000, ALAW, ALAW_PCM, SPEECH_ALAW),
        ("slin", 8000, SPEECH, SPEECH, SPEECH),
        ("slin16", 16000, SPEECH, SPEECH, SPEECH + bytes(320)),
        ("slin48", 48000, SPEECH, SPEECH, SPEECH + bytes(1600)),
    ],
)
def test_audio_is_as_it_was_dialled_and_fills_whole_frames(
    name: str, rate: int, coded: bytes, heard: bytes, spoken: bytes
) -> None:
    serializer = started(JSON_START | {"format": name})
    assert serializer.sample_rate == rate
    assert_heard(tell(serializer, coded)[0], heard, rate)
    assert speak(serializer, rate=rate) == spoken


def test_audio_on_which_asterisk_would_hang_up_is_refused() -> None:
    serializer = started(JSON_START | {"format": "slin48"})
    with pytest.raises(FrameEncodeError, match="65500"):
        speak(serializer, bytes(65_502), 48000)


def test_commands_are_written_as_asterisk_writes() -> None:
    plain, json_ = started(), started(JSON_START)
    assert plain.serialize(InterruptionFrame()) == "FLUSH_MEDIA"
    assert said(json_.serialize(InterruptionFrame())) == {"command": "FLUSH_MEDIA"}
    assert plain.mark("m1") == "MARK_MEDIA m1"
    assert said(json_.mark("m1")) == {"command": "MARK_MEDIA", "correlation_id": "m1"}
    assert plain.goodbye() == "HANGUP"
    assert said(json_.goodbye()) == {"command": "HANGUP"}


def test_an_older_asterisk_says_when_all_is_played() -> None:
    serializer = started(OLD_START)
    assert serializer.mark("m1") == "REPORT_QUEUE_DRAINED"
    assert serializer.mark("m2") == "REPORT_QUEUE_DRAINED"
    first, second = tell(serializer, "QUEUE_DRAINED", "QUEUE_DRAINED")
    assert type(first) is PlayoutMarkFrame
    assert (first.mark, second) == ("m2", None)


def test_what_is_flushed_was_not_played() -> None:
    serializer = started(OLD_START)
    serializer.mark("m1")
    assert serializer.serialize(InterruptionFrame()) == "FLUSH_MEDIA"
    assert tell(serializer, "QUEUE_DRAINED") == [None]


def test_a_mark_that_asterisk_would_overlook_is_refused() -> None:
    assert started().mark("x" * 117) is not None
    with pytest.raises(FrameEncodeError, match="128"):
        started().mark("x" * 118)


def test_commands_of_the_application_go_out_as_they_are() -> None:
    serializer = started()
    assert serializer.serialize(OutputTransportMessageFrame("ANSWER")) == "ANSWER"
    sent = serializer.serialize(OutputTransportMessageFrame({"command": "ANSWER"}))
    assert said(sent) == {"command": "ANSWER"}


def test_nothing_is_said_before_the_start_or_against_the_applications_will() -> None:
    serializer = AsteriskFrameSerializer()
    assert serializer.mark("m1") is None
    assert serializer.goodbye() is None
    assert serializer.serialize(InterruptionFrame()) is None
    assert started(auto_hang_up=False).goodbye() is None
    assert started().hang_up_request(now=0.0) is None


def test_messages_should_hold_whole_frames() -> None:
    assert started().packet_secs == 0.02


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (JSON_START | {"format": "opus"}, "audio_format"),
        (START.replace("ulaw", "g722"), "audio_format"),
        (without(JSON_START, "format"), "missing_field"),
        (without(JSON_START, "connection_id"), "missing_field"),
        ("MEDIA_START", "missing_field"),
        (ULAW, "not_started"),
        ("MEDIA_XON", "not_started"),
        ("", "unknown_event"),
    ],
)
def test_a_wrong_beginning_is_refused(message: Any, kind: str) -> None:
    serializer = AsteriskFrameSerializer()
    assert_refused(serializer, message, kind)
    assert tell(serializer, START) == [None]


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (START, "repeated_start"),
        ("DTMF_END", "unknown_key"),
        ("DTMF_END digit:A", "unknown_key"),
        ("MEDIA_MARK_PROCESSED", "missing_field"),
        ("ERROR channel_id:1 error_text:MARK_MEDIA not supported", "provider_error"),
        (event("ERROR", error_text="secret words"), "provider_error"),
        ("MEDIA_SURPRISE x", "unknown_event"),
        ("x" * 70_000, "large_text"),
        ("{", "invalid_json"),
        (b"", "empty_audio"),
    ],
)
def test_a_wrong_message_is_refused(message: Any, kind: str) -> None:
    serializer = started()
    error = assert_refused(serializer, message, kind)
    assert "secret" not in str(error)
    assert_heard(tell(serializer, ULAW)[0], ULAW_PCM)
