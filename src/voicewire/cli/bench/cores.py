"""What the machine gives: processor cores for the server and the generators, and open files."""

import os
import sys
from dataclasses import dataclass

CALLERS_PER_PROCESS = 400
"""About half of a core; a process drives twice as many before it is late (docs/bench.md)."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Who runs where; empty sets are wherever the system likes.

    Attributes:
        server: For a server of our own.
        generators: For the callers.
        note: What the user must know, or "".
    """

    server: frozenset[int]
    generators: frozenset[int]
    note: str = ""


def share_cores(*, with_server: bool) -> Cores:
    """Return one core for a server of our own, and the others for the callers."""
    nobody: frozenset[int] = frozenset()
    if not with_server:
        return Cores(nobody, nobody)
    if not hasattr(os, "sched_setaffinity"):
        note = "this system cannot pin a process to a core: the server uses as many as it likes"
        return Cores(nobody, nobody, note)
    first, *others = sorted(os.sched_getaffinity(0))
    if not others:
        note = "there is only one core: the callers take processor time from the server"
        return Cores(frozenset({first}), frozenset({first}), note)
    return Cores(frozenset({first}), frozenset(others))


def num_generators(num_callers: int, cores: Cores) -> int:
    """Return how many generator processes are enough, and fit."""
    num_cores = len(cores.generators) or max(1, (os.cpu_count() or 1) - 1)
    return max(1, min(num_cores, -(-num_callers // CALLERS_PER_PROCESS)))


def allow_many_files() -> None:
    """Let this process open as many files as it may: a caller is one, and 1,024 is usual."""
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
