"""Telnyx media streaming, with the messages that Telnyx has published."""

from typing import Any

import pytest
from pydantic import ValidationError

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
    changed,
    said,
    speak,
    tell,
    text,
    without,
)
from voicewire.errors import ConfigurationError, FrameEncodeError
from voicewire.frames import InputDTMFFrame, InterruptionFrame, KeypadEntry, PlayoutMarkFrame
from voicewire.serializers import Call, TelnyxFrameSerializer

# https://developers.telnyx.com/docs/voice/programmable-voice/media-streaming and
# https://developers.telnyx.com/api-reference/websockets/stream-call-media-over-websocket, with
# audio of our own.

STREAM = "32DE0DEA-53CB-4B21-89A4-9E1819C043BC"
CALL = "v2:T02llQxIyaRkhfRKxgAP8nY511EhFLizdvdUKJiSw8d6A9BborherQ"

CONNECTED = {"event": "connected", "version": "1.0.0"}
START: dict[str, Any] = {
    "event": "start",
    "sequence_number": "1",
    "start": {
        "user_id": "3E6F995F-85F7-4705-9741-53B116D28237",
        "call_control_id": CALL,
        "call_session_id": "ff55a038-6f5d-11ef-9692-02420aeffb1f",
        "from": "+13122010094",
        "to": "+13122123456",
        "tags": ["TAG1", "TAG2"],
        "client_state": "aGF2ZSBhIG5pY2UgZGF5ID1d",
        "custom_parameters": {"customer_id": "customer_123"},
        "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
    },
    "stream_id": STREAM,
}
MEDIA = {
    "event": "media",
    "sequence_number": "2",
    "media": {"track": "inbound", "chunk": "2", "timestamp": "5", "payload": text(ULAW)},
    "stream_id": STREAM,
}
DTMF = {
    "event": "dtmf",
    "stream_id": STREAM,
    "occurred_at": "2025-06-05T08:54:19.698408Z",
    "sequence_number": "3",
    "dtmf": {"digit": "1"},
}
MARK = {
    "event": "mark",
    "stream_id": STREAM,
    "sequence_number": "4",
    "mark": {"name": "some_mark_name"},
}
ERROR = {
    "event": "error",
    "payload": {"code": 100004, "title": "invalid_media", "detail": "not base64"},
    "stream_id": STREAM,
}
STOP = {
    "event": "stop",
    "sequence_number": "5",
    "stop": {"user_id": "3E6F995F-85F7-4705-9741-53B116D28237", "call_control_id": CALL},
    "stream_id": STREAM,
}
CONVERSATION = [CONNECTED, START, MEDIA, DTMF, MARK, STOP]


def started(encoding: str = "PCMU", rate: int = 8000, **kwargs: Any) -> TelnyxFrameSerializer:
    serializer = TelnyxFrameSerializer(**kwargs)
    media_format = {"encoding": encoding, "sample_rate": rate, "channels": 1}
    tell(serializer, CONNECTED, changed(START, "start", "media_format", to=media_format))
    return serializer


def media(data: bytes) -> dict[str, Any]:
    return changed(MEDIA, "media", "payload", to=text(data))


def test_the_start_message_says_who_calls() -> None:
    assert started().call == Call(
        "telnyx", CALL, STREAM, "+13122010094", "+13122123456", {"customer_id": "customer_123"}
    )


def test_a_whole_call_is_understood() -> None:
    serializer = TelnyxFrameSerializer()
    frames = tell(serializer, *CONVERSATION)
    assert_heard(frames[2], ULAW_PCM)
    assert type(frames[3]) is InputDTMFFrame
    assert frames[3].button is KeypadEntry.ONE
    assert type(frames[4]) is PlayoutMarkFrame
    assert frames[4].mark == "some_mark_name"
    assert [frames[0], frames[1], frames[5]] == [None, None, None]
    assert (serializer.is_over, serializer.sequence_faults) == (True, 0)


@pytest.mark.parametrize("encoding", ["PCMA", "audio/x-alaw"])
def test_the_caller_may_come_as_alaw(encoding: str) -> None:
    assert_heard(tell(started(encoding), media(ALAW))[0], ALAW_PCM)


@pytest.mark.parametrize("rate", [8000, 16000, 24000])
def test_the_caller_may_come_as_pcm(rate: int) -> None:
    assert_heard(tell(started("L16", rate), media(SPEECH))[0], SPEECH, rate)


def test_half_a_sample_is_refused() -> None:
    assert_refused(started("L16", 16000), media(bytes(3)), "partial_sample")


@pytest.mark.parametrize(
    ("encoding", "rate"), [("OPUS", 16000), ("G722", 8000), ("PCMU", 16000), ("L16", 4000)]
)
def test_other_formats_are_refused(encoding: str, rate: int) -> None:
    media_format = {"encoding": encoding, "sample_rate": rate}
    message = changed(START, "start", "media_format", to=media_format)
    error = assert_refused(TelnyxFrameSerializer(), message, "audio_format")
    assert "stream_codec" in str(error)


def test_the_other_track_is_not_the_caller() -> None:
    assert tell(started(), changed(MEDIA, "media", "track", to="outbound")) == [None]


def test_an_error_of_telnyx_is_refused_without_its_words() -> None:
    error = assert_refused(started(), ERROR, "provider_error")
    assert "100004" in str(error)
    assert "not base64" not in str(error)
    assert_refused(started(), without(ERROR, "payload"), "provider_error")
    huge = changed(ERROR, "payload", "code", to=10**4000)
    assert len(str(assert_refused(started(), huge, "provider_error"))) < 100


@pytest.mark.parametrize("path", [("stream_id",), ("start", "call_control_id"), ("start",)])
def test_a_start_message_without_identifiers_is_refused(path: tuple[str, ...]) -> None:
    assert_refused(TelnyxFrameSerializer(), without(START, *path), "missing_field")


# Out.


def test_our_audio_is_mulaw_whatever_the_callers_is() -> None:
    for encoding in ("PCMU", "PCMA"):
        assert said(speak(started(encoding))) == {
            "event": "media",
            "stream_id": STREAM,
            "media": {"payload": text(SPEECH_ULAW)},
        }


def test_our_audio_may_be_alaw() -> None:
    serializer = started(inbound_encoding="PCMA")
    assert said(speak(serializer))["media"]["payload"] == text(SPEECH_ALAW)


@pytest.mark.parametrize("rate", [None, 8000, 24000])
def test_our_audio_may_be_pcm(rate: Any) -> None:
    params = TelnyxFrameSerializer.InputParams(telnyx_sample_rate=rate, inbound_encoding="L16")
    serializer = started(params=params)
    assert serializer.sample_rate == (rate or 16000)
    assert said(speak(serializer, rate=rate or 16000))["media"]["payload"] == text(SPEECH)
    with pytest.raises(FrameEncodeError):
        speak(serializer, rate=48000)


def test_marks_and_clearing() -> None:
    serializer = started()
    assert said(serializer.mark("m")) == {
        "event": "mark",
        "stream_id": STREAM,
        "mark": {"name": "m"},
    }
    clear = said(serializer.serialize(InterruptionFrame()))
    assert clear == {"event": "clear", "stream_id": STREAM}


# As Pipecat's programs make it.


def test_a_known_stream_starts_at_once() -> None:
    serializer = TelnyxFrameSerializer(STREAM, "PCMA", "PCMA", CALL, "key")
    assert_heard(tell(serializer, media(ALAW))[0], ALAW_PCM)
    assert said(speak(serializer))["media"]["payload"] == text(SPEECH_ALAW)
    assert serializer.hang_up_request(now=0.0) is not None


def test_an_unknown_encoding_is_an_error() -> None:
    encoding: Any = "OPUS"
    with pytest.raises(ConfigurationError, match="expected PCMU, PCMA or L16"):
        TelnyxFrameSerializer(STREAM, encoding, "PCMU")
    with pytest.raises(ValidationError, match="inbound_encoding"):
        TelnyxFrameSerializer.InputParams(inbound_encoding=encoding)


# Hanging up.


def test_hanging_up_needs_no_more_than_a_key() -> None:
    request = started(api_key="KEY1").hang_up_request(now=0.0)
    assert request is not None
    assert (request.method, request.body) == ("POST", b"{}")
    assert request.url == f"https://api.telnyx.com/v2/calls/{CALL}/actions/hangup"
    assert request.headers["Authorization"] == "Bearer KEY1"
    assert request.statuses_if_gone == {404, 422}
    assert "KEY1" not in repr(request)


def test_nobody_hangs_up_without_a_key_or_against_the_applications_will() -> None:
    assert started().hang_up_request(now=0.0) is None
    assert TelnyxFrameSerializer(api_key="KEY1").hang_up_request(now=0.0) is None
    params = TelnyxFrameSerializer.InputParams(auto_hang_up=False)
    assert started(api_key="KEY1", params=params).hang_up_request(now=0.0) is None
