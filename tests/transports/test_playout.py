"""How much of an utterance has been heard."""

import pytest

from voicewire.transports.playout import Playout


def test_what_was_sent_and_is_not_in_the_buffer_has_been_heard() -> None:
    playout = Playout()
    playout.begin()
    playout.sent(0.5)
    playout.sent(0.25)
    assert playout.played_secs(buffered_secs=0.08) == pytest.approx(0.67)
    assert playout.played_secs(buffered_secs=0.0) == 0.75


def test_each_utterance_begins_at_0() -> None:
    playout = Playout()
    playout.begin()
    playout.sent(2.0)
    playout.begin()
    assert playout.played_secs(buffered_secs=0.0) == 0.0


def test_what_is_left_of_the_utterance_before_is_not_heard_of_this_one() -> None:
    playout = Playout()
    playout.begin()
    playout.sent(0.04)
    assert playout.played_secs(buffered_secs=0.1) == 0.0
