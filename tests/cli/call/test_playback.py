import math

import pytest

from voicewire.cli.call.playback import Playback
from voicewire.cli.call.sound import Sound

RATE = 16000


def sound(secs: float) -> Sound:
    return Sound(b"\1\1" * round(secs * RATE), RATE, 1)


def test_the_first_piece_is_heard_at_once() -> None:
    playback = Playback()
    playback.take(sound(0.5), now=100.0)
    assert playback.ends_at == pytest.approx(100.5)
    assert playback.silent_secs(now=100.2) == 0.0
    assert playback.silent_secs(now=101.0) == pytest.approx(0.5)


def test_pieces_that_come_early_are_heard_one_after_the_other() -> None:
    playback = Playback()
    for _ in range(3):
        playback.take(sound(0.5), now=100.0)
    assert playback.ends_at == pytest.approx(101.5)
    pieces = playback.played(now=101.1)
    assert [piece.start_at for piece in pieces] == pytest.approx([100.0, 100.5])


def test_a_late_piece_is_heard_when_it_comes() -> None:
    playback = Playback()
    playback.take(sound(0.5), now=100.0)
    playback.take(sound(0.5), now=103.0)
    assert playback.ends_at == pytest.approx(103.5)


def test_a_player_that_has_got_nothing_has_been_silent_for_ever() -> None:
    assert Playback().silent_secs(now=100.0) == math.inf


def test_a_flush_drops_what_has_not_been_heard() -> None:
    playback = Playback()
    for _ in range(3):
        playback.take(sound(0.5), now=100.0)
    playback.flush(now=100.75)
    assert playback.ends_at == pytest.approx(100.75)
    pieces = playback.played(now=200.0)
    assert [piece.sound.duration_secs for piece in pieces] == pytest.approx([0.5, 0.25])


def test_a_flush_of_nothing_changes_nothing() -> None:
    playback = Playback()
    playback.take(sound(0.5), now=100.0)
    playback.flush(now=105.0)
    assert playback.ends_at == pytest.approx(100.5)
    assert len(playback.played(now=105.0)) == 1
