"""Cartesia's voices, over their WebSocket (docs.cartesia.ai, "Text to Speech (WebSocket)")."""

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from voicewire.frames import WordTime
from voicewire.services.keys import ApiKey
from voicewire.services.socket_tts import Said, SocketTTSService, decode_audio
from voicewire.services.tts import TTSSettings

API_VERSION = "2026-03-01"


class CartesiaTTSSettings(TTSSettings):
    """What can be changed of Cartesia's voice in mid-call."""

    speed: float | None = Field(default=None, ge=0.6, le=1.5)
    """1 is as usual; None leaves it to the voice."""


class CartesiaTTSService(SocketTTSService):
    """Speaks by Cartesia, with the times of the words.

    Args:
        voice: The voice's id.
        api_key: None takes it from the environment variable `CARTESIA_API_KEY`.
        model: Such as `sonic-3.5`.
        language: ISO 639 code of the text.
        speed: 1 is as usual.
        sample_rate: Hertz; 8000, 16000, 22050, 24000 or 44100.
        base_url: Where the service is.
        name: For logs.

    Raises:
        ConfigurationError: There is no key.
    """

    settings: CartesiaTTSSettings

    def __init__(
        self,
        *,
        voice: str,
        api_key: str | None = None,
        model: str = "sonic-3.5",
        language: str = "en",
        speed: float | None = None,
        sample_rate: int = 24000,
        base_url: str = "wss://api.cartesia.ai",
        name: str | None = None,
    ) -> None:
        super().__init__(
            sample_rate=sample_rate,
            settings=CartesiaTTSSettings(model=model, voice=voice, language=language, speed=speed),
            name=name,
        )
        self._key = ApiKey("CartesiaTTSService", api_key, "CARTESIA_API_KEY")
        self._base_url = base_url

    def url(self) -> str:
        return f"{self._base_url}/tts/websocket"

    def headers(self) -> dict[str, str]:
        return {"X-API-Key": self._key.reveal(), "Cartesia-Version": API_VERSION}

    def requests(self, context_id: str, text: str) -> Iterable[dict[str, Any]]:
        settings = self.settings
        request: dict[str, Any] = {
            "context_id": context_id,
            "model_id": settings.model,
            "transcript": text,
            "voice": {"mode": "id", "id": settings.voice},
            "language": settings.language,
            "output_format": {
                "container": "raw",
                "encoding": "pcm_s16le",
                "sample_rate": self.sample_rate,
            },
            "add_timestamps": True,
            "continue": False,
        }
        if settings.speed is not None:
            request["generation_config"] = {"speed": settings.speed}
        return [request]

    def cancellation(self, context_id: str) -> dict[str, Any]:
        return {"context_id": context_id, "cancel": True}

    def read(self, message: dict[str, Any]) -> Said | None:
        context_id = message.get("context_id") or ""
        match message["type"]:
            case "chunk":
                return Said(context_id, pcm=decode_audio(message["data"]))
            case "timestamps":
                times = message["word_timestamps"]
                words = zip(times["words"], times["start"], times["end"], strict=True)
                return Said(context_id, words=[WordTime(*each) for each in words])
            case "done":
                return Said(context_id, is_over=True)
            case "error":
                what = message.get("message") or message.get("error") or message.get("title")
                return Said(context_id, error=self._without_key(str(what)))
        return None

    def _without_key(self, text: str) -> str:
        return text.replace(self._key.reveal(), "…")
