"""Text-to-speech: utterances and their ends."""

from dataclasses import dataclass

from voicewire.frames.base import ControlFrame, DataFrame


@dataclass(slots=True, eq=False)
class TTSSpeakFrame(DataFrame):
    """Say this, whatever the language model does.

    Attributes:
        text: What to say.
        append_to_context: Whether the conversation should remember it.
    """

    text: str
    append_to_context: bool = True


@dataclass(slots=True, eq=False)
class TTSStartedFrame(ControlFrame):
    """An utterance begins.

    Attributes:
        context_id: The service's name for it.
    """

    context_id: str | None = None


@dataclass(slots=True, eq=False)
class TTSStoppedFrame(ControlFrame):
    """All audio of the utterance has been pushed.

    Attributes:
        context_id: The service's name for it.
    """

    context_id: str | None = None
