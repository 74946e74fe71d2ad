"""The wire of OpenAI's Realtime API, without sockets."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.audio.g711 import alaw_to_pcm, pcm_to_alaw
from voicewire.errors import FrameDecodeError, FrameEncodeError
from voicewire.frames import (
    InputAudioRawFrame,
    InputTransportMessageFrame,
    OutputAudioRawFrame,
    OutputTransportMessageUrgentFrame,
)
from voicewire.openai_realtime.session import Session, SessionUpdate
from voicewire.serializers.openai_realtime import OpenAIRealtimeSerializer

PCM = bytes(range(256)) * 4
OF = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}


def append(audio: bytes) -> str:
    payload = base64.b64encode(audio).decode()
    return json.dumps({"type": "input_audio_buffer.append", "audio": payload})


def test_audio_comes_and_goes_in_base64() -> None:
    wire = OpenAIRealtimeSerializer()
    frame = wire.deserialize(append(PCM))
    assert isinstance(frame, InputAudioRawFrame)
    assert (frame.audio, frame.sample_rate, frame.num_channels) == (PCM, 24000, 1)
    wire.audio_of = OF
    event = json.loads(wire.serialize(OutputAudioRawFrame(PCM, 24000, 1)) or "")
    assert event["type"] == "response.output_audio.delta"
    assert base64.b64decode(event["delta"]) == PCM
    assert event.items() >= OF.items()


def test_g711_has_eight_kilohertz() -> None:
    wire = OpenAIRealtimeSerializer()
    wire.input_format = wire.output_format = "audio/pcma"
    wire.audio_of = OF
    coded = pcm_to_alaw(PCM)
    frame = wire.deserialize(append(coded))
    assert isinstance(frame, InputAudioRawFrame)
    assert (frame.audio, frame.sample_rate) == (alaw_to_pcm(coded), 8000)
    event = json.loads(wire.serialize(OutputAudioRawFrame(PCM, 8000, 1)) or "")
    assert base64.b64decode(event["delta"]) == coded
    with pytest.raises(FrameEncodeError, match="expected 8000 Hz, mono"):
        wire.serialize(OutputAudioRawFrame(PCM, 24000, 1))


def test_audio_that_belongs_to_no_response_is_not_sent_and_counts() -> None:
    wire = OpenAIRealtimeSerializer()
    assert wire.serialize(OutputAudioRawFrame(bytes(48000), 24000, 1)) is None
    assert wire.sent_secs == 1.0


def test_audio_waits_for_the_button_where_there_is_one() -> None:
    wire = OpenAIRealtimeSerializer()
    wire.holds_audio = True
    assert isinstance(wire.deserialize(append(PCM)), InputTransportMessageFrame)


def test_each_event_has_a_number_and_other_messages_have_no_place() -> None:
    wire = OpenAIRealtimeSerializer()
    ids = {
        json.loads(wire.serialize(OutputTransportMessageUrgentFrame({"type": "x"})) or "")[
            "event_id"
        ]
        for _ in range(3)
    }
    assert len(ids) == 3
    rtvi = {"label": "rtvi-ai", "data": 1}
    assert wire.serialize(OutputTransportMessageUrgentFrame(rtvi)) is None


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (b"\0", "binary_message"),
        ("[]", "not_an_object"),
        ("{", "invalid_json"),
        (append(b"\0"), "partial_sample"),
        (append(b""), "empty_audio"),
        ('{"type":"input_audio_buffer.append","audio":"?"}', "invalid_base64"),
    ],
)
def test_nonsense_is_refused_and_answered(message: str | bytes, kind: str) -> None:
    wire = OpenAIRealtimeSerializer()
    with pytest.raises(FrameDecodeError) as refused:
        wire.deserialize(message)
    assert refused.value.kind == kind
    (reply,) = wire.take_replies()
    assert json.loads(reply)["error"]["code"] == kind
    assert wire.take_replies() == []


def test_a_minute_of_audio_comes_in_one_event_and_a_million_brackets_do_not() -> None:
    wire = OpenAIRealtimeSerializer()
    frame = wire.deserialize(append(bytes(2 * 24000 * 20)))
    assert isinstance(frame, InputAudioRawFrame)
    with pytest.raises(FrameDecodeError, match="expected at most"):
        wire.deserialize("[" * 1_000_000)


@given(st.text() | st.binary())
def test_whatever_comes_is_a_frame_or_refused(message: str | bytes) -> None:
    try:
        OpenAIRealtimeSerializer().deserialize(message)
    except FrameDecodeError:
        return


def updated(**wish: Any) -> Session:
    session = Session("s", "m")
    session.update(SessionUpdate.model_validate(wish))
    return session


def test_the_form_of_2024_is_understood() -> None:
    session = updated(
        modalities=["text"], input_audio_format="g711_ulaw", output_audio_format="g711_alaw"
    )
    assert not session.is_spoken
    assert (session.input_format, session.output_format) == ("audio/pcmu", "audio/pcma")
    assert not updated(turn_detection=None).detects_turns
    assert updated(turn_detection={"type": "semantic_vad"}).detects_turns


def test_what_is_not_said_stays() -> None:
    session = Session("s", "m", instructions="Be brief.", detects_turns=False)
    session.update(SessionUpdate.model_validate({"tool_choice": "none", "voice": "alloy"}))
    assert session.instructions == "Be brief."
    assert not session.detects_turns
    assert session.to_json()["tool_choice"] == "none"
