"""The engines of the process: one for each model, for all event loops and callers."""

import atexit
import os
import threading
from collections.abc import Callable

from voicewire.vad.engine import BatchEngine, BatchModel

_engines: dict[str, BatchEngine] = {}
_engines_lock = threading.Lock()


def shared_engine(name: str, load_model: Callable[[], BatchModel]) -> BatchEngine:
    """Return the process's engine of that name; the first call makes it and loads the model."""
    with _engines_lock:
        engine = _engines.get(name)
        if engine is None:
            engine = _engines[name] = BatchEngine(load_model(), f"voicewire-{name}")
        return engine


def _stop_engines() -> None:
    # A daemon thread that is inside the BLAS when the interpreter goes away can crash it.
    for engine in _engines.values():
        engine.stop()


def _forget_engines_after_fork() -> None:
    # A fork copies no threads, and locks as they happen to be: the child makes its own.
    global _engines, _engines_lock
    _engines = {}
    _engines_lock = threading.Lock()


atexit.register(_stop_engines)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_engines_after_fork)
