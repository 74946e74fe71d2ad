"""Twilio Media Streams, with the messages that Twilio has published."""

import base64
import logging
from typing import Any

import pytest
from pydantic import ValidationError

from tests.serializers.telephone import (
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
from voicewire.frames import (
    InputDTMFFrame,
    InterruptionFrame,
    KeypadEntry,
    OutputAudioRawFrame,
    OutputDTMFFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    PlayoutMarkFrame,
    TextFrame,
)
from voicewire.serializers import Call, TwilioFrameSerializer

# https://www.twilio.com/docs/voice/media-streams/websocket-messages, with audio of our own.

CONNECTED = {"event": "connected", "protocol": "Call", "version": "1.0.0"}
START: dict[str, Any] = {
    "event": "start",
    "sequenceNumber": "1",
    "start": {
        "accountSid": "ACXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
        "streamSid": "MZXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
        "callSid": "CAXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"FirstName": "Jane", "LastName": "Doe", "RemoteParty": "Bob"},
    },
    "streamSid": "MZXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
}
MEDIA = {
    "event": "media",
    "sequenceNumber": "2",
    "media": {"track": "inbound", "chunk": "1", "timestamp": "5", "payload": text(ULAW)},
    "streamSid": "MZXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
}
DTMF = {
    "event": "dtmf",
    "streamSid": "MZXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
    "sequenceNumber": "3",
    "dtmf": {"track": "inbound_track", "digit": "1"},
}
MARK = {
    "event": "mark",
    "sequenceNumber": "4",
    "streamSid": "MZXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
    "mark": {"name": "my label"},
}
STOP = {
    "event": "stop",
    "sequenceNumber": "5",
    "streamSid": "MZXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
    "stop": {
        "accountSid": "ACXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
        "callSid": "CAXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
    },
}
CONVERSATION = [CONNECTED, START, MEDIA, DTMF, MARK, STOP]

STREAM, CALL = "MZXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX", "CAXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"
ACCOUNT, TOKEN = "AC1", "a secret"


def started(*args: Any, **kwargs: Any) -> TwilioFrameSerializer:
    serializer = TwilioFrameSerializer(*args, **kwargs)
    assert tell(serializer, CONNECTED, START) == [None, None]
    return serializer


# In.


def test_the_start_message_says_who_calls() -> None:
    serializer = TwilioFrameSerializer()
    tell(serializer, CONNECTED)
    assert (serializer.call, serializer.has_started) == (None, False)
    tell(serializer, START)
    assert serializer.call == Call(
        "twilio", CALL, STREAM, None, None, START["start"]["customParameters"]
    )
    assert (serializer.has_started, serializer.is_over) == (True, False)


def test_numbers_come_as_parameters_of_the_twiml() -> None:
    numbers = {"from_number": "+15550100", "to_number": "+15550199"}
    serializer = TwilioFrameSerializer()
    tell(serializer, changed(START, "start", "customParameters", to=numbers))
    assert serializer.call is not None
    assert (serializer.call.from_number, serializer.call.to_number) == ("+15550100", "+15550199")


def test_a_whole_call_is_understood() -> None:
    serializer = TwilioFrameSerializer()
    frames = tell(serializer, *CONVERSATION)
    assert frames[:2] == [None, None]
    assert_heard(frames[2], ULAW_PCM)
    assert type(frames[3]) is InputDTMFFrame
    assert frames[3].button is KeypadEntry.ONE
    assert type(frames[4]) is PlayoutMarkFrame
    assert frames[4].mark == "my label"
    assert frames[5] is None
    assert serializer.is_over
    assert serializer.sequence_faults == 0
    assert serializer.take_replies() == []


def test_what_the_caller_hears_is_not_the_caller() -> None:
    assert tell(started(), changed(MEDIA, "media", "track", to="outbound")) == [None]


@pytest.mark.parametrize("numbers", [["2", "4"], ["2", "2"], ["2", "1"], ["2", "x"], ["2", None]])
def test_wrong_sequence_numbers_are_counted(numbers: list[Any]) -> None:
    serializer = started()
    for number in numbers:
        tell(serializer, changed(MEDIA, "sequenceNumber", to=number))
    assert serializer.sequence_faults == 1


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (START, "repeated_start"),
        (changed(MEDIA, "streamSid", to="MZ2"), "wrong_stream"),
        (changed(MEDIA, "streamSid", to=None), "wrong_stream"),
        (without(MEDIA, "media"), "missing_field"),
        (without(MEDIA, "media", "payload"), "missing_field"),
        (changed(MEDIA, "media", "payload", to="abc"), "invalid_base64"),
        (changed(MEDIA, "media", "payload", to="ab\nc="), "invalid_base64"),
        (changed(MEDIA, "media", "payload", to="\u00e4\u00f6"), "invalid_base64"),
        (changed(MEDIA, "media", "payload", to=""), "empty_audio"),
        (changed(DTMF, "dtmf", "digit", to="A"), "unknown_key"),
        (changed(DTMF, "dtmf", "digit", to={}), "unknown_key"),
        (without(MARK, "mark", "name"), "missing_field"),
        (changed(MARK, "mark", "name", to="x" * 300), "invalid_field"),
        ({"event": "surprise"}, "unknown_event"),
        ({"event": ["media"]}, "missing_field"),
        ({}, "missing_field"),
        ("[]", "not_an_object"),
        ("media", "invalid_json"),
        (b"{}", "binary_message"),
    ],
)
def test_a_wrong_message_is_refused_and_the_next_is_understood(message: Any, kind: str) -> None:
    serializer = started()
    error = assert_refused(serializer, message, kind)
    assert text(ULAW)[:20] not in str(error)
    assert_heard(tell(serializer, MEDIA)[0], ULAW_PCM)


@pytest.mark.parametrize("message", [MEDIA, DTMF, MARK, STOP])
def test_nothing_comes_before_the_start(message: dict[str, Any]) -> None:
    assert_refused(TwilioFrameSerializer(), message, "not_started")


@pytest.mark.parametrize("message", CONVERSATION)
def test_nothing_comes_after_the_end(message: dict[str, Any]) -> None:
    serializer = started()
    tell(serializer, STOP)
    assert_refused(serializer, message, "after_the_end")


@pytest.mark.parametrize("name", ["callSid", "streamSid"])
def test_a_start_message_without_identifiers_is_refused(name: str) -> None:
    serializer = TwilioFrameSerializer()
    assert_refused(serializer, without(START, "start", name), "missing_field")
    assert not serializer.has_started


@pytest.mark.parametrize(
    ("field", "value"), [("encoding", "audio/opus"), ("sampleRate", 16000), ("sampleRate", -1)]
)
def test_another_audio_format_is_refused(field: str, value: Any) -> None:
    message = changed(START, "start", "mediaFormat", field, to=value)
    assert_refused(TwilioFrameSerializer(), message, "audio_format")


def test_a_format_that_is_no_number_is_refused() -> None:
    message = changed(START, "start", "mediaFormat", "sampleRate", to=["8000"])
    assert_refused(TwilioFrameSerializer(), message, "invalid_field")


# Out.


def test_audio_goes_out_as_base64_of_mulaw() -> None:
    assert said(speak(started())) == {
        "event": "media",
        "streamSid": STREAM,
        "media": {"payload": base64.b64encode(SPEECH_ULAW).decode()},
    }


def test_a_streams_name_cannot_break_the_message() -> None:
    serializer = TwilioFrameSerializer('MZ"PAYLOAD"\\')
    assert said(speak(serializer)) == {
        "event": "media",
        "streamSid": 'MZ"PAYLOAD"\\',
        "media": {"payload": base64.b64encode(SPEECH_ULAW).decode()},
    }


def test_a_mark_asks_to_be_echoed() -> None:
    assert said(started().mark("my label")) == {
        "event": "mark",
        "streamSid": STREAM,
        "mark": {"name": "my label"},
    }
    assert TwilioFrameSerializer().mark("my label") is None


def test_an_interruption_clears_what_is_not_played() -> None:
    assert said(started().serialize(InterruptionFrame())) == {
        "event": "clear",
        "streamSid": STREAM,
    }
    assert TwilioFrameSerializer().serialize(InterruptionFrame()) is None


@pytest.mark.parametrize(
    "frame_type", [OutputTransportMessageFrame, OutputTransportMessageUrgentFrame]
)
def test_messages_of_the_application_go_out_but_for_rtvi(frame_type: Any) -> None:
    assert said(started().serialize(frame_type({"event": "x"}))) == {"event": "x"}
    rtvi = frame_type({"label": "rtvi-ai", "type": "bot-ready"})
    assert started().serialize(rtvi) is None
    params = TwilioFrameSerializer.InputParams(ignore_rtvi_messages=False)
    assert said(started(params=params).serialize(rtvi)) == rtvi.message


def test_what_the_wire_does_not_carry_is_not_sent() -> None:
    serializer = started()
    assert serializer.serialize(TextFrame("hello")) is None
    assert serializer.serialize(OutputDTMFFrame(KeypadEntry.ONE)) is None
    assert serializer.goodbye() is None
    assert speak(serializer, b"") is None


def test_nothing_goes_out_after_the_end() -> None:
    serializer = started()
    tell(serializer, STOP)
    assert speak(serializer) is None
    assert serializer.serialize(InterruptionFrame()) is None
    assert serializer.serialize(OutputTransportMessageFrame({})) is None


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (OutputAudioRawFrame(bytes(4), 16000, 1), "16000 Hz, 1 channels; expected 8000 Hz, mono"),
        (OutputAudioRawFrame(bytes(4), 8000, 2), "8000 Hz, 2 channels; expected 8000 Hz, mono"),
        (OutputAudioRawFrame(bytes(3), 8000, 1), "within a sample"),
    ],
)
def test_other_audio_is_refused(frame: OutputAudioRawFrame, reason: str) -> None:
    assert started().sample_rate == 8000
    with pytest.raises(FrameEncodeError, match=reason):
        started().serialize(frame)


def test_audio_before_the_start_is_refused() -> None:
    with pytest.raises(FrameEncodeError, match="before Twilio has started the call"):
        speak(TwilioFrameSerializer())


# As Pipecat's programs make it: they have read the start message themselves.


def test_a_known_stream_starts_at_once() -> None:
    serializer = TwilioFrameSerializer(STREAM)
    assert serializer.has_started
    assert said(speak(serializer))["streamSid"] == STREAM
    assert_heard(tell(serializer, MEDIA)[0], ULAW_PCM)
    tell(serializer, CONNECTED, START)
    assert serializer.call is not None
    assert_refused(serializer, START, "repeated_start")


def test_another_stream_than_the_known_one_is_refused() -> None:
    serializer = TwilioFrameSerializer("MZother")
    assert_refused(serializer, START, "wrong_stream")
    assert_refused(serializer, without(START, "streamSid"), "wrong_stream")
    assert serializer.call is None


def test_parameters_of_pipecats_programs_are_taken() -> None:
    params = TwilioFrameSerializer.InputParams(
        twilio_sample_rate=8000,
        sample_rate=16000,
        auto_hang_up=False,
        ignore_rtvi_messages=True,
        resampler_clear_after_secs=None,
    )
    assert TwilioFrameSerializer(STREAM, params=params).hang_up_request(now=0.0) is None
    with pytest.raises(ValidationError, match="Did you mean 'auto_hang_up'"):
        TwilioFrameSerializer.InputParams.model_validate({"auto_hangup": False})


# Hanging up.


def test_hanging_up_needs_no_more_than_credentials() -> None:
    request = started(account_sid=ACCOUNT, auth_token=TOKEN).hang_up_request(now=0.0)
    assert request is not None
    assert (request.method, request.body) == ("POST", b"Status=completed")
    assert request.url == f"https://api.twilio.com/2010-04-01/Accounts/AC1/Calls/{CALL}.json"
    assert request.headers == {
        "Authorization": "Basic " + text(b"AC1:a secret"),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    assert request.statuses_if_gone == {404}


def test_an_api_key_stands_for_the_token() -> None:
    serializer = started(account_sid=ACCOUNT, api_key_sid="SK1", api_key_secret=TOKEN)
    request = serializer.hang_up_request(now=0.0)
    assert request is not None
    assert request.headers["Authorization"] == "Basic " + text(b"SK1:a secret")
    assert "/Accounts/AC1/" in request.url


@pytest.mark.parametrize(
    ("where", "root"),
    [
        ({"region": "ie1", "edge": "dublin"}, "https://api.dublin.ie1.twilio.com/"),
        ({"base_url": "http://localhost:1/"}, "http://localhost:1/"),
        ({"base_url": "http://localhost:1", "region": "ie1"}, "http://localhost:1/"),
    ],
)
def test_the_api_may_be_elsewhere(where: dict[str, Any], root: str) -> None:
    request = TwilioFrameSerializer(STREAM, CALL, ACCOUNT, TOKEN, **where).hang_up_request(now=0.0)
    assert request is not None
    assert request.url == f"{root}2010-04-01/Accounts/AC1/Calls/{CALL}.json"


def test_a_calls_name_cannot_lead_elsewhere() -> None:
    serializer = TwilioFrameSerializer(account_sid=ACCOUNT, auth_token=TOKEN)
    tell(serializer, changed(START, "start", "callSid", to="../../x?y#z"))
    request = serializer.hang_up_request(now=0.0)
    assert request is not None
    assert request.url.endswith("/Accounts/AC1/Calls/..%2F..%2Fx%3Fy%23z.json")


def test_a_calls_name_of_dots_is_refused() -> None:
    assert_refused(
        TwilioFrameSerializer(), changed(START, "start", "callSid", to=".."), "invalid_field"
    )


def test_nobody_hangs_up_without_credentials_or_against_the_applications_will() -> None:
    assert started().hang_up_request(now=0.0) is None
    assert (
        TwilioFrameSerializer(account_sid=ACCOUNT, auth_token=TOKEN).hang_up_request(now=0.0)
        is None
    )
    params = TwilioFrameSerializer.InputParams(auto_hang_up=False)
    serializer = started(account_sid=ACCOUNT, auth_token=TOKEN, params=params)
    assert serializer.hang_up_request(now=0.0) is None


@pytest.mark.parametrize(
    ("credentials", "reason"),
    [
        ({"account_sid": ACCOUNT}, "account_sid without auth_token"),
        ({"auth_token": TOKEN}, "auth_token without account_sid"),
        ({"account_sid": ACCOUNT, "api_key_sid": "SK1"}, "without api_key_secret"),
        ({"api_key_secret": TOKEN}, "without account_sid, api_key_sid"),
        (
            {"account_sid": ACCOUNT, "auth_token": TOKEN, "api_key_sid": "SK1"},
            "auth_token and an API key",
        ),
        ({"region": "ie1"}, "region without edge"),
        ({"edge": "dublin"}, "edge without region"),
    ],
)
def test_half_of_the_credentials_are_an_error(credentials: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as caught:
        TwilioFrameSerializer(**credentials)
    assert TOKEN not in str(caught.value)


def test_credentials_are_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    serializer = started(account_sid=ACCOUNT, auth_token=TOKEN)
    shown = f"{serializer!r} {serializer.hang_up_request(now=0.0)!r} {caplog.text}"
    assert TOKEN not in shown
    assert text(b"AC1:a secret") not in shown
