"""Any server that speaks OpenAI's HTTP: OpenAI, vLLM, llama.cpp, Ollama, Speaches, LocalAI."""

import asyncio
import io
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from voicewire.audio.pcm import wav_bytes
from voicewire.context import LLMContext
from voicewire.errors import ServiceError
from voicewire.frames import WordTime
from voicewire.pipeline import ProcessorSetup
from voicewire.services.function_calls import ToolCall
from voicewire.services.llm import FIRST_WORD_SECS, LLMService, LLMSettings
from voicewire.services.openai_client import OpenAIClient
from voicewire.services.stt import SegmentedSTTService, STTSettings
from voicewire.services.tts import TTSService, TTSSettings, whole_samples

TTS_SAMPLE_RATE = 24000
"""Hertz of `response_format="pcm"` (platform.openai.com, "Text to speech")."""

PCM_CHUNK_BYTES = 4800
"""Of audio that is handed on at a time: 0.1 s."""


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
        calls = _PartialCalls()
        is_complete = False
        with self._client.telling_plainly():
            stream = await self._client.api.chat.completions.create(
                messages=context.messages, stream=True, **self._options(context)
            )
            async with stream:
                async for chunk in stream:
                    if not chunk.choices:
                        continue
                    choice = chunk.choices[0]
                    is_complete = is_complete or choice.finish_reason is not None
                    delta = choice.delta
                    if delta is None:
                        continue
                    if delta.content:
                        yield delta.content
                    for part in delta.tool_calls or ():
                        calls.add(part)
        if not is_complete:  # A proxy may end a stream that its server has dropped.
            raise ServiceError(f"{self.name}: the answer broke off")
        for call in calls.complete():
            yield call

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


class _PartialCalls:
    """The function calls of one answer; the pieces of several may come by turns."""

    def __init__(self) -> None:
        self._calls: list[_PartialCall] = []
        self._at_index: dict[int | None, _PartialCall] = {}

    def add(self, part: Any) -> None:
        """Add a piece to the call at its index.

        Some compatible servers give each call the index 0, or none: another id is another call.
        """
        call = self._at_index.get(part.index)
        if call is None or (part.id and call.call_id and part.id != call.call_id):
            call = self._at_index[part.index] = _PartialCall()
            self._calls.append(call)
        call.call_id = part.id or call.call_id
        if part.function is not None:
            call.name = part.function.name or call.name
            call.arguments += part.function.arguments or ""

    def complete(self) -> list[ToolCall]:
        """Return the calls, in the order in which they began."""
        return [ToolCall(call.call_id, call.name, call.arguments) for call in self._calls]


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
        self._timeout_secs = timeout_secs
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
        try:
            # The package's own timeout is one between two bytes, of each attempt.
            async with asyncio.timeout(self._timeout_secs):
                with self._client.telling_plainly():
                    answer = await self._client.api.audio.transcriptions.create(
                        file=recording, **options
                    )
                    return str(answer.text)
        except TimeoutError:
            raise ServiceError(f"{self.name}: no text within {self._timeout_secs:g} s") from None


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
            first_audio_secs=timeout_secs,
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
        request = speech.create(input=text, response_format="pcm", **options)
        with self._client.telling_plainly():
            async with request as answer:
                async for pcm in whole_samples(answer.iter_bytes(PCM_CHUNK_BYTES)):
                    yield pcm
