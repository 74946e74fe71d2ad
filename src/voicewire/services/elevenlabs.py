"""ElevenLabs' voices, over their WebSocket (elevenlabs.io/docs, "Multi-Context WebSocket")."""

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

from pydantic import Field

from voicewire.errors import ConfigurationError
from voicewire.frames import WordTime
from voicewire.services.keys import ApiKey
from voicewire.services.socket_tts import Said, SocketTTSService, decode_audio
from voicewire.services.tts import TTSSettings

SAMPLE_RATES = (8000, 16000, 22050, 24000, 44100)
"""Hertz of the formats `pcm_…`."""


class ElevenLabsTTSSettings(TTSSettings):
    """What can be changed of ElevenLabs' voice in mid-call. None leaves each to the voice."""

    stability: float | None = Field(default=None, ge=0.0, le=1.0)
    similarity_boost: float | None = Field(default=None, ge=0.0, le=1.0)
    style: float | None = Field(default=None, ge=0.0, le=1.0)
    speed: float | None = Field(default=None, ge=0.7, le=1.2)


class ElevenLabsTTSService(SocketTTSService):
    """Speaks by ElevenLabs, with the times of the words.

    Args:
        voice: The voice's id.
        api_key: None takes it from the environment variable `ELEVENLABS_API_KEY`.
        model: Such as `eleven_flash_v2_5`.
        language: ISO 639 code of the text, where the model takes one; None lets it find out.
        stability: 0..1; None leaves it to the voice, as all that follow.
        similarity_boost: 0..1.
        style: 0..1.
        speed: 0.7..1.2.
        sample_rate: Hertz, one of `SAMPLE_RATES`.
        base_url: Where the service is.
        name: For logs.

    Raises:
        ConfigurationError: There is no key, or no format of that rate.
    """

    settings: ElevenLabsTTSSettings

    def __init__(
        self,
        *,
        voice: str,
        api_key: str | None = None,
        model: str = "eleven_flash_v2_5",
        language: str | None = None,
        stability: float | None = None,
        similarity_boost: float | None = None,
        style: float | None = None,
        speed: float | None = None,
        sample_rate: int = 24000,
        base_url: str = "wss://api.elevenlabs.io",
        name: str | None = None,
    ) -> None:
        if sample_rate not in SAMPLE_RATES:
            rates = ", ".join(map(str, SAMPLE_RATES))
            raise ConfigurationError(f"sample_rate is {sample_rate}; ElevenLabs has {rates}")
        super().__init__(
            sample_rate=sample_rate,
            settings=ElevenLabsTTSSettings(
                model=model,
                voice=voice,
                language=language,
                stability=stability,
                similarity_boost=similarity_boost,
                style=style,
                speed=speed,
            ),
            name=name,
        )
        self._key = ApiKey("ElevenLabsTTSService", api_key, "ELEVENLABS_API_KEY")
        self._base_url = base_url
        self._words: dict[str, _Word] = {}

    def url(self) -> str:
        settings = self.settings
        query = {"model_id": settings.model, "output_format": f"pcm_{self.sample_rate}"}
        if settings.language is not None:
            query["language_code"] = settings.language
        path = f"/v1/text-to-speech/{settings.voice}/multi-stream-input"
        return f"{self._base_url}{path}?{urlencode(query)}"

    def headers(self) -> dict[str, str]:
        return {"xi-api-key": self._key.reveal()}

    async def update_settings(self, settings: dict[str, Any]) -> None:
        """As for every service; voice and model are those of the connection, which begins anew."""
        await super().update_settings(settings)
        if {"voice", "model", "language"} & settings.keys():
            await self.hang_up()

    def requests(self, context_id: str, text: str) -> Iterable[dict[str, Any]]:
        names = ("stability", "similarity_boost", "style", "speed")
        given = {name: getattr(self.settings, name) for name in names}
        voice_settings = {name: value for name, value in given.items() if value is not None}
        opening: dict[str, Any] = {"text": " ", "context_id": context_id}
        if voice_settings:
            opening["voice_settings"] = voice_settings
        yield opening
        yield {"text": f"{text} ", "context_id": context_id, "flush": True}
        yield {"context_id": context_id, "close_context": True}  # It ends when that is spoken.

    def cancellation(self, context_id: str) -> dict[str, Any]:
        self._words.pop(context_id, None)
        return {"context_id": context_id, "close_context": True}

    def read(self, message: dict[str, Any]) -> Said | None:
        context_id = message.get("contextId") or ""
        if message.get("error"):
            what = str(message.get("message") or message["error"])
            return Said(context_id, error=what.replace(self._key.reveal(), "…"))
        if message.get("isFinal"):
            last = self._words.pop(context_id, _Word()).end()
            return Said(context_id, words=last, is_over=True)
        words: list[WordTime] = []
        if alignment := message.get("alignment"):
            words = self._words.setdefault(context_id, _Word()).add(
                alignment["chars"], alignment["charStartTimesMs"], alignment["charDurationsMs"]
            )
        return Said(context_id, words=words, pcm=decode_audio(message.get("audio") or ""))


class _Word:
    """Characters with their times, until a blank makes a word of them."""

    def __init__(self) -> None:
        self._characters = ""
        self._start_ms = self._end_ms = 0.0

    def add(
        self, characters: Sequence[str], starts_ms: Sequence[float], durations_ms: Sequence[float]
    ) -> list[WordTime]:
        """Return the words that these characters end."""
        words: list[WordTime] = []
        for character, start_ms, duration_ms in zip(
            characters, starts_ms, durations_ms, strict=True
        ):
            if character.isspace():
                words += self.end()
                continue
            if not self._characters:
                self._start_ms = start_ms
            self._characters += character
            self._end_ms = start_ms + duration_ms
        return words

    def end(self) -> list[WordTime]:
        """Return the word that is left; none if there is none."""
        characters, self._characters = self._characters, ""
        if not characters:
            return []
        return [WordTime(characters, self._start_ms / 1000, self._end_ms / 1000)]
