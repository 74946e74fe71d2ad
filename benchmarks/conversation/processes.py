"""Servers in processes of their own, and what the bots in them have noted."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from benchmarks.side_by_side.machine import pinned
from benchmarks.side_by_side.peers import PIPECAT

Moment = tuple[str, str, float]
"""Whose, of what kind, and when in seconds of the machine's clock."""


class ServerProcess:
    """A server that says where it is, and ends when its standard input does.

    Attributes:
        url: Where it is.
    """

    def __init__(self, python: str, module: str, *arguments: str, core: int | None = None) -> None:
        with nullcontext() if core is None else pinned(core):
            self._process = subprocess.Popen(
                [python, "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL if python != sys.executable else None,
                text=True,
            )
        assert self._process.stdout is not None
        while not (line := self._process.stdout.readline()).startswith('"'):
            assert line, f"{module} has not started"
        self.url: str = json.loads(line)

    def end(self) -> list[Moment]:
        """End it; return what it has noted, caller by caller."""
        out, _ = self._process.communicate()
        return [tuple(json.loads(line)) for line in out.splitlines() if line.startswith("[")]


@asynccontextmanager
async def _running(moments: list[Moment], *command: str, **options: Any) -> AsyncIterator[str]:
    server = await asyncio.to_thread(ServerProcess, *command, **options)
    try:
        yield server.url
    finally:
        moments += await asyncio.to_thread(server.end)


@asynccontextmanager
async def voicewire_bot(
    kind: str, moments: list[Moment], *, core: int | None = None
) -> AsyncIterator[str]:
    """Run one of our bots; its moments are added to `moments` when it ends."""
    command = (sys.executable, "benchmarks.conversation.bots", kind)
    async with _running(moments, *command, core=core) as url:
        yield url


@asynccontextmanager
async def pipecat_bot(moments: list[Moment]) -> AsyncIterator[str]:
    """Run Pipecat's bot, and the models that it asks."""
    await asyncio.to_thread(PIPECAT.make)
    async with _running([], sys.executable, "benchmarks.conversation.models") as models:
        peer = (str(PIPECAT.python), "benchmarks.bots.pipecat_conversation", models)
        async with _running(moments, *peer) as url:
            yield url


def pairs(moments: Sequence[Moment], begins: str) -> list[tuple[float, float]]:
    """Return when each turn ended that was answered, and when the answer's first audio went out.

    Args:
        moments: What a bot has noted.
        begins: The frame that ends a turn.
    """
    last: dict[str, float] = {}
    found = []
    for client, kind, at in moments:
        if kind == begins:
            last[client] = at
        elif kind == "BotStartedSpeakingFrame" and client in last:
            found.append((last.pop(client), at))
    return found
