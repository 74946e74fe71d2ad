"""Plivo audio streams, with the messages that Plivo has published."""

from typing import Any

import pytest

from tests.serializers.telephone import (
    SPEECH,
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
from voicewire.errors import ConfigurationError
from voicewire.frames import (
    InputDTMFFrame,
    InterruptionFrame,
    KeypadEntry,
    OutputDTMFFrame,
    OutputDTMFUrgentFrame,
    PlayoutMarkFrame,
)
from voicewire.serializers import Call, PlivoFrameSerializer

# https://www.plivo.com/docs/voice-agents/audio-streaming/concepts/stream-event-protocol and
# https://www.plivo.com/docs/voice/xml/the-stream-element/checkpoint-event, with audio of our own.

STREAM, CALL = "20170ada-f610-433b-8758-c02a2aab3662", "1dc7d34b-ea21-4a2b-8d76-5f4f8c0b9e0a"

START: dict[str, Any] = {
    "sequenceNumber": 0,
    "event": "start",
    "start": {
        "callId": CALL,
        "streamId": STREAM,
        "accountId": "MAXXXXXXXXXXXXXXXXXX",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
    },
    "extra_headers": "{}",
}
MEDIA = {
    "sequenceNumber": 1,
    "streamId": STREAM,
    "event": "media",
    "media": {"track": "inbound", "timestamp": "1670000000000", "chunk": 1, "payload": text(ULAW)},
    "extra_headers": "{}",
}
DTMF = {
    "sequenceNumber": 2,
    "event": "dtmf",
    "streamId": STREAM,
    "dtmf": {"track": "inbound", "digit": "*", "timestamp": "1670000000020"},
    "extra_headers": "{}",
}
PLAYED = {
    "sequenceNumber": 3,
    "event": "playedStream",
    "streamId": STREAM,
    "name": "customer greeting audio",
}
CLEARED = {"sequenceNumber": 4, "event": "clearedAudio", "streamId": STREAM}
STOP = {"sequenceNumber": 5, "event": "stop", "streamId": STREAM}
CONVERSATION = [START, MEDIA, DTMF, PLAYED, CLEARED, STOP]


def start(encoding: str = "audio/x-mulaw", rate: int = 8000) -> dict[str, Any]:
    media_format = {"encoding": encoding, "sampleRate": rate}
    return changed(START, "start", "mediaFormat", to=media_format)


def started(message: dict[str, Any] = START, **kwargs: Any) -> PlivoFrameSerializer:
    serializer = PlivoFrameSerializer(**kwargs)
    assert tell(serializer, message) == [None]
    return serializer


def test_the_start_message_says_who_calls() -> None:
    assert started().call == Call("plivo", CALL, STREAM)


@pytest.mark.parametrize(
    ("extra_headers", "parameters"),
    [
        ('{"from_number": "+15550100", "x": 1}', {"from_number": "+15550100", "x": 1}),
        ({"from_number": "+15550100"}, {"from_number": "+15550100"}),
        ("from_number=+15550100,x=1", {"from_number": "+15550100", "x": "1"}),
        ("{from_number=+15550100; x=1}", {"from_number": "+15550100", "x": "1"}),
        ("", {}),
        ("nothing", {}),
        ("[1]", {}),
        ("[" * 9000, {}),
        (7, {}),
    ],
)
def test_extra_headers_come_in_more_than_one_form(
    extra_headers: Any, parameters: dict[str, Any]
) -> None:
    call = started(changed(START, "extra_headers", to=extra_headers)).call
    assert call is not None
    assert call.custom_parameters == parameters
    assert call.from_number == parameters.get("from_number")


def test_a_whole_call_is_understood() -> None:
    serializer = PlivoFrameSerializer()
    frames = tell(serializer, *CONVERSATION)
    assert_heard(frames[1], ULAW_PCM)
    assert type(frames[2]) is InputDTMFFrame
    assert frames[2].button is KeypadEntry.STAR
    assert type(frames[3]) is PlayoutMarkFrame
    assert frames[3].mark == "customer greeting audio"
    assert [frames[0], *frames[4:]] == [None, None, None]
    assert (serializer.is_over, serializer.sequence_faults) == (True, 0)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_stream_of_pcm_is_one_in_both_directions(rate: int) -> None:
    serializer = started(start("audio/x-l16", rate))
    assert serializer.sample_rate == rate
    heard = tell(serializer, changed(MEDIA, "media", "payload", to=text(SPEECH)))[0]
    assert_heard(heard, SPEECH, rate)
    assert said(speak(serializer, rate=rate))["media"] == {
        "contentType": "audio/x-l16",
        "sampleRate": rate,
        "payload": text(SPEECH),
    }


def test_audio_goes_out_as_base64_of_mulaw() -> None:
    assert said(speak(started())) == {
        "event": "playAudio",
        "streamId": STREAM,
        "media": {
            "contentType": "audio/x-mulaw",
            "sampleRate": 8000,
            "payload": text(SPEECH_ULAW),
        },
    }


def test_a_checkpoint_asks_what_was_played() -> None:
    assert said(started().mark("customer greeting audio")) == {
        "event": "checkpoint",
        "streamId": STREAM,
        "name": "customer greeting audio",
    }
    assert PlivoFrameSerializer().mark("m") is None


def test_an_interruption_clears_what_is_not_played() -> None:
    message = said(started().serialize(InterruptionFrame()))
    assert message == {"event": "clearAudio", "streamId": STREAM}


@pytest.mark.parametrize("frame_type", [OutputDTMFFrame, OutputDTMFUrgentFrame])
def test_keys_are_pressed(frame_type: Any) -> None:
    message = said(started().serialize(frame_type(KeypadEntry.POUND)))
    assert message == {"event": "sendDTMF", "dtmf": "#"}
    assert PlivoFrameSerializer().serialize(frame_type(KeypadEntry.POUND)) is None


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (start("audio/x-mulaw", 16000), "audio_format"),
        (start("PCMA", 8000), "audio_format"),
        (without(START, "start", "callId"), "missing_field"),
        (without(START, "start", "streamId"), "missing_field"),
        (MEDIA, "not_started"),
    ],
)
def test_a_wrong_beginning_is_refused(message: dict[str, Any], kind: str) -> None:
    assert_refused(PlivoFrameSerializer(), message, kind)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (START, "repeated_start"),
        (changed(MEDIA, "streamId", to="other"), "wrong_stream"),
        (without(PLAYED, "name"), "missing_field"),
        (changed(DTMF, "dtmf", "digit", to="A"), "unknown_key"),
        (changed(MEDIA, "media", "payload", to="?"), "invalid_base64"),
    ],
)
def test_a_wrong_message_is_refused(message: dict[str, Any], kind: str) -> None:
    assert_refused(started(), message, kind)


# As Pipecat's programs make it.


def test_a_known_stream_starts_at_once() -> None:
    serializer = PlivoFrameSerializer(STREAM, CALL, "MA1", "token")
    assert_heard(tell(serializer, MEDIA)[0], ULAW_PCM)
    assert said(speak(serializer))["media"]["contentType"] == "audio/x-mulaw"
    assert serializer.hang_up_request(now=0.0) is not None
    params = PlivoFrameSerializer.InputParams(plivo_sample_rate=16000)
    assert PlivoFrameSerializer(STREAM, params=params).sample_rate == 16000


# Hanging up.


def test_hanging_up_deletes_the_call() -> None:
    request = started(auth_id="MA1", auth_token="token").hang_up_request(now=0.0)  # noqa: S106
    assert request is not None
    assert (request.method, request.body) == ("DELETE", b"")
    assert request.url == f"https://api.plivo.com/v1/Account/MA1/Call/{CALL}/"
    assert request.headers == {"Authorization": "Basic " + text(b"MA1:token")}
    assert request.statuses_if_gone == {404}


def test_nobody_hangs_up_without_credentials_or_against_the_applications_will() -> None:
    assert started().hang_up_request(now=0.0) is None
    login: dict[str, Any] = {"auth_id": "MA1", "auth_token": "token"}
    assert PlivoFrameSerializer(**login).hang_up_request(now=0.0) is None
    params = PlivoFrameSerializer.InputParams(auto_hang_up=False)
    assert started(**login, params=params).hang_up_request(now=0.0) is None


def test_half_of_the_credentials_are_an_error() -> None:
    with pytest.raises(ConfigurationError, match="auth_id without auth_token"):
        PlivoFrameSerializer(auth_id="MA1")
    with pytest.raises(ConfigurationError, match="auth_token without auth_id"):
        PlivoFrameSerializer(auth_token="token")  # noqa: S106
