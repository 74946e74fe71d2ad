"""Asterisk's chan_websocket: https://docs.asterisk.org/Configuration/Channel-Drivers/WebSocket/."""

from collections.abc import Mapping
from typing import Any, ClassVar

from voicewire.errors import FrameDecodeError, FrameEncodeError
from voicewire.frames import Frame, PlayoutMarkFrame
from voicewire.serializers.call import Call
from voicewire.serializers.codecs import PCMA, PCMU, AudioCodec, l16
from voicewire.serializers.fields import (
    Message,
    decode_object,
    id_at,
    optional_object_at,
    text_at,
)
from voicewire.serializers.strict_json import MAX_JSON_CHARS, encode_json
from voicewire.serializers.telephony import Handler, TelephonyParams, TelephonySerializer

FRAME_SECS = 0.02
"""What Asterisk plays at once; less is left out of the call."""

MAX_AUDIO_BYTES = 65_500
"""Asterisk hangs up on a longer message."""

MAX_COMMAND_BYTES = 128
"""Asterisk overlooks a longer command."""

_CODECS: dict[str, AudioCodec] = {
    "ulaw": PCMU,
    "alaw": PCMA,
    "slin": l16(8000),
    "slin12": l16(12000),
    "slin16": l16(16000),
    "slin24": l16(24000),
    "slin32": l16(32000),
    "slin44": l16(44100),
    "slin48": l16(48000),
    "slin96": l16(96000),
    "slin192": l16(192000),
}


class AsteriskFrameSerializer(TelephonySerializer):
    """Speaks with a WebSocket channel, in the codec that was dialled: u-law, A-law or slin.

    Binary messages are audio, text messages are commands and events, as plain text or (option
    `f(json)`) as JSON: answered as Asterisk begins. The channel's variables are the call's custom
    parameters; plain text has none.

    Asterisk since 20.18, 22.8 and 23.2 can mark a place in what it plays. An older one only says
    that it has played everything: that is then the newest mark.
    """

    dialect = "asterisk"
    first_events = frozenset({"MEDIA_START"})

    class InputParams(TelephonyParams):
        """What the application wants; see `TelephonyParams`."""

    def __init__(self, params: InputParams | None = None) -> None:
        """Make a serializer for calls by Asterisk. It needs nothing.

        Args:
            params: What there is to choose.
        """
        super().__init__(params or self.InputParams(), PCMU)
        self._speaks_json = False
        self._has_marks = False
        self._newest_mark: str | None = None

    @property
    def packet_secs(self) -> float:
        return FRAME_SECS

    # Out.

    def mark(self, name: str) -> str | None:
        if not self._has_started:
            return None
        if self._has_marks:
            return self._command("MARK_MEDIA", name)
        self._newest_mark = name
        return self._command("REPORT_QUEUE_DRAINED")

    def goodbye(self) -> str | None:
        if not self._has_started or self._is_over or not self._params.auto_hang_up:
            return None
        return self._command("HANGUP")

    def _audio_message(self, pcm: bytes) -> bytes:
        codec = self._outbound
        frame_bytes = round(codec.sample_rate * FRAME_SECS) * 2
        message = codec.encode(pcm + bytes(-len(pcm) % frame_bytes))
        if len(message) > MAX_AUDIO_BYTES:
            raise FrameEncodeError(
                f"audio cannot be sent: {len(message)} bytes at once; expected at most "
                f"{MAX_AUDIO_BYTES}, or Asterisk hangs up"
            )
        return message

    def _clear_message(self) -> str:
        self._newest_mark = None
        return self._command("FLUSH_MEDIA")

    def _own_message(self, message: Any) -> str | None:
        """Return a command of the application's: text as it is, or an object for `f(json)`."""
        return message if isinstance(message, str) else encode_json(message)

    def _command(self, command: str, correlation_id: str | None = None) -> str:
        if self._speaks_json:
            fields = {"command": command}
            if correlation_id is not None:
                fields["correlation_id"] = correlation_id
            text = encode_json(fields)
        else:
            text = command if correlation_id is None else f"{command} {correlation_id}"
        if len(text.encode()) > MAX_COMMAND_BYTES:
            message = f"{command} cannot be sent: longer than {MAX_COMMAND_BYTES} bytes"
            raise FrameEncodeError(message)
        return text

    # In.

    def knows(self, first_message: bytes | str) -> bool:
        is_plain = isinstance(first_message, str) and first_message.startswith("MEDIA_START ")
        return is_plain or super().knows(first_message)

    def _take_binary(self, data: bytes) -> Frame:
        self._check_state("audio")
        return self._audio_frame(data)

    def _take_text(self, text: str) -> Frame | None:
        is_json = text.startswith("{")
        if not self._has_started:
            self._speaks_json = is_json
        return self._take_message(decode_object(text) if is_json else _decode_plain(text))

    def _take_start(self, message: Message) -> None:
        if self._has_started:
            raise FrameDecodeError("repeated_start", "a second MEDIA_START on one connection")
        codec = _CODECS.get(id_at(message, "format"))
        if codec is None:
            raise self._unsupported_format(", ".join(_CODECS))
        call = Call(
            self.dialect,
            text_at(message, "channel_id", "channel") or "",
            id_at(message, "connection_id"),
            custom_parameters=optional_object_at(message, "channel_variables"),
        )
        self._inbound = self._outbound = codec
        self._has_marks = "ptime" in message
        self._start(call)

    def _take_key(self, message: Message) -> Frame:
        return self._key_frame(message.get("digit"))

    def _take_mark(self, message: Message) -> Frame:
        return PlayoutMarkFrame(id_at(message, "correlation_id"))

    def _take_drained(self, _message: Message) -> Frame | None:
        mark, self._newest_mark = self._newest_mark, None
        return None if mark is None else PlayoutMarkFrame(mark)

    def _take_error(self, _message: Message) -> None:
        raise FrameDecodeError("provider_error", "Asterisk reports that it refuses a command")

    handlers: ClassVar[Mapping[str, Handler]] = {
        "MEDIA_START": _take_start,
        "DTMF_END": _take_key,
        "MEDIA_MARK_PROCESSED": _take_mark,
        "QUEUE_DRAINED": _take_drained,
        "ERROR": _take_error,
        "MEDIA_XON": TelephonySerializer.understood,
        "MEDIA_XOFF": TelephonySerializer.understood,
        "MEDIA_BUFFERING_COMPLETED": TelephonySerializer.understood,
        "STATUS": TelephonySerializer.understood,
    }


def _decode_plain(text: str) -> Message:
    """Return an event such as `DTMF_END digit:5` as if it had come as JSON."""
    if len(text) > MAX_JSON_CHARS:
        message_ = f"{len(text)} characters of text; expected at most {MAX_JSON_CHARS}"
        raise FrameDecodeError("large_text", message_)
    event, _, argument = text.partition(" ")
    message: Message = {"correlation_id": argument.strip()}
    for word in argument.split():
        name, colon, value = word.partition(":")
        if colon:
            message[name] = value
    return message | {"event": event}
