"""What all services share."""

from voicewire.frames import MetricsData, MetricsFrame
from voicewire.pipeline import FrameProcessor


class Service(FrameProcessor):
    """A processor that works with a model, here or elsewhere."""

    def report_metric(self, name: str, value: float) -> None:
        """Push a `MetricsFrame` where the pipeline wants them.

        Args:
            name: What was measured, with its unit, such as `ttfb_secs`.
            value: How much.
        """
        if self._require_setup().start.enable_metrics:
            self.push(MetricsFrame([MetricsData(self.name, name, value)]))
