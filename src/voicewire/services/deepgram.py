"""Deepgram's speech-to-text, streaming (developers.deepgram.com, "Live Audio")."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from voicewire.services.keys import ApiKey
from voicewire.services.streaming_stt import Heard, StreamingSTTService
from voicewire.services.stt import STTSettings


class DeepgramSTTService(StreamingSTTService):
    """Transcribes by Deepgram as the caller speaks.

    Args:
        api_key: None takes it from the environment variable `DEEPGRAM_API_KEY`.
        model: Such as `nova-3`.
        language: BCP 47 code of what is spoken, or `multi`.
        keyterms: Names and terms that may be said.
        endpointing_ms: Silence after which Deepgram settles what it has heard by itself; None does
            not. Voice activity detection asks it to in any case.
        smart_format: Whether numbers, dates and the like are written as people write them.
        query: Further parameters of the request.
        sample_rate: Hertz that Deepgram gets.
        base_url: Where the service is.
        user_id: Who speaks, for the frames.
        name: For logs.

    Raises:
        ConfigurationError: There is no key.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        model: str = "nova-3",
        language: str = "en",
        keyterms: Sequence[str] = (),
        endpointing_ms: int | None = 300,
        smart_format: bool = True,
        query: Mapping[str, str] | None = None,
        sample_rate: int = 16000,
        base_url: str = "wss://api.deepgram.com",
        user_id: str = "",
        name: str | None = None,
    ) -> None:
        super().__init__(
            sample_rate=sample_rate,
            settings=STTSettings(model=model, language=language),
            user_id=user_id,
            name=name,
        )
        self._key = ApiKey("DeepgramSTTService", api_key, "DEEPGRAM_API_KEY")
        self._keyterms = tuple(keyterms)
        self._endpointing_ms = endpointing_ms
        self._smart_format = smart_format
        self._query = dict(query or {})
        self._base_url = base_url

    def url(self) -> str:
        query: list[tuple[str, str]] = [
            ("model", self.settings.model or ""),
            ("language", self.settings.language or "en"),
            ("encoding", "linear16"),
            ("sample_rate", str(self.sample_rate)),
            ("channels", "1"),
            ("interim_results", "true"),
            ("smart_format", _truth(self._smart_format)),
            ("endpointing", "false" if self._endpointing_ms is None else str(self._endpointing_ms)),
            *(("keyterm", term) for term in self._keyterms),
            *self._query.items(),
        ]
        return f"{self._base_url}/v1/listen?{urlencode(query)}"

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Token {self._key.reveal()}"}

    @property
    def finalize_message(self) -> str:
        return json.dumps({"type": "Finalize"})

    @property
    def keepalive_message(self) -> str:
        return json.dumps({"type": "KeepAlive"})

    @property
    def close_message(self) -> str:
        return json.dumps({"type": "CloseStream"})

    def read(self, message: dict[str, Any]) -> Heard | None:
        kind = message["type"]
        if kind == "Error":
            what = str(message.get("description") or message.get("message") or "an error")
            return Heard(error=what.replace(self._key.reveal(), "…"))
        if kind != "Results":
            return None  # Metadata, and events that nobody has asked for.
        best = message["channel"]["alternatives"][0]
        languages = best.get("languages") or [None]
        return Heard(best["transcript"], is_final=message["is_final"], language=languages[0])


def _truth(value: bool) -> str:
    return "true" if value else "false"
