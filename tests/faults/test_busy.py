"""A server that is never idle, and one whose wall clock is set."""

import asyncio
import itertools
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

import voicewire
from tests.sessions.serving import run_pipeline, voice_server
from tests.transports.client import Caller, audio_message, eventually
from tests.transports.fakes import tone
from tests.transports.raw_peer import upgrade
from voicewire import Frame, FrameDirection, InputAudioRawFrame, SessionTransport
from voicewire.pipeline import InlineProcessor
from voicewire.sessions.ends import EndReason

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> Any:
    return ("asyncio", {"use_uvloop": True})  # asyncio's own loop reads before it calls timers.


PING_SECS = 0.2
BUSY_SECS = 0.3
"""Longer than a ping may take to be answered."""

NUM_BUSY = 3


@contextmanager
def silent_client(url: str) -> Iterator[threading.Event]:
    """Have a client, in a thread of its own, that says nothing but answers pings."""
    is_over = threading.Event()

    def listen() -> None:
        with connect(url, compression=None, proxy=None, ping_interval=None) as client:
            for _ in client:
                pass
        is_over.set()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    yield is_over
    thread.join(10)


class Heavy(InlineProcessor):
    """Keeps the event loop from everything else with each piece of audio."""

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, InputAudioRawFrame):
            time.sleep(BUSY_SECS)
        self.push(frame, direction)


async def bot(transport: SessionTransport) -> None:
    await run_pipeline(transport, *([Heavy()] if transport.client.path == "/heavy" else []))


def keep_busy(url: str) -> None:
    """Speak to the heavy bot, so that there is always something to be read."""
    with connect(f"{url}/heavy", compression=None, proxy=None, ping_interval=None) as client:
        for _ in range(NUM_BUSY):
            client.send(audio_message(bytes(640)))
            time.sleep(BUSY_SECS / 2)
        time.sleep(NUM_BUSY * BUSY_SECS / 2)


async def test_a_server_without_a_free_moment_drops_nobody_who_lives_and_finds_who_does_not() -> (
    None
):
    async with voice_server(
        bot, ping_interval_secs=PING_SECS, ping_timeout_secs=PING_SECS
    ) as server:
        with silent_client(server.url) as is_over:
            await eventually(lambda: server.session_counts.live == 1)
            _, dead = await asyncio.open_connection("127.0.0.1", server.port)
            dead.write(upgrade("/dead"))
            await eventually(lambda: server.session_counts.live == 2)
            await asyncio.to_thread(keep_busy, server.url)
            await eventually(lambda: server.session_counts.live == 1)
            ended = server.session_counts.ended
            assert ended == {EndReason.CONNECTION_LOST: 1, EndReason.CALLER_LEFT: 1}
            assert not is_over.is_set()
            dead.transport.abort()
            await server.stop()


HOUR_SECS = 3600.0


async def test_a_wall_clock_that_is_set_back_and_forth_concerns_no_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_by = itertools.cycle((HOUR_SECS, -HOUR_SECS))
    wall_clock = time.time

    def erratic() -> float:
        return wall_clock() + next(set_by)

    monkeypatch.setattr(time, "time", erratic)
    pcm = tone(0.5)
    async with (
        voice_server(
            ping_interval_secs=PING_SECS, ping_timeout_secs=1.0, session_timeout=5.0
        ) as server,
        Caller(server.url) as caller,
    ):
        for at in range(0, len(pcm), 640):
            await caller.send(audio_message(pcm[at : at + 640]))
            await asyncio.sleep(0.02)
        await caller.heard(len(pcm))
        assert caller.pcm == pcm
        assert server.session_counts.live == 1


def test_wall_clock_time_is_asked_for_only_where_it_is_what_is_meant() -> None:
    """Tokens and signatures hold until a time of day, and records tell one; intervals do not."""
    package = Path(voicewire.__file__).parent
    asking = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"\btime\.time(_ns)?\(|import time_ns", path.read_text())
    }
    assert asking <= {
        "transports/providers.py",
        "transports/session.py",
        "transports/websocket.py",
        "cli/dial.py",
        "auth/one_time_tokens.py",
        "auth/json_web_tokens.py",
    }
