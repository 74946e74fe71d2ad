"""Telephone keys as something that a language model can answer."""

from datetime import UTC, datetime

from voicewire.clock import TimerHandle
from voicewire.errors import ConfigurationError
from voicewire.frames import (
    CancelFrame,
    ClientConnectedFrame,
    ClientDisconnectedFrame,
    EndFrame,
    Frame,
    InputDTMFFrame,
    InterruptionFrame,
    KeypadEntry,
    StopFrame,
    TranscriptionFrame,
)
from voicewire.pipeline import FrameDirection, InlineProcessor

MAX_KEYS = 64
"""Keys of one transcription: the next one begins another."""


class DTMFAggregator(InlineProcessor):
    """Gathers the keys that a caller presses into one transcription.

    It is complete with the terminator, which is not part of it, after `timeout_secs` without a key,
    after 64 keys, and when the pipeline ends. The terminator alone is a key like any other. The
    first key interrupts the bot, where the pipeline allows interruptions.

    ::

        Pipeline([transport.input(), stt, DTMFAggregator(), llm, tts, transport.output()])
        # 4, 2, # becomes TranscriptionFrame("DTMF: 42", ...)

    Args:
        timeout_secs: Longest time from one key to the next.
        terminator: The key that ends an entry; None for none.
        prefix: What the text of the transcription begins with.
        user_id: Who presses keys, for the frames.
        name: For logs.

    Raises:
        ConfigurationError: The timeout is not more than 0.
    """

    def __init__(
        self,
        *,
        timeout_secs: float = 2.0,
        terminator: KeypadEntry | None = KeypadEntry.POUND,
        prefix: str = "DTMF: ",
        user_id: str = "",
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        if not timeout_secs > 0:
            raise ConfigurationError(f"timeout_secs is {timeout_secs}; expected more than 0")
        self._timeout_secs = timeout_secs
        self._terminator = terminator
        self._prefix = prefix
        self._user_id = user_id
        self._keys: list[KeypadEntry] = []
        self._timer: TimerHandle | None = None

    async def cleanup(self) -> None:
        self._take_keys()

    def process(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, EndFrame | StopFrame | CancelFrame):
            self._push_transcription()
        elif isinstance(frame, ClientConnectedFrame | ClientDisconnectedFrame):
            self._take_keys()
        self.push(frame, direction)
        if isinstance(frame, InputDTMFFrame) and direction is FrameDirection.DOWNSTREAM:
            self._take(frame.button)

    def _take(self, key: KeypadEntry) -> None:
        setup = self._require_setup()
        is_end = key == self._terminator
        if not self._keys and setup.start.allow_interruptions:
            self.push(InterruptionFrame())
        if not is_end or not self._keys:
            self._keys.append(key)
        if is_end or len(self._keys) >= MAX_KEYS:
            self._push_transcription()
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = setup.clock.call_later(self._timeout_secs, self._push_transcription)

    def _push_transcription(self) -> None:
        keys = self._take_keys()
        if keys:
            timestamp = datetime.now(UTC).isoformat(timespec="milliseconds")
            self.push(TranscriptionFrame(self._prefix + keys, self._user_id, timestamp))

    def _take_keys(self) -> str:
        """Return the keys so far, and begin anew."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        keys, self._keys = "".join(self._keys), []
        return keys
