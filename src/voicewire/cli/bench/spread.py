"""How values spread: the four figures that every quantity is reported by. Pure."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles, linearly interpolated between neighbours, in the unit of the values."""

    p50: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, values: ArrayLike) -> "Spread | None":
        """Return the spread of some values; None of none."""
        array = np.asarray(values, dtype=float)
        if not array.size:
            return None
        return cls(*(float(value) for value in np.percentile(array, (50, 95, 99, 100))))

    @classmethod
    def of_secs(cls, secs: ArrayLike) -> "Spread | None":
        """Return the spread, in milliseconds, of some seconds."""
        return cls.of(1000 * np.asarray(secs, dtype=float))

    def to_json(self) -> dict[str, Any]:
        return {
            "p50": round(self.p50, 3),
            "p95": round(self.p95, 3),
            "p99": round(self.p99, 3),
            "max": round(self.max, 3),
        }
