"""Any server that speaks OpenAI's HTTP: OpenAI, vLLM, llama.cpp, Ollama, Speaches, LocalAI."""

import asyncio
import importlib
import io
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from voicewire.audio.pcm import wav_bytes
from voicewire.context import LLMContext
from voicewire.errors import ConfigurationError, MissingExtraError
from voicewire.frames import WordTime
from voicewire.pipeline import ProcessorSetup
from voicewire.services.function_calls import ToolCall
from voicewire.services.llm import FIRST_WORD_SECS, LLMService, LLMSettings
from voicewire.services.stt import SegmentedSTTService, STTSettings
from voicewire.services.tts import TTSService, TTSSettings, whole_samples

TTS_SAMPLE_RATE = 24000
"""Hertz of `response_format="pcm"` (platform.openai.com, "Text to speech")."""

PCM_CHUNK_BYTES = 4800
"""Of audio that is handed on at a time: 0.1 s."""


class OpenAIClient:
    """The official client, made when the pipeline is set up.

    Args:
        service: Whose it is, in an error.
        base_url: Where the server is, such as `http://localhost:8000/v1`; None is OpenAI itself.
        api_key: None takes it from the environment variable `OPENAI_API_KEY`.
        timeout_secs: Longest wait for the server's next bytes.
    """

    def __init__(
        self, service: str, *, base_url: str | None, api_key: str | None, timeout_secs: float
    ) -> None:
        self.base_url = base_url
        self.api_key = api_key
        self._service = service
        self._timeout_secs = timeout_secs
        self._client: Any = None

    async def open(self) -> None:
        """Make the client.

        Raises:
            MissingExtraError: The `openai` package is not installed.
            ConfigurationError: There is no key, neither here nor in the environment.
        """
        # Importing openai takes a good part of a second: not on the event loop.
        openai = await asyncio.to_thread(self._import)
        try:
            self._client = openai.AsyncOpenAI(
                base_url=self.base_url, api_key=self.api_key, timeout=self._timeout_secs
            )
        except openai.OpenAIError as exc:
            raise ConfigurationError(f"{self._service}: {exc}") from exc

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    @property
    def api(self) -> Any:
        """The open client."""
        if self._client is None:
            raise RuntimeError(f"{self._service} is not part of a running pipeline yet")
        return self._client

    def _import(self) -> Any:
        try:
            return importlib.import_module("openai")
        except ImportError as exc:
            raise MissingExtraError("openai", "openai", needed_for=self._service) from exc


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
        context: The conversation that the service keeps itself, with its tools.
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
        timeout_secs: float = FIRST_WORD_SECS,
        extra: Mapping[str, Any] | None = None,
        context: LLMContext | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            settings=LLMSettings(
                model=model,
                temperature=temperature,
                max_tokens=max_tokens,
                extra=dict(extra or {}),
            ),
            context=context,
            first_word_secs=timeout_secs,
            name=name,
        )
        self._client = OpenAIClient(
            type(self).__name__, base_url=base_url, api_key=api_key, timeout_secs=timeout_secs
        )

    async def setup(self, setup: ProcessorSetup) -> None:
        await super().setup(setup)
        await self._client.open()

    async def cleanup(self) -> None:
        await super().cleanup()
        await self._client.close()

    async def stream_answer(self, context: LLMContext) -> AsyncGenerator[str | ToolCall, None]:
        stream = await self._client.api.chat.completions.create(
            messages=context.messages, stream=True, **self._options(context)
        )
        calls: dict[int, _PartialCall] = {}
        async with stream:
            async for chunk in stream:
                if not chunk.choices:
                    continue
                delta = chunk.choices[0].delta
                if delta.content:
                    yield delta.content
                for part in delta.tool_calls or ():
                    calls.setdefault(part.index, _PartialCall()).add(part)
        for call in calls.values():
            yield ToolCall(call.call_id, call.name, call.arguments)

    def _options(self, context: LLMContext) -> dict[str, Any]:
        settings = self.settings
        options: dict[str, Any] = {"model": settings.model, **settings.extra}
        if settings.temperature is not None:
            options["temperature"] = settings.temperature
        if settings.max_tokens is not None:
            options["max_tokens"] = settings.max_tokens
        if context.tools:
            options["tools"] = [each.to_openai() for each in context.tools.standard_tools]
            if context.tool_choice is not None:
                options["tool_choice"] = context.tool_choice
        return options


@dataclass
class _PartialCall:
    """A function call as it streams: the name comes first, the arguments piece by piece."""

    call_id: str = ""
    name: str = ""
    arguments: str = ""

    def add(self, part: Any) -> None:
        self.call_id = part.id or self.call_id
        if part.function is not None:
            self.name += part.function.name or ""
            self.arguments += part.function.arguments or ""


class OpenAISTTService(SegmentedSTTService):
    """Transcribes by an OpenAI-compatible server, such as Speaches or OpenAI itself.

    Args:
        model: The server's name for the model.
        base_url: Where the server is; None is OpenAI itself.
        api_key: None takes it from the environment variable `OPENAI_API_KEY`.
        language: ISO 639 code of what is spoken; None lets the model find out.
        prompt: Names and terms that may be said, spelled as they shall be.
        interim_secs: New speech between two interim transcriptions, each a request; None makes
            none.
        timeout_secs: Longest wait for an answer.
        name: For logs.
    """

    def __init__(
        self,
        *,
        model: str = "gpt-4o-mini-transcribe",
        base_url: str | None = None,
        api_key: str | None = None,
        language: str | None = None,
        prompt: str | None = None,
        interim_secs: float | None = None,
        timeout_secs: float = 10.0,
        name: str | None = None,
    ) -> None:
        super().__init__(
            settings=STTSettings(model=model, language=language),
            interim_secs=interim_secs,
            name=name,
        )
        self._prompt = prompt
        self._client = OpenAIClient(
            type(self).__name__, base_url=base_url, api_key=api_key, timeout_secs=timeout_secs
        )

    async def setup(self, setup: ProcessorSetup) -> None:
        await super().setup(setup)
        await self._client.open()

    async def cleanup(self) -> None:
        await super().cleanup()
        await self._client.close()

    async def transcribe(self, pcm: bytes) -> str:
        options: dict[str, Any] = {"model": self.settings.model}
        if self.settings.language is not None:
            options["language"] = self.settings.language
        if self._prompt is not None:
            options["prompt"] = self._prompt
        recording = io.BytesIO(wav_bytes(pcm, self.sample_rate, 1))
        recording.name = "speech.wav"  # The server tells the format by the name.
        answer = await self._client.api.audio.transcriptions.create(file=recording, **options)
        return str(answer.text)


class OpenAITTSSettings(TTSSettings):
    """What can be changed of OpenAI's text-to-speech in mid-call."""

    instructions: str | None = None
    """How to speak, in words, where the model takes them."""

    speed: float | None = Field(default=None, ge=0.25, le=4.0)
    """1 is as usual."""


class OpenAITTSService(TTSService):
    """Speaks by an OpenAI-compatible server, such as Speaches or OpenAI itself.

    Args:
        model: The server's name for the model.
        voice: The server's name for the voice.
        base_url: Where the server is; None is OpenAI itself.
        api_key: None takes it from the environment variable `OPENAI_API_KEY`.
        instructions: How to speak, in words, where the model takes them.
        speed: 1 is as usual; None leaves it to the server.
        sample_rate: Hertz of the server's `pcm`; OpenAI's is 24,000.
        timeout_secs: Longest wait for the server's next bytes.
        name: For logs.
    """

    settings: OpenAITTSSettings

    def __init__(
        self,
        *,
        model: str = "gpt-4o-mini-tts",
        voice: str = "alloy",
        base_url: str | None = None,
        api_key: str | None = None,
        instructions: str | None = None,
        speed: float | None = None,
        sample_rate: int = TTS_SAMPLE_RATE,
        timeout_secs: float = 10.0,
        name: str | None = None,
    ) -> None:
        super().__init__(
            settings=OpenAITTSSettings(
                model=model, voice=voice, instructions=instructions, speed=speed
            ),
            sample_rate=sample_rate,
            name=name,
        )
        self._client = OpenAIClient(
            type(self).__name__, base_url=base_url, api_key=api_key, timeout_secs=timeout_secs
        )

    async def setup(self, setup: ProcessorSetup) -> None:
        await super().setup(setup)
        await self._client.open()

    async def cleanup(self) -> None:
        await super().cleanup()
        await self._client.close()

    async def run_tts(self, text: str) -> AsyncGenerator[bytes | WordTime, None]:
        settings = self.settings
        options: dict[str, Any] = {"model": settings.model, "voice": settings.voice}
        if settings.instructions is not None:
            options["instructions"] = settings.instructions
        if settings.speed is not None:
            options["speed"] = settings.speed
        speech = self._client.api.audio.speech.with_streaming_response
        async with speech.create(input=text, response_format="pcm", **options) as answer:
            async for pcm in whole_samples(answer.iter_bytes(PCM_CHUNK_BYTES)):
                yield pcm
