"""One caller's stream: slicing, volume, the muted microphone, bounds and the end."""

import logging
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.errors import ConfigurationError
from voicewire.testing import VirtualClock
from voicewire.vad import VADAnalyzer, VADEvent, VADParams, VADState, VADStream
from voicewire.vad.stream import MAX_SUBMITTED_WINDOWS, MAX_WAITING_SECS

RATE = 16000
WINDOW = 320
STARTED, STOPPED = VADEvent.STARTED, VADEvent.STOPPED


class ToneDetector:
    """Calls every window speech that has a sample above 1000."""

    window_samples = WINDOW

    def __init__(self, on_confidence: Callable[[float], None], *, answers_at_once: bool) -> None:
        self.windows: list[bytes] = []
        self.is_closed = False
        self.answers_at_once = answers_at_once
        self._num_answered = 0
        self._on_confidence = on_confidence

    def submit(self, window: bytes) -> None:
        assert len(window) == 2 * WINDOW
        self.windows.append(window)
        if self.answers_at_once:
            self.answer(1)

    def answer(self, num_windows: int) -> None:
        for _ in range(num_windows):
            window = self.windows[self._num_answered]
            self._num_answered += 1
            self._on_confidence(float(np.frombuffer(window, "<i2").max() > 1000))

    def answer_all(self) -> None:
        while self._num_answered < len(self.windows):
            self.answer(1)

    def close(self) -> None:
        self.is_closed = True


class ToneVAD(VADAnalyzer):
    """What a user's own analyzer looks like."""

    sample_rates: ClassVar[tuple[int, ...]] = (RATE,)
    answers_at_once = True
    detector: ToneDetector

    def open_detector(
        self, sample_rate: int, on_confidence: Callable[[float], None]
    ) -> ToneDetector:
        self.detector = ToneDetector(on_confidence, answers_at_once=self.answers_at_once)
        return self.detector


class Caller:
    """A stream with everything around it."""

    def __init__(self, *, answers_at_once: bool = True, **params: float) -> None:
        self.events: list[VADEvent] = []
        self.clock = VirtualClock()
        analyzer = ToneVAD(params=VADParams(**params))
        analyzer.answers_at_once = answers_at_once
        self.num_starting = 0
        self.stream: VADStream = analyzer.open(RATE, self._keep, self.clock)
        self.detector = analyzer.detector

    def _keep(self, event: VADEvent) -> None:
        if event is VADEvent.STARTING:
            self.num_starting += 1
        else:
            self.events.append(event)


def tone(secs: float, amplitude: int = 8000) -> bytes:
    phase = np.arange(round(secs * RATE)) * (2 * np.pi * 440 / RATE)
    return bytes((amplitude * np.sin(phase)).astype("<i2").data)


def silence(secs: float) -> bytes:
    return bytes(2 * round(secs * RATE))


UTTERANCE = tone(1.0) + silence(1.2)


def test_an_utterance_in_one_message_starts_and_stops() -> None:
    caller = Caller()
    caller.stream.feed(UTTERANCE)
    assert caller.num_starting == 1
    assert caller.events == [STARTED, STOPPED]
    assert caller.stream.state is VADState.QUIET


def test_an_utterance_in_one_message_starts_and_stops_when_answers_come_later() -> None:
    caller = Caller(answers_at_once=False)
    caller.stream.feed(UTTERANCE)
    assert caller.events == []
    caller.detector.answer_all()
    assert caller.events == [STARTED, STOPPED]


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=30))
def test_events_do_not_depend_on_how_audio_is_cut(samples: list[int]) -> None:
    caller = Caller()
    offset = 0
    for num_samples in samples * (len(UTTERANCE) // (2 * sum(samples)) + 1):
        caller.stream.feed(UTTERANCE[offset : offset + 2 * num_samples])
        offset += 2 * num_samples
    assert b"".join(caller.detector.windows) == UTTERANCE
    assert caller.events == [STARTED, STOPPED]


def test_speech_that_is_too_quiet_is_not_reported() -> None:
    caller = Caller(min_volume=0.97)
    caller.stream.feed(UTTERANCE)
    assert caller.events == []


def test_a_caller_who_speaks_at_once_is_heard_after_start_secs() -> None:
    caller = Caller(start_secs=0.2)
    caller.stream.feed(tone(0.2))
    assert caller.events == [STARTED]


def test_a_muted_microphone_ends_speech_after_stop_secs() -> None:
    caller = Caller(stop_secs=0.8)
    caller.stream.feed(tone(1.0))
    caller.clock.advance(0.79)
    assert caller.events == [STARTED]
    caller.clock.advance(0.02)
    assert caller.events == [STARTED, STOPPED]
    caller.clock.advance(10.0)
    assert caller.events == [STARTED, STOPPED]


def test_speech_goes_on_while_audio_arrives() -> None:
    caller = Caller(stop_secs=0.8)
    for _ in range(200):
        caller.stream.feed(tone(0.02))
        caller.clock.advance(0.02)
    assert caller.events == [STARTED]
    caller.clock.advance(0.8)
    assert caller.events == [STARTED, STOPPED]


def test_a_short_stall_of_the_network_does_not_end_speech() -> None:
    caller = Caller(stop_secs=0.1)
    caller.stream.feed(tone(1.0))
    caller.clock.advance(0.4)
    caller.stream.feed(tone(1.0))
    caller.clock.advance(0.4)
    assert caller.events == [STARTED]


def test_a_microphone_muted_at_the_first_sound_leaves_the_stream_quiet() -> None:
    caller = Caller()
    caller.stream.feed(tone(0.1))
    states = [caller.stream.state]
    caller.clock.advance(1.0)
    states.append(caller.stream.state)
    assert states == [VADState.STARTING, VADState.QUIET]
    assert caller.events == []


def test_speech_can_begin_again_after_the_microphone_was_muted() -> None:
    caller = Caller()
    caller.stream.feed(tone(1.0))
    caller.clock.advance(2.0)
    caller.stream.feed(tone(1.0))
    caller.clock.advance(2.0)
    assert caller.events == [STARTED, STOPPED] * 2


def test_a_slow_detector_is_not_a_muted_microphone() -> None:
    caller = Caller(answers_at_once=False)
    caller.stream.feed(tone(1.0))
    for _ in range(45):
        caller.clock.advance(0.5)
        caller.detector.answer(1)
    assert caller.events == [STARTED]


def test_nothing_is_reported_after_close() -> None:
    caller = Caller(answers_at_once=False)
    caller.stream.feed(UTTERANCE)
    caller.detector.answer(20)
    assert caller.events == [STARTED]
    caller.stream.close()
    caller.stream.close()
    assert caller.detector.is_closed
    caller.detector.answer_all()
    caller.stream.feed(UTTERANCE)
    caller.clock.advance(10.0)
    assert caller.events == [STARTED]


def test_a_listener_may_close_the_stream() -> None:
    caller = Caller()
    analyzer = ToneVAD()
    events: list[VADEvent] = []

    def close_at_once(event: VADEvent) -> None:
        if event is VADEvent.STARTING:
            return
        events.append(event)
        stream.close()

    stream = analyzer.open(RATE, close_at_once, caller.clock)
    stream.feed(UTTERANCE)
    assert events == [STARTED]


def test_a_detector_holds_few_windows_at_a_time() -> None:
    caller = Caller(answers_at_once=False)
    caller.stream.feed(UTTERANCE)
    assert len(caller.detector.windows) == MAX_SUBMITTED_WINDOWS
    caller.detector.answer(3)
    assert len(caller.detector.windows) == MAX_SUBMITTED_WINDOWS + 3


def test_what_a_stuck_detector_leaves_waiting_is_bounded_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caller = Caller(answers_at_once=False)
    with caplog.at_level(logging.WARNING):
        for _ in range(round(MAX_WAITING_SECS) + 10):
            caller.stream.feed(tone(0.5) + silence(0.5))
    held_secs = MAX_SUBMITTED_WINDOWS * 0.02
    num_windows_too_many = round((10 - held_secs) / 0.02)
    assert caller.stream.num_dropped_windows == num_windows_too_many
    assert len(caplog.records) == 1
    caller.detector.answer_all()
    assert len(caller.detector.windows) == MAX_SUBMITTED_WINDOWS + MAX_WAITING_SECS / 0.02


def test_the_newest_audio_survives_when_the_oldest_is_dropped() -> None:
    caller = Caller(answers_at_once=False)
    caller.stream.feed(silence(MAX_WAITING_SECS) + UTTERANCE)
    caller.detector.answer_all()
    assert caller.events == [STARTED, STOPPED]


@pytest.mark.parametrize("num_samples_too_many", [1, WINDOW - 1, WINDOW, WINDOW + 1])
def test_the_oldest_is_dropped_in_whole_windows(num_samples_too_many: int) -> None:
    caller = Caller(answers_at_once=False)
    num_held = MAX_SUBMITTED_WINDOWS * WINDOW
    num_waiting = round(MAX_WAITING_SECS * RATE)
    # A ramp: a shift by fewer than 65536 samples shows.
    samples = np.arange(num_held + num_waiting + num_samples_too_many).astype("<i2")
    held_bytes = 2 * num_held
    caller.stream.feed(samples[:num_held].tobytes())
    caller.stream.feed(samples[num_held:].tobytes())
    caller.detector.answer_all()
    num_dropped = -(-num_samples_too_many // WINDOW)
    kept = samples.tobytes()[held_bytes + 2 * WINDOW * num_dropped :]
    assert caller.stream.num_dropped_windows == num_dropped
    heard = b"".join(caller.detector.windows)[held_bytes:]
    assert heard == kept[: len(kept) // (2 * WINDOW) * 2 * WINDOW]


def test_a_detector_that_raises_loses_only_its_window(monkeypatch: pytest.MonkeyPatch) -> None:
    caller = Caller()

    def fail(_: bytes) -> None:
        raise OSError("no")

    with monkeypatch.context() as context:
        context.setattr(caller.detector, "submit", fail)
        with pytest.raises(OSError, match="no"):
            caller.stream.feed(tone(0.02))
    caller.stream.feed(UTTERANCE)
    assert caller.events == [STARTED, STOPPED]


def test_a_confidence_without_a_window_is_an_error() -> None:
    events: list[VADEvent] = []
    callbacks: list[Callable[[float], None]] = []

    class Chatty(ToneVAD):
        def open_detector(
            self, sample_rate: int, on_confidence: Callable[[float], None]
        ) -> ToneDetector:
            callbacks.append(on_confidence)
            return super().open_detector(sample_rate, on_confidence)

    Chatty().open(RATE, events.append, VirtualClock())
    with pytest.raises(RuntimeError, match="more confidences than it was given windows"):
        callbacks[0](1.0)


def test_a_rate_that_the_detector_cannot_work_at_is_refused_with_those_it_can() -> None:
    with pytest.raises(ConfigurationError, match="ToneVAD works at 16000 Hz, not at 44100"):
        ToneVAD().open(44100, print, VirtualClock())


def test_an_analyzer_that_insists_on_a_rate_refuses_another() -> None:
    class AnyRate(ToneVAD):
        sample_rates: ClassVar[tuple[int, ...]] = ()

    AnyRate().check_sample_rate(44100)
    with pytest.raises(ConfigurationError, match="works at 8000 Hz, not at 16000"):
        AnyRate(sample_rate=8000).check_sample_rate(16000)
    with pytest.raises(ConfigurationError, match="more than 0"):
        AnyRate(sample_rate=0)
