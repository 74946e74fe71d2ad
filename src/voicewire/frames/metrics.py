"""Measurements that services report."""

from dataclasses import dataclass

from voicewire.frames.base import SystemFrame


@dataclass(slots=True, eq=False)
class MetricsData:
    """One measurement.

    Attributes:
        processor: The name of the processor that was measured.
        name: What was measured, with its unit: `ttfb_secs`, `processing_secs`.
        value: How much.
        model: The model at work, where there is one.
    """

    processor: str
    name: str
    value: float
    model: str | None = None


@dataclass(slots=True, eq=False)
class MetricsFrame(SystemFrame):
    """Measurements on their way to whoever collects them."""

    data: list[MetricsData]
