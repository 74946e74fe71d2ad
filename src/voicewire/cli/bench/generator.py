"""A generator process: some of the run's callers, from the connection to the goodbye."""

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import NamedTuple

import numpy as np
from websockets.uri import parse_uri

from voicewire.cli.bench.connection import CallerConnection
from voicewire.cli.bench.cores import allow_many_files
from voicewire.cli.bench.outcome import Share
from voicewire.cli.bench.plan import Plan, Window
from voicewire.cli.bench.roles import role_maker
from voicewire.cli.bench.wheel import Wheel, place_of
from voicewire.pipeline.owner import TaskOwner

CONNECTS_AT_ONCE = 20
"""Handshakes in progress in one process."""

GOODBYE_SECS = 3.0
"""How long the server may take to hang up."""

WATCH_SECS = 0.25
"""How often it is looked whether anybody is still connected."""


class Connected(NamedTuple):
    """Told to the parent: all have been tried."""

    num_open: int


class Go(NamedTuple):
    """Told by the parent: begin to speak at this time of the monotonic clock."""

    start_at: float


class Stop(NamedTuple):
    """Told by the parent: end the window now."""


def run_generator(plan: Plan, numbers: Sequence[int], cores: set[int], pipe: Connection) -> None:
    """Be the process: send `Connected`, await `Go`, send a `Share`."""
    # The parent hears Ctrl-C and says what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if cores:
        os.sched_setaffinity(0, cores)
    allow_many_files()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_Generator(plan, numbers, pipe).run())


class _CpuMeter:
    """Processor time of this process within the window, as far as that has come.

    Attributes:
        cpu_secs: So much.
    """

    def __init__(self) -> None:
        self.cpu_secs = 0.0

    async def measure(self, window: Window) -> None:
        await asyncio.sleep(window.start_at - time.monotonic())
        before = time.process_time()
        try:
            await asyncio.sleep(window.end_at - time.monotonic())
        finally:
            self.cpu_secs = time.process_time() - before


class _Generator:
    def __init__(self, plan: Plan, numbers: Sequence[int], pipe: Connection) -> None:
        self._plan = plan
        self._numbers = numbers
        self._pipe = pipe
        self._start_at: float | None = None
        self._is_stopped = False
        self._ordered = asyncio.Event()

    async def run(self) -> None:
        asyncio.get_running_loop().add_reader(self._pipe.fileno(), self._read_order)
        make_role = role_maker(self._plan)
        uri = parse_uri(self._plan.url)
        callers = [CallerConnection(number, uri, make_role(number)) for number in self._numbers]
        await _connect_all(callers)
        self._pipe.send(Connected(sum(caller.is_open for caller in callers)))
        await self._ordered.wait()
        # A collection in the middle of the window would be measured as the server's lateness.
        gc.collect()
        gc.freeze()
        gc.disable()
        share = await self._speak(callers, self._start_at or time.monotonic())
        for caller in callers:
            caller.leave()
        await asyncio.gather(*(caller.wait_closed(GOODBYE_SECS) for caller in callers))
        asyncio.get_running_loop().remove_reader(self._pipe.fileno())
        os.set_blocking(self._pipe.fileno(), True)  # uvloop made it non-blocking
        self._pipe.send(share)

    async def _speak(self, callers: Sequence[CallerConnection], start_at: float) -> Share:
        plan = self._plan
        window = Window(start_at + plan.warm_up_secs, start_at + plan.warm_up_secs + plan.secs)
        senders = []
        for number, caller in zip(self._numbers, callers, strict=True):
            place = place_of(number, plan.sessions)
            caller.begin(place.first_due_at(start_at))
            senders.append((place, caller.send_frame))
        wheel = Wheel(senders, start_at=start_at, end_at=window.end_at + plan.drain_secs)
        meter = _CpuMeter()
        async with TaskOwner() as tasks:
            tasks.create(meter.measure(window), name="processor time")
            turning = tasks.create(wheel.turn(), name="wheel")
            while not turning.done():
                await asyncio.wait((turning,), timeout=WATCH_SECS)
                is_anyone_there = any(caller.is_open for caller in callers)
                if self._is_stopped or not is_anyone_there:
                    now = time.monotonic()
                    window = Window(min(window.start_at, now), min(window.end_at, now))
                    wheel.stop_at(window.end_at + plan.drain_secs if is_anyone_there else now)
                    await turning
        due_at = np.asarray(wheel.due_at)
        is_measured = (due_at >= window.start_at) & (due_at < window.end_at)
        return Share(
            callers=[caller.outcome(window) for caller in callers],
            late_secs=np.asarray(wheel.late_secs)[is_measured],
            cpu_secs=meter.cpu_secs,
            window=window,
        )

    def _read_order(self) -> None:
        try:
            order = self._pipe.recv()
        except EOFError:  # The parent is gone, and with it the reason to go on.
            os._exit(1)
        if isinstance(order, Go):
            self._start_at = order.start_at
        else:
            self._is_stopped = True
        self._ordered.set()


async def _connect_all(callers: Sequence[CallerConnection]) -> None:
    gate = asyncio.Semaphore(CONNECTS_AT_ONCE)

    async def connect(caller: CallerConnection) -> None:
        async with gate:
            await caller.connect()

    await asyncio.gather(*map(connect, callers))


def _loop_factory() -> "type[asyncio.AbstractEventLoop] | None":
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.Loop
