"""Clients that are stopped: what they cost, and that it ends."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.faults.programs import served
from tests.faults.server import counted
from tests.sessions.programs import PATIENCE_SECS, ROOT
from tests.transports.client import Caller, audio_message

pytestmark = pytest.mark.anyio

NUM_STOPPED = 50
SAID_SECS = 15.0
"""480 kB, which each bot says at once to a client that has stopped."""

LEAD_SECS = 10.0
"""As much of it is sent at once as fills all buffers on the way."""

MAX_MB = 1.0

CALL = """
import asyncio, sys
from websockets.asyncio.client import connect

async def main():
    sockets = [await connect(sys.argv[1], compression=None, proxy=None)
               for _ in range(int(sys.argv[2]))]
    for socket in sockets:
        await socket.recv()
    print("called", flush=True)
    await asyncio.gather(*(socket.wait_closed() for socket in sockets))
    print(*{socket.close_code for socket in sockets}, flush=True)

asyncio.run(main())
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def calling(url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a process of many callers."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CALL, url, str(NUM_STOPPED)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_stopped_clients_are_closed_and_cost_less_than_a_megabyte_each_until_then(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with (
        served(audio_out_max_lag_secs=2.0, audio_out_lead_secs=LEAD_SECS) as server,
        Caller(server.url) as neighbour,
        calling(f"{server.url}/say/{SAID_SECS:g}") as process,
    ):
        assert process.stdout is not None
        before = await server.server.look("collect")
        assert await asyncio.wait_for(process.stdout.readline(), PATIENCE_SECS) == b"called\n"
        os.kill(process.pid, signal.SIGSTOP)
        most_mb, pcm = 0.0, counted(0.2)
        async with asyncio.timeout(PATIENCE_SECS):
            while (sight := await server.server.look()).news["live"] > 1:
                most_mb = max(most_mb, sight.rss_mb - before.rss_mb)
                await neighbour.send(audio_message(pcm))
                await asyncio.sleep(0.1)
        assert sight.news["ended"] == {"caller-lagged": NUM_STOPPED}
        each_mb = most_mb / NUM_STOPPED
        with capsys.disabled():
            print(f"\n{each_mb:.2f} MB for each stopped client")  # noqa: T201 - the figure
        assert each_mb < MAX_MB
        await neighbour.heard(len(pcm))
        os.kill(process.pid, signal.SIGCONT)
