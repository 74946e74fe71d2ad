"""Text-to-speech."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from typing import Protocol
from uuid import uuid4

from voicewire.audio.pcm import BYTES_PER_SAMPLE, duration_secs
from voicewire.errors import ServiceError
from voicewire.frames import (
    ClientDisconnectedFrame,
    EndFrame,
    Frame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    SystemFrame,
    TextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSentenceFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    TTSUpdateSettingsFrame,
    WordTime,
)
from voicewire.pipeline import FrameDirection, ProcessorSetup, Role
from voicewire.services.base import Service, ServiceSettings
from voicewire.services.sentences import SentenceSplitter

FIRST_AUDIO_SECS = 10.0
"""Longest wait for a sentence's first audio, and for each of the next pieces."""

_NOT_SPOKEN = (TranscriptionFrame, InterimTranscriptionFrame, TTSTextFrame)


class TTSSettings(ServiceSettings):
    """What can be changed of text-to-speech in mid-call."""

    voice: str | None = None
    """The service's name for the voice; None leaves it to the service."""

    language: str | None = None
    """ISO 639 code of the text; None leaves it to the service."""


class TextFilter(Protocol):
    """Takes out of a text what is not for a voice."""

    def filter(self, text: str) -> str: ...


class TTSService(Service[TTSSettings]):
    """Speaks text sentence by sentence, while it still streams in. Subclasses override `run_tts`.

    It speaks a language model's answer as it comes, and any other `TextFrame` and `TTSSpeakFrame`
    at once. Each sentence goes downstream as a `TTSSentenceFrame`, `TTSAudioRawFrame`s and, behind
    them, one `TTSTextFrame`.

    Args:
        sample_rate: Hertz of the audio that `run_tts` yields.
        settings: What can be changed in mid-call.
        text_filters: Applied to each sentence, in order, before it is spoken.
        first_audio_secs: Longest wait for a sentence's first audio, and for each next piece.
        name: For logs.
    """

    handles = (
        TextFrame,
        TTSSpeakFrame,
        LLMFullResponseStartFrame,
        LLMFullResponseEndFrame,
        TTSUpdateSettingsFrame,
        EndFrame,
    )

    def __init__(
        self,
        *,
        sample_rate: int,
        settings: TTSSettings | None = None,
        text_filters: Iterable[TextFilter] = (),
        first_audio_secs: float = FIRST_AUDIO_SECS,
        name: str | None = None,
    ) -> None:
        super().__init__(settings or TTSSettings(), name=name)
        self.sample_rate = sample_rate
        self._text_filters = tuple(text_filters)
        self._first_audio_secs = first_audio_secs
        self._splitter = self._new_splitter()
        self._context_id: str | None = None
        self._answer_id: int | None = None

    @abstractmethod
    def run_tts(self, text: str) -> AsyncGenerator[bytes | WordTime, None]:
        """Yield the speech of one sentence as it becomes ready: mono s16le at `sample_rate`.

        Where the service tells when each word is spoken, yield that too, before the word's audio.
        An interruption raises `asyncio.CancelledError` in it.
        """

    async def setup(self, setup: ProcessorSetup) -> None:
        await super().setup(setup)
        setup.roles.add(Role.VOICE)

    def on_system_frame(self, frame: SystemFrame, direction: FrameDirection) -> None:
        if isinstance(frame, InterruptionFrame | ClientDisconnectedFrame):
            self._forget()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, _NOT_SPOKEN) or (isinstance(frame, LLMTextFrame) and frame.skip_tts):
            self.push(frame, direction)
        elif isinstance(frame, LLMTextFrame) or (
            isinstance(frame, TextFrame) and self._answer_id is not None
        ):
            for sentence in self._splitter.add(frame.text):
                await self._say(sentence)
        elif isinstance(frame, TTSSpeakFrame | TextFrame):
            await self._say_whole(frame)
        elif isinstance(frame, TTSUpdateSettingsFrame):
            await self._update(frame)
            self.push(frame, direction)
        else:
            await self._process_boundary(frame, direction)

    async def _say_whole(self, frame: TTSSpeakFrame | TextFrame) -> None:
        is_remembered = not isinstance(frame, TTSSpeakFrame) or frame.append_to_context
        splitter = self._new_splitter()
        for sentence in (*splitter.add(frame.text), *splitter.flush()):
            await self._say(sentence, append_to_context=is_remembered)
        if self._answer_id is None:
            self._end_utterance()

    async def _process_boundary(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, LLMFullResponseStartFrame):
            self._answer_id = frame.id
        else:
            for sentence in self._splitter.flush():
                await self._say(sentence)
            self._answer_id = None
            self._end_utterance()
        self.push(frame, direction)

    async def _say(self, text: str, *, append_to_context: bool = True) -> None:
        for text_filter in self._text_filters:
            text = text_filter.filter(text)
        text = text.strip()
        if not any(character.isalnum() for character in text):
            return
        if self._context_id is None:
            self._context_id = uuid4().hex
            self.push(TTSStartedFrame(self._context_id))
        sentence = TTSSentenceFrame(text, self._context_id, self._answer_id, append_to_context)
        self.push(sentence)
        clock = self._require_setup().clock
        started_at: float | None = clock.now()
        async with aclosing(self._in_time(text)) as pieces:
            async for piece in pieces:
                if isinstance(piece, WordTime):
                    sentence.words.append(piece)
                    continue
                if started_at is not None:
                    self.report_metric("ttfb_secs", clock.now() - started_at)
                    started_at = None
                sentence.audio_secs += duration_secs(len(piece), self.sample_rate, 1)
                self.push(TTSAudioRawFrame(piece, self.sample_rate, 1, sentence.context_id))
        sentence.is_complete = True
        self.push(TTSTextFrame(text, sentence.id))

    async def _in_time(self, text: str) -> AsyncGenerator[bytes | WordTime, None]:
        """Yield the speech of a sentence.

        Raises:
            ServiceError: A piece took longer than `first_audio_secs`.
        """
        async with aclosing(self.run_tts(text)) as pieces:
            while True:
                try:
                    async with asyncio.timeout(self._first_audio_secs):
                        piece = await anext(pieces, None)
                except TimeoutError as exc:
                    raise ServiceError(f"no audio for {self._first_audio_secs:g} s") from exc
                if piece is None:
                    return
                yield piece

    def _end_utterance(self) -> None:
        if self._context_id is not None:
            self.push(TTSStoppedFrame(self._context_id))
            self._context_id = None

    def _forget(self) -> None:
        self._splitter = self._new_splitter()
        self._context_id = self._answer_id = None

    def _new_splitter(self) -> SentenceSplitter:
        return SentenceSplitter((self.settings.language or "en")[:2])


async def whole_samples(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield a stream of s16le audio in pieces that end with a sample.

    An odd byte at the very end is dropped: half a sample is nothing that can be played.
    """
    odd = b""
    async for chunk in chunks:
        pcm = odd + chunk
        whole_bytes = len(pcm) - len(pcm) % BYTES_PER_SAMPLE
        odd = pcm[whole_bytes:]
        if whole_bytes:
            yield pcm[:whole_bytes]
