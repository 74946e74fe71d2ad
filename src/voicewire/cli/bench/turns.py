"""What came of each phrase of a conversation. Pure."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from voicewire.cli.bench.outcome import Floats, Turn

SILENCE_SECS = 0.25
"""A pause in the server's audio that is silence, and not lateness."""


class Spoken(NamedTuple):
    """When the caller's voice was heard, in monotonic seconds."""

    onset_at: float
    end_at: float


def listening_times(
    phrases: Sequence[Spoken], heard_at: Sequence[float]
) -> Iterator[tuple[float, float]]:
    """Yield from when to when each answer should be heard without a pause.

    That is from the end of a phrase to when the server has heard the next one.
    """
    for number, phrase in enumerate(phrases):
        if number + 1 == len(phrases):
            yield phrase.end_at, float("inf")
        else:
            after = phrases[number + 1]
            yield phrase.end_at, _first(heard_at, after.onset_at, after.end_at) or after.onset_at


def turns_of(phrases: Sequence[Spoken], arrivals: Floats, heard_at: Sequence[float]) -> list[Turn]:
    """Return what came of each phrase.

    Args:
        phrases: In their order.
        arrivals: When each audio message came.
        heard_at: When the server said that it heard the caller begin.
    """
    return [_turn(phrases, number, arrivals, heard_at) for number in range(len(phrases))]


def _turn(
    phrases: Sequence[Spoken], number: int, arrivals: Floats, heard_at: Sequence[float]
) -> Turn:
    onset_at, end_at = phrases[number]
    is_last = number + 1 == len(phrases)
    next_onset_at = float("inf") if is_last else phrases[number + 1].onset_at
    decided_at = _first(heard_at, onset_at, next_onset_at)
    answered_at = _first(arrivals[arrivals > end_at].tolist(), end_at, next_onset_at)
    silent_at = _last_before_silence(arrivals, onset_at, end_at)
    after_secs: float | None = None
    num_chunks: int | None = None
    if silent_at is not None and decided_at is not None:
        after_secs = max(0.0, silent_at - decided_at)
        num_chunks = int(np.sum((arrivals > decided_at) & (arrivals <= silent_at)))
    return Turn(
        vad_delay_secs=None if decided_at is None else decided_at - onset_at,
        response_secs=None if answered_at is None else answered_at - end_at,
        barge_in_secs=None if silent_at is None else max(0.0, silent_at - onset_at),
        after_decision_secs=after_secs,
        chunks_after_decision=num_chunks,
        is_unanswered=answered_at is None and not is_last,
    )


def _last_before_silence(arrivals: Floats, onset_at: float, end_at: float) -> float | None:
    """Return when the audio stopped that was playing at the onset; None if none was, or did."""
    near = arrivals[(arrivals > onset_at - SILENCE_SECS) & (arrivals <= end_at)]
    if not near.size or near[0] > onset_at:
        return None
    pauses = np.diff(near, append=end_at)
    silent = np.flatnonzero((pauses > SILENCE_SECS) & (near + pauses > onset_at))
    return float(near[silent[0]]) if silent.size else None


def _first(times: Sequence[float], start_at: float, end_at: float) -> float | None:
    """Return the first of ascending times within an interval."""
    return next((at for at in times if start_at <= at < end_at), None)
