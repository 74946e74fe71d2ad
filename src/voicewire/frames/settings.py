"""Changing a service while it works."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from voicewire.frames.base import ControlFrame, UninterruptibleFrame


@dataclass(slots=True, eq=False)
class ServiceUpdateSettingsFrame(UninterruptibleFrame, ControlFrame):
    """Change settings of services from here on; those that are not named stay.

    Attributes:
        settings: By name, such as `{"voice": "…"}`. A service that does not know one reports an
            error and keeps what it had.
        service: The name of the one processor that is meant; None is each of its kind.
    """

    settings: Mapping[str, Any]
    service: str | None = None


@dataclass(slots=True, eq=False)
class STTUpdateSettingsFrame(ServiceUpdateSettingsFrame):
    """Change speech-to-text, such as its `language`."""


@dataclass(slots=True, eq=False)
class LLMUpdateSettingsFrame(ServiceUpdateSettingsFrame):
    """Change the language model, such as its `model` or `temperature`."""


@dataclass(slots=True, eq=False)
class TTSUpdateSettingsFrame(ServiceUpdateSettingsFrame):
    """Change text-to-speech, such as its `voice`."""
