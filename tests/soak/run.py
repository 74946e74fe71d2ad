"""One soak: a server, everybody who calls it, and what is found."""

import asyncio
import contextlib
import json
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import IO, Any

import psutil
from websockets.asyncio.client import connect

from tests.sessions.programs import ROOT
from tests.soak.crowd import WAVE_SECS, Crowd, size_for
from tests.soak.lives import Book, Lives
from tests.soak.scale import SHORT, Scale, scale_of
from tests.soak.watch import Sight, cpu_share, look

LOOK_SECS = 5.0
SHORT_LOOK_SECS = 0.5

SETTLE_SECS = 15.0
"""How long what has ended may take to be gone, beyond what lost clients are waited for."""

WANTED_SHARE = 0.6
"""Of a core: a server is full at about one."""

BASE_SECS = 20.0
"""Without the crowd, to know what the others cost."""

NUM_LIVES = 24

NUM_AT_THE_END = 5
"""Callers who are there when the server is told to end."""


@dataclass
class Outcome:
    """What a soak has seen.

    Attributes:
        sights: Of the server, from the first caller to the last.
        before: Of the server, before the first caller.
        after: When all had left and nothing was done any more.
        farewell: What the server said last, when it had ended by SIGTERM with callers there.
        exit_code: Of its process.
        log: What it had to say on stderr.
    """

    before: Sight
    sights: list[Sight] = field(default_factory=list)
    after: Sight | None = None
    farewell: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None
    log: str = ""
    book: Book = field(default_factory=Book)
    crowd: Crowd = field(default_factory=Crowd)


class Soaked:
    """The server's process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._seen = psutil.Process(process.pid)
        self._asking = asyncio.Lock()

    async def hear(self) -> dict[str, Any]:
        """Return the next that it says."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 60.0)
        assert line, "the server has ended"
        news: dict[str, Any] = json.loads(line)
        return news

    async def look(self, question: str = "look") -> Sight:
        """Return how it is."""
        assert self._process.stdin is not None
        async with self._asking:
            self._process.stdin.write(f"{question}\n".encode())
            return look(self._seen, await self.hear())

    async def end(self) -> tuple[dict[str, Any], int]:
        """Tell it to end; return its last words, and its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return await self.hear(), await asyncio.wait_for(self._process.wait(), 60.0)


@asynccontextmanager
async def soaked_server(scale: Scale, log: IO[str]) -> AsyncIterator[Soaked]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.soak.server", scale.to_json()),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=log,
    )
    try:
        yield Soaked(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def soak(secs: float, *, seed: int, has_crowd: bool) -> Outcome:
    """Soak a server for `secs`; the short form has no crowd."""
    scale = scale_of(secs)
    with tempfile.TemporaryFile("w+") as log:
        async with soaked_server(scale, log) as server:
            url = (await server.hear())["url"]
            outcome = Outcome(before=await server.look())
            await _run(server, url, scale, secs, outcome, seed=seed, has_crowd=has_crowd)
            outcome.after = await _settled(server, outcome.before, scale)
            await _end(server, url, outcome)
        log.seek(0)
        outcome.log = log.read()
    return outcome


async def _run(
    server: Soaked,
    url: str,
    scale: Scale,
    secs: float,
    outcome: Outcome,
    *,
    seed: int,
    has_crowd: bool,
) -> None:
    lives = Lives(url, scale, seed=seed)
    outcome.book = lives.book
    watching = asyncio.ensure_future(_watch(server, outcome, scale))
    try:
        async with asyncio.TaskGroup() as tasks:
            num_callers = 40 if scale is SHORT else NUM_LIVES
            tasks.create_task(lives.live(num_callers=num_callers, secs=secs))
            if has_crowd:
                tasks.create_task(_send_crowds(outcome, url, secs))
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _watch(server: Soaked, outcome: Outcome, scale: Scale) -> None:
    every_secs = SHORT_LOOK_SECS if scale is SHORT else LOOK_SECS
    while True:
        # Shielded: an answer that is asked for must not be left to be taken for the next one.
        outcome.sights.append(await asyncio.shield(server.look()))
        await asyncio.sleep(every_secs)


async def _send_crowds(outcome: Outcome, url: str, secs: float) -> None:
    """Send waves so large that the server needs `WANTED_SHARE` of a core with them."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + secs
    await asyncio.sleep(BASE_SECS)
    base_share = cpu_share(outcome.before, outcome.sights[-1])
    crowd = outcome.crowd
    while (left_secs := ends_at - loop.time()) > WAVE_SECS / 2:
        before, size = outcome.sights[-1], crowd.size
        await crowd.call(url, min(WAVE_SECS, left_secs))
        share = cpu_share(before, outcome.sights[-1])
        crowd.size = size_for(
            share,
            now=size,
            base_share=base_share,
            wanted_share=WANTED_SHARE,
            vad_ms=crowd.vad_ms,
        )


async def _settled(server: Soaked, before: Sight, scale: Scale) -> Sight:
    """Return what there is when nothing is left to end, or patience is."""
    ends_at = asyncio.get_running_loop().time() + SETTLE_SECS + scale.resume_secs
    while True:
        sight = await server.look("collect")
        has_settled = (
            sight.news["live"] == 0
            and sight.news["tasks"] <= before.news["tasks"]
            and sight.num_files <= before.num_files
        )
        if has_settled or asyncio.get_running_loop().time() > ends_at:
            return sight
        await asyncio.sleep(0.1)


async def _end(server: Soaked, url: str, outcome: Outcome) -> None:
    """Have some callers there when the server is told to end."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(NUM_AT_THE_END):
            await stack.enter_async_context(connect(url, compression=None, proxy=None))
        while (await server.look()).news["live"] < NUM_AT_THE_END:  # noqa: ASYNC110 - a process's
            await asyncio.sleep(0.02)
        outcome.farewell, outcome.exit_code = await server.end()
