"""Turns in virtual time."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from voicewire.frames import (
    Frame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStartingFrame,
    VADUserStoppedSpeakingFrame,
)
from voicewire.testing import VirtualClock
from voicewire.turns import UserTurns, UserTurnStrategies
from voicewire.turns.strategy import TurnSetup

STOP_SECS = 0.2


def began() -> Frame:
    return VADUserStartedSpeakingFrame(start_secs=0.2)


def may_begin() -> Frame:
    return VADUserStartingFrame(start_secs=0.2)


def paused() -> Frame:
    return VADUserStoppedSpeakingFrame(stop_secs=STOP_SECS)


def words(text: str) -> Frame:
    return TranscriptionFrame(text, "", "")


def interim(text: str) -> Frame:
    return InterimTranscriptionFrame(text, "", "")


class Script:
    """Shows frames to strategies, and writes down what they say and when."""

    def __init__(self, strategies: UserTurnStrategies) -> None:
        self.clock = VirtualClock()
        self.log: list[tuple[str, float]] = []
        self._began_at = self.clock.now()
        self._tasks: list[asyncio.Task[None]] = []
        self.turns = UserTurns(strategies)

    async def open(self) -> "Script":
        await self.turns.open(
            TurnSetup(self.clock, self._spawn, 16000),
            on_started=lambda: self._note("begins"),
            on_stopped=lambda: self._note("ends"),
            on_expected=lambda: self._note("expected"),
        )
        return self

    async def see(self, *frames: Frame) -> None:
        for frame in frames:
            self.turns.see(frame)
            await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def advance(self, secs: float) -> None:
        self.clock.advance(secs)
        await self.settle()

    def said(self) -> list[str]:
        return [what for what, _ in self.log if what != "expected"]

    def _note(self, what: str) -> None:
        self.log.append((what, round(self.clock.now() - self._began_at, 3)))

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(asyncio.ensure_future(coroutine))
