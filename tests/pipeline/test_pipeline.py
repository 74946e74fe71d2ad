"""Pipelines: rows of processors, nested ones, getting ready and letting go."""

import asyncio
from typing import Any

import pytest

from tests.pipeline.fakes import Session, Step, Tap, kinds, other_tasks, running, settle, texts
from voicewire.errors import ConfigurationError
from voicewire.frames import BotStartedSpeakingFrame, EndFrame, TextFrame
from voicewire.pipeline import ParallelPipeline, Pipeline, PipelineTask, ProcessorSetup
from voicewire.pipeline.processor import UPSTREAM

pytestmark = pytest.mark.anyio


async def test_an_empty_pipeline_passes_everything_on() -> None:
    async with running(Pipeline([])) as session:
        await session.send(TextFrame("a"))
        assert texts(session.tap.down) == ["a"]


async def test_a_task_can_run_an_empty_pipeline() -> None:
    task = PipelineTask(Pipeline([]))
    await task.stop_when_done()
    await task.run()


async def test_nested_pipelines_pass_frames_in_order_both_ways() -> None:
    first, inner, last = Step(), Step(), Tap()
    async with running(first, Pipeline([Pipeline([inner])]), last) as session:
        await session.send(TextFrame("a"), TextFrame("b"))
        last.push(BotStartedSpeakingFrame(), UPSTREAM)
        await settle()
        assert texts(inner.seen) == texts(last.down) == ["a", "b"]
        assert kinds(first.seen)[-1] == kinds(inner.seen)[-1] == "BotStartedSpeaking"


async def test_a_task_can_run_a_single_processor() -> None:
    tap = Tap()
    task = PipelineTask(tap)
    await task.queue_frames([TextFrame("a"), EndFrame()])
    await task.run()
    assert kinds(tap.down) == ["Start", "Text", "End"]


@pytest.mark.parametrize("item", [None, "stt", Step, []], ids=str)
def test_what_is_no_processor_is_refused(item: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"item 1 is .*; a FrameProcessor is expected"):
        Pipeline([Tap(), item])


def test_a_processor_cannot_stand_in_a_pipeline_twice() -> None:
    tap = Tap()
    with pytest.raises(ConfigurationError, match="stands in it twice"):
        Pipeline([tap, Step(), tap])


def test_a_processor_cannot_stand_in_a_pipeline_and_inside_a_nested_one() -> None:
    tap = Tap()
    with pytest.raises(ConfigurationError, match="stands in it twice"):
        Pipeline([tap, Pipeline([Pipeline([tap])])])
    with pytest.raises(ConfigurationError, match="stands in it twice"):
        Pipeline([tap, ParallelPipeline([tap])])


class Ready(Tap):
    """Takes a while to get ready, or fails to."""

    def __init__(self, *, fails: bool = False, hangs: bool = False) -> None:
        super().__init__()
        self.is_ready = False
        self.was_cancelled = False
        self._fails = fails
        self._hangs = hangs

    async def setup(self, setup: ProcessorSetup) -> None:
        await super().setup(setup)
        try:
            await asyncio.sleep(0)
            if self._hangs:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        if self._fails:
            raise LookupError("no model")
        self.is_ready = True


async def test_all_are_ready_before_the_start_frame() -> None:
    first, second = Ready(), Ready()
    async with running(first, Pipeline([second])):
        assert first.is_ready
        assert second.is_ready
        assert kinds(second.down) == ["Start"]


async def test_a_failure_to_get_ready_is_raised_as_it_is_and_the_others_let_go() -> None:
    before = other_tasks()
    slow, good, bad = Ready(hangs=True), Ready(), Ready(fails=True)
    session = Session(good, Step(), Pipeline([slow]), ParallelPipeline([bad], [Step()]))
    with pytest.raises(LookupError, match="no model") as caught:
        await session.task.run()
    assert type(caught.value) is LookupError
    assert slow.was_cancelled
    assert good.num_cleanups == slow.num_cleanups == session.tap.num_cleanups == 1
    assert good.down == []
    assert other_tasks() == before
    assert session.task.has_finished()
    assert session.events == []
    await session.task.queue_frame(TextFrame("too late"))
    with pytest.raises(RuntimeError, match="has been run before"):
        await session.task.run()


async def test_cleanup_runs_for_all_when_one_fails(caplog: pytest.LogCaptureFixture) -> None:
    class FailsToLetGo(Tap):
        async def cleanup(self) -> None:
            raise LookupError("on purpose")

    first, last = Tap(), Tap()
    async with running(first, FailsToLetGo(), Pipeline([last])) as session:
        await session.send(EndFrame())
    assert first.num_cleanups == last.num_cleanups == session.tap.num_cleanups == 1
    assert "cleanup failed" in caplog.text
    assert session.event_names() == ["on_pipeline_started", "on_pipeline_finished"]


async def test_a_cleanup_that_hangs_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    class HangsOn(Tap):
        async def cleanup(self) -> None:
            await asyncio.Event().wait()

    async with running(HangsOn()) as session:
        await session.send(EndFrame())
        assert session.tap.num_cleanups == 1
        assert not session.task.has_finished()
        session.clock.advance(10)
        await settle()
        assert session.task.has_finished()
    assert "gave up waiting for the processors' cleanup" in caplog.text
