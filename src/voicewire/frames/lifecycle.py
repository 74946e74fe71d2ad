"""The life of a pipeline: start, end, errors, callers who come and go."""

from dataclasses import dataclass
from typing import Any, ClassVar

from voicewire.frames.base import ControlFrame, SystemFrame, UninterruptibleFrame


class LifecycleFrame:
    """Mix-in: about the pipeline, not the caller; it gets through whatever else happens."""

    __slots__ = ()
    belongs_to_caller: ClassVar[bool] = False


@dataclass(slots=True, eq=False)
class StartFrame(LifecycleFrame, SystemFrame):
    """The first frame through a pipeline.

    Attributes:
        audio_in_sample_rate: Hertz of microphone audio in this pipeline.
        audio_out_sample_rate: Hertz that services should speak at.
        allow_interruptions: Whether the caller's speech cuts the bot off.
        enable_metrics: Whether services push `MetricsFrame`.
    """

    audio_in_sample_rate: int = 16000
    audio_out_sample_rate: int = 24000
    allow_interruptions: bool = True
    enable_metrics: bool = False


@dataclass(slots=True, eq=False)
class EndFrame(LifecycleFrame, UninterruptibleFrame, ControlFrame):
    """End when everything before it has been said."""

    reason: Any = None


@dataclass(slots=True, eq=False)
class StopFrame(LifecycleFrame, UninterruptibleFrame, ControlFrame):
    """End the task when everything before it has been said, without a goodbye to the caller."""


@dataclass(slots=True, eq=False)
class CancelFrame(LifecycleFrame, SystemFrame):
    """End now; what is queued is dropped."""

    reason: Any = None


@dataclass(slots=True, eq=False)
class ErrorFrame(LifecycleFrame, SystemFrame):
    """Something went wrong. Travels upstream to the task.

    Attributes:
        error: What, in words for the application's author.
        fatal: Whether the session has to end.
        processor: The processor that failed.
        exception: The exception, where there was one.
    """

    error: str
    fatal: bool = False
    processor: Any = None
    exception: Exception | None = None


@dataclass(slots=True, eq=False)
class FatalErrorFrame(ErrorFrame):
    """An error that ends the session."""

    fatal: bool = True


@dataclass(slots=True, eq=False)
class ClientConnectedFrame(LifecycleFrame, SystemFrame):
    """A caller has come: processors begin with nothing of the one before."""


@dataclass(slots=True, eq=False)
class ClientDisconnectedFrame(LifecycleFrame, SystemFrame):
    """The caller has left: every queue drops what was theirs, and their handlers are cancelled."""


@dataclass(slots=True, eq=False)
class HeartbeatFrame(LifecycleFrame, UninterruptibleFrame, ControlFrame):
    """Travels from one end to the other to show that the pipeline moves.

    Attributes:
        timestamp: Monotonic nanoseconds at its departure.
    """

    timestamp: int
