"""What start and stop strategies have in common."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from voicewire.clock import Clock, TimerHandle
from voicewire.frames import Frame
from voicewire.nobody import nobody


@dataclass(frozen=True)
class TurnSetup:
    """What a strategy gets before the first frame.

    Attributes:
        clock: The time.
        spawn: Runs a coroutine beside the frames, until the session ends.
        audio_sample_rate: Hertz of microphone audio in the pipeline.
    """

    clock: Clock
    spawn: Callable[[Coroutine[Any, Any, None], str], object]
    audio_sample_rate: int


class TurnStrategy:
    """Watches the frames and says, by `decide`, that a turn has begun or is over.

    One object serves one session.
    """

    def __init__(self) -> None:
        self._setup: TurnSetup | None = None
        self._decide: Callable[[], None] = nobody
        self._expect: Callable[[], None] = nobody
        self._timer: TimerHandle | None = None
        self._decides_at = 0.0
        self._holds_until = 0.0

    def attach(
        self, setup: TurnSetup, decide: Callable[[], None], expect: Callable[[], None]
    ) -> None:
        """Get ready for a session.

        Args:
            setup: Its surroundings.
            decide: To be called when the turn begins, or is over.
            expect: To be called when that is to be expected.
        """
        self._setup = setup
        self._decide = decide
        self._expect = expect

    def detach(self) -> None:
        """Let go of the session, which is over."""
        self._setup = None
        self._decide = self._expect = nobody

    async def load(self) -> None:
        """Load what has to be loaded before the first caller."""

    async def unload(self) -> None:
        """Let go of it, after the last one."""

    def see(self, frame: Frame) -> None:
        """Take note of a frame, in the order in which frames pass, of both directions."""

    def reset(self) -> None:
        """Begin anew: the turn has begun, or is over, by whoever's decision."""
        self.cancel_timer()

    def forget(self) -> None:
        """Begin with nothing: the caller is a new one."""
        self.reset()

    def expect(self) -> None:
        """Say that the turn may well be over: a language model may begin on speculation."""
        self._expect()

    def decide(self) -> None:
        """Say that the turn begins, or is over. Of no effect where it is so already."""
        self.cancel_timer()
        self._decide()

    def decide_in(self, secs: float) -> None:
        """Say so after some time, unless the strategy begins anew or another time is set."""
        self.cancel_timer()
        now = self.setup.clock.now()
        self._decides_at = now + secs
        secs = max(self._decides_at, self._holds_until) - now
        if secs <= 0:
            self._decide()
        else:
            self._timer = self.setup.clock.call_later(secs, self.decide)

    def hold(self, secs: float) -> None:
        """Do not say so by a timer before that time has passed."""
        now = self.setup.clock.now()
        self._holds_until = now + secs
        if self._timer is not None:
            self.decide_in(self._decides_at - now)

    def cancel_timer(self) -> None:
        """Do not say anything by itself."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def setup(self) -> TurnSetup:
        if self._setup is None:
            raise RuntimeError(f"{type(self).__name__} is not part of a running pipeline yet")
        return self._setup
