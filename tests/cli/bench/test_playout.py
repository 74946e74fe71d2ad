import numpy as np
import pytest

from voicewire.cli.bench.plan import Window
from voicewire.cli.bench.playout import Stretch, deviations, glitch_times

ALWAYS = Window(0.0, 1e9)


def stretch(arrivals: list[float], secs: float = 0.04) -> Stretch:
    return Stretch(np.array(arrivals), np.full(len(arrivals), secs))


def on_time(count: int) -> list[float]:
    return [10.0 + 0.04 * number for number in range(count)]


def test_audio_that_is_on_time_has_no_glitch() -> None:
    assert glitch_times(stretch(on_time(100)), buffer_secs=0.06) == []


def test_a_delay_within_the_buffer_is_not_heard() -> None:
    # Two messages fill the buffer; when the second one comes, 80 ms are there to be played.
    arrivals = on_time(10)
    arrivals[5] += 0.039
    assert glitch_times(stretch(arrivals), buffer_secs=0.06) == []


def test_a_delay_beyond_the_buffer_is_one_glitch() -> None:
    arrivals = on_time(10)
    arrivals[5] += 0.041
    assert glitch_times(stretch(arrivals), buffer_secs=0.06) == [arrivals[5]]


def test_a_player_gathers_again_after_it_ran_dry() -> None:
    late = on_time(5) + [at + 0.1 for at in on_time(20)[5:]]
    assert glitch_times(stretch(late), buffer_secs=0.06) == [late[5]]


def test_without_a_buffer_any_lateness_is_heard() -> None:
    arrivals = on_time(10)
    arrivals[5] += 0.001
    assert glitch_times(stretch(arrivals), buffer_secs=0.0) == [arrivals[5]]


def test_the_end_of_a_stretch_is_no_glitch() -> None:
    assert glitch_times(stretch(on_time(3)), buffer_secs=0.06) == []
    assert glitch_times(stretch([]), buffer_secs=0.06) == []


def test_jitter_is_the_distance_from_the_schedule_of_most_messages() -> None:
    arrivals = on_time(12)
    arrivals[4] += 0.012
    arrivals[9] -= 0.005
    found = deviations(stretch(arrivals), buffer_secs=0.06, window=ALWAYS)
    assert found == pytest.approx([0.0, 0.0, 0.012, 0.0, 0.0, 0.0, 0.0, 0.005, 0.0, 0.0], abs=1e-9)


def test_the_burst_that_fills_the_buffer_is_no_jitter() -> None:
    arrivals = [10.0, 10.0, *(at - 0.02 for at in on_time(20)[2:])]
    found = deviations(stretch(arrivals), buffer_secs=0.06, window=ALWAYS)
    assert found == pytest.approx([0.0] * 18, abs=1e-9)


def test_jitter_outside_of_the_window_does_not_count() -> None:
    arrivals = on_time(12)
    arrivals[11] += 0.5
    window = Window(arrivals[4], arrivals[8])
    assert len(deviations(stretch(arrivals), buffer_secs=0.06, window=window)) == 4
    assert not len(deviations(stretch([]), buffer_secs=0.06, window=window))
