"""How much of an utterance has been heard."""

import pytest

from voicewire.transports.playout import Playout, PlayoutReport


def test_what_was_sent_and_is_not_in_the_buffer_has_been_heard() -> None:
    playout = Playout()
    playout.begin()
    playout.sent(0.5)
    playout.sent(0.25)
    assert playout.played_secs(now=0.0, buffered_secs=0.08) == pytest.approx(0.67)
    assert playout.played_secs(now=0.0, buffered_secs=0.0) == 0.75


def test_each_utterance_begins_at_0() -> None:
    playout = Playout()
    playout.begin()
    playout.sent(2.0)
    playout.begin()
    assert playout.played_secs(now=0.0, buffered_secs=0.0) == 0.0


def test_what_is_left_of_the_utterance_before_is_not_heard_of_this_one() -> None:
    playout = Playout()
    playout.begin()
    playout.sent(0.04)
    assert playout.played_secs(now=0.0, buffered_secs=0.1) == 0.0


def test_what_the_client_reports_counts_more_than_the_schedule() -> None:
    playout = Playout()
    playout.begin()
    playout.sent(2.0)
    playout.reported(PlayoutReport(0, 0.4, 0.6), now=10.0)
    assert playout.played_secs(now=10.0, buffered_secs=0.0) == pytest.approx(0.4)


def test_the_client_plays_on_after_its_report_until_its_buffer_is_empty() -> None:
    playout = Playout()
    playout.begin()
    playout.sent(2.0)
    playout.reported(PlayoutReport(0, 0.4, 0.6), now=10.0)
    assert playout.played_secs(now=10.1, buffered_secs=0.0) == pytest.approx(0.5)
    assert playout.unplayed_secs(now=10.1) == pytest.approx(0.5)
    assert playout.played_secs(now=20.0, buffered_secs=0.0) == pytest.approx(1.0)
    assert playout.unplayed_secs(now=20.0) == 0.0


def test_nobody_hears_more_than_was_sent() -> None:
    playout = Playout()
    playout.begin()
    playout.sent(1.0)
    playout.reported(PlayoutReport(0, 1e6, 1e6), now=0.0)
    assert playout.played_secs(now=5.0, buffered_secs=0.0) == 1.0


def test_reports_count_from_the_beginning_of_the_stream_utterances_from_their_own() -> None:
    playout = Playout()
    playout.begin()
    playout.sent(1.0)
    playout.begin()
    playout.sent(1.0)
    playout.reported(PlayoutReport(0, 1.3, 0.7), now=0.0)
    assert playout.played_secs(now=0.0, buffered_secs=0.0) == pytest.approx(0.3)


def test_a_flush_begins_a_new_stream_and_reports_of_the_old_one_come_too_late() -> None:
    playout = Playout()
    playout.begin()
    playout.sent(1.0)
    assert playout.flush() == 1
    playout.reported(PlayoutReport(0, 0.9, 0.1), now=0.0)
    playout.begin()
    playout.sent(0.5)
    assert playout.played_secs(now=0.0, buffered_secs=0.2) == pytest.approx(0.3)
    assert playout.unplayed_secs(now=0.0) == 0.0
