"""When the caller has finished, and it is the bot's turn."""

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from voicewire.audio.pcm import num_bytes
from voicewire.audio.resample import StreamNormalizer
from voicewire.frames import (
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStartingFrame,
    VADUserStoppedSpeakingFrame,
)
from voicewire.turns.analyzer import (
    ANALYZER_SAMPLE_RATE,
    ANALYZER_SECS,
    TextTurnAnalyzer,
    TurnAnalyzer,
)
from voicewire.turns.strategy import TurnStrategy

logger = logging.getLogger(__name__)

STOP_SECS = 0.8
"""Silence that ends a turn where nothing better is known; Pipecat's `VADParams.stop_secs`."""


class UserTurnStopStrategy(TurnStrategy):
    """Says when a turn is over: one such word of any strategy is enough."""

    def see(self, frame: Frame) -> None:
        if isinstance(frame, VADUserStartingFrame):
            self.hold(frame.start_secs)  # The caller may be about to go on.


class SpeechTimeoutUserTurnStopStrategy(UserTurnStopStrategy):
    """After a silence of always the same length.

    Args:
        stop_secs: How long, from the end of speech; what voice activity detection has waited for
            already is part of it.
    """

    def __init__(self, stop_secs: float = STOP_SECS) -> None:
        super().__init__()
        self._stop_secs = stop_secs
        self._is_speaking = False

    def see(self, frame: Frame) -> None:
        super().see(frame)
        if isinstance(frame, VADUserStartedSpeakingFrame):
            self._is_speaking = True
            self.cancel_timer()
        elif isinstance(frame, VADUserStoppedSpeakingFrame):
            self._is_speaking = False
            self.expect()
            self.decide_in(self._stop_secs - frame.stop_secs)
        elif (
            isinstance(frame, TranscriptionFrame) and not self._is_speaking and self._timer is None
        ):
            self.decide_in(self._stop_secs)  # Words that began a turn without VAD.

    def forget(self) -> None:
        super().forget()
        self._is_speaking = False


class TranscriptionUserTurnStopStrategy(UserTurnStopStrategy):
    """Some time after the last final transcription: for pipelines without VAD.

    Args:
        stop_secs: How long.
    """

    def __init__(self, stop_secs: float = STOP_SECS) -> None:
        super().__init__()
        self._stop_secs = stop_secs

    def see(self, frame: Frame) -> None:
        super().see(frame)
        if isinstance(frame, TranscriptionFrame):
            self.decide_in(self._stop_secs)
        elif isinstance(frame, VADUserStartedSpeakingFrame):
            self.cancel_timer()


class TurnAnalyzerUserTurnStopStrategy(UserTurnStopStrategy):
    """After a silence that is the shorter, the more the turn sounds and reads complete.

    Voice activity detection has to notice pauses early for it: `VADParams(stop_secs=0.2)`; and to
    judge words it needs a transcription at each pause, interim or final, as `SegmentedSTTService`
    makes it.

    | It sounds complete | It reads complete | Silence that ends it |
    |---|---|---|
    | yes | yes, or nobody reads it | `complete_secs` |
    | no | yes | `unsure_secs` |
    | | no | `incomplete_secs` |
    | no | nobody reads it | `incomplete_secs` |

    Args:
        turn_analyzer: Hears whether the turn sounds complete.
        text_analyzer: Reads whether its words are complete; None leaves it to the sound.
        complete_secs: As above.
        unsure_secs: As above.
        incomplete_secs: As above.
        threshold: The least probability, 0..1, with which a turn sounds complete.
        text_threshold: The least probability with which its words are; language models spread
            theirs over many ways to go on.
    """

    def __init__(
        self,
        turn_analyzer: TurnAnalyzer,
        *,
        text_analyzer: TextTurnAnalyzer | None = None,
        complete_secs: float = 0.3,
        unsure_secs: float = 0.8,
        incomplete_secs: float = 1.5,
        threshold: float = 0.5,
        text_threshold: float = 0.25,
    ) -> None:
        super().__init__()
        self._analyzer = turn_analyzer
        self._text_analyzer = text_analyzer
        self._complete_secs = complete_secs
        self._unsure_secs = unsure_secs
        self._incomplete_secs = incomplete_secs
        self._threshold = threshold
        self._text_threshold = text_threshold
        self._max_bytes = num_bytes(ANALYZER_SECS, ANALYZER_SAMPLE_RATE, 1)
        self._is_speaking = False
        self._words: list[str] = []
        self._pause: _Pause | None = None
        self._has_failed = False
        self._forget_audio()

    async def load(self) -> None:
        await self._analyzer.ready()
        if self._text_analyzer is not None:
            await self._text_analyzer.ready()

    async def unload(self) -> None:
        await self._analyzer.close()
        if self._text_analyzer is not None:
            await self._text_analyzer.close()

    def see(self, frame: Frame) -> None:
        super().see(frame)
        if isinstance(frame, InputAudioRawFrame):
            self._keep(frame)
        elif isinstance(frame, VADUserStartedSpeakingFrame):
            self._is_speaking = True
            self._pause = None
            self.cancel_timer()
        elif isinstance(frame, VADUserStoppedSpeakingFrame):
            self._is_speaking = False
            self._listen_to_pause(frame.stop_secs)
        elif isinstance(frame, TranscriptionFrame | InterimTranscriptionFrame):
            self._read(frame)

    def reset(self) -> None:
        super().reset()
        self._pause = None
        self._words.clear()

    def forget(self) -> None:
        super().forget()
        self._is_speaking = False
        self._forget_audio()

    def _listen_to_pause(self, silent_secs: float) -> None:
        """Wait as for an incomplete turn until more is known."""
        pause = self._pause = _Pause(began_at=self.setup.clock.now() - silent_secs)
        self.decide_in(self._incomplete_secs - silent_secs)
        if self._timer is not None:
            pcm = b"".join(self._chunks)[-self._max_bytes :]
            self.setup.spawn(self._judge_sound(pcm, pause), "turn analyzer")

    def _read(self, frame: TranscriptionFrame | InterimTranscriptionFrame) -> None:
        """Read the turn so far: what is final, and what the last words seem to be."""
        text = " ".join((*self._words, frame.text))
        if isinstance(frame, TranscriptionFrame):
            self._words.append(frame.text)
        if self._is_speaking:
            return
        if self._pause is None:
            self._listen_to_pause(0.0)  # Words that began a turn without VAD.
        if self._text_analyzer is not None and self._pause is not None:
            self.setup.spawn(self._judge_text(text, self._pause), "turn analyzer")

    async def _judge_sound(self, pcm: bytes, pause: "_Pause") -> None:
        with self._reporting_failure():
            pause.sounds_complete = await self._analyzer.judge(pcm) >= self._threshold
            self._consider(pause)

    async def _judge_text(self, text: str, pause: "_Pause") -> None:
        assert self._text_analyzer is not None  # noqa: S101 - only then it is spawned
        with self._reporting_failure():
            probability = await self._text_analyzer.judge(text)
            pause.reads_complete = probability >= self._text_threshold
            self._consider(pause)

    def _consider(self, pause: "_Pause") -> None:
        if pause is not self._pause or self._timer is None:
            return  # The caller has gone on, or the turn is over.
        is_read = self._text_analyzer is not None
        if pause.reads_complete or (pause.sounds_complete and not is_read):
            self.expect()
        if pause.sounds_complete and (pause.reads_complete or not is_read):
            silence_secs = self._complete_secs
        elif pause.reads_complete:
            silence_secs = self._unsure_secs
        else:
            silence_secs = self._incomplete_secs
        self.decide_in(pause.began_at + silence_secs - self.setup.clock.now())

    @contextmanager
    def _reporting_failure(self) -> Iterator[None]:
        """The longer silence ends the turn, as it would without a model."""
        try:
            yield
        except Exception:
            if not self._has_failed:
                self._has_failed = True
                logger.exception("a turn analyzer has failed; turns wait longer now")

    def _keep(self, frame: InputAudioRawFrame) -> None:
        pcm = self._normalizer.process(frame.audio, frame.sample_rate, frame.num_channels)
        self._chunks.append(pcm)
        self._kept_bytes += len(pcm)
        while self._kept_bytes - len(self._chunks[0]) >= self._max_bytes:
            self._kept_bytes -= len(self._chunks.popleft())

    def _forget_audio(self) -> None:
        self._normalizer = StreamNormalizer(ANALYZER_SAMPLE_RATE, 1)
        self._chunks: deque[bytes] = deque()
        self._kept_bytes = 0


@dataclass(eq=False)
class _Pause:
    """What is known of the silence in hand."""

    began_at: float
    sounds_complete: bool = False
    reads_complete: bool = False
