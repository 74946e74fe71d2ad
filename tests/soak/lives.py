"""Callers who call, again and again, and what came of it."""

import asyncio
import random
import traceback
from collections import Counter
from dataclasses import dataclass, field

from tests.soak.faulty import FAULTY, SAYS_NOT_WHO_CALLS
from tests.soak.orderly import ORDERLY, OVERSTAYS
from tests.soak.scale import SHORT, Scale
from tests.soak.stage import Deed, Stage

MAX_TROUBLES = 5
"""That are told of at length."""


@dataclass
class Book:
    """What has been done.

    Attributes:
        num_done: Calls, by deed.
        num_troubled: Those of them that met with what they should not have.
        troubles: The first of those, at length.
    """

    num_done: Counter[str] = field(default_factory=Counter)
    num_troubled: Counter[str] = field(default_factory=Counter)
    troubles: list[str] = field(default_factory=list)

    def note(self, deed: Deed, failure: Exception | None) -> None:
        self.num_done[deed.name] += 1
        if failure is not None:
            self.num_troubled[deed.name] += 1
            if len(self.troubles) < MAX_TROUBLES:
                trace = "".join(traceback.format_exception(failure))
                self.troubles.append(f"{deed.name}: {trace}")


def deeds_for(scale: Scale) -> list[Deed]:
    """Return what callers do in a soak that has time for it."""
    slow = [] if scale is SHORT else [OVERSTAYS, SAYS_NOT_WHO_CALLS]
    return [*ORDERLY, *FAULTY, *slow]


class Lives:
    """So many callers at a time, each of whom calls again when a call is over.

    Args:
        url: The server's.
        scale: How long everything takes.
        seed: Of the chance.

    Attributes:
        book: What has been done.
    """

    def __init__(self, url: str, scale: Scale, *, seed: int) -> None:
        self.book = Book()
        self._url = url
        self._scale = scale
        self._rng = random.Random(seed)  # noqa: S311 - no secret
        self._deeds = deeds_for(scale)
        # Each once; afterwards by their weights.
        self._to_do = list(self._deeds)

    async def live(self, *, num_callers: int, secs: float) -> None:
        """Have them call for `secs`, and each deed be done at least once; return when all have."""
        ends_at = asyncio.get_running_loop().time() + secs
        async with asyncio.TaskGroup() as tasks:
            for _ in range(num_callers):
                tasks.create_task(self._live(ends_at))

    async def _live(self, ends_at: float) -> None:
        loop = asyncio.get_running_loop()
        while self._to_do or loop.time() < ends_at:
            await self._do(self._next_deed())

    def _next_deed(self) -> Deed:
        if self._to_do:
            return self._to_do.pop()
        return self._rng.choices(self._deeds, [deed.weight for deed in self._deeds])[0]

    async def _do(self, deed: Deed) -> None:
        failure = None
        try:
            rng = random.Random(self._rng.random())  # noqa: S311 - as above
            await deed.run(Stage(self._url, self._scale, rng))
        except Exception as exc:  # noqa: BLE001 - it is told of, and the others go on
            failure = exc
        self.book.note(deed, failure)
