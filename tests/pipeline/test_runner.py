"""The runner and the signals of the process."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.pipeline.fakes import Gate, Session, Step, Tap, kinds, other_tasks, settle, texts
from voicewire.frames import CancelFrame, EndFrame, TextFrame
from voicewire.pipeline import Pipeline, PipelineRunner, PipelineTask
from voicewire.pipeline.signals import WATCHES, SignalWatch

pytestmark = pytest.mark.anyio

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def signal_handlers_are_given_back() -> Iterator[None]:
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    assert [signal.getsignal(number) for number in SIGNALS] == before


async def raise_signal(number: signal.Signals) -> None:
    """Send a signal to this process, and wait until the loop has heard of it."""
    loop, is_heard = asyncio.get_running_loop(), asyncio.Event()

    def hear(_: signal.Signals) -> None:
        loop.call_soon(is_heard.set)

    WATCHES[number].add(hear)
    os.kill(os.getpid(), number)
    async with asyncio.timeout(5.0):
        await is_heard.wait()
    WATCHES[number].remove(hear)
    await settle()


async def start(runner: PipelineRunner, session: Session) -> asyncio.Task[None]:
    run = asyncio.ensure_future(runner.run(session.task))
    await settle()
    return run


async def test_run_returns_when_the_task_has_ended() -> None:
    before = other_tasks()
    session = Session(Step())
    await session.task.queue_frames([TextFrame("a"), EndFrame()])
    await PipelineRunner().run(session.task)
    assert texts(session.tap.down) == ["a"]
    assert other_tasks() == before


async def test_sigint_cancels() -> None:
    session = Session(Step(Gate()))
    run = await start(PipelineRunner(), session)
    await session.send(TextFrame("hangs"))
    await raise_signal(signal.SIGINT)
    await run
    assert kinds(session.tap.down) == ["Start", "Cancel"]


async def test_sigterm_lets_what_is_queued_be_finished() -> None:
    gate = Gate()
    session = Session(Step(gate))
    run = await start(PipelineRunner(), session)
    await session.send(TextFrame("a"), TextFrame("b"))
    await raise_signal(signal.SIGTERM)
    assert not run.done()
    gate.open()
    await run
    assert kinds(session.tap.down) == ["Start", "Text", "Text", "End"]


async def test_sigterm_cancels_when_the_time_to_finish_is_over() -> None:
    session = Session(Step(Gate()))
    run = await start(PipelineRunner(drain_secs=0.0), session)
    await session.send(TextFrame("hangs"))
    await raise_signal(signal.SIGTERM)
    await run
    assert kinds(session.tap.down) == ["Start", "Cancel"]


@pytest.mark.parametrize("second", SIGNALS)
async def test_a_second_signal_cancels_at_once(second: signal.Signals) -> None:
    session = Session(Step(Gate()))
    run = await start(PipelineRunner(), session)
    await session.send(TextFrame("hangs"))
    await raise_signal(signal.SIGTERM)
    assert not run.done()
    await raise_signal(second)
    async with asyncio.timeout(5.0):
        await run
    assert kinds(session.tap.down) == ["Start", "Cancel"]


async def test_a_signal_while_the_pipeline_gets_ready_ends_it() -> None:
    for number in SIGNALS:
        session = Session(Step())
        runner = PipelineRunner()
        run = asyncio.ensure_future(runner.run(session.task))
        await asyncio.sleep(0)
        await raise_signal(number)
        await run


async def test_every_runner_of_the_loop_hears_of_a_signal() -> None:
    sessions = [Session(Step()) for _ in range(3)]
    runs = [await start(PipelineRunner(), session) for session in sessions]
    await raise_signal(signal.SIGINT)
    await asyncio.gather(*runs)
    assert all(isinstance(session.tap.down[-1], CancelFrame) for session in sessions)


async def test_the_end_of_one_runner_leaves_the_others_their_signals() -> None:
    first, second = Session(), Session()
    runs = [await start(PipelineRunner(), session) for session in (first, second)]
    await first.task.cancel()
    await runs[0]
    await raise_signal(signal.SIGINT)
    await runs[1]


async def test_a_runner_runs_several_tasks() -> None:
    runner = PipelineRunner()
    sessions = [Session() for _ in range(3)]
    runs = [await start(runner, session) for session in sessions]
    await sessions[0].task.cancel()
    await runs[0]
    await raise_signal(signal.SIGTERM)
    await asyncio.gather(*runs)
    assert [kinds(session.tap.down)[-1] for session in sessions] == ["Cancel", "End", "End"]


async def test_running_a_task_twice_does_not_take_the_signals_from_the_first_run() -> None:
    runner, session = PipelineRunner(), Session()
    run = await start(runner, session)
    with pytest.raises(RuntimeError, match="has been run before"):
        await runner.run(session.task)
    await raise_signal(signal.SIGINT)
    await run


async def test_a_runner_can_be_asked_to_stop_or_cancel() -> None:
    for wish, last in (("stop_when_done", "End"), ("cancel", "Cancel")):
        runner, session = PipelineRunner(), Session()
        run = await start(runner, session)
        await getattr(runner, wish)()
        await run
        assert kinds(session.tap.down)[-1] == last


async def test_signals_that_it_shall_not_handle_are_left_alone() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    session = Session()
    run = await start(PipelineRunner(handle_sigint=False, handle_sigterm=False), session)
    assert [signal.getsignal(number) for number in SIGNALS] == before
    await session.task.cancel()
    await run


async def test_a_program_that_handles_a_signal_itself_goes_on_doing_so() -> None:
    loop, heard = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, heard.set)
    try:
        session = Session()
        run = await start(PipelineRunner(), session)
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(5.0):
            await heard.wait()
        await settle()
        assert not run.done()
        await session.task.cancel()
        await run
        heard.clear()
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(5.0):
            await heard.wait()
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


async def test_a_failed_start_gives_the_signals_back() -> None:
    class Fails(Tap):
        async def setup(self, setup: object) -> None:
            raise LookupError("on purpose")

    with pytest.raises(LookupError):
        await PipelineRunner().run(PipelineTask(Pipeline([Fails()])))


async def test_a_listener_that_was_never_added_can_be_removed() -> None:
    SignalWatch(signal.SIGINT).remove(print)


def test_it_runs_outside_the_main_thread() -> None:
    said: list[str] = []

    async def talk() -> None:
        session = Session(Step())
        await session.task.queue_frames([TextFrame("hello"), EndFrame()])
        await PipelineRunner().run(session.task)
        said.extend(texts(session.tap.down))

    thread = threading.Thread(target=lambda: asyncio.run(talk()))
    thread.start()
    thread.join(timeout=10.0)
    assert said == ["hello"]


def test_it_runs_on_one_loop_after_another() -> None:
    async def talk() -> None:
        before = [signal.getsignal(number) for number in SIGNALS]  # asyncio.run() sets SIGINT's.
        session = Session()
        run = await start(PipelineRunner(), session)
        await raise_signal(signal.SIGINT)
        await run
        assert [signal.getsignal(number) for number in SIGNALS] == before

    asyncio.run(talk())
    asyncio.run(talk())


PROGRAM = """
import asyncio
from voicewire.frames import TextFrame
from voicewire.pipeline import FrameProcessor, Pipeline, PipelineRunner, PipelineTask

class Speaks(FrameProcessor):
    async def process_frame(self, frame, direction):
        if isinstance(frame, TextFrame):
            print("speaking", flush=True)
            await asyncio.Event().wait()
        await self.push_frame(frame, direction)

async def main():
    task = PipelineTask(Pipeline([Speaks()]))
    await task.queue_frame(TextFrame("hello"))
    await PipelineRunner(drain_secs=0.01).run(task)
    print("ended", flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_whole_program_ends_by_a_signal_as_it_should(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"speaking\n"
        process.send_signal(number)
        assert process.stdout.readline() == b"ended\n"
        assert process.wait(timeout=10.0) == 0
