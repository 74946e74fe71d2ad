"""Results of runs that never were."""

import numpy as np

from voicewire.cli.bench.outcome import CallerOutcome, Fate, Heard, Turn
from voicewire.cli.bench.plan import Plan, Window
from voicewire.cli.bench.run import RunResult
from voicewire.cli.bench.server_probe import ServerCost

NUM_MESSAGES = 50


def heard(*, latency_secs: float = 0.02, glitches: int = 0) -> Heard:
    return Heard(
        matched_by="stamps",
        messages=NUM_MESSAGES,
        due_at=np.linspace(100.0, 102.0, NUM_MESSAGES, endpoint=False),
        latency_secs=np.full(NUM_MESSAGES, latency_secs),
        jitter_secs=np.full(NUM_MESSAGES, 0.001),
        glitches=glitches,
        lost_frames=3,
    )


def result(*, latency_secs: float = 0.02, glitches: int = 0, late_secs: float = 0.001) -> RunResult:
    """Return a run of 2 s with two callers, of whom the second one has the glitches."""
    return RunResult(
        plan=Plan(url="ws://localhost:1", sessions=2, secs=2.0),
        bot="echo",
        callers=[
            CallerOutcome(0, Fate.SERVED, "", 100, heard(latency_secs=latency_secs)),
            CallerOutcome(
                1, Fate.SERVED, "", 100, heard(latency_secs=latency_secs, glitches=glitches)
            ),
        ],
        window=Window(100.0, 102.0),
        late_secs=np.full(200, late_secs),
        generator_cpu_percent=12.0,
        server=ServerCost(cpu_secs=1.0, window_secs=2.0, rss_idle_mb=50.0, rss_mb=51.0),
    )


def refused_result() -> RunResult:
    """Return a run in which nobody was served."""
    return RunResult(
        plan=Plan(url="ws://localhost:1", sessions=3, secs=2.0),
        bot=None,
        callers=[
            CallerOutcome(0, Fate.REFUSED, "503"),
            CallerOutcome(1, Fate.REFUSED, "503"),
            CallerOutcome(2, Fate.FAILED, "connection lost"),
        ],
        window=Window(100.0, 100.0),
        late_secs=np.empty(0),
        generator_cpu_percent=0.0,
        server=None,
    )


def conversation_result() -> RunResult:
    """Return a run with one turn that was cut off and one that was not answered."""
    turns = [
        Turn(0.25, 0.8, 0.35, 0.04, 1),
        Turn(0.27, is_unanswered=True),
    ]
    caller = Heard(messages=9, jitter_secs=np.full(9, 0.002), turns=turns)
    return RunResult(
        plan=Plan(url="ws://localhost:1", sessions=1, secs=2.0, scenario="conversation"),
        bot="answer",
        callers=[CallerOutcome(0, Fate.SERVED, "", 100, caller)],
        window=Window(100.0, 102.0),
        late_secs=np.full(100, 0.001),
        generator_cpu_percent=12.0,
        server=None,
    )
