"""An answer that is begun before it is known whether the caller has finished."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from voicewire.context import LLMContext
from voicewire.pipeline.owner import TaskOwner
from voicewire.services.function_calls import ToolCall

MAX_PIECES = 1000
"""Pieces that wait to be said; the model waits with the rest."""

Stream = AsyncGenerator[str | ToolCall, None]


class Speculation:
    """Generates ahead, and says nothing.

    Args:
        context: What would be asked if the caller had finished.
        stream: Answers a context.
        tasks: Owns the task that generates.
    """

    def __init__(
        self, context: LLMContext, stream: Callable[[LLMContext], Stream], tasks: TaskOwner
    ) -> None:
        self._messages = [dict(message) for message in context.messages]
        self._pieces: asyncio.Queue[str | ToolCall | Exception | None] = asyncio.Queue(MAX_PIECES)
        self._task = tasks.create(self._generate(stream(context)), name="speculative answer")

    def is_about(self, context: LLMContext) -> bool:
        """Whether that is what is asked now."""
        return self._messages == context.messages

    def drop(self) -> None:
        """The caller has gone on: stop generating."""
        self._task.cancel()

    async def stream(self) -> Stream:
        """Yield the answer: what there is at once, then the rest as it comes."""
        try:
            while (piece := await self._pieces.get()) is not None:
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            self.drop()

    async def _generate(self, stream: Stream) -> None:
        try:
            async with aclosing(stream) as pieces:
                async for piece in pieces:
                    await self._pieces.put(piece)
        except Exception as exc:  # noqa: BLE001 - raised again where the answer is wanted, if it is
            await self._pieces.put(exc)
        await self._pieces.put(None)
