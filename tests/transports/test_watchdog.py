from voicewire.testing.clock import VirtualClock
from voicewire.transports.liveness import Liveness
from voicewire.transports.watchdog import Watchdog


def make_watchdog(clock: VirtualClock) -> tuple[Watchdog, list[str]]:
    calls: list[str] = []
    watchdog = Watchdog(
        clock,
        Liveness(10.0, 5.0),
        ping=lambda: calls.append("ping"),
        give_up=lambda: calls.append("give up"),
        abort=lambda: calls.append("abort"),
    )
    return watchdog, calls


def test_silence_counts_from_the_start_of_watching() -> None:
    clock = VirtualClock()
    watchdog, calls = make_watchdog(clock)
    clock.advance(100)
    watchdog.watch()
    clock.advance(9)
    assert calls == []
    clock.advance(1)
    assert calls == ["ping"]
    clock.advance(5)
    assert calls == ["ping", "give up"]
    clock.advance(100)
    assert calls == ["ping", "give up"]


def test_a_sign_of_life_puts_everything_off() -> None:
    clock = VirtualClock()
    watchdog, calls = make_watchdog(clock)
    watchdog.watch()
    for _ in range(20):
        clock.advance(8)
        watchdog.last_heard_at = clock.now()
    assert calls == []


def test_closing_ends_in_an_abort_and_nothing_else() -> None:
    clock = VirtualClock()
    watchdog, calls = make_watchdog(clock)
    watchdog.watch()
    watchdog.close_within(12)
    assert watchdog.is_closing
    clock.advance(11)
    assert calls == []
    clock.advance(1)
    assert calls == ["abort"]


def test_nothing_fires_after_the_stop() -> None:
    clock = VirtualClock()
    watchdog, calls = make_watchdog(clock)
    watchdog.watch()
    watchdog.stop()
    clock.advance(100)
    assert calls == []
