"""The one timer of a connection: first is the peer alive, later has it answered our close."""

from collections.abc import Callable

from voicewire.clock import Clock, TimerHandle
from voicewire.nobody import nobody
from voicewire.transports.liveness import Liveness, Step


class Watchdog:
    """Calls back when a peer has been silent too long.

    The timer is not moved by what the peer sends, only looked at again when it fires: a busy
    connection costs one call per ping interval.

    Attributes:
        last_heard_at: When the peer gave the last sign of life; kept up to date from outside.
    """

    __slots__ = (
        "_abort",
        "_clock",
        "_close_at",
        "_give_up",
        "_liveness",
        "_ping",
        "_timer",
        "last_heard_at",
    )

    def __init__(
        self,
        clock: Clock,
        liveness: Liveness,
        *,
        ping: Callable[[], None],
        give_up: Callable[[], None],
        abort: Callable[[], None],
    ) -> None:
        """Describe what to do; nothing is timed yet.

        Args:
            clock: For the timer.
            liveness: When to ping and when to give up.
            ping: Asks the peer whether it is there.
            give_up: Starts to close; the peer has not answered.
            abort: Ends it; closing took too long.
        """
        self.last_heard_at = clock.now()
        self._clock = clock
        self._liveness = liveness
        self._ping = ping
        self._give_up = give_up
        self._abort = abort
        self._timer: TimerHandle | None = None
        self._close_at: float | None = None

    @property
    def is_closing(self) -> bool:
        return self._close_at is not None

    def watch(self) -> None:
        """Begin to look after the peer's silence, which counts from now."""
        self.last_heard_at = self._clock.now()
        self._look_after_silence()

    def close_within(self, secs: float) -> None:
        """Abort in `secs`; nobody is pinged any more."""
        self._close_at = self._clock.now() + secs
        self._fire_at(self._close_at)

    def stop(self) -> None:
        """Watch nobody any more, and let go of whom it would tell."""
        self._cancel_timer()
        self._ping = self._give_up = self._abort = nobody

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire_at(self, due_at: float) -> None:
        self._cancel_timer()
        self._timer = self._clock.call_later(due_at - self._clock.now(), self._fire)

    def _fire(self) -> None:
        self._timer = None
        if self._close_at is None:
            self._look_after_silence()
        elif self._clock.now() < self._close_at:
            self._fire_at(self._close_at)  # a loop's timer may come a moment early
        else:
            self._abort()

    def _look_after_silence(self) -> None:
        step, due_at = self._liveness.next_step(self._clock.now(), self.last_heard_at)
        if due_at is not None:
            self._fire_at(due_at)
        if step is Step.PING:
            self._ping()
        elif step is Step.GIVE_UP:
            self._give_up()
