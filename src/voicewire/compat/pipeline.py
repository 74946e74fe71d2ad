"""Tasks and runners with the arguments that programs for Pipecat commonly give.

What voicewire has no use for is accepted, and a line in the log says that it has no effect. A
misspelt argument is refused as everywhere.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from voicewire import pipeline
from voicewire.clock import Clock
from voicewire.compat.rtvi import RTVIProcessor
from voicewire.errors import ConfigurationError
from voicewire.pipeline import BaseObserver, Processor
from voicewire.pipeline.pipeline import with_nested
from voicewire.rtvi import RTVI
from voicewire.transports.input import InputTransport

logger = logging.getLogger(__name__)

_TASK_WITHOUT_EFFECT = frozenset(
    [
        "additional_span_attributes",
        "cancel_runner_on_idle_timeout",
        "check_dangling_tasks",
        "conversation_id",
        "enable_rtvi",
        "enable_tracing",
        "enable_turn_tracking",
        "task_manager",
    ]
)

_RUNNER_WITHOUT_EFFECT = frozenset(
    ["check_dangling_tasks", "force_gc", "loop", "name", "task_manager"]
)


class PipelineParams(pipeline.PipelineParams):
    """Ours, and those of Pipecat's that have no effect here."""

    enable_heartbeats: bool = False
    enable_usage_metrics: bool = False
    heartbeats_monitor_secs: float | None = None
    heartbeats_period_secs: float | None = None
    report_only_initial_ttfb: bool = False
    send_initial_empty_metrics: bool = False
    start_metadata: dict[str, Any] | None = None

    def model_post_init(self, context: Any, /) -> None:
        ours = pipeline.PipelineParams.model_fields
        _log_without_effect("PipelineParams", (n for n in self.model_fields_set if n not in ours))


class PipelineTask(pipeline.PipelineTask):
    """Ours; of Pipecat's further arguments, those in the log have no effect."""

    def __init__(
        self,
        pipeline: Processor,
        *,
        params: pipeline.PipelineParams | None = None,
        observers: Sequence[BaseObserver] | None = None,
        clock: Clock | None = None,
        name: str | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(
            pipeline,
            params=params,
            observers=observers,
            clock=clock,
            name=name or type(self).__name__,
            **_take_effective("PipelineTask", arguments, _TASK_WITHOUT_EFFECT),
        )
        self._rtvi = _join_rtvi(pipeline)

    @property
    def rtvi(self) -> RTVI:
        """The RTVI of the pipeline's transport.

        Raises:
            ConfigurationError: No transport's input stands in the pipeline.
        """
        if self._rtvi is None:
            raise ConfigurationError("task.rtvi is that of a transport, and the pipeline has none")
        return self._rtvi


class PipelineRunner(pipeline.PipelineRunner):
    """Ours; of Pipecat's further arguments, those in the log have no effect."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**_take_effective("PipelineRunner", arguments, _RUNNER_WITHOUT_EFFECT))


class WorkerRunner(PipelineRunner):
    """Pipecat's newer runner: tasks, there called workers, are added before it runs.

    ::

        runner = WorkerRunner()
        await runner.add_workers(PipelineTask(pipeline))
        await runner.run()
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._added: list[pipeline.PipelineTask] = []

    async def add_workers(self, *workers: pipeline.PipelineTask) -> None:
        """Add tasks for the next `run`."""
        self._added += workers

    async def run(self, task: pipeline.PipelineTask | None = None) -> None:
        """Run `task`, if there is one, and all that were added, until the last has ended."""
        tasks = [*self._added, *([task] if task is not None else [])]
        self._added.clear()
        run = super().run
        runs = [asyncio.ensure_future(run(each)) for each in tasks]
        try:
            await asyncio.gather(*runs)
        finally:  # One that failed takes the others along.
            for each in runs:
                each.cancel()
            await asyncio.gather(*runs, return_exceptions=True)


def _join_rtvi(whole: Processor) -> RTVI | None:
    """Let each `RTVIProcessor` stand for the RTVI of the transport in the same pipeline."""
    processors = list(with_nested(whole))
    inputs = [each for each in processors if isinstance(each, InputTransport)]
    if not inputs:
        return None
    rtvi = inputs[0].transport.rtvi
    for each in processors:
        if isinstance(each, RTVIProcessor):
            each.stand_for(rtvi)
    return rtvi


def _take_effective(
    owner: str, arguments: dict[str, Any], without_effect: frozenset[str]
) -> dict[str, Any]:
    """Return the arguments that mean something here."""
    _log_without_effect(owner, arguments.keys() & without_effect)
    return {name: value for name, value in arguments.items() if name not in without_effect}


def _log_without_effect(owner: str, names: Iterable[str]) -> None:
    for name in sorted(names):
        logger.warning("%s: %s has no effect in voicewire", owner, name)
