"""Exotel's voicebot applet: https://developer.exotel.com/docs/agentstream/stream-voicebot-applet."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from voicewire.serializers.call import Call, StartAnswer
from voicewire.serializers.codecs import AudioCodec, l16
from voicewire.serializers.fields import (
    Message,
    id_at,
    object_at,
    optional_object_at,
    text_at,
)
from voicewire.serializers.media_stream import MediaStreamSerializer
from voicewire.serializers.strict_json import encode_json
from voicewire.serializers.telephony import Handler, TelephonyParams

MIN_PACKET_BYTES = 3200
MIN_PACKET_SECS = 0.1
"""Exotel asks for at least 3.2 KB, "100 ms", in multiples of 320 bytes; less may be distorted."""


class ExotelFrameSerializer(MediaStreamSerializer):
    """Speaks with the voicebot applet: 16-bit PCM at 8, 16 or 24 kHz (`?sample-rate=`).

    Exotel tells of keys, and presses none. It is not told to hang up: the flow goes on when the
    connection is closed.
    """

    dialect = "exotel"
    stream_id_field = "stream_sid"
    sequence_field = "sequence_number"

    class InputParams(TelephonyParams):
        """What the application wants; see `TelephonyParams`.

        Attributes:
            exotel_sample_rate: Hertz, until Exotel says so itself.
        """

        exotel_sample_rate: Literal[8000, 16000, 24000] = 8000

    def __init__(
        self,
        stream_sid: str | None = None,
        call_sid: str | None = None,
        params: InputParams | None = None,
    ) -> None:
        """Make a serializer for calls by Exotel. It needs nothing.

        Args:
            stream_sid: Where the application has read the start message itself.
            call_sid: Accepted from programs written for Pipecat; Exotel says it.
            params: What else there is to choose.
        """
        params = params or self.InputParams()
        super().__init__(params, l16(params.exotel_sample_rate), stream_sid)

    @property
    def packet_secs(self) -> float:
        codec = self._outbound
        bytes_per_sec = codec.sample_rate * codec.bytes_per_sample
        return max(MIN_PACKET_SECS, MIN_PACKET_BYTES / bytes_per_sec)

    def start_answer(self, url: str, form: Mapping[str, str]) -> StartAnswer:
        return StartAnswer("application/json", encode_json({"url": url}))

    def _opens_with(self, message: Message) -> bool:
        if message["event"] == "connected":
            return "version" not in message
        return "call_sid" in optional_object_at(message, "start")

    def _read_start(self, message: Message) -> tuple[Call, AudioCodec, AudioCodec]:
        start = object_at(message, "start")
        codec = self._codec_in(optional_object_at(start, "media_format"), "sample_rate")
        if codec is None:
            raise self._unsupported_format("16-bit PCM at 8000, 16000 or 24000 Hz")
        call = Call(
            self.dialect,
            id_at(start, "call_sid"),
            id_at(start if "stream_sid" in start else message, "stream_sid"),
            text_at(start, "from"),
            text_at(start, "to"),
            optional_object_at(start, "custom_parameters"),
        )
        return call, codec, codec

    handlers: ClassVar[Mapping[str, Handler]] = {
        "connected": MediaStreamSerializer.understood,
        "start": MediaStreamSerializer.take_start,
        "media": MediaStreamSerializer.take_media,
        "dtmf": MediaStreamSerializer.take_key,
        "mark": MediaStreamSerializer.take_mark,
        "stop": MediaStreamSerializer.end,
    }
