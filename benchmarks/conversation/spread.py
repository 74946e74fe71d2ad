"""What is told of many measured values."""

import statistics
from collections.abc import Sequence
from typing import Any

Figures = dict[str, Any]


def spread(values: Sequence[float]) -> Figures:
    """Return their median, the higher percentiles and how many there are."""
    ordered = sorted(values)
    return {
        "p50": round(statistics.median(ordered), 1),
        "p95": round(ordered[int(0.95 * (len(ordered) - 1))], 1),
        "p99": round(ordered[int(0.99 * (len(ordered) - 1))], 1),
        "max": round(ordered[-1], 1),
        "count": len(ordered),
    }
