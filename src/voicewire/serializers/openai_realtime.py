"""OpenAI's Realtime API, as a server speaks it: platform.openai.com/docs/api-reference/realtime."""

import base64
import binascii
import itertools
from typing import Any

from voicewire.audio.g711 import alaw_to_pcm, pcm_to_alaw, pcm_to_ulaw, ulaw_to_pcm
from voicewire.audio.pcm import BYTES_PER_SAMPLE, duration_secs
from voicewire.errors import FrameDecodeError, FrameEncodeError
from voicewire.frames import (
    Frame,
    InputAudioRawFrame,
    InputTransportMessageFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
)
from voicewire.serializers.base import FrameSerializer
from voicewire.serializers.strict_json import decode_json, encode_json

APPEND = "input_audio_buffer.append"

PCM, PCMU, PCMA = "audio/pcm", "audio/pcmu", "audio/pcma"
RATES = {PCM: 24000, PCMU: 8000, PCMA: 8000}
"""Hertz of each audio format."""

_ENCODERS = {PCMU: pcm_to_ulaw, PCMA: pcm_to_alaw}
_DECODERS = {PCMU: ulaw_to_pcm, PCMA: alaw_to_pcm}


class OpenAIRealtimeSerializer(FrameSerializer):
    """JSON text messages with audio in base64.

    It knows messages and audio. What they mean, `voicewire.openai_realtime` knows, which also says
    to which response audio belongs.

    Attributes:
        input_format: `"audio/pcm"`, `"audio/pcmu"` or `"audio/pcma"`, of what comes.
        output_format: Of what goes.
        audio_of: The fields that say to which response audio belongs; None where it has no place.
        holds_audio: Whether what comes is kept until the client commits it: then it is a message.
        sent_secs: Audio sent since this was set to 0.
    """

    dialect = "openai-realtime"
    can_clear = True

    def __init__(self) -> None:
        self.input_format = self.output_format = PCM
        self.audio_of: dict[str, Any] | None = None
        self.holds_audio = False
        self.sent_secs = 0.0
        self._numbers = itertools.count(1)
        self._replies: list[bytes | str] = []

    @property
    def sample_rate(self) -> int:
        return RATES[self.output_format]

    def knows(self, first_message: bytes | str) -> bool:
        if isinstance(first_message, bytes):
            return False
        try:
            message = decode_json(first_message)
        except FrameDecodeError:
            return False
        kind = message.get("type") if isinstance(message, dict) else None
        return isinstance(kind, str) and kind.startswith(_FAMILIES)

    def serialize(self, frame: Frame) -> str | None:
        if isinstance(frame, OutputAudioRawFrame):
            return self._serialize_audio(frame)
        if isinstance(frame, OutputTransportMessageFrame | OutputTransportMessageUrgentFrame):
            message = frame.message
            if isinstance(message, dict) and isinstance(message.get("type"), str):
                return self._event(message)
        return None

    def take_replies(self) -> list[bytes | str]:
        replies, self._replies = self._replies, []
        return replies

    def deserialize(self, data: bytes | str) -> Frame:
        try:
            return self._deserialize(data)
        except FrameDecodeError as exc:
            error = {
                "type": "invalid_request_error",
                "code": exc.kind,
                "message": str(exc),
                "param": None,
                "event_id": None,
            }
            self._replies.append(self._event({"type": "error", "error": error}))
            raise

    def _deserialize(self, data: bytes | str) -> Frame:
        if isinstance(data, bytes):
            raise FrameDecodeError("binary_message", "a binary message; this wire has only text")
        message = decode_json(data, may_be_long=True)
        if not isinstance(message, dict):
            raise FrameDecodeError("not_an_object", "the JSON is no object; expected one")
        is_audio = message.get("type") == APPEND and isinstance(message.get("audio"), str)
        if is_audio and not self.holds_audio:
            pcm = self.decode_audio(message["audio"])
            return InputAudioRawFrame(pcm, RATES[self.input_format], 1)
        return InputTransportMessageFrame(message)

    def decode_audio(self, text: str) -> bytes:
        """Return base64 of `input_format` as mono s16le.

        Raises:
            FrameDecodeError: It is not base64, or not of whole samples.
        """
        try:
            coded = binascii.a2b_base64(text, strict_mode=True)
        except ValueError as exc:
            raise FrameDecodeError("invalid_base64", f"audio: not base64: {exc}") from None
        decode = _DECODERS.get(self.input_format)
        pcm = coded if decode is None else decode(coded)
        if not pcm:
            raise FrameDecodeError("empty_audio", "audio: no samples; expected at least one")
        if len(pcm) % BYTES_PER_SAMPLE:
            message = f"audio: {len(pcm)} bytes; expected whole 16-bit samples"
            raise FrameDecodeError("partial_sample", message)
        return pcm

    def _serialize_audio(self, frame: OutputAudioRawFrame) -> str | None:
        if frame.sample_rate != self.sample_rate or frame.num_channels != 1:
            raise FrameEncodeError(
                f"{type(frame).__name__} cannot be sent: {frame.sample_rate} Hz, "
                f"{frame.num_channels} channels; expected {self.sample_rate} Hz, mono"
            )
        self.sent_secs += duration_secs(len(frame.audio), frame.sample_rate, 1)
        if self.audio_of is None:
            return None
        encode = _ENCODERS.get(self.output_format)
        coded = frame.audio if encode is None else encode(frame.audio)
        delta = base64.b64encode(coded).decode("ascii")
        return self._event({"type": "response.output_audio.delta", **self.audio_of, "delta": delta})

    def _event(self, message: dict[str, Any]) -> str:
        return encode_json({"event_id": f"event_{next(self._numbers)}", **message})


_FAMILIES = ("session.", "input_audio_buffer.", "conversation.item.", "response.")
