"""When the caller is not listened to."""

from voicewire.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ClientConnectedFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
)


class UserMuteStrategy:
    """Watches the frames and knows whether the caller is muted. One object serves one session."""

    def __init__(self) -> None:
        self.is_muted = False

    def see(self, frame: Frame) -> None:
        """Take note of a frame, of either direction, and set `is_muted`."""


class AlwaysUserMuteStrategy(UserMuteStrategy):
    """While the bot speaks: nobody interrupts it."""

    def see(self, frame: Frame) -> None:
        if isinstance(frame, BotStartedSpeakingFrame):
            self.is_muted = True
        elif isinstance(frame, BotStoppedSpeakingFrame | ClientConnectedFrame):
            self.is_muted = False


class FirstSpeechUserMuteStrategy(UserMuteStrategy):
    """While the bot speaks for the first time."""

    def __init__(self) -> None:
        super().__init__()
        self._has_spoken = False

    def see(self, frame: Frame) -> None:
        if isinstance(frame, ClientConnectedFrame):
            self._has_spoken = self.is_muted = False
        elif isinstance(frame, BotStartedSpeakingFrame):
            self.is_muted = not self._has_spoken
        elif isinstance(frame, BotStoppedSpeakingFrame):
            self._has_spoken = True
            self.is_muted = False


class MuteUntilFirstBotCompleteUserMuteStrategy(UserMuteStrategy):
    """From the beginning until the bot has spoken for the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.is_muted = True

    def see(self, frame: Frame) -> None:
        if isinstance(frame, ClientConnectedFrame):
            self.is_muted = True
        elif isinstance(frame, BotStoppedSpeakingFrame):
            self.is_muted = False


class FunctionCallUserMuteStrategy(UserMuteStrategy):
    """While functions run that the language model has called."""

    def __init__(self) -> None:
        super().__init__()
        self._running: set[str] = set()

    def see(self, frame: Frame) -> None:
        if isinstance(frame, ClientConnectedFrame):
            self._running.clear()
        elif isinstance(frame, FunctionCallsStartedFrame):
            self._running.update(call.tool_call_id for call in frame.function_calls)
        elif isinstance(frame, FunctionCallResultFrame | FunctionCallCancelFrame):
            self._running.discard(frame.tool_call_id)
        self.is_muted = bool(self._running)
