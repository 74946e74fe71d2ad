"""The wire of devices, message by message."""

import copy
import json
import re
import sys
from contextlib import nullcontext
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audio.wideband import delay_of, delayed, frames_of, likeness, speech
from tests.serializers.telephone import SPEECH, SPEECH_ALAW, SPEECH_ULAW, assert_heard, said, tell
from voicewire.audio.g711 import alaw_to_pcm, ulaw_to_pcm
from voicewire.errors import FrameDecodeError, FrameEncodeError
from voicewire.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InputTransportMessageFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    KeypadEntry,
    LLMMessagesAppendFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    PlayoutPositionFrame,
    TextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSentenceFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from voicewire.serializers import RawFrameSerializer
from voicewire.serializers.strict_json import MAX_JSON_CHARS

PLAIN = {"codec": "pcm", "sample_rate": 16000, "frame_ms": 20}
OPUS = {"codec": "opus", "sample_rate": 16000, "frame_ms": 20}
FRAME = (3000 * np.sin(np.arange(320) / 9)).astype("<i2").tobytes()
"""20 ms at 16 kHz."""

with_opus = pytest.mark.skipif(
    find_spec("opuslib_next") is None, reason="the extra 'opus' is not installed"
)
with_g722 = pytest.mark.skipif(
    find_spec("G722") is None, reason="the extra 'g722' is not installed"
)


def hello(**settings: Any) -> dict[str, Any]:
    return {"type": "hello", **settings}


def started(**settings: Any) -> RawFrameSerializer:
    serializer = RawFrameSerializer()
    assert tell(serializer, hello(**settings)) == [None]
    (answer,) = serializer.take_replies()
    assert said(answer)["type"] == "hello"
    return serializer


def answer_to(*messages: Any) -> Any:
    """Return what a device is answered that says all of this."""
    serializer = RawFrameSerializer()
    for message in messages:
        try:
            tell(serializer, message)
        except FrameDecodeError:
            continue
    (answer,) = serializer.take_replies()
    return said(answer)


def refusal(serializer: RawFrameSerializer, message: Any) -> Any:
    """Return the error that a message is answered with, which is the one that is raised."""
    serializer.take_replies()
    with pytest.raises(FrameDecodeError) as caught:
        tell(serializer, message)
    (reply,) = serializer.take_replies()
    error = said(reply)
    assert error == {"type": "error", "kind": caught.value.kind, "message": str(caught.value)}
    return error


def play(serializer: RawFrameSerializer, pcm: bytes, rate: int = 16000) -> bytes | str | None:
    return serializer.serialize(OutputAudioRawFrame(pcm, rate, 1))


# The handshake.


def test_a_device_that_asks_for_nothing_gets_pcm_and_events() -> None:
    assert answer_to(hello()) == hello(audio_in=PLAIN, audio_out=PLAIN, events=True, flush=True)


@with_opus
def test_the_answer_says_what_has_been_agreed() -> None:
    asked = hello(
        audio_in={"codec": "pcma"},
        audio_out=OPUS | {"sample_rate": 24000, "frame_ms": 60, "bitrate": 32000, "fec": True},
        events=False,
        flush=False,
    )
    assert answer_to(asked) == hello(
        audio_in={"codec": "pcma", "sample_rate": 8000, "frame_ms": 20},
        audio_out=asked["audio_out"] | {"dtx": True},
        events=False,
        flush=False,
    )


@with_opus
@with_g722
@pytest.mark.parametrize(
    ("codec", "rate"), [("pcm", 16000), ("opus", 16000), ("pcmu", 8000), ("g722", 16000)]
)
def test_each_codec_has_a_rate_that_it_takes_unasked(codec: str, rate: int) -> None:
    answer = answer_to(hello(audio_in={"codec": codec}))
    assert answer["audio_in"]["sample_rate"] == rate


def test_it_starts_with_the_hello() -> None:
    serializer = RawFrameSerializer()
    assert (serializer.has_started, serializer.message_secs) == (False, None)
    serializer = started(audio_out={"sample_rate": 24000, "frame_ms": 40}, flush=False)
    assert serializer.has_started
    assert (serializer.sample_rate, serializer.message_secs) == (24000, 0.04)
    assert serializer.take_replies() == []
    assert not serializer.can_clear
    assert started().can_clear


def test_each_connection_has_its_own() -> None:
    configured = RawFrameSerializer()
    first, second = copy.deepcopy(configured), copy.deepcopy(configured)
    tell(first, hello())
    assert (first.has_started, second.has_started) == (True, False)


@pytest.mark.parametrize(
    ("message", "is_known"),
    [
        ('{"type": "hello"}', True),
        ('{"type": "hello", "audio_in": 5}', True),
        ('{"event": "connected"}', False),
        ("hello", False),
        ("[]", False),
        (b'{"type": "hello"}', False),
    ],
)
def test_it_is_known_by_its_first_message(message: bytes | str, is_known: bool) -> None:
    assert RawFrameSerializer().knows(message) is is_known


@pytest.mark.parametrize(
    ("wrong", "said_of_it"),
    [
        ({"audio_inn": {}}, "unknown setting 'audio_inn'; expected one of type, audio_in,"),
        ({"audio_in": {"rate": 1}}, "unknown setting 'audio_in.rate'; expected one of codec, samp"),
        ({"audio_in": {"bitrate": 24000}}, "unknown setting 'audio_in.bitrate'"),
        ({"audio_out": {"x" * 999: 1}}, f"unknown setting 'audio_out.{'x' * 32}'; expected"),
        ({"audio_in": {"codec": "mp3"}}, "audio_in.codec: Input should be 'pcm', 'opus', 'pcmu'"),
        ({"audio_in": {"codec": ["pcm"]}}, "audio_in.codec: Input should be 'pcm', 'opus'"),
        ({"audio_in": {"sample_rate": 4000}}, "audio_in.sample_rate: 4000; pcm has 8000..48000"),
        ({"audio_in": {"sample_rate": "16000"}}, "audio_in.sample_rate: Input should be a valid"),
        ({"audio_in": {"sample_rate": None}}, "audio_in.sample_rate: Input should be a valid"),
        (
            {"audio_out": {"codec": "opus", "sample_rate": 44100}},
            "audio_out.sample_rate: 44100; opus has 8000 or 12000 or 16000 or 24000 or 48000",
        ),
        (
            {"audio_out": {"codec": "pcmu", "sample_rate": 16000}},
            "audio_out.sample_rate: 16000; pcmu has 8000",
        ),
        ({"audio_out": {"frame_ms": 30}}, "audio_out.frame_ms: Input should be 10, 20, 40 or 60"),
        ({"audio_out": {"bitrate": 24000}}, "audio_out.bitrate: a setting of opus; the codec is p"),
        (
            {"audio_out": {"codec": "opus", "bitrate": 500}},
            "audio_out.bitrate: Input should be greater than or equal to 6000",
        ),
        ({"audio_out": {"codec": "opus", "dtx": 1}}, "audio_out.dtx: Input should be a valid bool"),
        ({"audio_out": 16000}, "audio_out: Input should be a valid dictionary"),
        ({"events": "yes"}, "events: Input should be a valid boolean"),
    ],
)
def test_a_setting_that_cannot_be_had_is_named(wrong: dict[str, Any], said_of_it: str) -> None:
    serializer = RawFrameSerializer()
    error = refusal(serializer, hello(**wrong))
    assert error["kind"] == "invalid_hello"
    assert error["message"].startswith(said_of_it)
    assert len(error["message"]) < 200
    assert not serializer.has_started
    tell(serializer, hello())  # It may try again.
    assert serializer.has_started


def test_a_codec_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opuslib_next", None)
    serializer = RawFrameSerializer()
    error = refusal(serializer, hello(audio_out=OPUS))
    assert error["kind"] == "unavailable_codec"
    assert error["message"].startswith("not at this server: Opus needs the package")
    assert not serializer.has_started


@pytest.mark.parametrize(
    "message", [FRAME, b"", {"type": "played", "ms": 5}, {"type": "text", "text": "Hi"}]
)
def test_nothing_comes_before_the_hello(message: Any) -> None:
    serializer = RawFrameSerializer()
    assert refusal(serializer, message)["kind"] == "not_started"


def test_nothing_is_sent_before_the_hello() -> None:
    serializer = RawFrameSerializer()
    with pytest.raises(FrameEncodeError, match="before the device has said hello"):
        play(serializer, FRAME)
    for frame in (InterruptionFrame(), OutputTransportMessageFrame(1), BotStartedSpeakingFrame()):
        assert serializer.serialize(frame) is None


def test_there_is_one_hello() -> None:
    assert refusal(started(), hello())["kind"] == "repeated_start"


# Audio.


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 44100, 48000])
def test_pcm_is_pcm_in_both_directions(rate: int) -> None:
    audio = {"sample_rate": rate}
    serializer = started(audio_in=audio, audio_out=audio)
    assert_heard(tell(serializer, FRAME[:100])[0], FRAME[:100], rate)
    pcm = bytes(2 * round(rate * 0.02))
    assert play(serializer, pcm, rate) == pcm


@pytest.mark.parametrize(
    ("codec", "coded", "pcm"),
    [
        ("pcmu", SPEECH_ULAW, ulaw_to_pcm(SPEECH_ULAW)),
        ("pcma", SPEECH_ALAW, alaw_to_pcm(SPEECH_ALAW)),
    ],
)
def test_g711_is_coded_in_both_directions(codec: str, coded: bytes, pcm: bytes) -> None:
    serializer = started(audio_in={"codec": codec}, audio_out={"codec": codec})
    assert_heard(tell(serializer, coded)[0], pcm)
    assert play(serializer, SPEECH, 8000) == coded


def speak_through(codec: str) -> tuple[list[bytes], bytes]:
    """Return the messages of a device that hears real speech, and what a server hears of them."""
    loudspeaker = started(audio_out={"codec": codec})
    microphone = started(audio_in={"codec": codec})
    messages = []
    heard = b""
    for frame in frames_of(speech(), 640):
        message = play(loudspeaker, frame)
        assert isinstance(message, bytes)
        messages.append(message)
        heard += tell(microphone, message)[0].audio
    return messages, heard


@with_opus
@with_g722
@pytest.mark.parametrize(("codec", "ratio"), [("opus", 10.0), ("g722", 4.0)])
def test_speech_through_a_codec_is_the_same_speech_in_less(codec: str, ratio: float) -> None:
    messages, heard = speak_through(codec)
    assert len(heard) >= ratio * sum(map(len, messages))
    said_before = delayed(speech()[: len(heard)], delay_of(heard, speech(), 320))
    assert likeness(heard, said_before) > 0.8


def test_a_message_holds_one_frame_however_the_audio_comes() -> None:
    serializer = started()
    half = len(FRAME) // 2
    assert play(serializer, FRAME[:half]) is None
    assert play(serializer, FRAME) == FRAME[:half] + FRAME[:half]
    assert play(serializer, FRAME[half:]) == FRAME[half:] + FRAME[half:]
    assert play(serializer, FRAME) == FRAME


def test_audio_of_a_service_is_audio() -> None:
    assert started().serialize(TTSAudioRawFrame(FRAME, 16000, 1)) == FRAME


def test_what_is_less_than_a_frame_is_dropped_at_a_flush() -> None:
    serializer = started()
    play(serializer, bytes(100))
    serializer.serialize(InterruptionFrame())
    assert play(serializer, FRAME) == FRAME


@pytest.mark.parametrize(
    ("frame", "said_of_it"),
    [
        (OutputAudioRawFrame(FRAME, 24000, 1), "24000 Hz, 1 channels; expected 16000 Hz, mono"),
        (OutputAudioRawFrame(FRAME, 16000, 2), "16000 Hz, 2 channels; expected 16000 Hz, mono"),
        (OutputAudioRawFrame(FRAME[:5], 16000, 1), "it ends within a sample"),
        (OutputAudioRawFrame(2 * FRAME, 16000, 1), "1280 bytes of audio at once; expected at most"),
    ],
)
def test_audio_that_was_not_agreed_is_not_sent(frame: Frame, said_of_it: str) -> None:
    with pytest.raises(FrameEncodeError, match=said_of_it):
        started().serialize(frame)


@with_opus
@pytest.mark.parametrize(
    ("codec", "data", "kind"),
    [
        ("pcm", b"", "empty_audio"),
        ("pcm", bytes(3), "partial_sample"),
        ("pcmu", b"", "empty_audio"),
        ("opus", b"\xff", "malformed_opus"),
    ],
)
def test_audio_that_is_none_is_refused_and_told_once(codec: str, data: bytes, kind: str) -> None:
    serializer = started(audio_in={"codec": codec})
    assert refusal(serializer, data)["kind"] == kind
    with pytest.raises(FrameDecodeError):
        tell(serializer, data)
    assert serializer.take_replies() == []


@with_opus
@pytest.mark.parametrize("lost", [b"", b"\xff"], ids=["missing", "damaged"])
def test_a_lost_packet_is_restored_with_the_next_one(lost: bytes) -> None:
    device = started(audio_out=OPUS | {"fec": True})
    packets = [play(device, frame) for frame in frames_of(speech(), 640)]
    whole, torn = started(audio_in=OPUS), started(audio_in=OPUS)
    expected = b"".join(tell(whole, packet)[0].audio for packet in packets)
    heard = b""
    for number, packet in enumerate(packets):
        if number % 10 == 5:
            with nullcontext() if lost == b"" else pytest.raises(FrameDecodeError):
                assert tell(torn, lost) == [None]
        else:
            (frame,) = tell(torn, packet)
            assert len(frame.audio) == (1280 if number % 10 == 6 else 640)
            heard += frame.audio
    assert likeness(heard, expected[: len(heard)]) > 0.95


@with_opus
def test_a_long_gap_is_not_made_up_for() -> None:
    device, serializer = started(audio_out=OPUS), started(audio_in=OPUS)
    first, second, *_ = [play(device, frame) for frame in frames_of(speech(), 640)]
    tell(serializer, first, *([b""] * 500))
    (frame,) = tell(serializer, second)
    assert len(frame.audio) == 640 * (100 // 20 + 1)


@with_opus
def test_silence_is_next_to_nothing_unless_it_is_asked_for() -> None:
    silence = [bytes(640)] * 100
    sizes = [
        sum(len(play(serializer, frame) or b"") for frame in silence)
        for serializer in (started(audio_out=OPUS), started(audio_out=OPUS | {"dtx": False}))
    ]
    assert sizes[0] < sizes[1] / 3


# Events for the device.


@pytest.mark.parametrize(
    ("frame", "event"),
    [
        (UserStartedSpeakingFrame(), {"type": "user_started_speaking"}),
        (UserStoppedSpeakingFrame(), {"type": "user_stopped_speaking"}),
        (BotStartedSpeakingFrame(), {"type": "bot_started_speaking"}),
        (
            BotStoppedSpeakingFrame(interrupted=True, played_secs=1.2345),
            {"type": "bot_stopped_speaking", "interrupted": True, "played_ms": 1234},
        ),
        (
            InterimTranscriptionFrame("Good", "", ""),
            {"type": "transcription", "text": "Good", "final": False},
        ),
        (
            TranscriptionFrame("Good morning.", "", ""),
            {"type": "transcription", "text": "Good morning.", "final": True},
        ),
        (TTSSentenceFrame("Hello."), {"type": "sentence", "text": "Hello."}),
        (TTSTextFrame("Hello."), {"type": "sentence", "text": "Hello."}),
    ],
)
def test_a_device_is_told_what_happens_if_it_wants_to(frame: Frame, event: Any) -> None:
    is_told = isinstance(frame, RawFrameSerializer.told_of)
    for events in (True, False):
        wire = started(events=events)
        message = wire.tell(frame) if is_told else wire.serialize(frame)
        assert (said(message) if events else message) == (event if events else None)


def test_it_is_told_of_what_a_program_has_derived_from_such_frames() -> None:
    class OwnFrame(UserStartedSpeakingFrame):
        pass

    assert said(started().tell(OwnFrame())) == {"type": "user_started_speaking"}


@pytest.mark.parametrize(
    "frame", [TTSTextFrame("Hello.", sentence_id=7), TextFrame("Hello."), EndFrame()]
)
def test_of_other_frames_it_is_told_nothing(frame: Frame) -> None:
    assert started().serialize(frame) is None


@pytest.mark.parametrize("kind", [OutputTransportMessageFrame, OutputTransportMessageUrgentFrame])
def test_messages_of_the_application_go_out_in_any_case(kind: type[Any]) -> None:
    for serializer in (started(), started(events=False)):
        message = serializer.serialize(kind({"led": "green"}))
        assert said(message) == {"type": "message", "data": {"led": "green"}}


def test_a_message_that_json_cannot_hold_is_not_sent() -> None:
    with pytest.raises(FrameEncodeError):
        started().serialize(OutputTransportMessageFrame({1j}))


def test_an_interruption_flushes_what_was_sent() -> None:
    serializer = started()
    assert serializer.serialize(InterruptionFrame()) is None
    for stream in (1, 2):
        play(serializer, FRAME)
        flush = {"type": "flush", "stream": stream}
        assert said(serializer.serialize(InterruptionFrame())) == flush
        assert serializer.serialize(InterruptionFrame()) is None


def test_a_device_that_cannot_flush_is_not_asked_to() -> None:
    serializer = started(flush=False)
    play(serializer, FRAME)
    assert serializer.serialize(InterruptionFrame()) is None


# What a device says.


def position(frame: Any) -> tuple[int, float, float]:
    assert type(frame) is PlayoutPositionFrame
    return frame.stream_id, frame.played_secs, frame.buffered_secs


def test_what_was_played_is_a_position_in_the_stream() -> None:
    serializer = started()
    for _ in range(10):
        play(serializer, FRAME)
    (some, more, all_of_it) = tell(
        serializer, *({"type": "played", "ms": ms} for ms in (0, 150.5, 200))
    )
    assert position(some) == pytest.approx((0, 0.0, 0.2))
    assert position(more) == pytest.approx((0, 0.1505, 0.0495))
    assert position(all_of_it) == pytest.approx((0, 0.2, 0.0))
    (too_much,) = tell(serializer, {"type": "played", "ms": 5000})
    assert position(too_much) == pytest.approx((0, 0.2, 0.0))


def test_what_was_played_before_a_flush_is_known_by_the_stream() -> None:
    serializer = started()
    for _ in range(10):
        play(serializer, FRAME)
    serializer.serialize(InterruptionFrame())
    for _ in range(10):
        play(serializer, FRAME)
    old, new = tell(
        serializer,
        {"type": "played", "ms": 120, "stream": 0},
        {"type": "played", "ms": 120, "stream": 1},
    )
    assert position(old) == pytest.approx((0, 0.12, 0.0))
    assert position(new) == pytest.approx((1, 0.12, 0.08))


def test_what_cannot_have_been_played_since_a_flush_was_played_before() -> None:
    serializer = started()
    for _ in range(10):
        play(serializer, FRAME)
    serializer.serialize(InterruptionFrame())
    (late,) = tell(serializer, {"type": "played", "ms": 120})
    assert position(late) == pytest.approx((0, 0.12, 0.0))
    play(serializer, FRAME)
    (soon,) = tell(serializer, {"type": "played", "ms": 10})
    assert position(soon) == pytest.approx((1, 0.01, 0.01))


def test_what_a_device_asks_for() -> None:
    interruption, words, key, message = tell(
        started(),
        {"type": "interrupt"},
        {"type": "text", "text": "What time is it?"},
        {"type": "dtmf", "button": "#"},
        {"type": "message", "data": {"battery": 0.4}},
    )
    assert type(interruption) is InterruptionFrame
    assert type(words) is LLMMessagesAppendFrame
    assert words.messages == [{"role": "user", "content": "What time is it?"}]
    assert words.run_llm
    assert type(key) is InputDTMFFrame
    assert key.button is KeypadEntry.POUND
    assert type(message) is InputTransportMessageFrame
    assert message.message == {"battery": 0.4}


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("", "invalid_json"),
        ("7", "not_an_object"),
        ("[" * 100, "invalid_json"),
        (" " * (MAX_JSON_CHARS + 1), "large_json"),
        ({}, "unknown_type"),
        ({"type": 5}, "unknown_type"),
        ({"type": ["played"]}, "unknown_type"),
        ({"type": "flush"}, "unknown_type"),
        ({"type": "played"}, "invalid_field"),
        ({"type": "played", "ms": -1}, "invalid_field"),
        ({"type": "played", "ms": True}, "invalid_field"),
        ({"type": "played", "ms": 10**400}, "invalid_field"),
        ({"type": "played", "ms": "5"}, "invalid_field"),
        ({"type": "played", "ms": 5, "stream": 1}, "invalid_field"),
        ({"type": "played", "ms": 5, "stream": -1}, "invalid_field"),
        ({"type": "played", "ms": 5, "stream": 0.0}, "invalid_field"),
        ({"type": "text"}, "missing_field"),
        ({"type": "text", "text": ""}, "missing_field"),
        ({"type": "text", "text": 5}, "missing_field"),
        ({"type": "dtmf"}, "unknown_key"),
        ({"type": "dtmf", "button": "12"}, "unknown_key"),
        ({"type": "message"}, "missing_field"),
    ],
)
def test_a_wrong_message_is_answered_each_time(message: Any, kind: str) -> None:
    serializer = started()
    assert refusal(serializer, message)["kind"] == kind
    assert refusal(serializer, message)["kind"] == kind
    assert_heard(tell(serializer, FRAME)[0], FRAME, 16000)


def test_an_error_does_not_repeat_what_the_device_has_said() -> None:
    error = refusal(started(), {"type": "my secret", "text": "another secret"})
    assert "secret" not in error["message"]


# Anything at all.

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)
names = (
    "type hello played interrupt text dtmf message ms stream audio_in audio_out codec pcm opus "
    "pcmu g722 sample_rate frame_ms bitrate dtx fec events flush data button"
)
words = st.sampled_from(re.findall(r"\w+", names))
likely = st.dictionaries(words, words | json_values | st.dictionaries(words, words | json_values))


def survive(serializer: RawFrameSerializer, message: bytes | str) -> None:
    """Hand over anything: it is understood, or refused with an answer that JSON can hold."""
    try:
        frame = serializer.deserialize(message)
        assert frame is None or isinstance(frame, Frame)
        if isinstance(frame, InputAudioRawFrame):
            assert len(frame.audio) % 2 == 0
    except FrameDecodeError:
        pass
    for reply in serializer.take_replies():
        assert said(reply)["type"] in ("hello", "error")


@given(st.lists(st.binary(max_size=80) | st.text(max_size=80) | likely.map(json.dumps)))
@settings(deadline=None)
def test_whatever_comes_first_is_answered(messages: list[bytes | str]) -> None:
    serializer = RawFrameSerializer()
    for message in messages:
        survive(serializer, message)


@with_opus
@with_g722
@given(
    st.sampled_from(["pcm", "opus", "pcma", "g722"]),
    st.lists(st.binary(max_size=80) | st.text(max_size=80) | likely.map(json.dumps)),
)
@settings(deadline=None)
def test_whatever_comes_later_harms_nothing(codec: str, messages: list[bytes | str]) -> None:
    serializer = started(audio_in={"codec": codec})
    for message in messages:
        survive(serializer, message)
    assert play(serializer, FRAME) == FRAME
