"""When which caller sends: one absolute schedule for all callers of a process."""

import asyncio
import time
from array import array
from collections.abc import Callable, Sequence
from typing import NamedTuple

from voicewire.cli.bench.plan import FRAME_SECS

MAX_SENDS_PER_TURN = 32
"""After so many the event loop has its turn, so that what arrives is stamped in time."""

MIN_WAIT_SECS = 0.001
"""What is due within this is sent together: a wake-up for each frame would cost more than it."""

START_ROUNDS = 50
"""Callers begin spread over so many frames: a second."""

_START_STRIDE = 29
"""Coprime with `START_ROUNDS`: neighbours begin far apart, and all rounds are used alike."""


class Place(NamedTuple):
    """A caller's place in the schedule.

    Attributes:
        phase_secs: When in each round of `FRAME_SECS` it sends.
        start_round: The round in which it begins.
    """

    phase_secs: float
    start_round: int

    def first_due_at(self, start_at: float) -> float:
        """Return when its first message is due, where the wheel begins at `start_at`."""
        return start_at + self.start_round * FRAME_SECS + self.phase_secs


def place_of(number: int, num_callers: int) -> Place:
    """Return the place of a caller, so that all of them together fill the round evenly."""
    phase_secs = number / num_callers * FRAME_SECS
    return Place(phase_secs, number * _START_STRIDE % START_ROUNDS)


class Wheel:
    """Turns once every `FRAME_SECS`, and has each caller send at its own place.

    Attributes:
        due_at: When each frame was due, monotonic seconds.
        late_secs: How much later it was sent.
    """

    def __init__(
        self,
        senders: Sequence[tuple[Place, Callable[[], None]]],
        *,
        start_at: float,
        end_at: float,
    ) -> None:
        """Take what to call, and where in each round, from `start_at` until `end_at`."""
        self.due_at = array("d")
        self.late_secs = array("d")
        self._senders = sorted(senders, key=lambda sender: sender[0].phase_secs)
        self._start_at = start_at
        self._end_at = end_at
        self._round = 0
        self._round_at = start_at
        self._position = 0
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None

    async def turn(self) -> None:
        """Send until `end_at`, or until `stop_at` has brought that forward."""
        if not self._senders:
            return
        loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._send_due()
        try:
            await self._over
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def stop_at(self, end_at: float) -> None:
        """End earlier than was planned."""
        self._end_at = min(self._end_at, end_at)

    def _send_due(self) -> None:
        note_due, note_late, clock = self.due_at.append, self.late_secs.append, time.monotonic
        for _ in range(MAX_SENDS_PER_TURN):
            (phase_secs, start_round), send = self._senders[self._position]
            due_at = self._round_at + phase_secs
            now = clock()
            if due_at > self._end_at:
                if not self._over.done():
                    self._over.set_result(None)
                return
            if due_at > now:
                delay_secs = max(MIN_WAIT_SECS, due_at - now)
                self._timer = self._loop.call_later(delay_secs, self._send_due)
                return
            if self._round >= start_round:
                send()
                note_due(due_at)
                note_late(now - due_at)
            self._advance()
        self._timer = self._loop.call_soon(self._send_due)

    def _advance(self) -> None:
        self._position += 1
        if self._position == len(self._senders):
            self._position = 0
            self._round += 1
            # From the number, not by adding up, which would drift.
            self._round_at = self._start_at + self._round * FRAME_SECS
