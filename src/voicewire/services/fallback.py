"""Services that stand in for each other: the next takes over from one that fails or is slow."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from voicewire.audio.resample import StreamNormalizer
from voicewire.context import LLMContext
from voicewire.errors import ServiceError
from voicewire.frames import ServiceUpdateSettingsFrame, WordTime
from voicewire.pipeline import ProcessorSetup
from voicewire.services.base import Service
from voicewire.services.candidates import RETRY_AFTER_SECS, Candidates
from voicewire.services.function_calls import ToolCall
from voicewire.services.llm import FIRST_WORD_SECS, LLMService
from voicewire.services.stt import INTERIM_SECS, SegmentedSTTService, STTSettings
from voicewire.services.tts import FIRST_AUDIO_SECS, TextFilter, TTSService, TTSSettings

P = TypeVar("P")


class _Fallback(Service[Any]):
    """What services have in common that ask others."""

    _candidates: Candidates[Any]

    def use(self, which: str | int) -> None:
        """Ask this one first from now on: by its name, or its present place."""
        self._candidates.use(which)

    async def setup(self, setup: ProcessorSetup) -> None:
        await super().setup(setup)
        await self._candidates.setup(setup)

    async def cleanup(self) -> None:
        await super().cleanup()
        await self._candidates.cleanup()

    async def _update(self, frame: ServiceUpdateSettingsFrame) -> None:
        await self._candidates.update(frame)


class FallbackLLMService(_Fallback, LLMService):
    """Answers by the first of several language models that begins in time.

    When one fails before its first word, the next is asked, and an `ErrorFrame` that ends nothing
    tells of it. One that fails later has been heard: its answer ends there, and the next question
    is the next one's. The tools, the functions and the conversation are this service's own.

    Args:
        services: In the order in which they are asked. They are part of no pipeline themselves.
        first_word_secs: Longest wait for each one's first words.
        retry_after_secs: How long one that has failed is left alone.
        context: The conversation that the service keeps itself, with its tools.
        name: For logs.
    """

    _candidates: Candidates[LLMService]

    def __init__(
        self,
        services: Sequence[LLMService],
        *,
        first_word_secs: float = 5.0,
        retry_after_secs: float = RETRY_AFTER_SECS,
        context: LLMContext | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            context=context,
            # The longest that all of them may take before the first word.
            first_word_secs=max(FIRST_WORD_SECS, (len(services) + 1) * first_word_secs),
            name=name,
        )
        self._each_secs = first_word_secs
        self._candidates = Candidates(self, services, retry_after_secs=retry_after_secs)

    async def stream_answer(self, context: LLMContext) -> AsyncGenerator[str | ToolCall, None]:
        for service, is_last in _with_last(self._candidates.to_ask()):
            has_spoken = False
            try:
                async with aclosing(service.stream_answer(context)) as pieces:
                    async with asyncio.timeout(self._each_secs):
                        first = await anext(pieces, None)
                    has_spoken = first is not None
                    if first is not None:
                        yield first
                        async for piece in pieces:
                            yield piece
            except Exception as exc:
                failure = _in_words(exc, service, self._each_secs)
                # What has been said cannot be taken back, and is not said twice.
                is_over = has_spoken or is_last
                self._candidates.note_failure(service, failure, is_over=is_over)
                if is_over:
                    raise failure from exc
            else:
                self._candidates.note_success(service)
                return


class FallbackTTSService(_Fallback, TTSService):
    """Speaks each sentence by the first of several services that begins in time.

    As `FallbackLLMService`. One that yields no audio at all has failed, too.

    Args:
        services: In the order in which they are asked. They are part of no pipeline themselves.
        first_audio_secs: Longest wait for each one's first audio.
        retry_after_secs: How long one that has failed is left alone.
        sample_rate: Hertz of the audio that goes out; None is that of the first service.
        text_filters: Applied to each sentence, in order, before it is spoken.
        name: For logs.
    """

    _candidates: Candidates[TTSService]

    def __init__(
        self,
        services: Sequence[TTSService],
        *,
        first_audio_secs: float = 3.0,
        retry_after_secs: float = RETRY_AFTER_SECS,
        sample_rate: int | None = None,
        text_filters: Iterable[TextFilter] = (),
        name: str | None = None,
    ) -> None:
        first = services[0] if services else None
        super().__init__(
            sample_rate=sample_rate or (first.sample_rate if first is not None else 24000),
            settings=TTSSettings(language=first.settings.language if first is not None else None),
            text_filters=text_filters,
            first_audio_secs=max(FIRST_AUDIO_SECS, (len(services) + 1) * first_audio_secs),
            name=name,
        )
        self._each_secs = first_audio_secs
        self._candidates = Candidates(self, services, retry_after_secs=retry_after_secs)

    async def run_tts(self, text: str) -> AsyncGenerator[bytes | WordTime, None]:
        for service, is_last in _with_last(self._candidates.to_ask()):
            has_spoken = False
            normalizer = StreamNormalizer(self.sample_rate, 1)
            try:
                async with aclosing(service.run_tts(text)) as pieces:
                    async with asyncio.timeout(self._each_secs):
                        words, audio = await _up_to_audio(pieces)
                    for word in words:
                        yield word
                    pcm = normalizer.process(audio, service.sample_rate, 1)
                    has_spoken = True
                    if pcm:
                        yield pcm
                    async for piece in pieces:
                        if isinstance(piece, WordTime):
                            yield piece
                        elif pcm := normalizer.process(piece, service.sample_rate, 1):
                            yield pcm
            except Exception as exc:
                failure = _in_words(exc, service, self._each_secs)
                is_over = has_spoken or is_last
                self._candidates.note_failure(service, failure, is_over=is_over)
                if is_over:
                    raise failure from exc
            else:
                self._candidates.note_success(service)
                if rest := normalizer.flush():
                    yield rest
                return

    async def _update(self, frame: ServiceUpdateSettingsFrame) -> None:
        await super()._update(frame)
        self.settings.language = self._candidates.first.settings.language


class FallbackSTTService(_Fallback, SegmentedSTTService):
    """Transcribes by the first of several services that answers in time.

    As `FallbackLLMService`. What it has heard is kept until one has answered, so no word is lost.

    Args:
        services: In the order in which they are asked. They are part of no pipeline themselves.
        answer_secs: Longest wait for each one's answer.
        retry_after_secs: How long one that has failed is left alone.
        interim_secs: New speech between two interim transcriptions; None makes none.
        user_id: Who speaks, for the frames.
        name: For logs.
    """

    _candidates: Candidates[SegmentedSTTService]

    def __init__(
        self,
        services: Sequence[SegmentedSTTService],
        *,
        answer_secs: float = 5.0,
        retry_after_secs: float = RETRY_AFTER_SECS,
        interim_secs: float | None = INTERIM_SECS,
        user_id: str = "",
        name: str | None = None,
    ) -> None:
        first = services[0] if services else None
        super().__init__(
            sample_rate=first.sample_rate if first is not None else 16000,
            interim_secs=interim_secs,
            settings=STTSettings(language=first.settings.language if first is not None else None),
            user_id=user_id,
            name=name,
        )
        self._each_secs = answer_secs
        self._candidates = Candidates(self, services, retry_after_secs=retry_after_secs)

    async def transcribe(self, pcm: bytes) -> str:
        for service, is_last in _with_last(self._candidates.to_ask()):
            normalizer = StreamNormalizer(service.sample_rate, 1)
            heard = normalizer.process(pcm, self.sample_rate, 1) + normalizer.flush()
            try:
                async with asyncio.timeout(self._each_secs):
                    text = await service.transcribe(heard)
            except Exception as exc:
                failure = _in_words(exc, service, self._each_secs)
                self._candidates.note_failure(service, failure, is_over=is_last)
                if is_last:
                    raise failure from exc
            else:
                self._candidates.note_success(service)
                return text
        raise AssertionError  # The last one has answered or failed.

    async def _update(self, frame: ServiceUpdateSettingsFrame) -> None:
        await super()._update(frame)
        self.settings.language = self._candidates.first.settings.language


async def _up_to_audio(
    pieces: AsyncGenerator[bytes | WordTime, None],
) -> tuple[list[WordTime], bytes]:
    """Return the first audio, and the words that were told before.

    Raises:
        ServiceError: There is none.
    """
    words: list[WordTime] = []
    async for piece in pieces:
        if not isinstance(piece, WordTime):
            return words, piece
        words.append(piece)
    raise ServiceError("no audio")


def _with_last(each: Iterable[P]) -> list[tuple[P, bool]]:
    """Return each, and whether it is the last one."""
    given = list(each)
    return [(one, index == len(given)) for index, one in enumerate(given, 1)]


def _in_words(exc: Exception, service: Service[Any], secs: float) -> ServiceError:
    what = f"nothing within {secs:g} s" if isinstance(exc, TimeoutError) else str(exc)
    return ServiceError(f"{service.name}: {what or type(exc).__name__}")
