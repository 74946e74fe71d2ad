"""Servers in processes of their own, to be stopped, starved and killed."""

import asyncio
import contextlib
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.sessions.programs import ROOT
from tests.soak.run import Soaked


@dataclass
class Served:
    """A server that listens.

    Attributes:
        process: Its process.
        server: What it says of itself.
        url: Where.
    """

    process: asyncio.subprocess.Process
    server: Soaked
    url: str

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


@asynccontextmanager
async def served(**settings: object) -> AsyncIterator[Served]:
    """Run `tests.faults.server`; it must say nothing on stderr that has a traceback."""
    with tempfile.TemporaryFile("w+") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.faults.server", json.dumps(settings)),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
        try:
            server = Soaked(process)
            yield Served(process, server, (await server.hear())["url"])
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        log.seek(0)
        logged = log.read()
    assert "Traceback" not in logged, logged[:4000]
