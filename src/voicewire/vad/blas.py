"""Small matrix products on one core.

OpenBLAS, which NumPy's wheels bring along, spreads every product of more than 500,000
multiplications over all cores. For a batch of windows that is 3 to 7 times slower on two cores than
one core alone, and its idle threads spin on cores that others need. An environment variable would
have to be set before NumPy is imported, which is not a library's place; so the number of threads
is set around the products, and put back: what the program does elsewhere keeps its setting.
"""

import ctypes
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

_NAMES = ("scipy_openblas_{}64_", "scipy_openblas_{}", "openblas_{}64_", "openblas_{}")
"""How the functions are called in NumPy's own wheels, and in other builds."""


class OneBlasThread:
    """A context in which OpenBLAS stays on the calling thread; without OpenBLAS it does nothing.

    The setting is the process's. Contexts may overlap on several threads; the last one to leave
    puts the setting back. A product of another thread that overlaps is also done on one core.
    """

    def __init__(self) -> None:
        self._get_threads = _openblas_function("get_num_threads")
        self._set_threads = _openblas_function("set_num_threads")
        self._lock = threading.Lock()
        self._num_inside = 0
        self._threads_before = 1

    def __enter__(self) -> None:
        if self._get_threads is None or self._set_threads is None:
            return
        with self._lock:
            if self._num_inside == 0:
                self._threads_before = self._get_threads()
                if self._threads_before > 1:
                    self._set_threads(1)
            self._num_inside += 1

    def __exit__(self, *_: object) -> None:
        if self._get_threads is None or self._set_threads is None:
            return
        with self._lock:
            self._num_inside -= 1
            if self._num_inside == 0 and self._threads_before > 1:
                self._set_threads(self._threads_before)


def _openblas_function(name: str) -> Callable[..., int] | None:
    """Return a function of the OpenBLAS that NumPy is linked with, None if it is another BLAS."""
    core: Any = getattr(np, "_core", None) or np.core  # NumPy 2 and 1
    try:
        # A handle on a library also finds what the libraries that it is linked with export.
        library = ctypes.CDLL(core._multiarray_umath.__file__)
    except OSError:
        return None
    for pattern in _NAMES:
        function = getattr(library, pattern.format(name), None)
        if function is not None:
            return function  # type: ignore[no-any-return]
    return None


one_blas_thread = OneBlasThread()
"""For all models of the process."""
