"""Arguments of Pipecat's tasks and runners."""

import logging

import pytest
from pydantic import ValidationError

from voicewire.compat.pipeline import PipelineParams, PipelineRunner, PipelineTask, WorkerRunner
from voicewire.frames import EndFrame, Frame
from voicewire.pipeline import FrameDirection, FrameProcessor, Pipeline


class Step(FrameProcessor):
    """A processor as Pipecat's documents write it."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)


def make_task() -> PipelineTask:
    return PipelineTask(Pipeline([Step()]), observers=None)


def test_parameters_without_effect_are_taken_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        params = PipelineParams(
            allow_interruptions=False, enable_metrics=True, enable_usage_metrics=True
        )

    assert not params.allow_interruptions
    assert params.enable_metrics
    assert caplog.messages == ["PipelineParams: enable_usage_metrics has no effect in voicewire"]


def test_a_misspelt_parameter_is_refused_all_the_same() -> None:
    with pytest.raises(ValidationError, match="Did you mean 'enable_metrics'"):
        PipelineParams(enable_metric=True)  # type: ignore[call-arg]


def test_arguments_without_effect_are_taken_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        PipelineTask(Pipeline([Step()]), enable_tracing=False, idle_timeout_secs=300)
        PipelineRunner(handle_sigint=False, name="runner", force_gc=True)

    assert caplog.messages == [
        "PipelineTask: enable_tracing has no effect in voicewire",
        "PipelineRunner: force_gc has no effect in voicewire",
        "PipelineRunner: name has no effect in voicewire",
    ]


def test_a_misspelt_argument_is_refused_all_the_same() -> None:
    with pytest.raises(TypeError, match="idle_timeout_sec"):
        PipelineTask(Pipeline([Step()]), idle_timeout_sec=300)
    with pytest.raises(TypeError, match="handle_sigin"):
        PipelineRunner(handle_sigin=False)


@pytest.mark.anyio
async def test_a_runner_runs_a_task_to_its_end() -> None:
    task = make_task()
    await task.queue_frames([EndFrame()])

    await PipelineRunner(handle_sigint=False).run(task)

    assert task.has_finished()


@pytest.mark.anyio
async def test_the_newer_runner_runs_all_that_was_added() -> None:
    tasks = [make_task(), make_task()]
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(*tasks)
    for task in tasks:
        await task.queue_frames([EndFrame()])

    await runner.run()

    assert all(task.has_finished() for task in tasks)


@pytest.mark.anyio
async def test_the_newer_runner_ends_the_others_when_one_fails() -> None:
    class Failing(Step):
        async def setup(self, setup: object) -> None:
            raise OSError("no connection")

    waiting = make_task()
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(waiting, PipelineTask(Pipeline([Failing()])))

    with pytest.raises(OSError, match="no connection"):
        await runner.run()

    assert waiting.has_finished()
