"""The engine with many callers: who shares a batch, who waits, and what is left of them."""

import tracemalloc
from collections.abc import Iterator
from types import SimpleNamespace

import anyio
import numpy as np
import pytest

from tests.vad.engine_fakes import Listener, SumModel, wait_until_entered
from voicewire.clock import MonotonicClock
from voicewire.vad import SileroVADAnalyzer, VADStream
from voicewire.vad import engine as engine_module
from voicewire.vad.engine import BEHIND_WINDOWS, FIRST_ROWS, MAX_BATCH, BatchEngine
from voicewire.vad.stream import MAX_SUBMITTED_WINDOWS

pytestmark = pytest.mark.anyio

MAX_BYTES_A_CALLER = 30_000


@pytest.fixture
def resting(model: SumModel) -> Iterator[BatchEngine]:
    """An engine that rests for an hour after each batch."""
    engine = BatchEngine(model, "test-resting", spacing_secs=3600.0)
    yield engine
    engine.stop()


async def test_a_lone_window_runs_at_once(resting: BatchEngine) -> None:
    caller = Listener(resting)
    caller.submit(1)
    assert await caller.wait_for(1) == [0.001]


async def test_windows_that_come_during_the_rest_share_a_batch(
    resting: BatchEngine, model: SumModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(engine_module, "time", SimpleNamespace(monotonic=lambda: now))
    callers = [Listener(resting) for _ in range(5)]
    callers[0].submit(1)
    await callers[0].wait_for(1)
    for caller in callers:
        caller.submit(2)
    now = 3600.0
    with resting._work:
        resting._work.notify()
    for caller in callers[1:]:
        assert await caller.wait_for(1) == [0.002]
    assert model.batches == [1, 5]


async def test_a_full_batch_ends_the_rest(resting: BatchEngine, model: SumModel) -> None:
    callers = [Listener(resting) for _ in range(MAX_BATCH)]
    callers[0].submit(1)
    await callers[0].wait_for(1)
    for caller in callers:
        caller.submit(1)
    for caller in callers[1:]:
        await caller.wait_for(1)
    assert model.batches == [1, MAX_BATCH]


async def test_the_worker_does_not_rest_while_a_caller_is_behind(
    resting: BatchEngine, model: SumModel
) -> None:
    caller = Listener(resting)
    caller.submit(1)
    await caller.wait_for(1)
    caller.submit(*[1] * MAX_SUBMITTED_WINDOWS)
    # What is left is less than being behind, and waits for the end of the rest.
    num_at_once = MAX_SUBMITTED_WINDOWS - BEHIND_WINDOWS + 1
    await caller.wait_for(1 + num_at_once)
    assert model.batches == [1] * (1 + num_at_once)
    assert len(caller.session.waiting) == BEHIND_WINDOWS - 1


async def test_stopping_does_not_wait_for_the_end_of_the_rest(resting: BatchEngine) -> None:
    caller = Listener(resting)
    caller.submit(1)
    await caller.wait_for(1)
    caller.submit(1)
    worker = resting._worker
    resting.stop()
    assert worker is not None
    assert not worker.is_alive()


async def test_callers_who_flood_do_not_keep_others_waiting(
    engine: BatchEngine, model: SumModel
) -> None:
    answered_before: list[int] = []

    class Modest(Listener):
        def _on_confidence(self, confidence: float, volume: float | None = None) -> None:
            answered_before.extend(len(flooder.confidences) for flooder in flooders)
            super()._on_confidence(confidence, volume)

    flooders = [Listener(engine) for _ in range(2 * MAX_BATCH)]
    modest = Modest(engine)
    model.hold()
    flooders[0].submit(1)
    await wait_until_entered(model)
    for flooder in flooders:
        flooder.submit(*[1] * MAX_SUBMITTED_WINDOWS)
    modest.submit(1)
    model.may_go_on.set()
    await modest.wait_for(1)
    assert max(answered_before) == 1
    assert max(model.batches) == MAX_BATCH


@pytest.mark.parametrize("seed", range(5))
async def test_every_callers_answers_come_in_order_and_every_row_is_given_back(
    engine: BatchEngine, model: SumModel, seed: int
) -> None:
    chance = np.random.default_rng(seed)
    callers: list[Listener] = []
    submitted: dict[Listener, list[int]] = {}
    most = 0
    for _ in range(400):
        action = chance.random()
        if action < 0.15 or not callers:
            callers.append(Listener(engine))
            submitted[callers[-1]] = []
        elif action < 0.3:  # some leave with windows that wait or are in hand
            callers.pop(chance.integers(len(callers))).session.close()
        elif action < 0.33:
            await anyio.lowlevel.checkpoint()
        else:
            caller = callers[chance.integers(len(callers))]
            if len(caller.session.waiting) < MAX_SUBMITTED_WINDOWS:
                number = int(chance.integers(1, 50))
                caller.submit(number)
                submitted[caller].append(number)
        most = max(most, len(callers))
    for caller in callers:
        heard = await caller.wait_for(len(submitted[caller]))
        sums = np.cumsum(submitted[caller]) / 1000
        assert heard == pytest.approx(sums.tolist(), abs=1e-3)
    for index in chance.permutation(len(callers)):
        callers[index].session.close()
    engine.stop()  # the worker frees those that it has in hand
    assert engine.num_sessions == 0
    assert not engine._states.any()
    # Room was made for no more callers than twice those who were there at once, or in hand.
    assert len(engine._sessions) <= 2 * max(FIRST_ROWS, most + MAX_BATCH)


async def test_every_row_is_given_back_after_the_model_failed(
    engine: BatchEngine, model: SumModel
) -> None:
    callers = [Listener(engine) for _ in range(6)]
    model.hold()
    model.num_failures_to_come = 2
    callers[0].submit(1, 2)
    await wait_until_entered(model)
    for caller in callers[1:]:
        caller.submit(1, 2)
    for caller in callers[::2]:
        caller.session.close()
    model.may_go_on.set()
    for caller in callers[1::2]:
        await caller.wait_for(2)
        caller.session.close()
    engine.stop()  # the worker frees those that it has in hand
    assert engine.num_sessions == 0
    assert not engine._states.any()


async def test_callers_one_after_the_other_need_no_more_rows(engine: BatchEngine) -> None:
    for number in range(10 * FIRST_ROWS):
        caller = Listener(engine)
        caller.submit(number)
        assert await caller.wait_for(1) == [number / 1000]
        caller.session.close()
    assert len(engine._sessions) == FIRST_ROWS


async def test_a_talking_caller_takes_little_memory() -> None:
    analyzer = SileroVADAnalyzer()
    analyzer.preload(16000)
    clock = MonotonicClock()
    noise = np.random.default_rng(1).integers(-9000, 9000, 320).astype("<i2").tobytes()

    def talk(num_callers: int) -> list[VADStream]:
        streams = [analyzer.open(16000, lambda event: None, clock) for _ in range(num_callers)]
        for stream in streams:
            for _ in range(2):
                stream.feed(noise)
        return streams

    for stream in talk(1):
        stream.close()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        streams = talk(200)
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    for stream in streams:
        stream.close()
    assert held / len(streams) < MAX_BYTES_A_CALLER
