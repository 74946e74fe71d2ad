"""The WebSocket server with the arguments that Pipecat's releases have taken."""

from pydantic import model_validator

from voicewire import transports


class WebsocketServerParams(transports.WebsocketServerParams):
    """Ours, and two switches of Pipecat before 0.0.67.

    Attributes:
        vad_enabled: False takes `vad_analyzer` away.
        vad_audio_passthrough: `audio_in_passthrough`, where that is not given.
    """

    vad_enabled: bool | None = None
    vad_audio_passthrough: bool | None = None

    @model_validator(mode="after")
    def _apply_old_switches(self) -> "WebsocketServerParams":
        if self.vad_enabled is False:
            self.vad_analyzer = None
        if self.audio_in_passthrough is None:
            self.audio_in_passthrough = self.vad_audio_passthrough
        return self


class WebsocketServerTransport(transports.WebsocketServerTransport):
    """Ours, which takes `params` also as its first argument, without the keyword."""

    def __init__(
        self,
        params: transports.WebsocketServerParams | None = None,
        host: str = "localhost",
        port: int = 8765,
        input_name: str | None = None,
        output_name: str | None = None,
    ) -> None:
        super().__init__(
            host=host, port=port, params=params, input_name=input_name, output_name=output_name
        )
