"""RTVI's messages: what clients may send, and how an answer looks. Pure."""

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, field_validator

from voicewire.frames import KeypadEntry

LABEL = "rtvi-ai"

PROTOCOL_VERSION = "2.1.0"
"""What we speak."""

FIRST_VERSION = "1.0.0"
"""What a client speaks that does not say: clients before 1.0 have nothing in their hello."""

MAJORS = (1, 2)
"""What we understand: to a client of major 1 we speak as it does."""

Json = dict[str, Any]


class ClientData(BaseModel):
    """What is in a client's message. Clients may send more than they must."""

    model_config = ConfigDict(extra="ignore", arbitrary_types_allowed=True)


class Extension(ClientData):
    """What a client of voicewire's own can do beyond RTVI."""

    flush: bool = False
    """Drop, when it is told so, what it has not played."""

    playout: bool = False
    """Say what it has played."""

    cut: bool = False
    """Show what it has not heard of an answer that was cut off."""

    resume: bool = False
    """Go on with the session after its connection was lost."""

    opus: bool = False
    """Speak Opus, as soon as it is told that we do."""

    program: bool = False
    """It is no browser: it sends no audio while there is none, and takes audio as it comes."""


class ClientReady(ClientData):
    """The client is there, and speaks this version."""

    version: str = FIRST_VERSION
    about: Json = Field(default_factory=dict)
    voicewire: Extension = Field(default_factory=Extension)

    @property
    def library(self) -> str:
        """The name of the client's library; empty if it does not say."""
        library = self.about.get("library")
        return library if isinstance(library, str) else ""


_Millisecs = Annotated[float, Field(ge=0.0, le=1e9, allow_inf_nan=False)]


class PlayoutData(ClientData):
    """What the client's player has played of a stream, and what waits in it."""

    stream_id: int
    played_ms: _Millisecs
    buffered_ms: _Millisecs


class Ping(ClientData):
    """A question for the round trip's time; the answer brings `sent_at` back.

    A client that can resume says how many messages it has got; the answer says how many of its own
    have come.
    """

    sent_at: float = Field(allow_inf_nan=False)
    received: int | None = Field(default=None, ge=0)


class ClientMessage(ClientData):
    """A message of the application's own kind: `t` names it, `d` is in it."""

    t: str
    d: Any = None


class SendTextOptions(ClientData):
    """How to answer a text."""

    run_immediately: bool = True
    audio_response: bool = True


class SendText(ClientData):
    """The caller has written instead of spoken."""

    content: str = Field(min_length=1)
    options: SendTextOptions = Field(default_factory=SendTextOptions)


class AppendToContext(ClientData):
    """Something for the conversation's memory."""

    role: Literal["user", "assistant", "system", "developer"]
    content: Any
    run_immediately: bool = False


class DTMF(ClientData):
    """Keys of a telephone, pressed one after the other; before 2.1.0 a single one."""

    buttons: list[KeypadEntry] = Field(
        min_length=1, max_length=64, validation_alias=AliasChoices("buttons", "button")
    )

    @field_validator("buttons", mode="before")
    @classmethod
    def _take_one(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


class FunctionCallResult(ClientData):
    """What a function has returned that ran in the client."""

    function_name: str
    tool_call_id: str
    arguments: Any = None
    result: Any = None


class RawAudio(ClientData):
    """Microphone audio in JSON, as clients sent it before there was a binary wire."""

    sample_rate: int = Field(validation_alias="sampleRate")
    num_channels: int = Field(validation_alias="numChannels")
    batch: list[str] = Field(
        min_length=1, validation_alias=AliasChoices("base64AudioBatch", "base64Audio")
    )

    @field_validator("batch", mode="before")
    @classmethod
    def _take_one(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


def major_of(version: str) -> int:
    """Return the first part of a version such as `2.1.0`.

    Raises:
        ValueError: It is none of ours, or no version.
    """
    parts = version.split(".")
    if len(parts) != 3 or not all(part.isdecimal() and len(part) < 6 for part in parts):
        raise ValueError("version is not three numbers, such as 2.1.0")
    major = int(parts[0])
    if major not in MAJORS:
        raise ValueError(
            f"version {version} is not one that this server speaks: {PROTOCOL_VERSION}, and 1.x.y"
        )
    return major


def message(kind: str, data: Json | None = None, *, to: str | None = None) -> Json:
    """Return a message for a client.

    Args:
        kind: Its type.
        data: What is in it.
        to: The id of the client's message that it answers.
    """
    content: Json = {"label": LABEL, "type": kind}
    if to is not None:
        content["id"] = to
    if data is not None:
        content["data"] = data
    return content


def fault_of(error: ValidationError) -> str:
    """Return what is wrong with a client's message, in one line, without quoting it."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in ("data", *first["loc"]))
    return f"{where}: {first['msg']}"
