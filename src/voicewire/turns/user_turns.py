"""The caller's turns, one after the other."""

from collections.abc import Callable
from functools import partial

from voicewire.frames import ClientConnectedFrame, ClientDisconnectedFrame, Frame
from voicewire.nobody import nobody
from voicewire.turns.strategies import ExternalUserTurnStrategies, UserTurnStrategies
from voicewire.turns.strategy import TurnSetup


class UserTurns:
    """Shows the frames to the strategies and keeps to their first word.

    Args:
        strategies: How a turn begins and ends.

    Attributes:
        is_in_turn: Whether it is the caller's turn.
    """

    def __init__(self, strategies: UserTurnStrategies) -> None:
        self.is_in_turn = False
        self._is_open = False
        self._strategies = strategies
        self._on_started: Callable[[], None] = nobody
        self._on_stopped: Callable[[], None] = nobody
        self._on_expected: Callable[[], None] = nobody

    @property
    def are_decided_elsewhere(self) -> bool:
        """Whether others push the frames that tell of turns."""
        return isinstance(self._strategies, ExternalUserTurnStrategies)

    async def open(
        self,
        setup: TurnSetup,
        *,
        on_started: Callable[[], None],
        on_stopped: Callable[[], None],
        on_expected: Callable[[], None] = nobody,
    ) -> None:
        """Get ready for a session; models are loaded.

        Args:
            setup: What strategies need.
            on_started: Called when a turn begins.
            on_stopped: Called when it is over.
            on_expected: Called when it may well be over soon, once or more.
        """
        self._is_open = True
        self._on_started = on_started
        self._on_stopped = on_stopped
        self._on_expected = on_expected
        for start in self._strategies.start:
            start.attach(setup, partial(self._turn, begins=True), lambda: None)
        for stop in self._strategies.stop:
            stop.attach(setup, partial(self._turn, begins=False), self._expect)
        for each in (*self._strategies.start, *self._strategies.stop):
            await each.load()

    def see(self, frame: Frame) -> None:
        """Let the strategies take note of a frame, of either direction, while this is open."""
        if not self._is_open:
            return
        if isinstance(frame, ClientConnectedFrame | ClientDisconnectedFrame):
            self.forget()
            return
        # A frame that begins the turn is also the first that may end it.
        for start in self._strategies.start:
            start.see(frame)
        for stop in self._strategies.stop:
            stop.see(frame)

    def forget(self) -> None:
        """End a turn that has begun, and begin with nothing."""
        self._forget_all()
        self._turn(begins=False)

    async def close(self) -> None:
        """Say nothing any more; models are let go of."""
        self._is_open = False
        self._forget_all()
        for each in (*self._strategies.start, *self._strategies.stop):
            await each.unload()
            each.detach()
        self._on_started = self._on_stopped = self._on_expected = nobody

    def _forget_all(self) -> None:
        for each in (*self._strategies.start, *self._strategies.stop):
            each.forget()

    def _turn(self, *, begins: bool) -> None:
        if self.is_in_turn is begins:
            return
        self.is_in_turn = begins
        for each in (*self._strategies.start, *self._strategies.stop):
            each.reset()
        (self._on_started if begins else self._on_stopped)()

    def _expect(self) -> None:
        if self.is_in_turn:
            self._on_expected()
