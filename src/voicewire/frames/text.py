"""Text: what was typed, heard or generated."""

from dataclasses import dataclass
from typing import Any

from voicewire.frames.base import DataFrame


@dataclass(slots=True, eq=False)
class TextFrame(DataFrame):
    """A piece of text; text-to-speech speaks it."""

    text: str


@dataclass(slots=True, eq=False)
class TranscriptionFrame(TextFrame):
    """What the caller said, final.

    Attributes:
        user_id: Who said it; may be empty.
        timestamp: When, ISO 8601.
        language: BCP 47 code, where the service tells.
        result: The service's own answer, where it gives one.
    """

    user_id: str
    timestamp: str
    language: str | None = None
    result: Any = None


@dataclass(slots=True, eq=False)
class InterimTranscriptionFrame(TextFrame):
    """What the caller seems to be saying; a later frame replaces it.

    Attributes:
        user_id: Who said it; may be empty.
        timestamp: When, ISO 8601.
        language: BCP 47 code, where the service tells.
        result: The service's own answer, where it gives one.
    """

    user_id: str
    timestamp: str
    language: str | None = None
    result: Any = None


@dataclass(slots=True, eq=False)
class LLMTextFrame(TextFrame):
    """A piece of a language model's answer, as it streams.

    Attributes:
        skip_tts: Whether it is only to be read, and not spoken.
    """

    skip_tts: bool = False


@dataclass(slots=True, eq=False)
class TTSTextFrame(TextFrame):
    """Words whose audio went out just before this frame: they have been sent to the caller.

    Attributes:
        sentence_id: Id of the `TTSSentenceFrame` that announced them.
    """

    sentence_id: int | None = None
