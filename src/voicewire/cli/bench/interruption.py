"""Ctrl-C and SIGTERM as a question that a loop can ask, so that a run ends with its report."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Whether the user wants it to end; a second signal ends it at once."""

    def __init__(self) -> None:
        self.is_wanted = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Take signals within the block; only in the main thread."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self._note) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.is_wanted:
            raise KeyboardInterrupt
        self.is_wanted = True


@contextmanager
def deaf_children() -> Iterator[None]:
    """Start processes that ignore Ctrl-C from their first instruction on."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
