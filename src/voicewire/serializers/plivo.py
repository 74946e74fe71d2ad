"""Plivo audio streams: https://www.plivo.com/docs/voice/xml/the-stream-element/stream-events-to-plivo."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal
from urllib.parse import quote, urlsplit

from voicewire.errors import FrameDecodeError
from voicewire.frames import Frame, KeypadEntry, PlayoutMarkFrame
from voicewire.serializers.call import Call, CallRequest, StartAnswer
from voicewire.serializers.codecs import PCMU, AudioCodec, l16
from voicewire.serializers.credentials import basic_authorization, has_credentials
from voicewire.serializers.fields import (
    Message,
    id_at,
    object_at,
    optional_object_at,
    text_at,
)
from voicewire.serializers.markup import element, text, xml_answer
from voicewire.serializers.media_stream import PAYLOAD, MediaStreamSerializer
from voicewire.serializers.strict_json import decode_json, encode_json
from voicewire.serializers.telephony import Handler, TelephonyParams

STATUSES_IF_GONE = frozenset({404})

_CONTENT_TYPES = {"PCMU": "audio/x-mulaw", "L16": "audio/x-l16"}


class PlivoFrameSerializer(MediaStreamSerializer):
    """Speaks with a bidirectional `<Stream>`: mu-law at 8 kHz, or 16-bit PCM at 8 or 16 kHz.

    Audio goes out as it comes in, which Plivo says in its start message (`contentType`). Plivo does
    not say who calls: pass it on as the extra headers `from_number` and `to_number`.
    """

    dialect = "plivo"
    stream_id_field = "streamId"
    sequence_field = "sequenceNumber"

    class InputParams(TelephonyParams):
        """What the application wants; see `TelephonyParams`.

        Attributes:
            plivo_sample_rate: Hertz, until Plivo says so itself; 8000 is mu-law, 16000 is PCM.
        """

        plivo_sample_rate: Literal[8000, 16000] = 8000

    def __init__(
        self,
        stream_id: str | None = None,
        call_id: str | None = None,
        auth_id: str | None = None,
        auth_token: str | None = None,
        params: InputParams | None = None,
        *,
        base_url: str | None = None,
    ) -> None:
        """Make a serializer for calls by Plivo. It needs nothing but to hang up.

        Args:
            stream_id: Where the application has read the start message itself.
            call_id: As above.
            auth_id: To hang up.
            auth_token: To hang up.
            params: What else there is to choose.
            base_url: Of another server with the same HTTP API.

        Raises:
            ConfigurationError: One of the credentials is missing.
        """
        params = params or self.InputParams()
        rate = params.plivo_sample_rate
        super().__init__(params, PCMU if rate == PCMU.sample_rate else l16(rate), stream_id)
        self._call_uuid = call_id
        self._base_url = (base_url or "https://api.plivo.com").rstrip("/")
        self._login: tuple[str, str] | None = None
        if params.auto_hang_up and has_credentials(
            type(self).__name__, auth_id=auth_id, auth_token=auth_token
        ):
            self._login = (str(auth_id), str(auth_token))

    def mark(self, name: str) -> str | None:
        if not self._has_started:
            return None
        return encode_json({"event": "checkpoint", **self._stream_field(), "name": name})

    def start_answer(self, url: str, form: Mapping[str, str]) -> StartAnswer:
        codec = self._inbound
        stream = {
            "bidirectional": "true",
            "keepCallAlive": "true",
            "contentType": f"{_CONTENT_TYPES[codec.name]};rate={codec.sample_rate}",
        }
        # Only letters and digits are passed on.
        numbers = {name: form.get(name.title(), "").lstrip("+") for name in ("from", "to")}
        passed = ",".join(
            f"{name}={number}" for name, number in numbers.items() if number.isalnum()
        )
        if passed:
            stream["extraHeaders"] = passed
        return xml_answer(element("Stream", stream, text(url)))

    def _opens_with(self, message: Message) -> bool:
        return "streamId" in optional_object_at(message, "start")

    def hang_up_request(self, *, now: float) -> CallRequest | None:
        call_id = self._call_id(self._call_uuid)
        if self._login is None or not call_id:
            return None
        return CallRequest(
            "DELETE",
            f"{self._calls_url}{quote(call_id, safe='')}/",
            {"Authorization": basic_authorization(*self._login)},
            statuses_if_gone=STATUSES_IF_GONE,
        )

    def dial_request(
        self, to_number: str, from_number: str, url: str, *, now: float
    ) -> CallRequest | None:
        if self._login is None:
            return None
        parts = urlsplit(url)
        scheme = "https" if parts.scheme == "wss" else "http"
        answer_url = f"{scheme}://{parts.netloc}{parts.path}/start"
        call = {"from": from_number, "to": to_number, "answer_url": answer_url}
        headers = {
            "Authorization": basic_authorization(*self._login),
            "Content-Type": "application/json",
        }
        return CallRequest("POST", self._calls_url, headers, encode_json(call).encode())

    @property
    def _calls_url(self) -> str:
        assert self._login is not None  # noqa: S101 - nobody asks without
        return f"{self._base_url}/v1/Account/{quote(self._login[0], safe='')}/Call/"

    def _read_start(self, message: Message) -> tuple[Call, AudioCodec, AudioCodec]:
        start = object_at(message, "start")
        codec = self._codec_in(optional_object_at(start, "mediaFormat"), "sampleRate")
        if codec is None or codec.name not in _CONTENT_TYPES:
            raise self._unsupported_format("audio/x-mulaw at 8000 Hz, or audio/x-l16")
        headers = _extra_headers(message.get("extra_headers"))
        call = Call(
            self.dialect,
            id_at(start, "callId"),
            id_at(start, "streamId"),
            text_at(headers, "from_number", "from"),
            text_at(headers, "to_number", "to"),
            headers,
        )
        return call, codec, codec

    def _take_played(self, message: Message) -> Frame:
        return PlayoutMarkFrame(id_at(message, "name"))

    def _clear_message(self) -> str:
        return encode_json({"event": "clearAudio", **self._stream_field()})

    def _key_message(self, key: KeypadEntry) -> str:
        return encode_json({"event": "sendDTMF", "dtmf": key.value})

    def _media_frame(self) -> Message:
        media = {
            "contentType": _CONTENT_TYPES[self._outbound.name],
            "sampleRate": self._outbound.sample_rate,
            "payload": PAYLOAD,
        }
        return {"event": "playAudio", **self._stream_field(), "media": media}

    handlers: ClassVar[Mapping[str, Handler]] = {
        "start": MediaStreamSerializer.take_start,
        "media": MediaStreamSerializer.take_media,
        "dtmf": MediaStreamSerializer.take_key,
        "playedStream": _take_played,
        "clearedAudio": MediaStreamSerializer.understood,
        "stop": MediaStreamSerializer.end,
    }


def _extra_headers(value: Any) -> Message:
    """Return the extra headers: a JSON object in a string, or `name=value` and a comma or `;`."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, str):
        return {}
    try:
        decoded = decode_json(value)
    except FrameDecodeError:
        pairs = (pair.partition("=") for pair in value.strip("{} ").replace(";", ",").split(","))
        return {name.strip(): text.strip() for name, equals, text in pairs if equals}
    return decoded if isinstance(decoded, dict) else {}
