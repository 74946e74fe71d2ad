"""Text-to-speech: utterances and their ends."""

from dataclasses import dataclass, field
from typing import NamedTuple

from voicewire.frames.base import ControlFrame, DataFrame


class WordTime(NamedTuple):
    """When a word is spoken, counted from the beginning of its sentence's audio."""

    word: str
    start_secs: float
    end_secs: float


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


@dataclass(slots=True, eq=False)
class TTSSentenceFrame(DataFrame):
    """The audio that follows says this.

    The service that made it fills in `words`, `audio_secs` and `is_complete` as it learns them,
    while the frame is already on its way.

    Attributes:
        text: The sentence.
        context_id: The service's utterance that it belongs to.
        answer_id: Id of the `LLMFullResponseStartFrame` of the answer that it is part of.
        append_to_context: Whether the conversation should remember it.
        words: When each word is spoken, where the service tells; it grows.
        audio_secs: How much audio of it has been made.
        is_complete: Whether that is all of it.
    """

    text: str
    context_id: str | None = None
    answer_id: int | None = None
    append_to_context: bool = True
    words: list[WordTime] = field(default_factory=list)
    audio_secs: float = 0.0
    is_complete: bool = False
