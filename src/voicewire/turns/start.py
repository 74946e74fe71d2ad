"""When the caller's turn begins, and the bot has to be silent."""

from voicewire.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from voicewire.turns.strategy import TurnStrategy


class UserTurnStartStrategy(TurnStrategy):
    """Says when a turn begins: one such word of any strategy is enough."""


class VADUserTurnStartStrategy(UserTurnStartStrategy):
    """As soon as a voice is heard: the quickest, and the one that any "uh-huh" sets off."""

    def see(self, frame: Frame) -> None:
        if isinstance(frame, VADUserStartedSpeakingFrame):
            self.decide()


class TranscriptionUserTurnStartStrategy(UserTurnStartStrategy):
    """As soon as words are recognised: for soft voices that VAD misses, and pipelines without it.

    Args:
        use_interim: Whether interim transcriptions count.
    """

    def __init__(self, *, use_interim: bool = True) -> None:
        super().__init__()
        self._kinds = (
            (TranscriptionFrame, InterimTranscriptionFrame)
            if use_interim
            else (TranscriptionFrame,)
        )

    def see(self, frame: Frame) -> None:
        if isinstance(frame, self._kinds) and frame.text.strip():
            self.decide()


class MinWordsUserTurnStartStrategy(UserTurnStartStrategy):
    """As soon as a voice is heard; but while the bot speaks, after so many words.

    So "uh-huh" does not cut the bot off. The words come from transcriptions: with
    `SegmentedSTTService(interim_secs=0.5)` they are known half a second earlier than usual.

    Args:
        min_words: How many words it takes to cut the bot off.
        use_interim: Whether interim transcriptions count.
    """

    def __init__(self, min_words: int = 3, *, use_interim: bool = True) -> None:
        super().__init__()
        self.min_words = min_words
        self._use_interim = use_interim
        self._is_bot_speaking = False
        self._is_user_speaking = False

    def see(self, frame: Frame) -> None:
        if isinstance(frame, BotStartedSpeakingFrame):
            self._is_bot_speaking = True
        elif isinstance(frame, BotStoppedSpeakingFrame):
            self._is_bot_speaking = False
            if self._is_user_speaking:
                self.decide()
        elif isinstance(frame, VADUserStartedSpeakingFrame):
            self._is_user_speaking = True
            if not self._is_bot_speaking:
                self.decide()
        elif isinstance(frame, VADUserStoppedSpeakingFrame):
            self._is_user_speaking = False
        elif isinstance(frame, TranscriptionFrame) or (
            self._use_interim and isinstance(frame, InterimTranscriptionFrame)
        ):
            min_words = self.min_words if self._is_bot_speaking else 1
            if len(frame.text.split()) >= min_words:
                self.decide()

    def forget(self) -> None:
        super().forget()
        self._is_bot_speaking = self._is_user_speaking = False
