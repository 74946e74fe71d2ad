"""Running a pipeline: from its StartFrame to its end."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterable, Callable, Collection, Iterable, Sequence
from typing import Any

from voicewire.clock import Clock, MonotonicClock, TimerHandle
from voicewire.errors import ConfigurationError, QueueFullError
from voicewire.events import EventEmitter
from voicewire.frames import (
    CancelFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LifecycleFrame,
    StartFrame,
    StopFrame,
    TextFrame,
)
from voicewire.nobody import nobody
from voicewire.params import Params
from voicewire.pipeline.direction import FrameDirection
from voicewire.pipeline.hooks import PushHooks
from voicewire.pipeline.idle import IdleWatch
from voicewire.pipeline.observers import BaseObserver, ObserverRelay
from voicewire.pipeline.owner import TaskOwner, wait_at_most
from voicewire.pipeline.pipeline import cleanup_all
from voicewire.pipeline.processor import (
    DOWNSTREAM,
    Processor,
    ProcessorSetup,
    require_frame,
)

logger = logging.getLogger(__name__)

MAX_EARLY_FRAMES = 1000
"""Frames that may be queued before the task runs."""

MAX_EVENTS_AT_WORK = 1000
"""Events whose handlers have not returned; more of them are logged and dropped."""

CANCEL_TIMEOUT_SECS = 2.0
"""How long a CancelFrame may take through the pipeline before the task ends without it."""

CLEANUP_TIMEOUT_SECS = 10.0
"""How long the processors may take to let go before the task ends without them."""


class PipelineParams(Params):
    """How a pipeline runs.

    Attributes:
        allow_interruptions: Whether the caller's speech cuts the bot off.
        audio_in_sample_rate: Hertz of microphone audio, told to processors in the StartFrame.
        audio_out_sample_rate: Hertz that services should speak at.
        enable_metrics: Whether services push `MetricsFrame`.
    """

    allow_interruptions: bool = True
    audio_in_sample_rate: int = 16000
    audio_out_sample_rate: int = 24000
    enable_metrics: bool = False


class _End(Processor):
    """What stands before the first and behind the last processor.

    Nothing but frames about the pipeline itself is looked at: most that come here are audio.
    """

    def __init__(self, name: str, on_frame: Callable[[Frame], None]) -> None:
        super().__init__(name=name)
        self._on_frame = on_frame

    def unlink(self) -> None:
        super().unlink()
        self._on_frame = nobody

    def receive(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, (LifecycleFrame, InterruptionFrame)):
            self._on_frame(frame)


class PipelineTask(EventEmitter):
    """Runs one pipeline, once.

    | Event | Arguments | When |
    |---|---|---|
    | `on_pipeline_started` | task, StartFrame | the StartFrame has come out at the end |
    | `on_pipeline_finished` | task, the frame that ended it | all processors have let go |
    | `on_pipeline_error` | task, ErrorFrame | a processor failed |
    | `on_idle_timeout` | task | nothing has happened for `idle_timeout_secs` |

    Events are handled beside the pipeline, in the order in which they happen, but one does not
    wait for another's handlers; only `on_pipeline_finished` comes after all of them.

    Args:
        pipeline: What to run.
        params: How.
        observers: See every frame that moves.
        idle_timeout_secs: Longest time without activity; None waits for ever.
        cancel_on_idle_timeout: Whether the timeout ends the task.
        idle_timeout_frames: Frame types that count as activity, beside both sides' speaking.
        cancel_timeout_secs: Longest time that `cancel` waits for the processors, and the end for
            observers and for handlers of earlier events.
        clock: The time.
        name: For logs.
    """

    def __init__(
        self,
        pipeline: Processor,
        *,
        params: PipelineParams | None = None,
        observers: Sequence[BaseObserver] | None = None,
        idle_timeout_secs: float | None = None,
        cancel_on_idle_timeout: bool = True,
        idle_timeout_frames: tuple[type[Frame], ...] = (TextFrame,),
        cancel_timeout_secs: float = CANCEL_TIMEOUT_SECS,
        clock: Clock | None = None,
        name: str = "PipelineTask",
    ) -> None:
        super().__init__(
            "on_pipeline_started", "on_pipeline_finished", "on_pipeline_error", "on_idle_timeout"
        )
        if not isinstance(pipeline, Processor):
            raise ConfigurationError(f"PipelineTask runs a Pipeline; this is {pipeline!r}")
        self.name = name
        self.params = params or PipelineParams()
        self.pipeline = pipeline
        self._observers = tuple(observers or ())
        self._idle_timeout_secs = idle_timeout_secs
        self._cancel_on_idle_timeout = cancel_on_idle_timeout
        self._idle_timeout_frames = idle_timeout_frames
        self._cancel_timeout_secs = cancel_timeout_secs
        self._clock = clock or MonotonicClock()
        self._head = _End(f"{name} head", self._on_upstream_frame)
        self._tail = _End(f"{name} tail", self._on_downstream_frame)
        self._early: deque[tuple[Frame, FrameDirection]] = deque()
        self._has_begun = False
        self._has_finished = False
        self._is_stopping = False
        self._is_cancelling = False
        self._last: Frame | None = None
        self._ended_by: asyncio.Future[Frame] | None = None
        self._tasks: TaskOwner | None = None
        self._events: set[asyncio.Task[None]] = set()
        self._cancel_timer: TimerHandle | None = None
        self._idle_watch: IdleWatch | None = None
        self._idle_timer: TimerHandle | None = None

    def has_finished(self) -> bool:
        """Whether `run` is over, or would return at once."""
        return self._has_finished or (self._ended_by is None and self._last is not None)

    async def queue_frame(
        self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM
    ) -> None:
        """Send a frame into the pipeline, at its head or, upstream, at its tail.

        Before the pipeline has begun, frames wait, except a CancelFrame; after it has finished,
        they are dropped.

        Raises:
            QueueFullError: Too many frames wait for the pipeline to begin.
            TypeError: It is no frame.
        """
        require_frame(frame)
        if self._last is not None or self._has_finished:
            return
        if isinstance(frame, CancelFrame):
            self._cancel(frame)
            return
        if self._has_begun:
            self._enter(frame, direction)
            return
        if len(self._early) >= MAX_EARLY_FRAMES and not isinstance(frame, EndFrame | StopFrame):
            raise QueueFullError(f"{self.name}, which has not begun,", MAX_EARLY_FRAMES, "frames")
        self._early.append((frame, direction))

    async def queue_frames(
        self,
        frames: Iterable[Frame] | AsyncIterable[Frame],
        direction: FrameDirection = FrameDirection.DOWNSTREAM,
    ) -> None:
        """Send frames into the pipeline, one after the other."""
        if isinstance(frames, AsyncIterable):
            async for frame in frames:
                await self.queue_frame(frame, direction)
        else:
            for frame in frames:
                await self.queue_frame(frame, direction)

    async def stop_when_done(self) -> None:
        """End when all that is queued has been processed and said. Once is enough."""
        await self.queue_frame(EndFrame())

    async def cancel(self, *, reason: Any = None) -> None:
        """End now. Returns at once; `run` returns when the processors have let go."""
        self._cancel(CancelFrame(reason=reason))

    async def run(self) -> None:
        """Run the pipeline until an EndFrame, StopFrame or CancelFrame has gone through it.

        A task that was cancelled before returns at once, without a processor having been set up.
        Where the asyncio task that runs this is cancelled, the pipeline is cancelled first.

        Raises:
            RuntimeError: It has been run before.
            ConfigurationError: The pipeline is at work in another task.
            Exception: What a processor raised while getting ready.
        """
        if self._ended_by is not None:
            raise RuntimeError(f"{self.name} has been run before; make a new one")
        self._head.link(self.pipeline)
        self.pipeline.link(self._tail)
        ended_by = self._ended_by = asyncio.get_running_loop().create_future()
        try:
            async with TaskOwner() as tasks:
                self._tasks = tasks
                try:
                    if self._last is None:
                        await self._run_pipeline(tasks, ended_by)
                finally:
                    if self._last is not None:
                        await self._tell_finished(self._last)
        finally:
            self._has_finished = True
            self._tasks = None
            self._early.clear()
            self._cancel_timers()
            for each in (self._head, self.pipeline, self._tail):
                each.unlink()
            self.forget_handlers()

    async def _run_pipeline(self, tasks: TaskOwner, ended_by: asyncio.Future[Frame]) -> None:
        start = StartFrame(
            audio_in_sample_rate=self.params.audio_in_sample_rate,
            audio_out_sample_rate=self.params.audio_out_sample_rate,
            allow_interruptions=self.params.allow_interruptions,
            enable_metrics=self.params.enable_metrics,
        )
        setup = ProcessorSetup(clock=self._clock, tasks=tasks, start=start)
        relay = self._watch(setup.hooks, tasks)
        try:
            await self._set_up(setup, ended_by)
            if self._last is None:
                self._begin(start)
            try:
                await asyncio.shield(ended_by)
            except asyncio.CancelledError:
                self._cancel(CancelFrame(reason="run() was cancelled"))
                await asyncio.shield(ended_by)
                raise
        finally:
            await self._clean_up(setup)
            setup.hooks.clear()
        if relay is not None:
            drained = tasks.create(relay.wait_until_drained(), name=f"{self.name} observers' end")
            await self._wait_at_most(self._cancel_timeout_secs, (drained,), "observers")

    async def _clean_up(self, setup: ProcessorSetup) -> None:
        async with TaskOwner() as tasks:  # The session's own may have failed already.
            cleanup = tasks.create(
                cleanup_all((self.pipeline,), setup), name=f"{self.name} cleanup"
            )
            await self._wait_at_most(CLEANUP_TIMEOUT_SECS, (cleanup,), "the processors' cleanup")

    async def _tell_finished(self, last: Frame) -> None:
        await self._wait_at_most(self._cancel_timeout_secs, self._events, "event handlers")
        await self.emit("on_pipeline_finished", self, last)

    async def _set_up(self, setup: ProcessorSetup, ended_by: asyncio.Future[Frame]) -> None:
        """Get everything ready, or give that up when the task is cancelled meanwhile."""
        for end in (self._head, self._tail):
            await end.setup(setup)
        getting_ready = asyncio.ensure_future(self.pipeline.setup(setup))
        try:
            await asyncio.wait((getting_ready, ended_by), return_when=asyncio.FIRST_COMPLETED)
        finally:
            is_ready = getting_ready.done()
            getting_ready.cancel()
            await asyncio.gather(getting_ready, return_exceptions=True)
        if is_ready:
            getting_ready.result()

    async def _wait_at_most(
        self, timeout_secs: float, tasks: Collection[asyncio.Task[None]], what: str
    ) -> None:
        if not await wait_at_most(timeout_secs, tasks, clock=self._clock):
            logger.warning("%s: gave up waiting for %s", self.name, what)

    def _watch(self, hooks: PushHooks, tasks: TaskOwner) -> ObserverRelay | None:
        """Let those be told of each push who want it; return the observers' relay, if any."""
        relay = None
        if self._observers:
            relay = ObserverRelay(self._observers, clock=self._clock)
            hooks.add(relay.tell)
            tasks.create(relay.run(), name=f"{self.name} observers")
        if self._idle_timeout_secs is not None:
            watch = self._idle_watch = IdleWatch(
                self._idle_timeout_secs, self._idle_timeout_frames, now=self._clock.now()
            )

            def see(source: Processor, to: Processor, frame: Frame, way: FrameDirection) -> None:
                if watch.cares_about(type(frame)):
                    watch.see(frame, now=self._clock.now())

            hooks.add(see)
        return relay

    def _check_idle(self, watch: IdleWatch) -> None:
        remaining_secs = watch.remaining_secs(now=self._clock.now())
        if remaining_secs <= 0:
            self._notify("on_idle_timeout")
            if self._cancel_on_idle_timeout:
                logger.info("%s: nothing happened for %g s", self.name, self._idle_timeout_secs)
                self._cancel(CancelFrame(reason="idle timeout"))
                return
            watch.restart(now=self._clock.now())
            remaining_secs = watch.remaining_secs(now=self._clock.now())
        self._idle_timer = self._clock.call_later(remaining_secs, lambda: self._check_idle(watch))

    def _begin(self, start: StartFrame) -> None:
        self._head.push(start, DOWNSTREAM)
        self._has_begun = True
        while self._early and self._last is None:
            self._enter(*self._early.popleft())
        if self._idle_watch is not None and self._last is None:
            self._idle_watch.restart(now=self._clock.now())
            self._check_idle(self._idle_watch)

    def _enter(self, frame: Frame, direction: FrameDirection) -> None:
        if direction is DOWNSTREAM and isinstance(frame, EndFrame | StopFrame):
            if self._is_stopping:
                return
            self._is_stopping = True
        (self._head if direction is DOWNSTREAM else self._tail).push(frame, direction)

    def _cancel(self, frame: CancelFrame) -> None:
        if self._is_cancelling or self._last is not None:
            return
        self._is_cancelling = True
        if not self._has_begun:
            self._finish(frame)
            return
        self._cancel_timer = self._clock.call_later(
            self._cancel_timeout_secs, lambda: self._finish(frame)
        )
        self._enter(frame, DOWNSTREAM)

    def _finish(self, frame: Frame) -> None:
        if self._last is not None:
            return
        self._last = frame
        self._cancel_timers()
        if self._ended_by is not None:
            self._ended_by.set_result(frame)

    def _cancel_timers(self) -> None:
        """Leave nothing with the clock that would keep this task alive."""
        for timer in (self._cancel_timer, self._idle_timer):
            if timer is not None:
                timer.cancel()

    def _on_upstream_frame(self, frame: Frame) -> None:
        if isinstance(frame, ErrorFrame):
            self._notify("on_pipeline_error", frame)
            if frame.fatal:
                self._cancel(CancelFrame(reason=frame.error))
        elif isinstance(frame, CancelFrame):
            self._cancel(frame)
        elif isinstance(frame, InterruptionFrame | EndFrame | StopFrame):
            # A processor in the middle asks for it: it happens from the head on.
            if self._has_begun:
                self._enter(frame, DOWNSTREAM)
            elif len(self._early) < MAX_EARLY_FRAMES:
                self._early.append((frame, DOWNSTREAM))

    def _on_downstream_frame(self, frame: Frame) -> None:
        if isinstance(frame, StartFrame):
            self._notify("on_pipeline_started", frame)
        elif isinstance(frame, EndFrame | StopFrame | CancelFrame):
            self._finish(frame)
        elif isinstance(frame, ErrorFrame):
            self._on_upstream_frame(frame)

    def _notify(self, event_name: str, *args: Any) -> None:
        if self._tasks is None or self._tasks.is_closing:
            return
        if len(self._events) >= MAX_EVENTS_AT_WORK:
            logger.warning("%s: too many events at work; %s was dropped", self.name, event_name)
            return
        try:
            event = self._tasks.create(
                self.emit(event_name, self, *args), name=f"{self.name} {event_name}"
            )
        except RuntimeError:  # One of the session's tasks has failed: all of them are ending.
            logger.warning("%s: %s was dropped", self.name, event_name)
            return
        self._events.add(event)
        event.add_done_callback(self._events.discard)
