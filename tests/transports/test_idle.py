"""When a client has been silent for too long."""

from voicewire.transports.idle import ActivityTimer


def test_it_falls_due_after_the_timeout() -> None:
    timer = ActivityTimer(10.0, now=100.0)
    assert timer.check(now=104.0) == 6.0
    assert not timer.has_fired
    assert timer.check(now=110.0) == 0.0
    assert timer.has_fired


def test_activity_begins_the_time_anew() -> None:
    timer = ActivityTimer(10.0, now=100.0)
    assert not timer.touch(now=108.0)
    assert timer.check(now=110.0) == 8.0


def test_activity_after_it_fell_due_arms_it_again() -> None:
    timer = ActivityTimer(10.0, now=100.0)
    timer.check(now=110.0)
    assert timer.touch(now=150.0)
    assert not timer.has_fired
    assert not timer.touch(now=151.0)
    assert timer.check(now=155.0) == 6.0
    assert timer.check(now=161.0) == 0.0
