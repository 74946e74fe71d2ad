"""How far a caller has heard, by marks that their provider sends back. Pure."""

from collections import deque
from typing import NamedTuple

from voicewire.transports.playout import PlayoutReport

MARK_SECS = 0.2
"""Audio between two marks."""

MAX_MARKS = 500
"""Marks on their way; beyond it the oldest is forgotten."""


class _Mark(NamedTuple):
    name: str
    position_secs: float


class Marks:
    """Names positions in the stream that is being sent, and knows them again."""

    def __init__(self) -> None:
        self._on_the_way: deque[_Mark] = deque(maxlen=MAX_MARKS)
        self._num_marks = 0
        self._last_secs = 0.0

    def next_name(self, sent_secs: float) -> str | None:
        """Return the name of a mark that is to be set now, or None.

        Args:
            sent_secs: How much of the stream has been sent.
        """
        if sent_secs - self._last_secs < MARK_SECS:
            return None
        self._last_secs = sent_secs
        self._num_marks += 1
        name = f"vw-{self._num_marks}"
        self._on_the_way.append(_Mark(name, sent_secs))
        return name

    def reached(self, name: str, *, stream_id: int, sent_secs: float) -> PlayoutReport | None:
        """Return what a mark that has come back says; None if it is none of ours, or too late.

        Args:
            name: The mark's.
            stream_id: The stream that is being sent.
            sent_secs: How much of it has been sent.
        """
        for index, mark in enumerate(self._on_the_way):
            if mark.name == name:
                for _ in range(index + 1):  # Those before it are heard, too.
                    self._on_the_way.popleft()
                return PlayoutReport(stream_id, mark.position_secs, sent_secs - mark.position_secs)
        return None

    def forget(self) -> None:
        """The client drops what it has not played; it sends back the marks in it all the same."""
        self._on_the_way.clear()
        self._last_secs = 0.0
