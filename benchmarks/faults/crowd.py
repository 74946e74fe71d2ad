"""Faults of number: more callers than one, more than there are places, and the wrong ones."""

import asyncio
import statistics
import time
from collections.abc import Sequence

from websockets.exceptions import WebSocketException

from benchmarks.faults.callers import Caller
from benchmarks.faults.children import Talkers
from benchmarks.faults.heartbeat import Heartbeat
from benchmarks.faults.raw import Answer, knock
from benchmarks.faults.servers import Server, Values

NUM_CALLERS = 20
OWN_BLOCKS = 1000
"""Numbers that each of them has for what they say."""

PLACES = 40
SHARE_TAKEN = 0.8
"""Of the places, when the burst comes."""

BURST_TIMES = 5
"""So many times as many as there are places come within a second."""

BEFORE_SECS = 5.0
DURING_SECS = 1.5

OWN_PAGE = "https://talk.example"
OTHER_PAGE = "https://evil.example"


async def is_served(caller: Caller, first: int) -> bool:
    """Return whether a caller comes in and is answered."""
    try:
        await caller.connect()
    except (OSError, TimeoutError, WebSocketException):
        return False
    return await caller.is_answered(first)


async def second_caller(server: Server) -> Values:
    """Call while somebody talks."""
    async with Caller(server.url) as first, Caller(server.url) as second:
        await first.connect()
        talking = asyncio.create_task(first.is_answered(1, 150))
        await asyncio.sleep(1.0)
        is_second_served = await is_served(second, OWN_BLOCKS)
        return {
            "second_is_served": is_second_served,
            "second_close_code": second.close_code,
            "first_goes_on": await talking,
        }


async def twenty_callers(server: Server) -> Values:
    """Call twenty times at once."""
    callers = [Caller(server.url) for _ in range(NUM_CALLERS)]
    served = await asyncio.gather(
        *(is_served(caller, OWN_BLOCKS * number) for number, caller in enumerate(callers))
    )
    strangers = [
        caller.heard.any_outside(range(OWN_BLOCKS * number, OWN_BLOCKS * (number + 1)))
        for number, caller in enumerate(callers)
    ]
    for caller in callers:
        await caller.hang_up()
    return {"served": sum(served), "heard_somebody_else": sum(strangers)}


async def burst(server: Server) -> Values:
    """Come five times as many as there are places, within a second, while most of them talk."""
    num_talkers = round(PLACES * SHARE_TAKEN)
    num_coming = PLACES * BURST_TIMES
    secs = BEFORE_SECS + DURING_SECS + 2.0
    async with (
        Heartbeat(pid=server.process.pid) as server_heartbeat,
        Talkers(server.url, num_talkers, secs) as talkers,
    ):
        await asyncio.sleep(BEFORE_SECS)
        began_at = time.monotonic()
        async with Heartbeat() as heartbeat:
            answers = await asyncio.gather(
                *(_come(server.url, began_at, number / num_coming) for number in range(num_coming))
            )
        heard = await talkers.report()
    admitted = [each for each in answers if each.is_admitted]
    refused = [each for each in answers if not each.is_admitted]
    return {
        "talkers": num_talkers,
        "came": num_coming,
        "admitted": len(admitted),
        "refused": len(refused),
        **_delays(refused, heartbeat, server_heartbeat),
        "talkers_left": heard.num_there,
        **heard.around(
            began_at,
            before_secs=BEFORE_SECS - 1.0,
            during_secs=DURING_SECS,
            server=server_heartbeat,
        ),
    }


async def _come(url: str, began_at: float, after_secs: float) -> Answer:
    await asyncio.sleep(began_at + after_secs - time.monotonic())
    return await knock(url, stay_until=began_at + DURING_SECS)


def _delays(answers: Sequence[Answer], *heartbeats: Heartbeat) -> Values:
    """Return how soon the answers came, but for those that waited for a core."""
    delays_ms = [
        1000 * (each.at - each.began_at)
        for each in answers
        if not any(one.stood_still(each.began_at, each.at) for one in heartbeats)
    ]
    return {
        "refused_after_p50_ms": statistics.median(delays_ms) if delays_ms else None,
        "refused_after_max_ms": max(delays_ms, default=None),
        "refused_counted": len(delays_ms),
    }


async def other_page(server: Server) -> Values:
    """Connect from a web page of another origin."""
    other = await knock(server.url, origin=OTHER_PAGE)
    own = await knock(server.url, origin=OWN_PAGE)
    return {
        "other_is_refused": not other.is_admitted,
        "other_status": other.status,
        "own_is_admitted": own.is_admitted,
    }
