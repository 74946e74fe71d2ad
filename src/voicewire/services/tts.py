"""Text-to-speech."""

from abc import abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import uuid4

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
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from voicewire.pipeline import FrameDirection
from voicewire.services.base import Service
from voicewire.services.sentences import SentenceSplitter

_NOT_SPOKEN = (TranscriptionFrame, InterimTranscriptionFrame, TTSTextFrame)


class TTSService(Service):
    """Speaks text sentence by sentence, while it still streams in. Subclasses override `run_tts`.

    It speaks a language model's answer, any other `TextFrame` as a whole, and `TTSSpeakFrame`. Each
    sentence goes downstream as `TTSAudioRawFrame`s and, behind them, one `TTSTextFrame`.

    Args:
        sample_rate: Hertz of the audio that `run_tts` yields.
        name: For logs.
    """

    handles = (
        TextFrame,
        TTSSpeakFrame,
        LLMFullResponseStartFrame,
        LLMFullResponseEndFrame,
        EndFrame,
    )

    def __init__(self, *, sample_rate: int, name: str | None = None) -> None:
        super().__init__(name=name)
        self.sample_rate = sample_rate
        self._splitter = SentenceSplitter()
        self._context_id: str | None = None
        self._is_in_response = False

    @abstractmethod
    def run_tts(self, text: str) -> AsyncGenerator[bytes, None]:
        """Yield the speech of one sentence as it becomes ready: mono s16le at `sample_rate`.

        An interruption raises `asyncio.CancelledError` in it.
        """

    def on_system_frame(self, frame: SystemFrame, direction: FrameDirection) -> None:
        if isinstance(frame, InterruptionFrame | ClientDisconnectedFrame):
            self._forget()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, _NOT_SPOKEN) or (isinstance(frame, LLMTextFrame) and frame.skip_tts):
            self.push(frame, direction)
        elif isinstance(frame, LLMTextFrame) or (
            isinstance(frame, TextFrame) and self._is_in_response
        ):
            for sentence in self._splitter.add(frame.text):
                await self._say(sentence)
        elif isinstance(frame, TTSSpeakFrame | TextFrame):
            await self._say(frame.text)
            if not self._is_in_response:
                self._end_utterance()
        else:
            await self._process_boundary(frame, direction)

    async def _process_boundary(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, LLMFullResponseStartFrame):
            self._is_in_response = True
        else:
            await self._say(self._splitter.flush())
            self._is_in_response = False
            self._end_utterance()
        self.push(frame, direction)

    async def _say(self, text: str) -> None:
        if not any(character.isalnum() for character in text):
            return
        if self._context_id is None:
            self._context_id = uuid4().hex
            self.push(TTSStartedFrame(self._context_id))
        clock = self._require_setup().clock
        started_at: float | None = clock.now()
        async with aclosing(self.run_tts(text)) as pieces:
            async for pcm in pieces:
                if started_at is not None:
                    self.report_metric("ttfb_secs", clock.now() - started_at)
                    started_at = None
                self.push(TTSAudioRawFrame(pcm, self.sample_rate, 1, self._context_id))
        self.push(TTSTextFrame(text))

    def _end_utterance(self) -> None:
        if self._context_id is not None:
            self.push(TTSStoppedFrame(self._context_id))
            self._context_id = None

    def _forget(self) -> None:
        self._splitter = SentenceSplitter()
        self._context_id = None
        self._is_in_response = False
