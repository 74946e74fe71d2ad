"""What a device says first on the raw wire, and what it is answered. Pure."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from voicewire.audio.g722 import SAMPLE_RATE as G722_RATE
from voicewire.audio.opus import MAX_BITRATE, MIN_BITRATE
from voicewire.audio.opus import SAMPLE_RATES as OPUS_RATES
from voicewire.errors import FrameDecodeError
from voicewire.serializers.codecs import TELEPHONE_RATE

MIN_PCM_RATE = 8000
MAX_PCM_RATE = 48_000
"""Hertz."""

PREFERRED_RATE = 16_000
"""Hertz: what a device gets that does not ask, where its codec has a choice."""

DEFAULT_BITRATE = 24_000
"""Bits a second: a tenth of 16 kHz PCM. `benchmarks/opus.py` measures what is lost by it."""

MAX_SHOWN_CHARS = 32
"""Of a name that a device has made up, in what it is told."""

_RATES: Mapping[str, tuple[int, ...]] = {
    "opus": OPUS_RATES,
    "pcmu": (TELEPHONE_RATE,),
    "pcma": (TELEPHONE_RATE,),
    "g722": (G722_RATE,),
}

_OPUS_SETTINGS = ("bitrate", "dtx", "fec")


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class AudioSettings(_Settings):
    """One direction of the audio, always mono.

    Attributes:
        codec: "pcm" is s16le.
        sample_rate: Hertz; 0 until the default is filled in.
        frame_ms: Milliseconds of audio in a message. What the device sends may be longer or
            shorter; what it gets is not.
    """

    codec: Literal["pcm", "opus", "pcmu", "pcma", "g722"] = "pcm"
    sample_rate: int = 0
    frame_ms: Literal[10, 20, 40, 60] = 20

    @model_validator(mode="before")
    @classmethod
    def _choose_rate(cls, values: Any) -> Any:
        if isinstance(values, dict) and "sample_rate" not in values:
            rates = _RATES.get(str(values.get("codec")), (PREFERRED_RATE,))
            rate = PREFERRED_RATE if PREFERRED_RATE in rates else rates[0]
            return {**values, "sample_rate": rate}
        return values

    @model_validator(mode="after")
    def _check_rate(self) -> "AudioSettings":
        rates = _RATES.get(self.codec)
        if rates is None:
            is_known = MIN_PCM_RATE <= self.sample_rate <= MAX_PCM_RATE
            known = f"{MIN_PCM_RATE}..{MAX_PCM_RATE}"
        else:
            is_known = self.sample_rate in rates
            known = " or ".join(map(str, rates))
        if not is_known:
            raise ValueError(f"sample_rate: {self.sample_rate}; {self.codec} has {known}")
        return self


class OutputSettings(AudioSettings):
    """What the device plays.

    Attributes:
        bitrate: Of Opus: bits a second.
        dtx: Of Opus: whether silence is next to nothing.
        fec: Of Opus: whether each packet has a copy of the one before.
    """

    bitrate: int = Field(default=DEFAULT_BITRATE, ge=MIN_BITRATE, le=MAX_BITRATE)
    dtx: bool = True
    fec: bool = False

    @model_validator(mode="after")
    def _check_codec(self) -> "OutputSettings":
        given = [name for name in _OPUS_SETTINGS if name in self.model_fields_set]
        if given and self.codec != "opus":
            raise ValueError(f"{given[0]}: a setting of opus; the codec is {self.codec}")
        return self


class Hello(_Settings):
    """All settings of a device, with what it has left open filled in.

    Attributes:
        audio_in: Of its microphone.
        audio_out: Of its loudspeaker.
        events: Whether it wants to be told who speaks and what is said.
        flush: Whether it drops what it has not played when it is told so.
    """

    type: Literal["hello"]
    audio_in: AudioSettings = AudioSettings(sample_rate=PREFERRED_RATE)
    audio_out: OutputSettings = OutputSettings(sample_rate=PREFERRED_RATE)
    events: bool = True
    flush: bool = True

    def answer(self) -> dict[str, Any]:
        """Return the message that says what has been agreed."""
        answer = self.model_dump()
        if self.audio_out.codec != "opus":
            for name in _OPUS_SETTINGS:
                del answer["audio_out"][name]
        return answer


def parse_hello(message: Mapping[str, Any]) -> Hello:
    """Return the settings in a device's first message.

    Raises:
        FrameDecodeError: "invalid_hello". The message names the setting, and what would be right.
    """
    try:
        return Hello.model_validate(message)
    except ValidationError as exc:
        raise FrameDecodeError("invalid_hello", _fault_of(exc)) from None


_KNOWN_SETTINGS: Mapping[tuple[str, ...], type[BaseModel]] = {
    (): Hello,
    ("audio_in",): AudioSettings,
    ("audio_out",): OutputSettings,
}


def _fault_of(error: ValidationError) -> str:
    """Return what is wrong in one line, without quoting more than a name of it."""
    first = error.errors(include_url=False, include_input=False)[0]
    path = tuple(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = ", ".join(_KNOWN_SETTINGS[path[:-1]].model_fields)
        shown = ".".join((*path[:-1], path[-1][:MAX_SHOWN_CHARS]))
        return f"unknown setting {shown!r}; expected one of {known}"
    if first["type"] == "value_error":
        return ".".join((*path, str(first["ctx"]["error"])))
    return f"{'.'.join(path)}: {first['msg']}"
