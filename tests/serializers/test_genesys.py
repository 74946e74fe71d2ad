"""Genesys AudioHook, with messages as its protocol describes them."""

from typing import Any

import numpy as np
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
    without,
)
from voicewire.audio.g711 import ulaw_to_pcm
from voicewire.errors import FrameEncodeError
from voicewire.frames import (
    InputDTMFFrame,
    InterruptionFrame,
    KeypadEntry,
    OutputTransportMessageUrgentFrame,
)
from voicewire.serializers import Call, GenesysAudioHookSerializer
from voicewire.serializers.genesys import AudioHookChannel, AudioHookMediaFormat

# https://developer.genesys.cloud/devapps/audiohook/protocol-reference, and the types of
# https://github.com/GenesysCloudBlueprints/audioconnector-server-reference-implementation.

SESSION = "e160e428-53e2-487c-977d-96989bf5c99d"
CONVERSATION_ID = "090eaa2f-72fa-480a-83e0-8667ff89c0ec"

MONO = {"type": "audio", "format": "PCMU", "channels": ["external"], "rate": 8000}
AGENT = {"type": "audio", "format": "PCMU", "channels": ["internal"], "rate": 8000}
STEREO = {"type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000}
L16 = {"type": "audio", "format": "L16", "channels": ["external"], "rate": 8000}
L16_STEREO = {"type": "audio", "format": "L16", "channels": ["external", "internal"], "rate": 8000}


def message(kind: str, seq: int, /, **parameters: Any) -> dict[str, Any]:
    return {
        "version": "2",
        "id": SESSION,
        "type": kind,
        "seq": seq,
        "serverseq": 0,
        "position": "PT0S",
        "parameters": parameters,
    }


OPEN = message(
    "open",
    1,
    organizationId="d7934305-0972-4844-938e-9060eef73d05",
    conversationId=CONVERSATION_ID,
    participant={
        "id": "883efee8-3d6c-4537-b500-6d7ca4b92fa0",
        "ani": "+1-555-555-1234",
        "aniName": "John Doe",
        "dnis": "+1-800-555-6789",
    },
    media=[STEREO, MONO, AGENT],
    language="en-US",
    inputVariables={"department": "sales"},
)
PING = message("ping", 2, rtt="PT0.12S")
DTMF = message("dtmf", 3, digit="7")
PLAYBACK_STARTED = message("playback_started", 4)
PLAYBACK_COMPLETED = message("playback_completed", 5)
PAUSED = message("paused", 6)
RESUMED = message("resumed", 7, start="PT1S", discarded="PT2S")
DISCARDED = message("discarded", 8, start="PT1S", discarded="PT2S")
UPDATE = message("update", 9, language="es-ES")
ERROR = message("error", 10, code=429, message="too many requests", retryAfter="PT5S")
CLOSE = message("close", 10, reason="end")
CONVERSATION = [
    OPEN,
    ULAW,
    PING,
    DTMF,
    PLAYBACK_STARTED,
    PLAYBACK_COMPLETED,
    PAUSED,
    RESUMED,
    DISCARDED,
    UPDATE,
    CLOSE,
]


def opened(opening: dict[str, Any] = OPEN, **params: Any) -> GenesysAudioHookSerializer:
    serializer = GenesysAudioHookSerializer(GenesysAudioHookSerializer.InputParams(**params))
    assert tell(serializer, opening) == [None]
    serializer.take_replies()
    return serializer


def replies(serializer: GenesysAudioHookSerializer) -> list[Any]:
    return [said(reply) for reply in serializer.take_replies()]


def offering(*media: Any) -> dict[str, Any]:
    return changed(OPEN, "parameters", "media", to=list(media))


def test_opening_is_answered_with_one_of_the_offers() -> None:
    serializer = GenesysAudioHookSerializer()
    assert not serializer.has_started
    tell(serializer, OPEN)
    assert replies(serializer) == [
        {
            "version": "2",
            "type": "opened",
            "seq": 1,
            "clientseq": 1,
            "id": SESSION,
            "parameters": {"startPaused": False, "media": [MONO]},
        }
    ]
    assert replies(serializer) == []
    assert serializer.has_started


def test_the_open_message_says_who_calls() -> None:
    serializer = opened()
    assert serializer.call == Call(
        "genesys",
        CONVERSATION_ID,
        SESSION,
        "+1-555-555-1234",
        "+1-800-555-6789",
        {"department": "sales"},
    )
    assert serializer.session_id == SESSION
    assert serializer.conversation_id == CONVERSATION_ID
    assert serializer.participant == OPEN["parameters"]["participant"]
    assert serializer.input_variables == {"department": "sales"}


def test_a_probe_is_answered_but_nobody_calls() -> None:
    serializer = GenesysAudioHookSerializer()
    nobody = "00000000-0000-0000-0000-000000000000"
    tell(serializer, changed(OPEN, "parameters", "conversationId", to=nobody))
    assert [reply["type"] for reply in replies(serializer)] == ["opened"]
    assert (serializer.has_started, serializer.call) == (True, None)


def test_a_whole_call_is_understood() -> None:
    serializer = GenesysAudioHookSerializer()
    frames = tell(serializer, *CONVERSATION)
    assert_heard(frames[1], ULAW_PCM)
    assert type(frames[3]) is InputDTMFFrame
    assert frames[3].button is KeypadEntry.SEVEN
    assert [frame for index, frame in enumerate(frames) if index not in (1, 3)] == [None] * 9
    answered = [(reply["type"], reply["seq"], reply["clientseq"]) for reply in replies(serializer)]
    assert answered == [("opened", 1, 1), ("pong", 2, 2), ("closed", 3, 10)]
    assert (serializer.is_over, serializer.sequence_faults) == (True, 0)


def test_what_the_protocol_answers_is_no_more_than_that() -> None:
    serializer = opened()
    tell(serializer, PING)
    assert replies(serializer) == [
        {
            "version": "2",
            "type": "pong",
            "seq": 2,
            "clientseq": 2,
            "id": SESSION,
            "parameters": {},
        }
    ]


# Which audio.


@pytest.mark.parametrize(
    ("offers", "params", "chosen"),
    [
        ([STEREO, MONO], {}, MONO),
        ([STEREO], {}, STEREO),
        ([L16, MONO], {}, MONO),
        ([L16, STEREO], {}, STEREO),
        ([MONO, L16], {"media_format": AudioHookMediaFormat.L16}, L16),
        ([MONO, AGENT], {"channel": AudioHookChannel.INTERNAL}, AGENT),
        ([MONO, STEREO], {"channel": AudioHookChannel.BOTH}, STEREO),
        ([{"format": "opus"}, None, MONO], {}, MONO),
    ],
)
def test_the_best_offer_is_taken(offers: list[Any], params: dict[str, Any], chosen: Any) -> None:
    serializer = GenesysAudioHookSerializer(GenesysAudioHookSerializer.InputParams(**params))
    tell(serializer, offering(*offers))
    assert replies(serializer)[0]["parameters"]["media"] == [chosen]


def test_of_two_voices_only_the_customers_is_heard() -> None:
    agent = bytes(reversed(ULAW))
    both = bytes(byte for pair in zip(ULAW, agent, strict=True) for byte in pair)
    assert_heard(tell(opened(offering(STEREO)), both)[0], ULAW_PCM)
    wants_agent = opened(offering(STEREO), channel=AudioHookChannel.INTERNAL)
    assert_heard(tell(wants_agent, both)[0], ulaw_to_pcm(agent))


def test_pcm_is_heard_and_spoken_too() -> None:
    serializer = opened(offering(L16))
    assert_heard(tell(serializer, SPEECH)[0], SPEECH)
    assert speak(serializer) == SPEECH
    assert_refused(serializer, bytes(3), "partial_sample")


def test_of_two_voices_in_pcm_only_the_customers_is_heard() -> None:
    customer = np.frombuffer(SPEECH, "<i2")
    both = np.stack([customer, customer[::-1]], axis=1).tobytes()
    serializer = opened(offering(L16_STEREO))
    assert_heard(tell(serializer, both)[0], SPEECH)
    assert_refused(serializer, both[:-2], "partial_sample")


@pytest.mark.parametrize(
    "offers",
    [
        [],
        [{**MONO, "rate": 16000}],
        [{**MONO, "format": "OPUS"}],
        [{**MONO, "format": ["PCMU"]}],
        [{**MONO, "channels": []}],
        [{**MONO, "channels": "external"}],
        [{**MONO, "type": "video"}],
        ["PCMU"],
    ],
)
def test_where_nothing_is_offered_that_is_known_the_session_ends(offers: list[Any]) -> None:
    serializer = GenesysAudioHookSerializer()
    assert_refused(serializer, offering(*offers), "audio_format")
    reply = replies(serializer)[0]
    assert (reply["type"], reply["id"]) == ("disconnect", SESSION)
    assert reply["parameters"]["reason"] == "error"
    assert not serializer.has_started


# What the application wants.


def test_languages_are_said_where_they_are_known_or_asked_for() -> None:
    asks = changed(OPEN, "parameters", "supportedLanguages", to=True)
    serializer = GenesysAudioHookSerializer()
    tell(serializer, asks)
    assert replies(serializer)[0]["parameters"]["supportedLanguages"] == []
    params = GenesysAudioHookSerializer.InputParams(
        supported_languages=["en-US", "es-ES"], selected_language="en-US", start_paused=True
    )
    serializer = GenesysAudioHookSerializer(params)
    tell(serializer, OPEN)
    parameters = replies(serializer)[0]["parameters"]
    assert parameters["supportedLanguages"] == ["en-US", "es-ES"]
    assert parameters["selectedLanguage"] == "en-US"
    assert parameters["startPaused"] is True
    assert serializer.is_paused


def test_nothing_is_said_into_a_pause() -> None:
    serializer = opened()
    assert speak(serializer) == SPEECH_ULAW
    tell(serializer, PAUSED)
    assert serializer.is_paused
    assert speak(serializer) is None
    tell(serializer, RESUMED)
    assert speak(serializer) == SPEECH_ULAW


def test_an_interruption_is_an_event() -> None:
    serializer = opened()
    event = said(serializer.serialize(InterruptionFrame()))
    assert (event["type"], event["seq"], event["clientseq"]) == ("event", 2, 1)
    assert event["parameters"] == {"entities": [{"type": "barge_in", "data": {}}]}


def test_goodbye_asks_genesys_to_close() -> None:
    serializer = opened()
    serializer.set_output_variables({"intent": "billing"})
    assert serializer.output_variables == {"intent": "billing"}
    message_ = said(serializer.goodbye())
    assert message_["type"] == "disconnect"
    assert message_["parameters"] == {
        "reason": "completed",
        "outputVariables": {"intent": "billing"},
    }
    tell(serializer, CLOSE)
    assert replies(serializer)[0]["parameters"] == {"outputVariables": {"intent": "billing"}}
    assert serializer.goodbye() is None
    assert GenesysAudioHookSerializer().goodbye() is None
    assert opened(auto_hang_up=False).goodbye() is None


def test_messages_of_the_application_get_the_protocols_numbers() -> None:
    serializer = opened()
    event = {"type": "event", "seq": 99, "parameters": {"entities": []}}
    sent = said(serializer.serialize(OutputTransportMessageUrgentFrame(event)))
    assert (sent["type"], sent["seq"], sent["id"]) == ("event", 2, SESSION)
    assert sent["parameters"] == {"entities": []}
    assert serializer.serialize(OutputTransportMessageUrgentFrame({"other": 1})) is None
    assert serializer.serialize(OutputTransportMessageUrgentFrame("text")) is None
    wrong = OutputTransportMessageUrgentFrame({"type": "event", "parameters": [1]})
    with pytest.raises(FrameEncodeError, match="no object"):
        serializer.serialize(wrong)


def test_a_message_that_cannot_be_written_takes_no_number() -> None:
    serializer = opened()
    with pytest.raises(FrameEncodeError):
        serializer.serialize(
            OutputTransportMessageUrgentFrame({"type": "event", "parameters": {"x": b""}})
        )
    assert said(serializer.goodbye())["seq"] == 2


def test_genesys_says_nothing_of_what_was_played_and_wants_few_messages() -> None:
    assert opened().mark("m") is None
    assert opened().packet_secs == 0.2
    assert opened().hang_up_request(now=0.0) is None


# Faults.


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (OPEN, "repeated_start"),
        (changed(PING, "id", to="another"), "wrong_stream"),
        (without(PING, "id"), "wrong_stream"),
        (without(PING, "seq"), "missing_field"),
        (changed(PING, "seq", to="2"), "missing_field"),
        (changed(PING, "seq", to=-1), "invalid_field"),
        (changed(PING, "seq", to=2**53), "invalid_field"),
        (changed(PING, "seq", to=True), "missing_field"),
        (without(DTMF, "parameters"), "missing_field"),
        (changed(DTMF, "parameters", "digit", to="X"), "unknown_key"),
        (ERROR, "provider_error"),
        (changed(PING, "type", to="pause"), "unknown_event"),
        (changed(PING, "type", to=None), "missing_field"),
        (b"", "empty_audio"),
        ("{", "invalid_json"),
    ],
)
def test_a_wrong_message_is_refused(wrong: Any, kind: str) -> None:
    serializer = opened()
    error = assert_refused(serializer, wrong, kind)
    assert "too many requests" not in str(error)
    assert_heard(tell(serializer, ULAW)[0], ULAW_PCM)


@pytest.mark.parametrize(
    "path",
    [("id",), ("parameters",), ("parameters", "conversationId"), ("seq",)],
)
def test_an_open_message_without_what_it_needs_is_refused(path: tuple[str, ...]) -> None:
    serializer = GenesysAudioHookSerializer()
    assert_refused(serializer, without(OPEN, *path), "missing_field")
    assert replies(serializer) == []


@pytest.mark.parametrize("early", [ULAW, PING, CLOSE, DTMF])
def test_nothing_comes_before_the_start(early: Any) -> None:
    serializer = GenesysAudioHookSerializer()
    assert_refused(serializer, early, "not_started")
    assert serializer.take_replies() == []


@pytest.mark.parametrize("late", [ULAW, PING, CLOSE, OPEN])
def test_nothing_comes_after_the_end(late: Any) -> None:
    serializer = opened()
    tell(serializer, CLOSE)
    serializer.take_replies()
    assert_refused(serializer, late, "after_the_end")
    assert serializer.take_replies() == []


def test_wrong_sequence_numbers_are_counted() -> None:
    serializer = opened()
    tell(serializer, changed(PING, "seq", to=9))
    assert serializer.sequence_faults == 1
    assert replies(serializer)[0]["clientseq"] == 9
    ahead = changed(changed(PING, "seq", to=10), "serverseq", to=99)
    tell(serializer, ahead)
    assert serializer.sequence_faults == 2
