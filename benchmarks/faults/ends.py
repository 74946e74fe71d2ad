"""Faults that end something: a connection, a server, its process."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from websockets.exceptions import WebSocketException

from benchmarks.bots.numbered import BLOCK_SECS
from benchmarks.faults.callers import (
    Caller,
    ResumingCaller,
    eventually,
    longest_silence_secs,
    say,
)
from benchmarks.faults.servers import Server, Values

RETRY_SECS = 0.02
"""How often somebody tries who wants to come in."""

CLOSED_SECS = 0.3
"""By then a server for one caller has closed another one."""

COME_BACK_SECS = 20.0
"""How long somebody tries to come in."""

UTTERANCE_BLOCKS = 200

EXIT_SECS = 30.0

LOST_AFTER_SECS = 3.0
LOSS_SECS = 3.0
LONG_UTTERANCE_BLOCKS = 500


async def reset_and_reconnect(server: Server) -> Values:
    """Reset a connection while both talk, and call again at once."""
    async with Caller(server.url) as former, Caller(server.url) as following:
        await former.connect()
        await former.send(say(1, LONG_UTTERANCE_BLOCKS))
        await former.speak(10_000, 50)
        former.reset()
        began_at = time.monotonic()
        is_in = await _insist(server, following, following.connect)
        answered_after_ms = None
        if is_in and await following.is_answered(20_000):
            answered_after_ms = 1000 * (following.arrivals[0].at - began_at)
        await asyncio.sleep(1.0)
        return {
            "is_let_in": is_in,
            "audio_after_ms": answered_after_ms,
            "hears_the_former": following.heard.any_of(range(1, 20_000)),
        }


async def _insist(server: Server, caller: Caller, come_in: Callable[[], Awaitable[None]]) -> bool:
    """Return whether somebody comes in who tries again and again."""
    began_at = time.monotonic()
    while time.monotonic() - began_at < COME_BACK_SECS:
        try:
            await come_in()
        except (OSError, TimeoutError, WebSocketException):
            pass
        else:
            await asyncio.sleep(0.0 if server.side.has_many_callers else CLOSED_SECS)
            if caller.is_there:
                return True
        await asyncio.sleep(RETRY_SECS)
    return False


async def terminate(server: Server) -> Values:
    """Send SIGTERM in the middle of the bot's utterance."""
    async with Caller(server.url) as caller:
        await caller.connect()
        await caller.send(say(1, UTTERANCE_BLOCKS))
        await asyncio.sleep(1.0)
        began_at = time.monotonic()
        server.process.terminate()
        has_ended = await eventually(lambda: server.process.poll() is not None, EXIT_SECS)
        ended_after_secs = time.monotonic() - began_at
        await eventually(lambda: not caller.is_there, 1.0)
        missing = caller.heard.missing(range(1, 1 + UTTERANCE_BLOCKS))
        return {
            "exit_after_secs": ended_after_secs if has_ended else None,
            "exit_code": server.process.returncode,
            "close_code": caller.close_code,
            "missing_secs": missing * BLOCK_SECS,
        }


async def kill(server: Server) -> Values:
    """Kill the process while it talks, and start another one on its port at once."""
    async with Caller(server.url) as caller, Caller(server.url) as following:
        await caller.connect()
        await caller.send(say(1, UTTERANCE_BLOCKS))
        await asyncio.sleep(1.0)
        began_at = time.monotonic()
        server.kill()
        await asyncio.to_thread(server.start)
        is_in = await _insist(server, following, following.connect)
        back_after_secs = time.monotonic() - began_at
        return {
            "is_let_in": is_in and await following.is_answered(20_000),
            "back_after_secs": back_after_secs if is_in else None,
        }


async def lose_network(server: Server) -> Values:
    """Lose the network for some seconds while both talk; nobody tells the server."""
    said = range(1, 1 + LONG_UTTERANCE_BLOCKS)
    speech = range(10_000, 10_000 + LONG_UTTERANCE_BLOCKS)
    async with ResumingCaller(server.url) as caller:
        await caller.connect()
        await caller.say_hello()
        await caller.send(say(1, LONG_UTTERANCE_BLOCKS))
        speaking = asyncio.create_task(caller.speak(speech.start, len(speech)))
        await asyncio.sleep(LOST_AFTER_SECS)
        caller.lose_network()
        await asyncio.sleep(LOSS_SECS)
        num_missing, back_at = caller.heard.missing(said), time.monotonic()
        is_in = await _insist(server, caller, caller.come_back)
        goes_on = await eventually(lambda: caller.heard.missing(said) < num_missing)
        heard_again_after_ms = 1000 * (time.monotonic() - back_at)
        await speaking
        await eventually(lambda: not caller.heard.missing(said))
        told = await caller.ask_what_was_heard(speech.start, len(speech)) if is_in else {}
        return {
            "is_let_in": is_in,
            "goes_on": goes_on,
            "heard_again_after_ms": heard_again_after_ms if goes_on else None,
            "silence_secs": longest_silence_secs(caller.arrivals) if goes_on else None,
            "caller_misses_secs": caller.heard.missing(said) * BLOCK_SECS,
            "caller_hears_twice_secs": caller.heard.repeated(said) * BLOCK_SECS,
            "bot_misses_secs": told["missing"] * BLOCK_SECS if told else None,
            "bot_hears_twice_secs": told["repeated"] * BLOCK_SECS if told else None,
        }
