"""One recurrent model for all callers of the process: windows are gathered into batches.

A worker thread runs whatever has gathered as soon as it is free, and rests a moment between two
batches: a lone window runs at once, and the more callers there are, the more of them each batch
serves. A window in company costs a tenth of one that a thread has to be woken for. One window of a
caller is in a batch at a time, for the next one depends on it.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voicewire.audio.pcm import BYTES_PER_SAMPLE
from voicewire.nobody import nobody
from voicewire.vad.stream import MAX_SUBMITTED_WINDOWS, OnConfidence
from voicewire.vad.volume import volumes

logger = logging.getLogger(__name__)

MAX_BATCH = 64
"""Windows in one batch. More would not be cheaper for each, and would delay the first of them."""

SPACING_SECS = 0.016
"""From one batch's beginning to the next one's, at least: half of Silero's window. It is the most
that a window waits for others to join it."""

BEHIND_WINDOWS = MAX_SUBMITTED_WINDOWS // 2
"""A caller with so many windows waiting is behind, and the worker does not rest: so a recording
that arrives in one message is judged as fast as the model can."""

FIRST_ROWS = 16
"""Callers that there is room for at first; doubled when they are more, never made less."""

Floats = NDArray[np.float32]
Samples = NDArray[np.int16]


class BatchModel(Protocol):
    """A recurrent model, as far as the engine needs to know it."""

    window_samples: int
    """Samples of each window."""

    state_size: int
    """Floats that the model remembers of each caller; all 0 for a new one."""

    def infer(self, windows: Samples, states: Floats) -> Floats:
        """Return each window's probability of speech, and update `states` in place.

        Args:
            windows: (batch, window_samples), batch at most `MAX_BATCH`.
            states: (batch, state_size).
        """
        ...


class EngineSession:
    """One caller's place in the engine; a `VADDetector`."""

    def __init__(self, engine: "BatchEngine", row: int, on_confidence: OnConfidence) -> None:
        self.window_samples = engine.model.window_samples
        self.on_confidence = on_confidence
        self.loop = asyncio.get_running_loop()
        self.row = row
        self.waiting: deque[bytes] = deque()
        """Windows that have not run."""
        self.is_running = False
        """Whether a window is in the batch that the worker has in hand."""
        self.is_closed = False
        self._engine = engine

    def submit(self, window: bytes) -> None:
        self._engine.submit(self, window)

    def close(self) -> None:
        self._engine.release(self)
        self.on_confidence = nobody


Answer = tuple[EngineSession, float, float]
"""Who is told, the confidence, and the volume."""


class BatchEngine:
    """Owns a model, what it remembers of every caller in rows of an array, and the thread for both.

    A row takes one state: 1.3 kB for Silero. It is zeroed when it is given back, so that nothing of
    one caller reaches the next.

    If the model fails, the batch's windows count as silence: speech then ends as usual instead of
    going on for ever, and the worker lives.

    Attributes:
        model: The model; only the worker calls it.
        num_windows: Windows that were judged.
        num_batches: Batches that they came in.
        num_failed_batches: Batches in which the model raised an exception.
    """

    def __init__(self, model: BatchModel, name: str, *, spacing_secs: float = SPACING_SECS) -> None:
        """Make an engine; its thread starts with the first caller.

        Args:
            model: What to run.
            name: The thread's name.
            spacing_secs: The least time between the beginnings of two batches, while no caller is
                behind and there are not enough windows for a full batch.
        """
        self.model = model
        self.num_windows = 0
        self.num_batches = 0
        self.num_failed_batches = 0
        self._window_bytes = model.window_samples * BYTES_PER_SAMPLE
        self._name = name
        self._spacing_secs = spacing_secs
        self._work = threading.Condition()
        # What follows is guarded by `_work`.
        self._states: Floats = np.zeros((FIRST_ROWS, model.state_size), np.float32)
        self._sessions: list[EngineSession | None] = [None] * FIRST_ROWS
        self._free_rows = list(reversed(range(FIRST_ROWS)))
        self._ready: deque[EngineSession] = deque()
        self._worker: threading.Thread | None = None
        self._num_to_wake = 0
        """How many callers must have a window for the worker to be woken; 0: it is not asleep."""
        self._is_behind = False
        self._is_stopped = False

    @property
    def num_sessions(self) -> int:
        """Callers that hold a row."""
        return len(self._sessions) - len(self._free_rows)

    def open(self, on_confidence: OnConfidence) -> EngineSession:
        """Give a row to a new caller; call on the thread of a running event loop.

        Args:
            on_confidence: Called on that event loop's thread, in the order of the windows.
        """
        with self._work:
            if not self._free_rows:
                self._reclaim_rows_of_closed_loops()
            if not self._free_rows:
                self._double_rows()
            session = EngineSession(self, self._free_rows[-1], on_confidence)
            self._sessions[self._free_rows.pop()] = session
            if self._worker is None:
                self._worker = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._worker.start()
        return session

    def submit(self, session: EngineSession, window: bytes) -> None:
        """Take a session's next window; the answer comes through its `on_confidence`.

        Raises:
            BufferError: As many windows wait as there is room for.
            ValueError: The window has another length than the model's.
        """
        if len(window) != self._window_bytes:
            raise ValueError(f"a window has {self._window_bytes} bytes, not {len(window)}")
        with self._work:
            if session.is_closed:
                return
            waiting = session.waiting
            if len(waiting) == MAX_SUBMITTED_WINDOWS:
                raise BufferError(f"{MAX_SUBMITTED_WINDOWS} windows of this caller wait already")
            waiting.append(window)
            if len(waiting) == 1 and not session.is_running:
                self._ready.append(session)
            elif len(waiting) == BEHIND_WINDOWS:
                self._is_behind = True
            if self._num_to_wake and (self._is_behind or len(self._ready) >= self._num_to_wake):
                self._num_to_wake = 0
                self._work.notify()

    def release(self, session: EngineSession) -> None:
        """Take the row back; an answer on its way is dropped."""
        with self._work:
            if session.is_closed:
                return
            session.is_closed = True
            if not session.is_running:  # otherwise the worker frees it when its batch is done
                self._free_row(session)

    def stop(self) -> None:
        """End the worker after the batch in hand; windows that wait are not judged."""
        with self._work:
            self._is_stopped = True
            self._work.notify()
            worker = self._worker
        if worker is not None:
            worker.join(timeout=1.0)

    def _free_row(self, session: EngineSession) -> None:
        if session in self._ready:
            self._ready.remove(session)
        session.waiting.clear()
        self._states[session.row] = 0.0
        self._sessions[session.row] = None
        self._free_rows.append(session.row)

    def _reclaim_rows_of_closed_loops(self) -> None:
        for session in tuple(self._sessions):
            if session is not None and session.loop.is_closed() and not session.is_running:
                session.is_closed = True
                self._free_row(session)

    def _double_rows(self) -> None:
        num_rows = len(self._sessions)
        self._states = np.concatenate([self._states, np.zeros_like(self._states)])
        self._sessions += [None] * num_rows
        self._free_rows += reversed(range(num_rows, 2 * num_rows))

    def _run(self) -> None:
        """Judge windows until `stop`; the worker thread's whole life."""
        rested_at = 0.0
        while not self._is_stopped:
            rested_at = self._run_batch(rested_at)

    def _run_batch(self, rested_at: float) -> float:
        """Run the next batch, after `rested_at`; return until when to rest after it."""
        with self._work:
            self._sleep_until(rested_at)
            if self._is_stopped:
                return rested_at
            rested_at = time.monotonic() + self._spacing_secs
            batch, windows, states = self._take_batch()
        confidences = self._infer(windows, states)
        with self._work:
            self._finish_batch(batch, None if confidences is None else states)
        answers = zip(
            batch, confidences or [0.0] * len(batch), volumes(windows).tolist(), strict=True
        )
        self._deliver(list(answers))
        return rested_at

    def _sleep_until(self, rested_at: float) -> None:
        """Sleep until there is work; and until `rested_at`, unless windows pile up before."""
        while not self._is_stopped:
            rest_secs = None
            if self._ready:
                rest_secs = rested_at - time.monotonic()
                if rest_secs <= 0.0 or self._is_behind or len(self._ready) >= MAX_BATCH:
                    return
            self._num_to_wake = MAX_BATCH if self._ready else 1
            self._work.wait(rest_secs)
            self._num_to_wake = 0

    def _take_batch(self) -> tuple[list[EngineSession], Samples, Floats]:
        self._is_behind = False
        batch = [self._ready.popleft() for _ in range(min(MAX_BATCH, len(self._ready)))]
        for session in batch:
            session.is_running = True
        joined = b"".join([session.waiting.popleft() for session in batch])
        windows = np.frombuffer(joined, "<i2").reshape(len(batch), -1)
        return batch, windows, self._states[[session.row for session in batch]]

    def _infer(self, windows: Samples, states: Floats) -> list[float] | None:
        """Return the confidences, or None if the model failed."""
        self.num_windows += len(windows)
        self.num_batches += 1
        try:
            confidences: list[float] = self.model.infer(windows, states).tolist()
            return confidences
        except Exception:
            # One line for the first failure is enough: the next batch is 10 ms away.
            if self.num_failed_batches == 0:
                logger.exception("the model failed; its windows count as silence")
            self.num_failed_batches += 1
            return None

    def _finish_batch(self, batch: list[EngineSession], states: Floats | None) -> None:
        """Keep the new states (None: the model failed, the old ones stay) and queue what waits."""
        if states is not None:
            self._states[[session.row for session in batch]] = states
        for session in batch:
            session.is_running = False
            if session.is_closed:
                self._free_row(session)
            elif session.waiting:
                self._ready.append(session)
                self._is_behind = self._is_behind or len(session.waiting) >= BEHIND_WINDOWS

    def _deliver(self, answers: list[Answer]) -> None:
        """Wake each event loop once, with all that belongs to it."""
        for loop in {session.loop for session, _, _ in answers}:
            try:
                loop.call_soon_threadsafe(_report, loop, answers)
            except RuntimeError:  # the loop is closed, and with it everything that would listen
                for session, _, _ in answers:
                    if session.loop is loop:
                        self.release(session)


def _report(loop: asyncio.AbstractEventLoop, answers: list[Answer]) -> None:
    """Tell a loop's sessions what was found, on that loop's thread."""
    for session, confidence, volume in answers:
        if session.is_closed or session.loop is not loop:
            continue
        try:
            session.on_confidence(confidence, volume)
        except Exception:
            logger.exception("a listener to voice activity failed")
