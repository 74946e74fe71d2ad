"""Calls over links that delay, lose, reorder and choke; in network namespaces, so only for root.

Each prints how late the latest audio came, counted from the first: what a player has to gather for
never to run dry.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from benchmarks.impaired_link import (
    CLIENT,
    SERVER,
    SERVER_IP,
    Impairment,
    impaired_link,
    is_possible,
)
from tests.sessions.programs import PATIENCE_SECS, ROOT

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not is_possible(), reason="network namespaces need root on Linux"),
]

SECS = 6.0

LINKS = {
    "delay": Impairment(0.15, 0.0, 0.0),
    "jitter": Impairment(0.08, 0.04, 0.0),
    "loss": Impairment(0.04, 0.0, 0.03),
    "reordering": Impairment(0.05, 0.02, 0.0, is_reordered=True),
    "a narrow link": Impairment(0.03, 0.0, 0.0, bytes_per_sec=60_000),
    "all together": Impairment(0.08, 0.03, 0.02, is_reordered=True, bytes_per_sec=80_000),
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def program(namespace: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *("ip", "netns", "exec", namespace, sys.executable, "-m", *arguments),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.mark.parametrize("impairment", LINKS.values(), ids=LINKS.keys())
async def test_both_sides_hear_all_of_each_other_in_order(
    impairment: Impairment, capsys: pytest.CaptureFixture[str]
) -> None:
    with impaired_link(impairment):
        settings = json.dumps({"host": SERVER_IP})
        async with program(SERVER, "tests.faults.server", settings) as server:
            assert server.stdout is not None
            news = json.loads(await asyncio.wait_for(server.stdout.readline(), PATIENCE_SECS))
            async with program(CLIENT, "tests.faults.caller", news["url"], str(SECS)) as caller:
                out, _ = await asyncio.wait_for(caller.communicate(), 2 * PATIENCE_SECS)
    said_secs, echoed_secs, worst_secs = map(float, out.split())
    with capsys.disabled():
        print(f"\nat worst {worst_secs:.2f} s late")  # noqa: T201 - the figure
    assert (said_secs, echoed_secs) == (SECS, SECS)
