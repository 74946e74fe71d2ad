"""The engine that batches all callers' windows."""

import asyncio
import logging
import subprocess
import sys
import threading

import pytest

from tests.vad.engine_fakes import Listener, SumModel, wait_until_entered
from voicewire.vad.engine import FIRST_ROWS, MAX_BATCH, BatchEngine
from voicewire.vad.shared import shared_engine
from voicewire.vad.stream import MAX_SUBMITTED_WINDOWS

pytestmark = pytest.mark.anyio


async def test_answers_come_in_order_on_the_event_loops_thread(engine: BatchEngine) -> None:
    caller = Listener(engine)
    caller.submit(1, 2, 3, 4, 5, 6, 7, 8)
    assert await caller.wait_for(8) == [0.001, 0.003, 0.006, 0.01, 0.015, 0.021, 0.028, 0.036]
    assert caller.threads == {threading.get_ident()}


async def test_windows_gather_while_the_worker_is_busy(
    engine: BatchEngine, model: SumModel
) -> None:
    callers = [Listener(engine) for _ in range(6)]
    model.hold()
    callers[0].submit(1)
    await wait_until_entered(model)
    for number, caller in enumerate(callers[1:]):
        caller.submit(number)
    model.may_go_on.set()
    for caller in callers:
        await caller.wait_for(1)
    assert model.batches == [1, 5]
    assert (engine.num_batches, engine.num_windows) == (2, 6)


async def test_a_caller_has_one_window_in_a_batch(engine: BatchEngine, model: SumModel) -> None:
    first, second = Listener(engine), Listener(engine)
    model.hold()
    first.submit(1)
    await wait_until_entered(model)
    first.submit(1, 1)
    second.submit(1, 1)
    model.may_go_on.set()
    assert await first.wait_for(3) == [0.001, 0.002, 0.003]
    assert await second.wait_for(2) == [0.001, 0.002]
    assert max(model.batches) == 2
    assert sum(model.batches) == 5


async def test_a_batch_has_an_upper_bound(engine: BatchEngine, model: SumModel) -> None:
    callers = [Listener(engine) for _ in range(MAX_BATCH + 3)]
    model.hold()
    callers[0].submit(1)
    await wait_until_entered(model)
    for caller in callers[1:]:
        caller.submit(1)
    model.may_go_on.set()
    for caller in callers:
        await caller.wait_for(1)
    assert model.batches == [1, MAX_BATCH, 2]


async def test_nothing_of_a_caller_reaches_the_next(engine: BatchEngine) -> None:
    before = Listener(engine)
    before.submit(500)
    await before.wait_for(1)
    row = before.session.row
    before.session.close()
    after = Listener(engine)
    assert after.session.row == row
    assert not engine._states[row].any()
    after.submit(1)
    assert await after.wait_for(1) == [0.001]


async def test_an_answer_for_a_caller_who_left_is_dropped(
    engine: BatchEngine, model: SumModel
) -> None:
    gone, stays = Listener(engine), Listener(engine)
    model.hold()
    gone.submit(500, 500)
    await wait_until_entered(model)
    gone.session.close()
    gone.session.close()
    comes = Listener(engine)
    assert comes.session.row != gone.session.row
    stays.submit(1)
    comes.submit(2)
    model.may_go_on.set()
    assert await stays.wait_for(1) == [0.001]
    assert await comes.wait_for(1) == [0.002]
    assert gone.confidences == []
    assert engine.num_sessions == 2
    assert not engine._states[gone.session.row].any()


async def test_a_caller_who_leaves_takes_the_windows_that_wait(
    engine: BatchEngine, model: SumModel
) -> None:
    holder, gone = Listener(engine), Listener(engine)
    model.hold()
    holder.submit(1)
    await wait_until_entered(model)
    gone.submit(1, 2, 3)
    gone.session.close()
    gone.submit(4)
    model.may_go_on.set()
    holder.submit(1)
    await holder.wait_for(2)
    assert gone.confidences == []
    assert model.batches == [1, 1]


async def test_rows_double_and_callers_keep_what_is_remembered(engine: BatchEngine) -> None:
    early = Listener(engine)
    early.submit(1)
    await early.wait_for(1)
    late = [Listener(engine) for _ in range(2 * FIRST_ROWS)]
    for number, caller in enumerate(late):
        caller.submit(number)
    early.submit(1)
    assert await early.wait_for(2) == [0.001, 0.002]
    for number, caller in enumerate(late):
        assert await caller.wait_for(1) == [number / 1000]
    assert engine.num_sessions == 2 * FIRST_ROWS + 1


async def test_a_model_that_fails_is_logged_once_and_counts_as_silence(
    engine: BatchEngine, model: SumModel, caplog: pytest.LogCaptureFixture
) -> None:
    caller = Listener(engine)
    caller.submit(1)
    await caller.wait_for(1)
    model.num_failures_to_come = 2
    caller.submit(10, 20, 30)
    assert await caller.wait_for(4) == [0.001, 0.0, 0.0, 0.031]
    assert engine.num_failed_batches == 2
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_a_listener_that_fails_does_not_keep_others_from_hearing(
    engine: BatchEngine, model: SumModel, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(confidence: float, volume: float | None = None) -> None:
        raise OSError("no")

    holder, failing, caller = Listener(engine), engine.open(fail), Listener(engine)
    model.hold()
    holder.submit(1)
    await wait_until_entered(model)
    failing.submit(bytes(8))
    caller.submit(1)
    model.may_go_on.set()
    assert await caller.wait_for(1) == [0.001]
    assert "a listener to voice activity failed" in caplog.text


async def test_more_windows_than_there_is_room_for_are_refused(
    engine: BatchEngine, model: SumModel
) -> None:
    caller = Listener(engine)
    model.hold()
    caller.submit(1)
    await wait_until_entered(model)
    caller.submit(*range(MAX_SUBMITTED_WINDOWS))
    with pytest.raises(BufferError, match="8 windows of this caller wait already"):
        caller.submit(1)


async def test_a_window_of_another_length_is_refused(engine: BatchEngine) -> None:
    with pytest.raises(ValueError, match="a window has 8 bytes, not 10"):
        Listener(engine).session.submit(bytes(10))


async def test_stopping_ends_the_thread(engine: BatchEngine) -> None:
    Listener(engine)
    engine.stop()
    assert "test-engine" not in {thread.name for thread in threading.enumerate()}


def test_the_engine_outlives_an_event_loop_that_closed_before_its_answers(
    engine: BatchEngine, model: SumModel
) -> None:
    async def leave_without_closing() -> None:
        model.hold()
        Listener(engine).submit(1)
        await wait_until_entered(model)

    async def come_later() -> list[float]:
        caller = Listener(engine)
        model.may_go_on.set()
        caller.submit(2)
        return await caller.wait_for(1)

    asyncio.run(leave_without_closing())
    assert asyncio.run(come_later()) == [0.002]
    assert engine.num_sessions == 1  # the first one's row was taken back


def test_rows_of_closed_event_loops_are_used_again(engine: BatchEngine) -> None:
    async def open_and_leave(num_callers: int) -> None:
        for _ in range(num_callers):
            Listener(engine)

    asyncio.run(open_and_leave(FIRST_ROWS))
    assert engine.num_sessions == FIRST_ROWS
    asyncio.run(open_and_leave(1))
    assert engine.num_sessions == 1


def test_several_event_loops_share_the_engine(engine: BatchEngine) -> None:
    answers: dict[int, list[float]] = {}

    async def talk(number: int) -> None:
        caller = Listener(engine)
        for _ in range(50):
            caller.submit(number)
            await caller.wait_for(len(caller.confidences) + 1)
        assert caller.threads == {threading.get_ident()}
        answers[number] = await caller.wait_for(50)
        caller.session.close()

    threads = [threading.Thread(target=asyncio.run, args=[talk(n)]) for n in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    expected = {n: [round(n * i / 1000, 3) for i in range(1, 51)] for n in (1, 2, 3)}
    assert answers == expected
    assert engine.num_sessions == 0


def test_the_process_has_one_engine_of_each_name() -> None:
    engine = shared_engine("test-one", SumModel)
    assert shared_engine("test-one", SumModel) is engine
    assert shared_engine("test-other", SumModel) is not engine


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_forked_process_has_an_engine_of_its_own() -> None:
    program = """
import os, asyncio
from voicewire.testing import VirtualClock
from voicewire.vad import SileroVADAnalyzer

async def listen():
    answered = asyncio.Event()
    detector = SileroVADAnalyzer().open_detector(16000, lambda confidence, volume: answered.set())
    detector.submit(bytes(1024))
    await asyncio.wait_for(answered.wait(), 10)

asyncio.run(listen())
pid = os.fork()
asyncio.run(listen())
if pid:
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
