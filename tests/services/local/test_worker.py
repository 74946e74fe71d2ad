import asyncio
import threading

import pytest

from voicewire.errors import QueueFullError
from voicewire.services.local.worker import InferenceWorker

pytestmark = pytest.mark.anyio


class Gate:
    """Blocking work that ends when it is told to."""

    def __init__(self) -> None:
        self.num_entered = 0
        self._may_pass = threading.Event()

    def open(self) -> None:
        self._may_pass.set()

    def __call__(self) -> str:
        self.num_entered += 1
        assert self._may_pass.wait(timeout=10)
        return "passed"


async def test_work_runs_off_the_loop() -> None:
    worker = InferenceWorker("work", num_threads=1, max_waiting=1)
    assert await worker.run(threading.get_ident) != threading.get_ident()


async def test_a_failure_is_raised_to_its_waiter_only() -> None:
    worker = InferenceWorker("work", num_threads=1, max_waiting=1)
    with pytest.raises(ZeroDivisionError):
        await worker.run(lambda: 1 // 0)
    assert await worker.run(lambda: 1) == 1


async def test_what_exceeds_the_bound_is_refused_at_once() -> None:
    worker = InferenceWorker("work", num_threads=1, max_waiting=2)
    gate = Gate()
    accepted = [asyncio.ensure_future(worker.run(gate)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(QueueFullError, match=r"work is full \(2 waiting calls\)"):
        await worker.run(gate)
    gate.open()
    assert await asyncio.gather(*accepted) == ["passed"] * 3
    assert await worker.run(gate) == "passed"


async def test_a_cancelled_waiter_leaves_the_queue_and_its_work_does_not_run() -> None:
    worker = InferenceWorker("work", num_threads=1, max_waiting=1)
    gate = Gate()
    running = asyncio.ensure_future(worker.run(gate))
    waiting = asyncio.ensure_future(worker.run(gate))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    another = asyncio.ensure_future(worker.run(lambda: "another"))
    gate.open()
    assert await running == "passed"
    assert await another == "another"
    assert gate.num_entered == 1
