import asyncio

import pytest

from benchmarks.clients.wire import FRAME_SECS, audio_message, audio_secs, dial
from benchmarks.side_by_side.processes import serving

NUM_FRAMES = 20


async def hear(url: str, *, secs: float, speaks: bool) -> None:
    """Return when so much audio has come back."""
    caller = await dial(url)
    try:
        for _ in range(NUM_FRAMES if speaks else 0):
            await caller.send(audio_message())
        heard_secs = 0.0
        async for message in caller:
            heard_secs += audio_secs(message)
            if heard_secs >= secs - 1e-6:
                return
        pytest.fail(f"hung up after {heard_secs} s of audio")
    finally:
        caller.transport.abort()


@pytest.mark.parametrize("side", ["listener", "inline", "mailbox", "vad"])
def test_bots_that_echo_give_back_all_that_they_hear(side: str) -> None:
    with serving(side) as server:
        assert server.cpu_secs > 0
        asyncio.run(hear(server.url, secs=NUM_FRAMES * FRAME_SECS, speaks=True))


def test_the_talker_talks_to_whoever_comes() -> None:
    with serving("talker") as server:
        asyncio.run(hear(server.url, secs=0.2, speaks=False))
