"""What a client can choose of a session, and what the bot has chosen for it. Pure."""

from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from voicewire.serializers.openai_realtime import PCM, PCMA, PCMU

Json = dict[str, Any]

MAX_TOOLS = 128
MAX_INSTRUCTION_CHARS = 100_000


class Wish(BaseModel):
    """What a client wants; what is not known here is the bot's own affair."""

    model_config = ConfigDict(extra="ignore")


class AudioFormat(Wish):
    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"] = "audio/pcm"
    rate: Literal[24000] | None = None


class TurnDetection(Wish):
    type: Literal["server_vad", "semantic_vad"] = "server_vad"
    create_response: bool = True
    interrupt_response: bool = True


class InputAudio(Wish):
    format: AudioFormat | None = None
    turn_detection: TurnDetection | None = None


class OutputAudio(Wish):
    format: AudioFormat | None = None
    voice: str | Json | None = None


class Audio(Wish):
    input: InputAudio | None = None
    output: OutputAudio | None = None


class Tool(Wish):
    type: Literal["function"] = "function"
    name: str = Field(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9_-]+$")
    description: str = ""
    parameters: Json = Field(default_factory=dict)


class SessionUpdate(Wish):
    """`session` of `session.update`, in the form of 2025 and in the one before."""

    instructions: str | None = Field(default=None, max_length=MAX_INSTRUCTION_CHARS)
    output_modalities: list[Literal["audio", "text"]] | None = None
    audio: Audio | None = None
    tools: list[Tool] | None = Field(default=None, max_length=MAX_TOOLS)
    tool_choice: str | Json | None = None
    # Before: https://platform.openai.com/docs/guides/realtime-conversations of 2024.
    modalities: list[Literal["audio", "text"]] | None = None
    input_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"] | None = None
    output_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"] | None = None
    turn_detection: TurnDetection | None = None


_OLD_FORMATS = {"pcm16": PCM, "g711_ulaw": PCMU, "g711_alaw": PCMA}


@dataclass
class Session:
    """The settings of one session.

    Attributes:
        id: The client sees it.
        model: What the client has asked for; the bot is what it is.
        instructions: What the client wants the bot to be.
        is_spoken: Whether answers are spoken, or only written.
        input_format: Of the caller's audio.
        output_format: Of the bot's.
        tools: Functions that the client runs.
        tool_choice: `"auto"`, `"none"`, `"required"`, or a function.
        detects_turns: Whether the bot hears when the caller has finished, or the client says so.
    """

    id: str
    model: str
    instructions: str = ""
    is_spoken: bool = True
    input_format: str = PCM
    output_format: str = PCM
    tools: list[Tool] = field(default_factory=list)
    tool_choice: str | Json = "auto"
    detects_turns: bool = True

    def update(self, wish: SessionUpdate) -> None:
        """Take over what the client has said; the rest stays."""
        if wish.instructions is not None:
            self.instructions = wish.instructions
        modalities = wish.output_modalities or wish.modalities
        if modalities is not None:
            self.is_spoken = "audio" in modalities
        if wish.tools is not None:
            self.tools = wish.tools
        if wish.tool_choice is not None:
            self.tool_choice = wish.tool_choice
        self._update_formats(wish)
        if "turn_detection" in wish.model_fields_set:
            self.detects_turns = wish.turn_detection is not None
        heard = wish.audio.input if wish.audio else None
        if heard is not None and "turn_detection" in heard.model_fields_set:
            self.detects_turns = heard.turn_detection is not None

    def _update_formats(self, wish: SessionUpdate) -> None:
        if wish.input_audio_format is not None:
            self.input_format = _OLD_FORMATS[wish.input_audio_format]
        if wish.output_audio_format is not None:
            self.output_format = _OLD_FORMATS[wish.output_audio_format]
        if wish.audio and wish.audio.input and wish.audio.input.format:
            self.input_format = wish.audio.input.format.type
        if wish.audio and wish.audio.output and wish.audio.output.format:
            self.output_format = wish.audio.output.format.type

    def to_json(self) -> Json:
        """Return the session as it is, for `session.created` and `session.updated`."""
        detection = {"type": "server_vad", "create_response": True, "interrupt_response": True}
        return {
            "type": "realtime",
            "object": "realtime.session",
            "id": self.id,
            "model": self.model,
            "instructions": self.instructions,
            "output_modalities": ["audio"] if self.is_spoken else ["text"],
            "tools": [each.model_dump() for each in self.tools],
            "tool_choice": self.tool_choice,
            "max_output_tokens": "inf",
            "audio": {
                "input": {
                    "format": _format(self.input_format),
                    "transcription": {"model": "voicewire"},
                    "turn_detection": detection if self.detects_turns else None,
                },
                "output": {"format": _format(self.output_format), "voice": "voicewire"},
            },
        }


def _format(name: str) -> Json:
    return {"type": name, "rate": 24000} if name == PCM else {"type": name}
