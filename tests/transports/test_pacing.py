"""When chunks go out: at once, ahead by the lead and never more, without drift."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.transports.pacing import MAX_CATCH_UP_SECS, Pacer

CHUNK_SECS = 0.04
LEAD_SECS = 0.08

MUCH_SECS = 1000.0
"""What waits of a source that is far ahead, as text-to-speech is."""


def test_the_first_chunk_is_sent_at_once() -> None:
    assert (
        Pacer(LEAD_SECS).send_delay(now=100.0, duration_secs=CHUNK_SECS, waiting_secs=MUCH_SECS)
        == 0.0
    )


def test_chunks_are_sent_at_once_up_to_the_lead() -> None:
    pacer = Pacer(LEAD_SECS)
    pacer.sent(now=100.0, duration_secs=CHUNK_SECS)
    assert pacer.send_delay(
        now=100.0, duration_secs=CHUNK_SECS, waiting_secs=MUCH_SECS
    ) == pytest.approx(0.0)
    pacer.sent(now=100.0, duration_secs=CHUNK_SECS)
    assert pacer.send_delay(
        now=100.0, duration_secs=CHUNK_SECS, waiting_secs=MUCH_SECS
    ) == pytest.approx(CHUNK_SECS)


def test_a_chunk_longer_than_the_lead_goes_out_shortly_before_the_last_one_has_been_played() -> (
    None
):
    pacer = Pacer(0.0)
    pacer.sent(now=100.0, duration_secs=CHUNK_SECS)
    assert pacer.send_delay(
        now=100.0, duration_secs=CHUNK_SECS, waiting_secs=MUCH_SECS
    ) == pytest.approx(0.02)


def test_lateness_does_not_add_up() -> None:
    pacer = Pacer(LEAD_SECS)
    now = 100.0
    for _ in range(10 * 60 * 25):  # ten minutes
        now += pacer.send_delay(now=now, duration_secs=CHUNK_SECS, waiting_secs=MUCH_SECS) + 0.003
        pacer.sent(now=now, duration_secs=CHUNK_SECS)
    assert now - 100.0 == pytest.approx(600.0 - LEAD_SECS, abs=0.01)


def test_after_a_stall_the_lead_is_restored_at_once() -> None:
    pacer = Pacer(LEAD_SECS)
    pacer.sent(now=100.0, duration_secs=CHUNK_SECS)
    for _ in range(2):
        assert pacer.send_delay(
            now=100.5, duration_secs=CHUNK_SECS, waiting_secs=MUCH_SECS
        ) == pytest.approx(0.0)
        pacer.sent(now=100.5, duration_secs=CHUNK_SECS)
    assert pacer.buffered_secs(now=100.5) == pytest.approx(LEAD_SECS)
    assert pacer.send_delay(
        now=100.5, duration_secs=CHUNK_SECS, waiting_secs=MUCH_SECS
    ) == pytest.approx(CHUNK_SECS)


def test_it_knows_for_how_long_the_client_has_had_nothing() -> None:
    pacer = Pacer(LEAD_SECS)
    assert pacer.dry_secs(now=100.0) == 0.0
    pacer.sent(now=100.0, duration_secs=CHUNK_SECS)
    assert pacer.dry_secs(now=100.0) == 0.0
    assert pacer.dry_secs(now=100.1) == pytest.approx(0.06)
    assert pacer.buffered_secs(now=100.1) == 0.0


def test_the_silence_before_an_utterance_is_no_lack_of_audio() -> None:
    pacer = Pacer(LEAD_SECS)
    pacer.sent(now=100.0, duration_secs=CHUNK_SECS)
    pacer.begin(now=200.0)
    assert pacer.dry_secs(now=200.001) == 0.0


def test_an_utterance_that_begins_while_another_is_played_follows_it() -> None:
    pacer = Pacer(LEAD_SECS)
    pacer.sent(now=100.0, duration_secs=LEAD_SECS)
    pacer.begin(now=100.02)
    assert pacer.buffered_secs(now=100.02) == pytest.approx(0.06)


def test_after_a_flush_the_next_chunk_is_due_at_once() -> None:
    pacer = Pacer(1.0)
    pacer.sent(now=100.0, duration_secs=1.0)
    pacer.flush(now=100.3)
    assert pacer.buffered_secs(now=100.3) == 0.0
    assert pacer.send_delay(now=100.3, duration_secs=CHUNK_SECS, waiting_secs=MUCH_SECS) == 0.0


@given(
    lead_secs=st.floats(0.0, 1.0),
    steps=st.lists(st.tuples(st.floats(0.001, 0.2), st.floats(0.0, 0.5)), max_size=50),
)
def test_the_client_is_never_further_ahead_than_the_lead(
    lead_secs: float, steps: list[tuple[float, float]]
) -> None:
    pacer = Pacer(lead_secs)
    now = 100.0
    for duration_secs, lateness_secs in steps:
        now += (
            pacer.send_delay(now=now, duration_secs=duration_secs, waiting_secs=MUCH_SECS)
            + lateness_secs
        )
        pacer.sent(now=now, duration_secs=duration_secs)
        assert pacer.buffered_secs(now=now) <= max(lead_secs, duration_secs + 0.02) + 1e-9


class LiveSource:
    """Brings a chunk as often as one lasts; while the loop stands still, they wait."""

    def __init__(self) -> None:
        self.pacer = Pacer(LEAD_SECS)
        self.pacer.begin(now=100.0)
        self.late_secs: list[float] = []
        self._waiting: list[float] = []

    def run(self, secs: float, *, from_secs: float, stands_still_until: float = 0.0) -> None:
        for number in range(round(secs / CHUNK_SECS)):
            came_at = 100.0 + from_secs + number * CHUNK_SECS
            self._waiting.append(came_at)
            if came_at >= 100.0 + stands_still_until:
                self._send_due(came_at)

    def _send_due(self, now: float) -> None:
        while self._waiting:
            waiting_secs = len(self._waiting) * CHUNK_SECS
            delay_secs = self.pacer.send_delay(
                now=now, duration_secs=CHUNK_SECS, waiting_secs=waiting_secs
            )
            if delay_secs > 0:
                return
            self.late_secs.append(now - self._waiting.pop(0))
            self.pacer.sent(now=now, duration_secs=CHUNK_SECS)


def test_what_comes_live_is_never_held_back() -> None:
    source = LiveSource()
    source.run(10 * 60, from_secs=0.0)
    assert max(source.late_secs) == 0.0


def test_a_live_source_is_in_time_again_right_after_a_standstill() -> None:
    source = LiveSource()
    source.run(1.0, from_secs=0.0)
    source.run(2.0, from_secs=1.0, stands_still_until=1.5)
    in_time = [late_secs == 0.0 for late_secs in source.late_secs]
    assert in_time.count(False) == 13  # What came in the half second, and none after it.
    assert all(in_time[25 + 13 :])


def test_many_short_standstills_add_nothing_up() -> None:
    source = LiveSource()
    for second in range(60):
        source.run(1.0, from_secs=second, stands_still_until=second + 0.3)
    assert source.late_secs[-1] == 0.0
    assert len(source.late_secs) == 60 * 25


def test_after_a_long_standstill_only_so_much_goes_out_at_once() -> None:
    pacer = Pacer(LEAD_SECS)
    pacer.begin(now=100.0)
    pacer.sent(now=100.0, duration_secs=CHUNK_SECS)
    pacer.sent(now=110.0, duration_secs=CHUNK_SECS)
    assert (
        pacer.send_delay(now=110.0, duration_secs=CHUNK_SECS, waiting_secs=MAX_CATCH_UP_SECS) == 0.0
    )
    for _ in range(2):
        pacer.sent(now=110.0, duration_secs=CHUNK_SECS)
    assert pacer.send_delay(
        now=110.0, duration_secs=CHUNK_SECS, waiting_secs=MAX_CATCH_UP_SECS
    ) == pytest.approx(2 * CHUNK_SECS)


def test_a_source_that_has_paused_and_comes_with_much_is_paced() -> None:
    pacer = Pacer(LEAD_SECS)
    pacer.begin(now=100.0)
    pacer.sent(now=100.0, duration_secs=CHUNK_SECS)
    for _ in range(2):
        delay = pacer.send_delay(now=100.3, duration_secs=CHUNK_SECS, waiting_secs=2.0)
        assert delay == pytest.approx(0.0)
        pacer.sent(now=100.3, duration_secs=CHUNK_SECS)
    delay = pacer.send_delay(now=100.3, duration_secs=CHUNK_SECS, waiting_secs=1.92)
    assert delay == pytest.approx(CHUNK_SECS)
