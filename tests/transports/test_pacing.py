"""When chunks go out: at once, ahead by the lead and never more, without drift."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.transports.pacing import Pacer

CHUNK_SECS = 0.04
LEAD_SECS = 0.08


def test_the_first_chunk_is_sent_at_once() -> None:
    assert Pacer(LEAD_SECS).send_delay(now=100.0, duration_secs=CHUNK_SECS) == 0.0


def test_chunks_are_sent_at_once_up_to_the_lead() -> None:
    pacer = Pacer(LEAD_SECS)
    pacer.sent(now=100.0, duration_secs=CHUNK_SECS)
    assert pacer.send_delay(now=100.0, duration_secs=CHUNK_SECS) == pytest.approx(0.0)
    pacer.sent(now=100.0, duration_secs=CHUNK_SECS)
    assert pacer.send_delay(now=100.0, duration_secs=CHUNK_SECS) == pytest.approx(CHUNK_SECS)


def test_a_chunk_longer_than_the_lead_goes_out_shortly_before_the_last_one_has_been_played() -> (
    None
):
    pacer = Pacer(0.0)
    pacer.sent(now=100.0, duration_secs=CHUNK_SECS)
    assert pacer.send_delay(now=100.0, duration_secs=CHUNK_SECS) == pytest.approx(0.02)


def test_lateness_does_not_add_up() -> None:
    pacer = Pacer(LEAD_SECS)
    now = 100.0
    for _ in range(10 * 60 * 25):  # ten minutes
        now += pacer.send_delay(now=now, duration_secs=CHUNK_SECS) + 0.003
        pacer.sent(now=now, duration_secs=CHUNK_SECS)
    assert now - 100.0 == pytest.approx(600.0 - LEAD_SECS, abs=0.01)


def test_after_a_stall_the_lead_is_restored_at_once() -> None:
    pacer = Pacer(LEAD_SECS)
    pacer.sent(now=100.0, duration_secs=CHUNK_SECS)
    for _ in range(2):
        assert pacer.send_delay(now=100.5, duration_secs=CHUNK_SECS) == pytest.approx(0.0)
        pacer.sent(now=100.5, duration_secs=CHUNK_SECS)
    assert pacer.buffered_secs(now=100.5) == pytest.approx(LEAD_SECS)
    assert pacer.send_delay(now=100.5, duration_secs=CHUNK_SECS) == pytest.approx(CHUNK_SECS)


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
    assert pacer.send_delay(now=100.3, duration_secs=CHUNK_SECS) == 0.0


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
        now += pacer.send_delay(now=now, duration_secs=duration_secs) + lateness_secs
        pacer.sent(now=now, duration_secs=duration_secs)
        assert pacer.buffered_secs(now=now) <= max(lead_secs, duration_secs + 0.02) + 1e-9
