"""Any server that speaks OpenAI's chat completions: OpenAI, vLLM, llama.cpp, Ollama, LocalAI."""

import asyncio
import importlib
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from voicewire.errors import ConfigurationError, MissingExtraError
from voicewire.frames import Message
from voicewire.pipeline import ProcessorSetup
from voicewire.services.llm import LLMService


class OpenAILLMService(LLMService):
    """Streams answers from an OpenAI-compatible server, through the official `openai` package.

    Args:
        model: The server's name for the model.
        base_url: Where the server is, such as `http://localhost:8000/v1`; None is OpenAI itself.
        api_key: None takes it from the environment variable `OPENAI_API_KEY`.
        temperature: Of sampling; None leaves it to the server.
        max_tokens: Longest answer; None leaves it to the server.
        timeout_secs: Longest wait for the server's next words.
        extra: Further keywords of `chat.completions.create`, such as `stop` or `extra_body`.
        name: For logs.
    """

    def __init__(
        self,
        *,
        model: str,
        base_url: str | None = None,
        api_key: str | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        timeout_secs: float = 30.0,
        extra: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.model = model
        self._base_url = base_url
        self._api_key = api_key
        self._timeout_secs = timeout_secs
        self._options: dict[str, Any] = dict(extra or {})
        if temperature is not None:
            self._options["temperature"] = temperature
        if max_tokens is not None:
            self._options["max_tokens"] = max_tokens
        self._client: Any = None

    async def setup(self, setup: ProcessorSetup) -> None:
        await super().setup(setup)
        # Importing openai takes a good part of a second: not on the event loop.
        openai = await asyncio.to_thread(_import_openai)
        try:
            self._client = openai.AsyncOpenAI(
                base_url=self._base_url, api_key=self._api_key, timeout=self._timeout_secs
            )
        except openai.OpenAIError as exc:  # No key, neither here nor in the environment.
            raise ConfigurationError(f"OpenAILLMService: {exc}") from exc

    async def cleanup(self) -> None:
        await super().cleanup()
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def stream_answer(self, messages: list[Message]) -> AsyncGenerator[str, None]:
        stream = await self._client.chat.completions.create(
            model=self.model, messages=messages, stream=True, **self._options
        )
        async with stream:
            async for chunk in stream:
                if chunk.choices and chunk.choices[0].delta.content:
                    yield chunk.choices[0].delta.content


def _import_openai() -> Any:
    try:
        return importlib.import_module("openai")
    except ImportError as exc:
        raise MissingExtraError("openai", "openai", needed_for="OpenAILLMService") from exc
