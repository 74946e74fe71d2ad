"""Two sides on one time line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.processors.recording import (
    BOT_JOIN_SECS,
    CALLER_JOIN_SECS,
    MAX_AHEAD_SECS,
    Recording,
)

RATE = 8000
START = 100.0


def tone(secs: float, value: int = 1) -> bytes:
    return np.full(round(secs * RATE), value, "<i2").tobytes()


def spans(pcm: bytes) -> list[tuple[float, float]]:
    """Return from when to when there is sound, in seconds."""
    is_sound = np.concatenate([[0], np.frombuffer(pcm, "<i2") != 0, [0]])
    edges = np.flatnonzero(np.diff(is_sound)) / RATE
    return [(float(start), float(end)) for start, end in edges.reshape(-1, 2)]


class Heard:
    """A recording in which time goes by hand."""

    def __init__(self, buffer_secs: float = 60.0) -> None:
        self.recording = Recording(RATE, buffer_secs=buffer_secs, now=START)

    def caller(self, secs: float, *, at: float) -> None:
        self.recording.hear_caller(tone(secs), RATE, 1, now=START + at)

    def bot(self, secs: float, *, at: float) -> None:
        self.recording.hear_bot(tone(secs), RATE, 1, now=START + at)

    def sides(self, *, until: float) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        rest = self.recording.take_rest(now=START + until)
        return spans(b"".join(s.caller for s in rest)), spans(b"".join(s.bot for s in rest))


def test_a_caller_has_spoken_before_their_audio_comes() -> None:
    heard = Heard()
    heard.caller(0.25, at=1.0)
    assert heard.sides(until=2.0) == ([(0.75, 1.0)], [])


def test_the_bot_is_heard_from_when_it_is_sent() -> None:
    heard = Heard()
    heard.bot(0.25, at=1.0)
    assert heard.sides(until=2.0) == ([], [(1.0, 1.25)])


def test_what_the_bot_is_sent_ahead_is_heard_when_what_came_before_has_been() -> None:
    heard = Heard()
    for _ in range(4):
        heard.bot(0.25, at=1.0)
    heard.bot(0.25, at=1.5)
    assert heard.sides(until=3.0) == ([], [(1.0, 2.25)])


def test_jitter_leaves_no_gap() -> None:
    heard = Heard()
    heard.caller(0.25, at=1.0)
    heard.caller(0.25, at=1.25 + CALLER_JOIN_SECS)
    heard.bot(0.25, at=1.0)
    heard.bot(0.25, at=1.25 + BOT_JOIN_SECS)
    assert heard.sides(until=3.0) == ([(0.75, 1.25)], [(1.0, 1.5)])


def test_a_pause_is_as_long_as_it_was() -> None:
    heard = Heard()
    heard.caller(0.25, at=1.0)
    heard.caller(0.25, at=3.0)
    heard.bot(0.25, at=1.0)
    heard.bot(0.25, at=2.0)
    caller, bot = heard.sides(until=3.0)
    assert caller == [(0.75, 1.0), (2.75, 3.0)]
    assert bot == [(1.0, 1.25), (2.0, 2.25)]


def test_an_interruption_takes_back_what_was_not_played() -> None:
    heard = Heard()
    heard.bot(1.0, at=1.0)
    heard.recording.cut_bot(now=START + 1.5)
    heard.bot(0.25, at=2.0)
    assert heard.sides(until=3.0) == ([], [(1.0, 1.5), (2.0, 2.25)])


def test_an_interruption_when_all_was_played_changes_nothing() -> None:
    heard = Heard(buffer_secs=1.0)
    heard.bot(0.5, at=0.0)
    assert heard.recording.take(now=START + 2.0) is not None
    heard.recording.cut_bot(now=START + 0.25)
    heard.bot(0.25, at=2.0)
    assert heard.sides(until=3.0) == ([], [(1.0, 1.25)])


def test_what_was_sent_and_not_heard_when_it_ends_is_not_recorded() -> None:
    heard = Heard()
    heard.bot(1.0, at=0.0)
    assert heard.sides(until=0.5) == ([], [(0.0, 0.5)])


def test_what_a_caller_sent_in_one_go_is_recorded_to_its_end() -> None:
    heard = Heard()
    heard.caller(0.5, at=0.0)
    heard.caller(0.5, at=0.0)
    assert heard.sides(until=0.25) == ([(0.0, 1.0)], [])


def test_a_stretch_waits_for_what_may_come_late() -> None:
    heard = Heard(buffer_secs=1.0)
    assert heard.recording.due_secs(now=START) == pytest.approx(1.0 + CALLER_JOIN_SECS)
    assert heard.recording.take(now=START + 1.4) is None
    heard.caller(0.5, at=1.4)
    stretch = heard.recording.take(now=START + 1.5)
    assert stretch is not None
    assert spans(stretch.caller) == [(0.9, 1.0)]
    assert len(stretch.caller) == len(stretch.bot) == len(tone(1.0))
    assert heard.sides(until=2.0)[0] == [(0.0, 0.4)]


def test_speech_after_a_long_silence_is_not_drawn_to_the_stretch_before() -> None:
    heard = Heard(buffer_secs=1.0)
    heard.caller(0.25, at=0.25)
    assert heard.recording.take(now=START + 1.5) is not None
    heard.caller(0.25, at=1.5)
    assert heard.sides(until=2.0)[0] == [(0.25, 0.5)]


def test_the_rest_comes_in_stretches_too() -> None:
    recording = Recording(RATE, buffer_secs=1.0, now=START)
    rest = recording.take_rest(now=START + 2.5)
    assert [len(stretch.caller) for stretch in rest] == [len(tone(s)) for s in (1.0, 1.0, 0.5)]


def test_audio_is_brought_to_one_format() -> None:
    recording = Recording(RATE, buffer_secs=10.0, now=START)
    recording.hear_caller(bytes(2 * 16000), 16000, 1, now=START + 1.0)
    recording.hear_bot(np.full(2 * 24000, 1000, "<i2").tobytes(), 24000, 2, now=START)
    recording.bot_stopped(now=START + 1.0)
    (stretch,) = recording.take_rest(now=START + 2.0)
    assert np.frombuffer(stretch.bot, "<i2")[100:7900] == pytest.approx(1000, abs=2)
    assert spans(stretch.bot)[-1][1] == pytest.approx(1.0, abs=0.005)


def test_what_comes_far_too_early_is_refused() -> None:
    heard = Heard()
    for _ in range(70):
        heard.caller(1.0, at=1.0)
    assert heard.recording.num_refused == 70 - MAX_AHEAD_SECS - 2


@pytest.mark.parametrize(("pcm", "rate", "channels"), [(b"\0", 8000, 1), (b"\0\0", 8000, 0)])
def test_what_is_no_audio_is_refused(pcm: bytes, rate: int, channels: int) -> None:
    recording = Recording(RATE, buffer_secs=10.0, now=START)
    recording.hear_caller(pcm, rate, channels, now=START)
    recording.hear_bot(pcm, rate, channels, now=START)
    assert recording.num_refused == 2


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["caller", "bot", "cut", "stop"]), st.floats(0, 3), st.integers(0, 9000)
    ),
    max_size=30,
)


@given(STEPS)
def test_both_sides_are_always_as_long_as_the_time_that_has_passed(
    steps: list[tuple[str, float, int]],
) -> None:
    recording, now = Recording(RATE, buffer_secs=1.0, now=START), START
    num_bytes = {"caller": 0, "bot": 0}
    for what, secs, num_samples in steps:
        now += secs
        while (stretch := recording.take(now=now)) is not None:
            num_bytes["caller"] += len(stretch.caller)
            num_bytes["bot"] += len(stretch.bot)
        if what == "caller":
            recording.hear_caller(bytes(2 * num_samples), RATE, 1, now=now)
        elif what == "bot":
            recording.hear_bot(bytes(2 * num_samples), RATE, 1, now=now)
        elif what == "cut":
            recording.cut_bot(now=now)
        else:
            recording.bot_stopped(now=now)
    for stretch in recording.take_rest(now=now):
        num_bytes["caller"] += len(stretch.caller)
        num_bytes["bot"] += len(stretch.bot)
    assert num_bytes["caller"] == num_bytes["bot"] >= 2 * round((now - START) * RATE)
