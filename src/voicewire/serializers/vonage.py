"""Vonage WebSockets: https://developer.vonage.com/en/voice/voice-api/concepts/websockets."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from voicewire.errors import FrameDecodeError
from voicewire.frames import Frame, PlayoutMarkFrame
from voicewire.serializers.call import Call, CallRequest, ProviderRequest, StartAnswer
from voicewire.serializers.codecs import codec_named, l16
from voicewire.serializers.credentials import has_credentials, vonage_authorization
from voicewire.serializers.fields import Message, id_at, object_at, text_at
from voicewire.serializers.signatures import is_vonage_signature
from voicewire.serializers.strict_json import encode_json
from voicewire.serializers.telephony import Handler, TelephonyParams, TelephonySerializer

MARK_FIELD = "mark"
"""Where in a notification's payload the name stands; Vonage echoes whatever is in there."""

STATUSES_IF_GONE = frozenset({404})
"""Vonage knows no such call any more."""

_CONTENT_TYPE = "content-type"


class VonageFrameSerializer(TelephonySerializer):
    """Speaks with the Voice API's WebSocket endpoint, and with the Video API's audio connector.

    Binary messages are 16-bit PCM, at the rate in the NCCO's `content-type`. The `headers` of the
    NCCO come as the call's custom parameters, and Vonage says nothing else of the call: pass on
    `call_uuid`, `from_number` and `to_number`. It tells of keys, and presses none. No message ends
    a call: Vonage goes on with the NCCO when the connection is closed, unless it can be hung up by
    the HTTP API.
    """

    dialect = "vonage"
    first_events = frozenset({"websocket:connected"})

    class InputParams(TelephonyParams):
        """What the application wants; see `TelephonyParams`.

        Attributes:
            vonage_sample_rate: Hertz, until Vonage says so itself.
        """

        vonage_sample_rate: Literal[8000, 16000, 24000] = 16000

    def __init__(
        self,
        params: InputParams | None = None,
        *,
        signature_secret: str | None = None,
        application_id: str | None = None,
        private_key: str | None = None,
        base_url: str | None = None,
    ) -> None:
        """Make a serializer for calls by Vonage. It needs nothing.

        Args:
            params: What there is to choose.
            signature_secret: The account's: only Vonage may open connections and ask for NCCOs.
            application_id: To hang up.
            private_key: To hang up: the application's, in PEM.
            base_url: Of another server with the same HTTP API.

        Raises:
            ConfigurationError: One of the credentials is missing, or the key is none.
            MissingExtraError: There are credentials, but not the packages that make use of them.
        """
        params = params or self.InputParams()
        self._signature_secret = signature_secret
        self._calls_url = f"{(base_url or 'https://api.nexmo.com').rstrip('/')}/v1/calls"
        self._login: tuple[str, str] | None = None
        if params.auto_hang_up and has_credentials(
            type(self).__name__, application_id=application_id, private_key=private_key
        ):
            self._login = (str(application_id), str(private_key))
            vonage_authorization(*self._login, now=0.0)  # The key is looked at now, not in a call.
        super().__init__(params, l16(params.vonage_sample_rate))

    @property
    def signs_connections(self) -> bool:
        return self._signature_secret is not None

    def is_genuine(self, request: ProviderRequest, *, now: float) -> bool:
        if self._signature_secret is None:
            return True
        return is_vonage_signature(
            request.headers.get("authorization", ""),
            signature_secret=self._signature_secret,
            now=now,
            payload=request.body or None,
        )

    def start_answer(self, url: str, form: Mapping[str, str]) -> StartAnswer:
        names = {"uuid": "call_uuid", "from": "from_number", "to": "to_number"}
        passed = {name: form[given] for given, name in names.items() if given in form}
        return StartAnswer("application/json", encode_json(self._ncco(url, passed)))

    def hang_up_request(self, *, now: float) -> CallRequest | None:
        call_id = self._call_id(None)
        if self._login is None or not call_id:
            return None
        return self._request("PUT", f"/{quote(call_id, safe='')}", {"action": "hangup"}, now)

    def dial_request(
        self, to_number: str, from_number: str, url: str, *, now: float
    ) -> CallRequest | None:
        if self._login is None:
            return None
        to_number, from_number = to_number.lstrip("+"), from_number.lstrip("+")
        call = {
            "to": [{"type": "phone", "number": to_number}],
            "from": {"type": "phone", "number": from_number},
            "ncco": self._ncco(url, {"from_number": from_number, "to_number": to_number}),
        }
        return self._request("POST", "", call, now)

    def _ncco(self, url: str, passed: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
        endpoint = {
            "type": "websocket",
            "uri": url,
            "content-type": f"audio/l16;rate={self._inbound.sample_rate}",
            "headers": passed,
        }
        return [{"action": "connect", "endpoint": [endpoint]}]

    def _request(self, method: str, path: str, body: Message, now: float) -> CallRequest:
        assert self._login is not None  # noqa: S101 - nobody asks without
        headers = {
            "Authorization": vonage_authorization(*self._login, now=now),
            "Content-Type": "application/json",
        }
        return CallRequest(
            method,
            f"{self._calls_url}{path}",
            headers,
            encode_json(body).encode(),
            statuses_if_gone=STATUSES_IF_GONE,
        )

    def mark(self, name: str) -> str | None:
        if not self._has_started:
            return None
        return encode_json({"action": "notify", "payload": {MARK_FIELD: name}})

    def _audio_message(self, pcm: bytes) -> bytes:
        return pcm

    def _clear_message(self) -> str:
        return encode_json({"action": "clear"})

    def _take_binary(self, data: bytes) -> Frame:
        self._check_state("audio")
        return self._audio_frame(data)

    def _take_connected(self, message: Message) -> None:
        if self._has_started:
            raise FrameDecodeError("repeated_start", "a second websocket:connected")
        content_type = text_at(message, _CONTENT_TYPE)
        if content_type is not None:
            self._use_format(content_type)
        parameters = {name: message[name] for name in message.keys() - {"event", _CONTENT_TYPE}}
        call = Call(
            self.dialect,
            text_at(parameters, "call_uuid", "uuid") or "",
            "",
            text_at(parameters, "from_number", "from"),
            text_at(parameters, "to_number", "to"),
            parameters,
        )
        self._start(call)

    def _use_format(self, content_type: str) -> None:
        """Take `audio/l16;rate=16000`."""
        encoding, _, parameter = content_type.partition(";")
        name, _, rate = parameter.strip().partition("=")
        codec = None
        if name == "rate" and rate.isdecimal() and len(rate) <= len("192000"):
            codec = codec_named(encoding.strip(), int(rate))
        if codec is None or codec.name != "L16":
            raise self._unsupported_format("audio/l16;rate=8000, 16000 or 24000")
        self._inbound = self._outbound = codec

    def _take_key(self, message: Message) -> Frame:
        return self._key_frame(message.get("digit"))

    def _take_notification(self, message: Message) -> Frame:
        return PlayoutMarkFrame(id_at(object_at(message, "payload"), MARK_FIELD))

    handlers: ClassVar[Mapping[str, Handler]] = {
        "websocket:connected": _take_connected,
        "websocket:dtmf": _take_key,
        "websocket:notify": _take_notification,
        "websocket:cleared": TelephonySerializer.understood,
    }
