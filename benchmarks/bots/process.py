"""What every server of the comparison does beside serving; only the standard library."""

import json
import os
import signal
import sys
import time
from types import FrameType

STALL_SECS = 0.5
"""How long SIGUSR1 blocks the event loop."""


def prepare() -> None:
    """Let SIGUSR1 block the event loop's thread, and open as many files as there may be callers."""
    if sys.platform == "win32":
        return
    import resource

    signal.signal(signal.SIGUSR1, _stall)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def announce(url: str) -> None:
    """Tell whoever started this process that callers may come, and what it cost to get here."""
    ready = {"url": url, "cpu_secs": time.process_time(), "rss_mb": resident_mb()}
    print(json.dumps(ready), flush=True)


def resident_mb() -> float:
    """Return this process's resident memory in megabytes (10^6 bytes); 0.0 where /proc is not."""
    try:
        with open("/proc/self/statm") as file:  # noqa: PTH123 - costs less memory than pathlib
            num_pages = int(file.read().split()[1])
    except OSError:
        return 0.0
    return num_pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _stall(number: int, frame: FrameType | None) -> None:
    time.sleep(STALL_SECS)
