"""Records of a run that never was."""

from typing import Any


def run(sessions: int = 300, *, cost_us: float = 10.0, **values: Any) -> dict[str, Any]:
    return {
        "sessions": sessions,
        "secs": 6.0,
        "latency_ms": {"p50": 2.0, "p95": 3.0, "p99": 4.0, "max": 5.0},
        "jitter_ms": {"p50": 0.2, "p95": 0.3, "p99": 0.4, "max": 0.5},
        "glitches": 0,
        "refused": 0,
        "failed": 0,
        "server": {
            "cpu_us_per_frame": cost_us,
            "cpu_percent": 50.0,
            "cpu_percent_per_caller": 0.1,
            "rss_per_caller_mb": 0.05,
        },
        "generator": {"is_trustworthy": True},
    } | values


def record(what: str, side: str, round_number: int = 1, **values: Any) -> dict[str, Any]:
    return {"what": what, "side": side, "round": round_number} | values


def capacity(side: str, callers: int, round_number: int = 1) -> dict[str, Any]:
    return record("capacity", side, round_number, capacity=callers, at_capacity=run(callers))


def results(records: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "command": "make bench",
        "date": "2026-01-01 00:00 UTC",
        "took_secs": 120.0,
        "is_complete": True,
        "machine": {
            "cpu": "a processor",
            "cores": 2,
            "kernel": "Linux 6",
            "python": "3.11",
            "commit": "",
            "versions": {"voicewire": {"voicewire": "0.1.0"}},
        },
        "records": records,
    }
