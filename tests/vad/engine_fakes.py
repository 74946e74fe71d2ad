"""A model that is easy to reckon with, and callers who note what they are told."""

import threading

import anyio
import numpy as np

from voicewire.vad.engine import BatchEngine, Floats, Samples


class SumModel:
    """Adds each window's first sample, in thousandths, to what it remembers, and answers that."""

    window_samples = 4
    state_size = 3

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.num_failures_to_come = 0
        self.entered = threading.Event()
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def hold(self) -> None:
        """Let the next call wait until `may_go_on` is set."""
        self.entered.clear()
        self.may_go_on.clear()

    def infer(self, windows: Samples, states: Floats) -> Floats:
        self.batches.append(len(windows))
        self.entered.set()
        assert self.may_go_on.wait(timeout=10)
        states += windows[:, :1] / np.float32(1000)
        if self.num_failures_to_come:
            self.num_failures_to_come -= 1
            raise ArithmeticError("no result")
        return states[:, 0].copy()


class Listener:
    """One caller: a session of the engine and what it was told."""

    def __init__(self, engine: BatchEngine) -> None:
        self.confidences: list[float] = []
        self.threads: set[int] = set()
        self._changed = anyio.Event()
        self.session = engine.open(self._on_confidence)

    def submit(self, *first_samples: int) -> None:
        for first in first_samples:
            self.session.submit(np.array([first, 0, 0, 0], "<i2").tobytes())

    async def wait_for(self, num_confidences: int) -> list[float]:
        with anyio.fail_after(10):
            while len(self.confidences) < num_confidences:
                self._changed = anyio.Event()
                await self._changed.wait()
        return [round(confidence, 3) for confidence in self.confidences]

    def _on_confidence(self, confidence: float, volume: float | None = None) -> None:
        self.confidences.append(confidence)
        self.threads.add(threading.get_ident())
        self._changed.set()


async def wait_until_entered(model: SumModel) -> None:
    """Return when the model has a batch in hand."""
    assert await anyio.to_thread.run_sync(model.entered.wait, 10)
