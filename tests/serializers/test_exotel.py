"""Exotel's voicebot applet, with the messages that Exotel has published."""

from typing import Any

import pytest

from tests.serializers.telephone import (
    SPEECH,
    ULAW,
    ULAW_PCM,
    assert_heard,
    assert_refused,
    changed,
    said,
    speak,
    tell,
    text,
    without,
)
from voicewire.frames import InputDTMFFrame, InterruptionFrame, KeypadEntry, PlayoutMarkFrame
from voicewire.serializers import Call, ExotelFrameSerializer

# https://developer.exotel.com/docs/agentstream/stream-voicebot-applet, and the older
# https://support.exotel.com/support/solutions/articles/3000108630, with audio of our own.

STREAM, CALL = "1707204900.123", "6f8d3b1e5b7c4e5f9a0b"

CONNECTED = {"event": "connected"}
START: dict[str, Any] = {
    "event": "start",
    "sequence_number": "1",
    "stream_sid": STREAM,
    "start": {
        "stream_sid": STREAM,
        "call_sid": CALL,
        "account_sid": "exotel123",
        "from": "09876543210",
        "to": "08047491899",
        "custom_parameters": {"FirstName": "Jane", "LastName": "Doe", "RemoteParty": "Bob"},
        "media_format": {"encoding": "base64", "sample_rate": "8000", "bit_rate": "128kbps"},
    },
}
MEDIA = {
    "event": "media",
    "sequence_number": "2",
    "stream_sid": STREAM,
    "media": {"chunk": "2", "timestamp": "10", "payload": text(SPEECH)},
}
DTMF = {
    "event": "dtmf",
    "sequence_number": "3",
    "stream_sid": STREAM,
    "dtmf": {"duration": "200", "digit": "5"},
}
MARK = {
    "event": "mark",
    "sequence_number": "4",
    "stream_sid": STREAM,
    "mark": {"name": "my label"},
}
STOP = {
    "event": "stop",
    "sequence_number": "5",
    "stream_sid": STREAM,
    "stop": {"call_sid": CALL, "account_sid": "exotel123", "reason": "callended"},
}
CONVERSATION = [CONNECTED, START, MEDIA, DTMF, MARK, STOP]


def started(encoding: str = "base64", rate: Any = "8000") -> ExotelFrameSerializer:
    serializer = ExotelFrameSerializer()
    media_format = {"encoding": encoding, "sample_rate": rate}
    tell(serializer, CONNECTED, changed(START, "start", "media_format", to=media_format))
    return serializer


def test_the_start_message_says_who_calls() -> None:
    assert started().call == Call(
        "exotel",
        CALL,
        STREAM,
        "09876543210",
        "08047491899",
        START["start"]["custom_parameters"],
    )


def test_a_whole_call_is_understood() -> None:
    serializer = ExotelFrameSerializer()
    frames = tell(serializer, *CONVERSATION)
    assert_heard(frames[2], SPEECH)
    assert type(frames[3]) is InputDTMFFrame
    assert frames[3].button is KeypadEntry.FIVE
    assert type(frames[4]) is PlayoutMarkFrame
    assert frames[4].mark == "my label"
    assert [frames[0], frames[1], frames[5]] == [None, None, None]
    assert (serializer.is_over, serializer.sequence_faults) == (True, 0)


@pytest.mark.parametrize(
    ("encoding", "rate"), [("raw/slin", "16000"), ("linear16", 24000), ("audio/L16", 8000)]
)
def test_audio_is_pcm_in_both_directions(encoding: str, rate: Any) -> None:
    serializer = started(encoding, rate)
    assert serializer.sample_rate == int(rate)
    assert_heard(tell(serializer, MEDIA)[0], SPEECH, int(rate))
    assert said(speak(serializer, rate=int(rate))) == {
        "event": "media",
        "stream_sid": STREAM,
        "media": {"payload": text(SPEECH)},
    }


def test_audio_may_be_mulaw() -> None:
    heard = tell(started("audio/x-mulaw", 8000), changed(MEDIA, "media", "payload", to=text(ULAW)))[
        0
    ]
    assert_heard(heard, ULAW_PCM)


def test_a_start_message_may_leave_the_format_out() -> None:
    serializer = ExotelFrameSerializer()
    tell(serializer, without(START, "start", "media_format"))
    assert_heard(tell(serializer, MEDIA)[0], SPEECH)


def test_a_start_message_may_name_the_stream_but_once() -> None:
    serializer = ExotelFrameSerializer()
    tell(serializer, without(START, "start", "stream_sid"))
    assert serializer.call is not None
    assert serializer.call.stream_id == STREAM


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (without(START, "start", "call_sid"), "missing_field"),
        (without(without(START, "stream_sid"), "start", "stream_sid"), "missing_field"),
        (changed(START, "start", "media_format", "sample_rate", to="x"), "invalid_field"),
        (changed(START, "start", "media_format", "encoding", to="opus"), "audio_format"),
        (MEDIA, "not_started"),
    ],
)
def test_a_wrong_beginning_is_refused(message: dict[str, Any], kind: str) -> None:
    assert_refused(ExotelFrameSerializer(), message, kind)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (START, "repeated_start"),
        (changed(MEDIA, "stream_sid", to="other"), "wrong_stream"),
        (changed(MEDIA, "media", "payload", to=text(bytes(3))), "partial_sample"),
        (changed(MEDIA, "media", "payload", to="?"), "invalid_base64"),
    ],
)
def test_a_wrong_message_is_refused(message: dict[str, Any], kind: str) -> None:
    assert_refused(started(), message, kind)


def test_marks_and_clearing() -> None:
    serializer = started()
    assert said(serializer.mark("m")) == {
        "event": "mark",
        "stream_sid": STREAM,
        "mark": {"name": "m"},
    }
    clear = said(serializer.serialize(InterruptionFrame()))
    assert clear == {"event": "clear", "stream_sid": STREAM}


@pytest.mark.parametrize(("rate", "secs"), [("8000", 0.2), ("16000", 0.1), ("24000", 0.1)])
def test_messages_should_hold_what_exotel_asks_for(rate: str, secs: float) -> None:
    serializer = started(rate=rate)
    assert serializer.packet_secs == secs
    num_bytes = secs * int(rate) * 2
    assert num_bytes >= 3200
    assert num_bytes % 320 == 0


def test_exotel_is_not_told_to_hang_up() -> None:
    assert (started().goodbye(), started().hang_up_request(now=0.0)) == (None, None)


def test_a_known_stream_starts_at_once() -> None:
    params = ExotelFrameSerializer.InputParams(exotel_sample_rate=16000)
    serializer = ExotelFrameSerializer(STREAM, CALL, params)
    assert_heard(tell(serializer, MEDIA)[0], SPEECH, 16000)
    assert said(speak(serializer, rate=16000))["stream_sid"] == STREAM
