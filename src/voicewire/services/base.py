"""What all services share."""

from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from voicewire.frames import MetricsData, MetricsFrame, ServiceUpdateSettingsFrame
from voicewire.params import Params
from voicewire.pipeline import FrameProcessor


class ServiceSettings(Params):
    """What can be changed in mid-call. Services add to it."""

    model: str | None = None
    """The service's name for the model; None leaves it to the service."""


S = TypeVar("S", bound=ServiceSettings)


class Service(FrameProcessor, Generic[S]):
    """A processor that works with a model, here or elsewhere.

    Args:
        settings: What can be changed in mid-call, by an update frame.
        name: For logs.

    Attributes:
        settings: As they are now.
    """

    def __init__(self, settings: S, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.settings = settings

    def report_metric(self, name: str, value: float) -> None:
        """Push a `MetricsFrame` where the pipeline wants them.

        Args:
            name: What was measured, with its unit, such as `ttfb_secs`.
            value: How much.
        """
        if self._require_setup().start.enable_metrics:
            self.push(MetricsFrame([MetricsData(self.name, name, value, self.settings.model)]))

    async def update_settings(self, settings: dict[str, Any]) -> None:
        """Take new settings; those that are not named stay. Overriding methods call this one first.

        Raises:
            ValueError: One is unknown or out of its bounds; all stay as they were.
        """
        kind = type(self.settings)
        try:
            self.settings = kind.model_validate({**self.settings.model_dump(), **settings})
        except ValidationError as exc:
            first = exc.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise ValueError(f"{where}: {first['msg']}" if where else first["msg"]) from None

    async def _update(self, frame: ServiceUpdateSettingsFrame) -> None:
        if frame.service is None or frame.service == self.name:
            await self.update_settings(dict(frame.settings))
