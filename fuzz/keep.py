"""Which of the inputs that a fuzzer has found are worth keeping: few, short, and all different."""

import sys
from collections.abc import Callable, Iterable
from types import FrameType, TracebackType
from typing import Any, Self

from fuzz.inputs import read_corpus, write_corpus
from fuzz.targets import TARGETS, close

MAX_KEPT_BYTES = 600

Step = tuple[str, int, int]
"""A file, a line, and the line after it."""


class Steps:
    """Notes each step from line to line in voicewire, while its `with` block runs."""

    def __init__(self) -> None:
        self.taken: set[Step] = set()

    def __enter__(self) -> Self:
        sys.settrace(self._call)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        sys.settrace(None)

    def _call(self, frame: FrameType, event: str, arg: Any) -> Callable[..., Any] | None:
        name = frame.f_code.co_filename
        if "/voicewire/" not in name:
            return None
        line = frame.f_lineno

        def step(frame: FrameType, event: str, arg: Any) -> Callable[..., Any]:
            nonlocal line
            if event == "line":
                self.taken.add((name, line, frame.f_lineno))
                line = frame.f_lineno
            return step

        return step


def keep(target: str, found: Iterable[bytes]) -> int:
    """Add those inputs to the repository's that go where none goes; return how many."""
    run = TARGETS[target]()
    known: set[Step] = set()
    kept = read_corpus(target)
    for data in kept:
        known |= _steps_of(run, data)
    added = []
    for data in sorted(found, key=len):
        if len(data) > MAX_KEPT_BYTES:
            break
        steps = _steps_of(run, data)
        if not steps <= known:
            known |= steps
            added.append(data)
    close(run)
    write_corpus(target, [*kept, *added])
    return len(added)


def _steps_of(run: Callable[[bytes], None], data: bytes) -> set[Step]:
    with Steps() as steps:
        run(data)
    return steps.taken
