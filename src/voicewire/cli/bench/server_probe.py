"""What the server costs: processor time and resident memory of a process and its children."""

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from voicewire.cli.console import EXIT_USAGE, CommandError, as_command_error
from voicewire.errors import MissingExtraError

if TYPE_CHECKING:
    import psutil

MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class ServerCost:
    """What a run cost the server.

    Attributes:
        cpu_secs: Processor time within the window, of all threads and children.
        window_secs: How long that was.
        rss_idle_mb: Resident memory before the first caller, in megabytes (10^6 bytes).
        rss_mb: At the end of the window.
    """

    cpu_secs: float
    window_secs: float
    rss_idle_mb: float
    rss_mb: float

    @property
    def cpu_percent(self) -> float:
        """Of one core."""
        return 100 * self.cpu_secs / self.window_secs if self.window_secs else 0.0


class ServerProbe:
    """Looks at a local process."""

    def __init__(self, pid: int) -> None:
        """Find the process.

        Raises:
            CommandError: There is none, or `psutil` is not installed.
        """
        try:
            import psutil
        except ImportError as exc:
            needed_for = "measuring the server's processor time and memory"
            raise as_command_error(
                MissingExtraError("psutil", "bench", needed_for=needed_for)
            ) from exc
        try:
            self._process = psutil.Process(pid)
        except psutil.NoSuchProcess as exc:
            fault = f"--server-pid {pid}: there is no such process"
            raise CommandError(fault, exit_code=EXIT_USAGE) from exc
        self._gone = psutil.Error

    def cpu_secs(self) -> float:
        """Return the processor time so far; 0.0 of a process that is gone."""
        total = 0.0
        for process in self._processes():
            with contextlib.suppress(self._gone):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def rss_mb(self) -> float:
        """Return the resident memory; 0.0 of a process that is gone."""
        total = 0
        for process in self._processes():
            with contextlib.suppress(self._gone):
                total += process.memory_info().rss
        return total / MEGABYTE

    def _processes(self) -> "list[psutil.Process]":
        with contextlib.suppress(self._gone):
            return [self._process, *self._process.children(recursive=True)]
        return []
