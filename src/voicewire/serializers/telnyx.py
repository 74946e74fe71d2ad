"""Telnyx media streaming: https://developers.telnyx.com/docs/voice/programmable-voice/media-streaming."""

from collections.abc import Mapping
from typing import ClassVar, Literal
from urllib.parse import quote

from voicewire.errors import ConfigurationError, FrameDecodeError
from voicewire.serializers.call import Call, CallRequest, ProviderRequest, StartAnswer
from voicewire.serializers.codecs import PCMU, AudioCodec, codec_named
from voicewire.serializers.credentials import has_credentials
from voicewire.serializers.fields import (
    Message,
    id_at,
    object_at,
    optional_object_at,
    shown_code_at,
    text_at,
)
from voicewire.serializers.markup import element, xml_answer
from voicewire.serializers.media_stream import MediaStreamSerializer
from voicewire.serializers.signatures import check_telnyx_key, is_telnyx_signature
from voicewire.serializers.strict_json import encode_json
from voicewire.serializers.telephony import Handler, TelephonyParams

Encoding = Literal["PCMU", "PCMA", "L16"]

STATUSES_IF_GONE = frozenset({404, 422})
"""Errors 10005, no such call, and 90018, the call has ended."""

L16_RATE = 16000
"""Hertz of L16, unless Telnyx says otherwise."""


class TelnyxFrameSerializer(MediaStreamSerializer):
    """Speaks with a stream in both directions (`stream_bidirectional_mode` `"rtp"`).

    How the caller's audio is coded (`stream_codec`), Telnyx says in its start message. How it
    expects ours (`stream_bidirectional_codec`), it does not say: PCMU, unless the application asked
    for another. It tells of keys, and presses none.
    """

    dialect = "telnyx"
    stream_id_field = "stream_id"
    sequence_field = "sequence_number"

    class InputParams(TelephonyParams):
        """What the application wants; see `TelephonyParams`.

        Attributes:
            telnyx_sample_rate: Hertz of L16; G.711 has 8000.
            inbound_encoding: Of what is sent to Telnyx, its `stream_bidirectional_codec`.
            outbound_encoding: Of what comes from Telnyx, until it says so itself.
        """

        telnyx_sample_rate: Literal[8000, 16000, 22050, 24000, 48000] | None = None
        inbound_encoding: Encoding = "PCMU"
        outbound_encoding: Encoding = "PCMU"

    def __init__(
        self,
        stream_id: str | None = None,
        outbound_encoding: Encoding | None = None,
        inbound_encoding: Encoding | None = None,
        call_control_id: str | None = None,
        api_key: str | None = None,
        params: InputParams | None = None,
        *,
        public_key: str | None = None,
        connection_id: str | None = None,
        base_url: str | None = None,
    ) -> None:
        """Make a serializer for calls by Telnyx. It needs nothing but to hang up.

        Args:
            stream_id: Where the application has read the start message itself.
            outbound_encoding: Of what comes from Telnyx, until it says so itself.
            inbound_encoding: Of what is sent to Telnyx, its `stream_bidirectional_codec`.
            call_control_id: Where the application has read the start message itself.
            api_key: To hang up.
            params: What else there is to choose.
            connection_id: Of the application in Telnyx' portal, to call somebody.
            base_url: Of another server with the same HTTP API.
            public_key: From Telnyx' portal, in base64: only Telnyx may ask what to do with a call.

        Raises:
            ConfigurationError: The public key is none.
            MissingExtraError: A package for what the keys are for is not installed.
        """
        params = params or self.InputParams()
        self._public_key = public_key
        self._connection_id = connection_id
        self._base_url = (base_url or "https://api.telnyx.com").rstrip("/")
        if public_key is not None:
            check_telnyx_key(public_key)
        rate = params.telnyx_sample_rate
        inbound = _codec(outbound_encoding or params.outbound_encoding, rate)
        super().__init__(params, inbound, stream_id)
        self._outbound = _codec(inbound_encoding or params.inbound_encoding, rate)
        self._call_control_id = call_control_id
        self._api_key: str | None = None
        if params.auto_hang_up and has_credentials(type(self).__name__, api_key=api_key):
            self._api_key = api_key

    def is_genuine(self, request: ProviderRequest, *, now: float) -> bool:
        if self._public_key is None or request.body is None:  # Streams are not signed.
            return True
        return is_telnyx_signature(
            request.headers.get("telnyx-signature-ed25519", ""),
            timestamp=request.headers.get("telnyx-timestamp", ""),
            payload=request.body,
            public_key=self._public_key,
            now=now,
        )

    def start_answer(self, url: str, form: Mapping[str, str]) -> StartAnswer:
        stream = {"url": url, "bidirectionalMode": "rtp", "bidirectionalCodec": "PCMU"}
        return xml_answer(element("Connect", {}, element("Stream", stream)))

    def _opens_with(self, message: Message) -> bool:
        if message["event"] == "connected":
            return "version" in message and "protocol" not in message
        return "call_control_id" in optional_object_at(message, "start")

    def hang_up_request(self, *, now: float) -> CallRequest | None:
        call_id = self._call_id(self._call_control_id)
        if not self._api_key or not call_id:
            return None
        resource = f"calls/{quote(call_id, safe=':')}/actions/hangup"
        return self._request(resource, "{}", STATUSES_IF_GONE)

    def dial_request(
        self, to_number: str, from_number: str, url: str, *, now: float
    ) -> CallRequest | None:
        if not self._api_key or not self._connection_id:
            return None
        call = {
            "connection_id": self._connection_id,
            "to": to_number,
            "from": from_number,
            "stream_url": url,
            "stream_track": "inbound_track",
            "stream_bidirectional_mode": "rtp",
            "stream_bidirectional_codec": self._outbound.name,
        }
        return self._request("calls", encode_json(call))

    def _request(
        self, resource: str, body: str, statuses_if_gone: frozenset[int] = frozenset()
    ) -> CallRequest:
        headers = {"Authorization": f"Bearer {self._api_key}", "Content-Type": "application/json"}
        url = f"{self._base_url}/v2/{resource}"
        return CallRequest("POST", url, headers, body.encode(), statuses_if_gone)

    def _read_start(self, message: Message) -> tuple[Call, AudioCodec, AudioCodec]:
        start = object_at(message, "start")
        codec = self._codec_in(optional_object_at(start, "media_format"), "sample_rate")
        if codec is None:
            raise self._unsupported_format("PCMU or PCMA at 8000 Hz, or L16 (stream_codec)")
        call = Call(
            self.dialect,
            id_at(start, "call_control_id"),
            id_at(message, "stream_id"),
            text_at(start, "from"),
            text_at(start, "to"),
            optional_object_at(start, "custom_parameters"),
        )
        return call, codec, self._outbound

    def _take_error(self, message: Message) -> None:
        """Refuse the message that says what was wrong with one of ours."""
        shown = shown_code_at(optional_object_at(message, "payload"), "code")
        raise FrameDecodeError("provider_error", f"Telnyx reports error {shown}")

    handlers: ClassVar[Mapping[str, Handler]] = {
        "connected": MediaStreamSerializer.understood,
        "start": MediaStreamSerializer.take_start,
        "media": MediaStreamSerializer.take_media,
        "dtmf": MediaStreamSerializer.take_key,
        "mark": MediaStreamSerializer.take_mark,
        "error": _take_error,
        "stop": MediaStreamSerializer.end,
    }


def _codec(encoding: Encoding, l16_rate: int | None) -> AudioCodec:
    rate = l16_rate or L16_RATE if encoding == "L16" else PCMU.sample_rate
    codec = codec_named(encoding, rate)
    if codec is None:
        message = f"TelnyxFrameSerializer: encoding {encoding!r}; expected PCMU, PCMA or L16"
        raise ConfigurationError(message)
    return codec
