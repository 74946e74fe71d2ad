"""Calls of many callers: `voicewire bench`, and what its figures say."""

from typing import Any

from benchmarks.side_by_side.processes import OUR_PYTHON, Server, run_json

OVERHEAD_SECS = 60.0
"""Beyond the measured time: connecting, warming up, reckoning."""

MAX_P99_MS = 60.0
"""The objective of a search for the capacity, with no glitch at all."""

RUNS_UNTIL_TRUSTED = 2
"""A run in which the callers could not keep time is repeated, and marked if that does not help."""


def call(
    server: Server, sessions: int, secs: float, *, scenario: str = "echo", tries: int | None = None
) -> dict[str, Any]:
    """Return the report of `voicewire bench`, without its single callers.

    Args:
        server: Whom to call.
        sessions: Callers at once.
        secs: The measured time.
        scenario: What they do.
        tries: How often a run that cannot be trusted is made in all.

    Raises:
        RunError: There is no report.
    """
    report: dict[str, Any] = {}
    for _ in range(RUNS_UNTIL_TRUSTED if tries is None else tries):
        report = run_json(
            OUR_PYTHON,
            [
                "voicewire", "bench", "--json", "--target", server.url,
                "--server-pid", str(server.pid), "--sessions", str(sessions),
                "--secs", str(secs), "--scenario", scenario,
            ],
            timeout_secs=secs + OVERHEAD_SECS,
        )  # fmt: skip
        report.pop("callers", None)
        if is_trusted(report):
            break
    return report


def is_trusted(report: dict[str, Any]) -> bool:
    """Whether the callers kept time, so that the figures are the server's."""
    return bool(report["generator"]["is_trustworthy"])


def is_held(report: dict[str, Any]) -> bool:
    """Whether all callers were served as the objective says."""
    latency_ms = report["latency_ms"]
    return (
        latency_ms is not None
        and not report["refused"]
        and not report["failed"]
        and latency_ms["p99"] < MAX_P99_MS
        and report["glitches"] == 0
    )
