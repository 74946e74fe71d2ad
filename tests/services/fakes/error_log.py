"""The errors of a pipeline under test, as its task is told of them."""

import asyncio

from tests.services.rig import Rig
from voicewire.frames import ErrorFrame


class ErrorLog(list[ErrorFrame]):
    """What has been reported, oldest first."""

    def __init__(self, rig: Rig) -> None:
        super().__init__()
        self._arrived = asyncio.Event()

        @rig.task.event_handler("on_pipeline_error")
        async def on_error(task: object, frame: ErrorFrame) -> None:
            self.append(frame)
            self._arrived.set()

    async def wait_for(self, count: int = 1) -> None:
        """Return when so many have been reported."""
        async with asyncio.timeout(5):
            while len(self) < count:
                self._arrived.clear()
                await self._arrived.wait()
