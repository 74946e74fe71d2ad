"""Media streams: JSON around base64, which each provider spells in its own way."""

import binascii
from abc import abstractmethod
from typing import ClassVar

from voicewire.errors import FrameDecodeError
from voicewire.frames import Frame, PlayoutMarkFrame
from voicewire.serializers.call import Call
from voicewire.serializers.codecs import AudioCodec, codec_named
from voicewire.serializers.fields import Message, base64_at, id_at, object_at, rate_at, text_at
from voicewire.serializers.strict_json import encode_json
from voicewire.serializers.telephony import TelephonyParams, TelephonySerializer

OUTBOUND_TRACK = "outbound"
"""What the caller hears, where a stream was asked for both tracks."""


class MediaStreamSerializer(TelephonySerializer):
    """A call whose every message is JSON text, in the manner that Twilio began.

    Its `start` message says all about the call. A serializer that is made with the stream's
    identifier, because the application has read that message itself, starts at once.
    """

    stream_id_field: ClassVar[str]
    sequence_field: ClassVar[str]
    first_events = frozenset({"connected", "start"})

    def __init__(self, params: TelephonyParams, codec: AudioCodec, stream_id: str | None) -> None:
        super().__init__(params, codec)
        self._stream_id: str | None = None
        self._configured_stream_id = stream_id
        self._media_head = self._media_tail = ""
        self._has_seen_start = False
        if stream_id is not None:
            self._use_stream(stream_id)
            self._has_started = True

    # In.

    def _take_message(self, message: Message) -> Frame | None:
        if self._has_started:
            self._check_stream(message)
        if self.sequence_field in message:
            self._count_sequence(message[self.sequence_field])
        return super()._take_message(message)

    def _check_stream(self, message: Message) -> None:
        """Refuse another stream's message; not all providers name the stream in each."""
        stream_id = message.get(self.stream_id_field, self._stream_id)
        if stream_id != self._stream_id:
            message_ = f"{self.stream_id_field}: another than in the start message"
            raise FrameDecodeError("wrong_stream", message_)

    def take_start(self, message: Message) -> None:
        """Take the message that says who calls."""
        if self._has_seen_start:
            raise FrameDecodeError("repeated_start", "a second start message on one connection")
        call, inbound, outbound = self._read_start(message)
        configured = self._configured_stream_id
        if configured not in (None, call.stream_id):
            message_ = f"{self.stream_id_field}: another than the one that was configured"
            raise FrameDecodeError("wrong_stream", message_)
        self._has_seen_start = True
        self._inbound, self._outbound = inbound, outbound
        self._use_stream(call.stream_id)
        self._start(call)

    @abstractmethod
    def _read_start(self, message: Message) -> tuple[Call, AudioCodec, AudioCodec]:
        """Return what the start message says: the call, and the codecs in and out."""

    def _codec_in(self, media_format: Message, rate_field: str) -> AudioCodec | None:
        """Return the codec that a start message names, what holds where it is silent.

        None for one that is not supported.
        """
        encoding = text_at(media_format, "encoding") or self._inbound.name
        return codec_named(encoding, rate_at(media_format, rate_field, self._inbound.sample_rate))

    def take_media(self, message: Message) -> Frame | None:
        """Take audio: the caller's alone, not what the caller hears."""
        media = object_at(message, "media")
        if media.get("track") == OUTBOUND_TRACK:
            return None
        return self._audio_frame(base64_at(media, "payload"))

    def take_key(self, message: Message) -> Frame:
        """Take a key that the caller has pressed."""
        return self._key_frame(object_at(message, "dtmf").get("digit"))

    def take_mark(self, message: Message) -> Frame:
        """Take the echo of a mark."""
        return PlayoutMarkFrame(id_at(object_at(message, "mark"), "name"))

    # Out.

    def mark(self, name: str) -> str | None:
        if not self._has_started:
            return None
        return encode_json({"event": "mark", **self._stream_field(), "mark": {"name": name}})

    def _clear_message(self) -> str | None:
        return encode_json({"event": "clear", **self._stream_field()})

    def _audio_message(self, pcm: bytes) -> str:
        payload = binascii.b2a_base64(self._outbound.encode(pcm), newline=False).decode("ascii")
        return f"{self._media_head}{payload}{self._media_tail}"

    def _media_frame(self) -> Message:
        """Return the message that plays audio, with `PAYLOAD` where the audio goes."""
        return {"event": "media", **self._stream_field(), "media": {"payload": PAYLOAD}}

    def _stream_field(self) -> Message:
        return {self.stream_id_field: self._stream_id} if self._stream_id else {}

    def _use_stream(self, stream_id: str) -> None:
        self._stream_id = stream_id
        # Written once for a call: a message is then these two around its audio.
        self._media_head, self._media_tail = encode_json(self._media_frame()).rsplit(PAYLOAD, 1)


PAYLOAD = "PAYLOAD"
