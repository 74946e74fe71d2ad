import numpy as np
import pytest

from voicewire.cli.bench.outcome import Turn
from voicewire.cli.bench.turns import Spoken, listening_times, turns_of

FIRST, SECOND = Spoken(10.0, 13.0), Spoken(16.0, 19.0)
INFINITY = float("inf")


def chunks(start_at: float, end_at: float) -> list[float]:
    """Return the arrivals of 40 ms messages, the last one at `end_at`."""
    return np.arange(start_at, end_at + 0.001, 0.04).tolist()


def turns(arrivals: list[float], heard_at: list[float]) -> list[Turn]:
    return turns_of([FIRST, SECOND], np.array(arrivals), heard_at)


def test_a_turn_is_heard_answered_and_cut_off() -> None:
    first, second = turns([*chunks(14.0, 16.32), *chunks(20.0, 22.0)], heard_at=[10.25, 16.3, 25.0])
    assert first.vad_delay_secs == pytest.approx(0.25)
    assert first.response_secs == pytest.approx(1.0)
    assert first.barge_in_secs is None
    assert second.vad_delay_secs == pytest.approx(0.3)
    assert second.response_secs == pytest.approx(1.0)
    assert second.barge_in_secs == pytest.approx(0.32)
    assert second.after_decision_secs == pytest.approx(0.02)
    assert second.chunks_after_decision == 1


def test_audio_that_stopped_before_the_decision_leaves_nothing_after_it() -> None:
    _, second = turns(chunks(14.0, 16.2), heard_at=[16.3])
    assert second.barge_in_secs == pytest.approx(0.2)
    assert (second.after_decision_secs, second.chunks_after_decision) == (0.0, 0)


def test_an_answer_that_is_over_cannot_be_cut_off() -> None:
    _, second = turns(chunks(14.0, 15.0), heard_at=[16.3])
    assert second.barge_in_secs is None


def test_a_bot_that_speaks_on_was_not_cut_off() -> None:
    _, second = turns(chunks(14.0, 30.0), heard_at=[16.3])
    assert (second.barge_in_secs, second.after_decision_secs) == (None, None)
    assert second.vad_delay_secs == pytest.approx(0.3)


def test_a_bot_that_says_nothing_of_what_it_hears_has_no_decision() -> None:
    _, second = turns(chunks(14.0, 16.2), heard_at=[])
    assert (second.vad_delay_secs, second.chunks_after_decision) == (None, None)
    assert second.barge_in_secs == pytest.approx(0.2)


def test_a_phrase_before_another_one_may_be_unanswered() -> None:
    first, second = turns([], heard_at=[])
    assert first == Turn(is_unanswered=True)
    assert second == Turn()  # The run ended before there could be an answer.


def test_an_answer_is_listened_to_until_the_server_hears_the_next_phrase() -> None:
    assert list(listening_times([FIRST, SECOND], [10.2, 16.25])) == [
        (13.0, 16.25),
        (19.0, INFINITY),
    ]


def test_without_a_word_from_the_server_it_is_listened_to_until_the_next_phrase() -> None:
    assert list(listening_times([FIRST, SECOND], [])) == [(13.0, 16.0), (19.0, INFINITY)]
    assert list(listening_times([], [])) == []
