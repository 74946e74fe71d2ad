"""The way in, in virtual time: decoding, converting, refusing, listening for speech."""

import logging
from collections import deque
from collections.abc import Callable

import numpy as np
import pytest

from tests.transports.fakes import RATE, ToneDetector, ToneVAD, largest_step, samples, tone
from voicewire.errors import FrameDecodeError
from voicewire.frames import (
    Frame,
    InputAudioRawFrame,
    InputTransportMessageFrame,
    TextFrame,
    TranscriptionFrame,
)
from voicewire.serializers import (
    FrameSerializer,
    ProtobufFrameSerializer,
    RawFrameSerializer,
)
from voicewire.serializers.protos import frames_pb2 as proto
from voicewire.testing import VirtualClock
from voicewire.transports.inbound import MAX_SAMPLE_RATES, Inbound
from voicewire.transports.params import TransportParams
from voicewire.transports.playout import PlayoutReport
from voicewire.transports.stats import TransportStats
from voicewire.vad import VADEvent
from voicewire.vad.stream import MAX_SUBMITTED_WINDOWS

STARTED, STOPPED = VADEvent.STARTED, VADEvent.STOPPED
UTTERANCE = tone(1.0) + bytes(2 * round(1.2 * RATE))


class Entrance:
    """An `Inbound` with everything around it, in virtual time."""

    def __init__(
        self,
        *,
        serializer: FrameSerializer | None = None,
        vad: ToneVAD | None = None,
        **params: int,
    ) -> None:
        self.clock = VirtualClock()
        self.stats = TransportStats()
        self.frames: list[Frame] = []
        self.events: list[VADEvent] = []
        self.marks: list[str] = []
        self.positions: list[PlayoutReport] = []
        self.replies: list[bytes | str] = []
        self.inbound = Inbound(
            params=TransportParams.model_validate(
                {"audio_in_enabled": True, "vad_analyzer": vad, **params}
            ),
            serializer=serializer or ProtobufFrameSerializer(),
            clock=self.clock,
            stats=self.stats,
            push=self.frames.append,
            on_vad_event=self._keep,
            on_mark=self.marks.append,
            on_playout=self.positions.append,
            reply=self.replies.append,
        )

    def _keep(self, event: VADEvent) -> None:
        if event is not VADEvent.STARTING:
            self.events.append(event)

    def hear(self, pcm: bytes, *, sample_rate: int = RATE, num_channels: int = 1) -> None:
        self.inbound.take(audio_message(pcm, sample_rate, num_channels))

    @property
    def audio(self) -> list[InputAudioRawFrame]:
        return [frame for frame in self.frames if isinstance(frame, InputAudioRawFrame)]

    @property
    def pcm(self) -> bytes:
        return b"".join(frame.audio for frame in self.audio)


def audio_message(pcm: bytes, sample_rate: int = RATE, num_channels: int = 1) -> bytes:
    audio = proto.AudioRawFrame(audio=pcm, sample_rate=sample_rate, num_channels=num_channels)
    return proto.Frame(audio=audio).SerializeToString()


# Audio.


def test_audio_in_the_pipelines_format_comes_as_it_is() -> None:
    way = Entrance()
    way.hear(tone(0.02))
    assert way.pcm == tone(0.02)
    assert (way.audio[0].sample_rate, way.audio[0].num_channels) == (RATE, 1)


def test_audio_does_not_come_where_it_is_not_enabled() -> None:
    vad = ToneVAD()
    way = Entrance(audio_in_enabled=False, vad=vad)
    way.hear(UTTERANCE)
    assert way.frames == []
    assert way.events == []
    assert way.stats.messages_refused == {}


def test_audio_that_is_not_passed_through_is_still_heard_by_vad() -> None:
    vad = ToneVAD()
    way = Entrance(audio_in_passthrough=False, vad=vad)
    way.hear(UTTERANCE)
    assert way.frames == []
    assert way.events == [STARTED, STOPPED]


class SlowDetector(ToneDetector):
    """Judges 20 ms when it is told to."""

    def __init__(
        self, owner: ToneVAD, window_samples: int, on_confidence: Callable[[float], None]
    ) -> None:
        super().__init__(owner, window_samples, on_confidence)
        self.waiting: deque[bytes] = deque()

    def submit(self, window: bytes) -> None:
        self.waiting.append(window)

    def judge_one(self) -> None:
        super().submit(self.waiting.popleft())


class SlowVAD(ToneVAD):
    """For one caller."""

    detector: SlowDetector

    def open_detector(
        self, sample_rate: int, on_confidence: Callable[[float], None]
    ) -> ToneDetector:
        self.num_open += 1
        self.detector = SlowDetector(self, sample_rate // 50, on_confidence)
        return self.detector


def test_audio_that_comes_faster_than_it_is_judged_waits_for_that() -> None:
    vad = SlowVAD()
    way = Entrance(vad=vad)
    pcm = bytes(2 * RATE) + UTTERANCE
    for offset in range(0, len(pcm), 320):
        way.hear(pcm[offset : offset + 320])
    num_judged = 0
    passed_at_start = 0.0
    while vad.detector.waiting:
        assert len(way.pcm) <= (num_judged + MAX_SUBMITTED_WINDOWS + 1) * 640
        vad.detector.judge_one()
        num_judged += 1
        if way.events and not passed_at_start:
            passed_at_start = len(way.pcm) / (2 * RATE)
    assert way.events == [STARTED, STOPPED]
    assert 1.0 < passed_at_start < 1.5
    assert way.pcm == pcm


def test_audio_that_waits_when_the_client_leaves_is_passed_on() -> None:
    way = Entrance(vad=SlowVAD())
    for offset in range(0, len(UTTERANCE), 640):
        way.hear(UTTERANCE[offset : offset + 640])
    assert way.pcm != UTTERANCE
    way.inbound.close()
    assert way.pcm == UTTERANCE


@pytest.mark.parametrize("sample_rate", [8000, 22050, 24000, 44100, 48000])
@pytest.mark.parametrize("num_channels", [1, 2])
def test_another_format_is_converted_without_clicks(sample_rate: int, num_channels: int) -> None:
    way = Entrance()
    pcm = tone(1.0, sample_rate=sample_rate, num_channels=num_channels)
    step = sample_rate // 50 * num_channels * 2
    for offset in range(0, len(pcm), step):
        way.hear(pcm[offset : offset + step], sample_rate=sample_rate, num_channels=num_channels)
    assert {(frame.sample_rate, frame.num_channels) for frame in way.audio} == {(RATE, 1)}
    assert sum(frame.duration_secs for frame in way.audio) == pytest.approx(1.0, abs=0.005)
    smooth = 8000 * 2 * np.pi * 440 / RATE
    assert largest_step(way.pcm[400:]) <= 1.02 * smooth
    assert np.abs(samples(way.pcm[400:])).max() == pytest.approx(8000, rel=0.01)


def test_mono_can_become_stereo() -> None:
    way = Entrance(audio_in_channels=2, audio_in_sample_rate=24000)
    way.hear(tone(0.5))
    frame = way.audio[0]
    assert (frame.sample_rate, frame.num_channels) == (24000, 2)
    assert np.array_equal(samples(frame.audio)[::2], samples(frame.audio)[1::2])
    assert frame.duration_secs == pytest.approx(0.5, abs=0.003)


def test_a_client_that_changes_its_format_leaves_nothing_behind_in_the_resampler() -> None:
    way = Entrance()
    way.hear(tone(0.5, sample_rate=48000), sample_rate=48000)
    way.hear(bytes(3200))
    way.frames.clear()
    way.hear(bytes(9600), sample_rate=48000)
    assert not samples(way.pcm).any()


def test_a_message_too_short_for_the_resampler_waits_for_the_next() -> None:
    way = Entrance()
    pcm = tone(0.1, sample_rate=48000)
    for offset in range(0, len(pcm), 2):
        way.hear(pcm[offset : offset + 2], sample_rate=48000)
    assert all(frame.audio for frame in way.audio)
    assert len(way.pcm) == pytest.approx(3200, abs=60)
    assert way.stats.messages_in == 4800


# Speech.


def test_one_long_message_with_a_whole_utterance_starts_and_stops() -> None:
    way = Entrance(vad=ToneVAD())
    way.hear(UTTERANCE)
    assert way.events == [STARTED, STOPPED]


def test_audio_goes_downstream_before_what_is_heard_in_it() -> None:
    order: list[object] = []
    Inbound(
        params=TransportParams(audio_in_enabled=True, vad_analyzer=ToneVAD()),
        serializer=ProtobufFrameSerializer(),
        clock=VirtualClock(),
        stats=TransportStats(),
        push=lambda frame: order.append(type(frame)),
        on_vad_event=order.append,
        on_mark=order.append,
        on_playout=order.append,
        reply=order.append,
    ).take(audio_message(tone(1.0)))
    assert order == [InputAudioRawFrame, VADEvent.STARTING, STARTED]


@pytest.mark.parametrize("sample_rate", [8000, 48000])
def test_vad_hears_speech_of_any_rate_at_its_own(sample_rate: int) -> None:
    vad = ToneVAD()
    way = Entrance(vad=vad)
    way.hear(tone(1.0, sample_rate=sample_rate), sample_rate=sample_rate)
    assert len(vad.heard) == pytest.approx(2 * RATE, abs=1300)
    crossings = np.count_nonzero(np.diff(np.signbit(samples(bytes(vad.heard)))))
    assert crossings == pytest.approx(2 * 440, abs=40)


def test_vad_hears_stereo_as_one_channel() -> None:
    vad = ToneVAD()
    way = Entrance(vad=vad, audio_in_channels=2)
    way.hear(tone(0.2, num_channels=2), num_channels=2)
    assert bytes(vad.heard) == tone(0.2)


def test_a_muted_microphone_ends_speech() -> None:
    way = Entrance(vad=ToneVAD())
    way.hear(tone(1.0))
    way.clock.advance(0.79)
    assert STOPPED not in way.events
    way.clock.advance(0.02)
    assert way.events == [STARTED, STOPPED]


def test_nothing_is_heard_after_the_client_has_left() -> None:
    vad = ToneVAD()
    way = Entrance(vad=vad)
    way.hear(tone(1.0))
    way.inbound.close()
    way.clock.advance(5.0)
    assert way.events == [STARTED]
    assert vad.num_open == 0


def test_a_caller_who_left_in_mid_speech_leaves_the_next_one_silent() -> None:
    vad = ToneVAD()
    first = Entrance(vad=vad)
    first.hear(tone(0.15))
    first.inbound.close()
    second = Entrance(vad=vad)
    second.hear(tone(0.15))
    assert second.events == []
    second.hear(tone(0.1))
    assert second.events == [STARTED]


def test_a_stray_byte_makes_vad_deaf_for_nobody() -> None:
    vad = ToneVAD()
    for way in (Entrance(vad=vad), Entrance(vad=vad)):
        way.hear(tone(0.02) + b"\x00")
        assert way.stats.messages_refused == {"partial_sample": 1}
        way.hear(UTTERANCE)
        assert way.events == [STARTED, STOPPED]


def test_how_far_a_client_has_played_is_told_and_is_nothing_for_the_pipeline() -> None:
    way = Entrance(serializer=RawFrameSerializer())
    way.inbound.take('{"type": "hello"}')
    way.inbound.take('{"type": "played", "ms": 0}')
    assert way.positions == [PlayoutReport(stream_id=0, played_secs=0.0, buffered_secs=0.0)]
    assert way.frames == []


# Refusals.


@pytest.mark.parametrize("kind", [TextFrame, TranscriptionFrame])
def test_text_from_a_client_is_refused_unless_it_is_enabled(kind: type[TextFrame]) -> None:
    message = proto.Frame(text=proto.TextFrame(text="say this"))
    if kind is TranscriptionFrame:
        message = proto.Frame(transcription=proto.TranscriptionFrame(text="I said this"))
    closed, opened = Entrance(), Entrance(text_in_enabled=True)
    for way in (closed, opened):
        way.inbound.take(message.SerializeToString())
    assert closed.frames == []
    assert closed.stats.messages_refused == {"text_not_enabled": 1}
    assert [type(frame) for frame in opened.frames] == [kind]


def test_messages_come_to_the_pipeline() -> None:
    way = Entrance()
    way.inbound.take(proto.Frame(message=proto.MessageFrame(data='{"a": 1}')).SerializeToString())
    (frame,) = way.frames
    assert isinstance(frame, InputTransportMessageFrame)
    assert frame.message == {"a": 1}


def test_a_bad_message_is_counted_each_time_and_logged_once_without_its_content(
    caplog: pytest.LogCaptureFixture,
) -> None:
    way = Entrance()
    with caplog.at_level(logging.DEBUG):
        for _ in range(100):
            way.inbound.take("my secret")
            way.inbound.take(
                proto.Frame(message=proto.MessageFrame(data="secret")).SerializeToString()
            )
            way.inbound.take(b"secret" * 10)
    assert sum(way.stats.messages_refused.values()) == way.stats.messages_in == 300
    assert len(caplog.records) == len(way.stats.messages_refused) >= 3
    assert "secret" not in caplog.text


class Faulty(FrameSerializer):
    """Somebody's own serializer, with a bug."""

    def serialize(self, frame: Frame) -> None:
        return None

    def deserialize(self, data: bytes | str) -> Frame:
        if data == "absurd":
            return InputAudioRawFrame(bytes(640), 1, 1)
        if data == "good":
            return InputAudioRawFrame(bytes(640), RATE, 1)
        raise ValueError(f"cannot parse {data!r}")


def test_a_bug_in_a_serializer_is_a_refused_message(caplog: pytest.LogCaptureFixture) -> None:
    way = Entrance(serializer=Faulty())
    with caplog.at_level(logging.WARNING):
        for text in ("my secret", "absurd", "good"):
            way.inbound.take(text)
    assert way.stats.messages_refused == {"serializer_failed": 1, "audio_format": 1}
    assert len(way.frames) == 1
    assert "ValueError in Faulty.deserialize" in caplog.text
    assert "secret" not in caplog.text


def test_a_refused_message_is_a_typed_error_to_its_serializer() -> None:
    with pytest.raises(FrameDecodeError, match="a text message; this wire has only binary ones"):
        ProtobufFrameSerializer().deserialize("text")


def test_a_client_that_keeps_changing_its_rate_is_refused_before_it_costs_much() -> None:
    entrance = Entrance()
    for sample_rate in range(15_000, 15_000 + MAX_SAMPLE_RATES + 3):
        entrance.hear(tone(0.1), sample_rate=sample_rate)
    assert entrance.stats.messages_refused == {"too_many_rates": 3}
    entrance.frames.clear()
    entrance.hear(tone(0.1), sample_rate=15_000)
    assert entrance.audio, "a rate that was taken before is still taken"


def test_audio_that_nobody_wants_is_not_resampled() -> None:
    entrance = Entrance(audio_in_enabled=False)
    for sample_rate in range(15_000, 15_100):
        entrance.hear(tone(0.01), sample_rate=sample_rate)
    assert entrance.frames == []
    assert not entrance.stats.messages_refused


class Silent(FrameSerializer):
    """A wire whose text messages are nothing for a pipeline."""

    def serialize(self, frame: Frame) -> None:
        return None

    def deserialize(self, data: bytes | str) -> Frame | None:
        return None if isinstance(data, str) else InputAudioRawFrame(data, RATE, 1)


def test_a_message_that_is_nothing_for_the_pipeline_is_neither_pushed_nor_refused() -> None:
    way = Entrance(serializer=Silent())
    assert way.inbound.take("x" * 320) == pytest.approx(0.01)
    way.inbound.take(tone(0.02))
    assert way.frames == way.audio
    assert way.pcm == tone(0.02)
    assert (way.stats.messages_in, way.stats.messages_refused) == (2, {})
