"""What became of each caller, as the generators tell it."""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from voicewire.cli.bench.plan import Window

Floats = NDArray[np.float64]


def _none() -> Floats:
    return np.empty(0)


class Fate(Enum):
    """How a call ended."""

    SERVED = "served"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Turn:
    """One phrase of a conversation and what came of it; None is what did not happen.

    Attributes:
        vad_delay_secs: From the onset of the speech to the server's word that it has heard it.
        response_secs: From the end of the speech to the first audio of the answer.
        barge_in_secs: From the onset to the last audio of the answer before, if that was playing.
        after_decision_secs: From the server's word to that last audio; 0.0 if none came after it.
        chunks_after_decision: Audio messages between the two.
        is_unanswered: Whether the caller gave up waiting.
    """

    vad_delay_secs: float | None = None
    response_secs: float | None = None
    barge_in_secs: float | None = None
    after_decision_secs: float | None = None
    chunks_after_decision: int | None = None
    is_unanswered: bool = False


@dataclass(slots=True, eq=False)
class Heard:
    """What a caller measured within the window.

    Attributes:
        matched_by: How output was matched to input: by `"stamps"`, by `"counting"` bytes, or ""
            where nothing came or nothing is matched.
        messages: How many came, of any kind.
        due_at: When the last frame of each audio message was scheduled, on the monotonic clock.
        latency_secs: From then to the message's arrival.
        jitter_secs: Each audio message's distance from the ideal schedule.
        glitches: How often the simulated player ran dry.
        lost_frames: Frames that were sent and did not come back.
        turns: In a conversation.
    """

    matched_by: str = ""
    messages: int = 0
    due_at: Floats = field(default_factory=_none)
    latency_secs: Floats = field(default_factory=_none)
    jitter_secs: Floats = field(default_factory=_none)
    glitches: int = 0
    lost_frames: int = 0
    turns: list[Turn] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class CallerOutcome:
    """One caller.

    Attributes:
        number: Of all callers, from 0.
        fate: How it ended.
        why: The HTTP status of a refusal, or what failed.
        frames_sent: Within the window.
        heard: Within the window.
    """

    number: int
    fate: Fate
    why: str = ""
    frames_sent: int = 0
    heard: Heard = field(default_factory=Heard)


@dataclass(slots=True, eq=False)
class Share:
    """What one generator process did.

    Attributes:
        callers: All of its callers.
        late_secs: How much later than scheduled each frame in the window was sent.
        cpu_secs: Processor time of the process within the window.
        window: What was measured; shorter than planned where the run was cut short.
    """

    callers: list[CallerOutcome]
    late_secs: Floats
    cpu_secs: float
    window: Window
