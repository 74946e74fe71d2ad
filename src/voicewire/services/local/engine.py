"""A model of the embedded bot: loaded once per process, on first use, off the event loop."""

import asyncio
import concurrent.futures
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Self

Progress = Callable[[str], None]
"""Told how loading goes, a line at a time, on the loading thread.

A line that begins with the line before it may be printed over it: ``loading the voice …``, then
``loading the voice … 0.8 s``.
"""


class Engine(ABC):
    """The one copy of a model that all sessions of a process share.

    Loading starts threads, which a fork does not copy: load after the fork, in each worker.
    """

    name: ClassVar[str]
    """What the engine is, in a line such as "loading speech recognition"."""

    _shared: ClassVar[dict[type["Engine"], Any]] = {}
    _sharing: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        self._load_lock = threading.Lock()
        self._load: concurrent.futures.Future[None] | None = None

    @classmethod
    def shared(cls) -> Self:
        """Return the process's one engine of this kind; it is made, not yet loaded, if need be."""
        with Engine._sharing:
            engine: Self | None = Engine._shared.get(cls)
            if engine is None:
                engine = Engine._shared[cls] = cls()
            return engine

    @property
    def is_loaded(self) -> bool:
        """Whether the model can be used at once."""
        load = self._load
        return load is not None and load.done() and load.exception() is None

    def load(self, progress: Progress | None = None) -> None:
        """Load the model unless it is loaded; blocking. Safe to call from several threads.

        Args:
            progress: Told how it goes; not called where the model is loaded or being loaded.

        Raises:
            MissingExtraError: The ``local`` extra is not installed.
            ModelFileError: A file of the model is missing, or not the expected one.
        """
        self._start_loading(progress).result()

    async def ready(self, progress: Progress | None = None) -> None:
        """As `load`, off the event loop. Cancelling the wait does not stop the loading."""
        if not self.is_loaded:
            await asyncio.shield(asyncio.wrap_future(self._start_loading(progress)))

    @abstractmethod
    def _load_model(self) -> None:
        """Verify the files, import what is needed and load the model. Called on its own thread."""

    def _start_loading(self, progress: Progress | None) -> concurrent.futures.Future[None]:
        with self._load_lock:
            load = self._load
            # After a failure too: the user may have installed what lacked.
            if load is None or (load.done() and not self.is_loaded):
                load = self._load = concurrent.futures.Future()
                threading.Thread(
                    target=self._run_load, args=(load, progress), name=f"load {self.name}"
                ).start()
            return load

    def _run_load(self, load: concurrent.futures.Future[None], progress: Progress | None) -> None:
        started = time.monotonic()
        line = f"loading {self.name} …"
        try:
            if progress is not None:
                progress(line)
            self._load_model()
            if progress is not None:
                progress(f"{line} {time.monotonic() - started:.1f} s")
        except Exception as exc:  # noqa: BLE001 - raised again where the engine is waited for
            load.set_exception(exc)
        else:
            load.set_result(None)
