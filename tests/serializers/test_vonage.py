"""Vonage WebSockets, with the messages that Vonage has published."""

import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.serializers.telephone import (
    SPEECH,
    assert_heard,
    assert_refused,
    changed,
    said,
    speak,
    tell,
    without,
)
from voicewire.errors import ConfigurationError
from voicewire.frames import InputDTMFFrame, InterruptionFrame, KeypadEntry, PlayoutMarkFrame
from voicewire.serializers import Call, VonageFrameSerializer

# https://developer.vonage.com/en/voice/voice-api/concepts/websockets

CONNECTED: dict[str, Any] = {
    "event": "websocket:connected",
    "content-type": "audio/l16;rate=16000",
    "prop1": "value1",
    "prop2": "value2",
}
DTMF = {"event": "websocket:dtmf", "digit": "5", "duration": 260}
CLEARED = {"event": "websocket:cleared"}
NOTIFY = {"event": "websocket:notify", "payload": {"mark": "greeting"}}
CONVERSATION = [CONNECTED, SPEECH, DTMF, CLEARED, NOTIFY]


def started(content_type: str = "audio/l16;rate=16000") -> VonageFrameSerializer:
    serializer = VonageFrameSerializer()
    assert tell(serializer, changed(CONNECTED, "content-type", to=content_type)) == [None]
    return serializer


def test_the_first_message_says_what_the_application_passed_on() -> None:
    assert started().call == Call(
        "vonage", "", "", custom_parameters={"prop1": "value1", "prop2": "value2"}
    )
    passed = {"call_uuid": "u1", "from_number": "447700900000", "to_number": "447700900001"}
    serializer = VonageFrameSerializer()
    tell(serializer, CONNECTED | passed)
    call = serializer.call
    assert call is not None
    assert (call.call_id, call.from_number, call.to_number) == tuple(passed.values())


def test_a_whole_call_is_understood() -> None:
    frames = tell(VonageFrameSerializer(), *CONVERSATION)
    assert_heard(frames[1], SPEECH, 16000)
    assert type(frames[2]) is InputDTMFFrame
    assert frames[2].button is KeypadEntry.FIVE
    assert type(frames[4]) is PlayoutMarkFrame
    assert frames[4].mark == "greeting"
    assert [frames[0], frames[3]] == [None, None]


@pytest.mark.parametrize("rate", [8000, 16000, 24000])
def test_audio_is_pcm_in_both_directions(rate: int) -> None:
    serializer = started(f"audio/l16; rate={rate}")
    assert serializer.sample_rate == rate
    assert_heard(tell(serializer, SPEECH)[0], SPEECH, rate)
    assert speak(serializer, rate=rate) == SPEECH


def test_the_rate_is_the_configured_one_until_vonage_says() -> None:
    params = VonageFrameSerializer.InputParams(vonage_sample_rate=24000)
    serializer = VonageFrameSerializer(params)
    assert serializer.sample_rate == 24000
    tell(serializer, without(CONNECTED, "content-type"))
    assert_heard(tell(serializer, SPEECH)[0], SPEECH, 24000)


@pytest.mark.parametrize(
    "content_type",
    [
        "audio/opus;rate=16000",
        "audio/l16",
        "audio/l16;rate=1",
        "audio/l16;rate=\u0664",
        "audio/l16;rate=" + "9" * 5000,
    ],
)
def test_another_format_is_refused(content_type: str) -> None:
    message = changed(CONNECTED, "content-type", to=content_type)
    assert_refused(VonageFrameSerializer(), message, "audio_format")


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (CONNECTED, "repeated_start"),
        (b"", "empty_audio"),
        (bytes(3), "partial_sample"),
        (without(NOTIFY, "payload"), "missing_field"),
        (changed(NOTIFY, "payload", to={}), "missing_field"),
        (changed(DTMF, "digit", to="x"), "unknown_key"),
        ({"event": "websocket:other"}, "unknown_event"),
        ("", "invalid_json"),
    ],
)
def test_a_wrong_message_is_refused(message: Any, kind: str) -> None:
    serializer = started()
    assert_refused(serializer, message, kind)
    assert_heard(tell(serializer, SPEECH)[0], SPEECH, 16000)


@pytest.mark.parametrize("message", [SPEECH, DTMF, CLEARED, NOTIFY])
def test_nothing_comes_before_the_start(message: Any) -> None:
    assert_refused(VonageFrameSerializer(), message, "not_started")


def test_marks_and_clearing() -> None:
    serializer = started()
    mark = said(serializer.mark("greeting"))
    assert mark == {"action": "notify", "payload": {"mark": "greeting"}}
    assert said(serializer.serialize(InterruptionFrame())) == {"action": "clear"}
    assert VonageFrameSerializer().mark("greeting") is None


def test_no_message_ends_the_call() -> None:
    assert (started().goodbye(), started().hang_up_request(now=0.0)) == (None, None)


# Calls by the HTTP API.


@pytest.fixture(scope="module")
def keys() -> tuple[str, str]:
    """Return an application's private key and its public one, in PEM."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = serialization.Encoding.PEM
    return (
        private.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
        private.public_key()
        .public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode(),
    )


def test_a_call_is_hung_up_with_a_token_of_the_application(keys: tuple[str, str]) -> None:
    serializer = VonageFrameSerializer(application_id="app-1", private_key=keys[0])
    assert serializer.hang_up_request(now=0.0) is None
    tell(serializer, CONNECTED | {"call_uuid": "u/1"})
    now = time.time()
    first, second = (serializer.hang_up_request(now=now) for _ in range(2))
    assert first is not None
    assert second is not None
    assert (first.method, first.url) == ("PUT", "https://api.nexmo.com/v1/calls/u%2F1")
    assert json.loads(first.body) == {"action": "hangup"}
    tokens = [each.headers["Authorization"].removeprefix("Bearer ") for each in (first, second)]
    claims = jwt.decode(tokens[0], keys[1], algorithms=["RS256"])
    assert (claims["application_id"], claims["iat"]) == ("app-1", int(now))
    assert 0 < claims["exp"] - now <= 300
    assert claims["jti"] != jwt.decode(tokens[1], keys[1], algorithms=["RS256"])["jti"]
    assert first.statuses_if_gone == {404}


def test_somebody_is_called_and_connected(keys: tuple[str, str]) -> None:
    serializer = VonageFrameSerializer(
        application_id="app-1", private_key=keys[0], base_url="http://localhost:1/"
    )
    request = serializer.dial_request("+15550100", "+15550199", "wss://x.example/vonage", now=0.0)
    assert request is not None
    assert (request.method, request.url) == ("POST", "http://localhost:1/v1/calls")
    asked = json.loads(request.body)
    assert asked["to"] == [{"type": "phone", "number": "15550100"}]
    assert asked["from"] == {"type": "phone", "number": "15550199"}
    (action,) = asked["ncco"]
    assert action["endpoint"][0]["uri"] == "wss://x.example/vonage"


def test_nobody_is_called_or_hung_up_without_credentials(keys: tuple[str, str]) -> None:
    serializer = VonageFrameSerializer()
    assert serializer.dial_request("1", "2", "wss://x.example/vonage", now=0.0) is None
    with pytest.raises(ConfigurationError, match="application_id without private_key"):
        VonageFrameSerializer(application_id="app-1")
    with pytest.raises(ConfigurationError, match="expected an RSA key in PEM") as caught:
        VonageFrameSerializer(application_id="app-1", private_key="secret words")
    assert "secret" not in str(caught.value)
    params = VonageFrameSerializer.InputParams(auto_hang_up=False)
    quiet = VonageFrameSerializer(params, application_id="app-1", private_key=keys[0])
    tell(quiet, CONNECTED | {"call_uuid": "u1"})
    assert quiet.hang_up_request(now=0.0) is None
