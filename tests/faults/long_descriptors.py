"""A server that has no file descriptor left."""

import asyncio
import resource

import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.faults.programs import served
from tests.faults.server import counted
from tests.sessions.programs import PATIENCE_SECS
from tests.transports.client import Caller, audio_message

pytestmark = pytest.mark.anyio

NUM_SPARE = 3
OVERLOAD_SECS = 1.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def allow_files(pid: int, number: int) -> int:
    """Limit a process's descriptors; return what the limit was."""
    before, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (number, hard))
    return before


async def is_let_in(url: str, secs: float) -> bool:
    """Call, and say whether the call was answered in time."""
    try:
        async with asyncio.timeout(secs), connect(url, proxy=None, open_timeout=None):
            return True
    except (OSError, InvalidHandshake, ConnectionClosed, TimeoutError):
        return False


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_calls_go_on_where_no_further_caller_can_be_taken_and_others_come_in_later(
    loop: str,
) -> None:
    pcm = counted(0.2)
    async with served(loop=loop) as server, Caller(server.url) as caller:
        pid = server.process.pid
        await caller.send(audio_message(pcm))
        await caller.heard(len(pcm))
        limit = allow_files(pid, psutil.Process(pid).num_fds() + NUM_SPARE)
        before = await server.server.look()
        calls = [asyncio.ensure_future(is_let_in(server.url, OVERLOAD_SECS)) for _ in range(30)]
        await asyncio.sleep(OVERLOAD_SECS / 2)
        await caller.send(audio_message(pcm))
        await caller.heard(2 * len(pcm))
        assert not all(await asyncio.gather(*calls)), "there were descriptors enough"
        allow_files(pid, limit)
        after = await server.server.look()
        assert after.cpu_secs - before.cpu_secs < 0.5 * (after.at - before.at), "a busy loop"
        async with asyncio.timeout(PATIENCE_SECS):
            while not await is_let_in(server.url, PATIENCE_SECS):  # noqa: ASYNC110 - a process's
                await asyncio.sleep(0.05)
        await caller.send(audio_message(pcm))
        await caller.heard(3 * len(pcm))
        assert caller.close_code is None
