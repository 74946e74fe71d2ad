"""A model that hears whether somebody has finished."""

from typing import Protocol

ANALYZER_SAMPLE_RATE = 16000
"""Hertz of the audio that an analyzer gets."""

ANALYZER_SECS = 8.0
"""How much of the turn it gets at most: the end of it. Smart Turn's window."""


class TurnAnalyzer(Protocol):
    """Judges whether a turn sounds complete."""

    async def ready(self) -> None:
        """Load what has to be loaded."""

    async def close(self) -> None:
        """Let go of it."""

    async def judge(self, pcm: bytes) -> float:
        """Return the probability that the speaker has finished, 0..1.

        Args:
            pcm: The end of the turn with the pause behind it: mono s16le at
                `ANALYZER_SAMPLE_RATE`, at most `ANALYZER_SECS`.
        """
        ...


class TextTurnAnalyzer(Protocol):
    """Judges whether a turn reads as complete."""

    async def ready(self) -> None:
        """Load what has to be loaded."""

    async def close(self) -> None:
        """Let go of it."""

    async def judge(self, text: str) -> float:
        """Return how likely the text ends here, 0..1.

        Args:
            text: The turn so far, as it was transcribed.
        """
        ...
