"""Raw records to figures: medians, spreads, ratios. Pure.

A record is a dict with `what` was measured, which `side`, in which `round`, and its values.
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Figure:
    """A quantity over all rounds.

    Attributes:
        values: One per round, in order.
    """

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def show(self, decimals: int = 1) -> str:
        """Return the median, and behind it the least and the most, where rounds differ."""
        shown = f"{self.median:,.{decimals}f}"
        if min(self.values) == max(self.values):
            return shown
        return f"{shown} ({min(self.values):,.{decimals}f}-{max(self.values):,.{decimals}f})"


def select(records: Iterable[Record], what: str, side: str | None = None) -> list[Record]:
    """Return the records of a measurement, in the order in which they were made."""
    return [
        record
        for record in records
        if record["what"] == what
        and (side is None or record["side"] == side)
        and "error" not in record
    ]


def figure(records: Iterable[Record], what: str, side: str, path: str) -> Figure | None:
    """Return a quantity over all rounds; None where nothing gives it.

    Args:
        records: All of them.
        what: Which measurement.
        side: Of whom.
        path: Keys with dots between, such as `"latency_ms.p99"`.
    """
    found = [_at(record, path.split(".")) for record in select(records, what, side)]
    values = tuple(float(value) for value in found if value is not None)
    return Figure(values) if values else None


def ratio(numerator: Figure | None, denominator: Figure | None) -> float | None:
    """Return the ratio of two medians; None where it has no meaning."""
    if numerator is None or denominator is None or not denominator.median:
        return None
    return numerator.median / denominator.median


def _at(value: Any, path: Sequence[str]) -> Any:
    for key in path:
        if value is None:
            return None
        value = value.get(key)
    return value
