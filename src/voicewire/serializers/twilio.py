"""Twilio Media Streams: https://www.twilio.com/docs/voice/media-streams/websocket-messages."""

from collections.abc import Mapping
from typing import ClassVar, Literal
from urllib.parse import quote, urlencode

from voicewire.errors import ConfigurationError
from voicewire.serializers.call import Call, CallRequest, ProviderRequest, StartAnswer
from voicewire.serializers.codecs import PCMU, AudioCodec
from voicewire.serializers.credentials import basic_authorization, has_credentials
from voicewire.serializers.fields import (
    Message,
    id_at,
    object_at,
    optional_object_at,
    text_at,
)
from voicewire.serializers.markup import element, xml_answer
from voicewire.serializers.media_stream import MediaStreamSerializer
from voicewire.serializers.signatures import is_twilio_signature
from voicewire.serializers.telephony import Handler, TelephonyParams

STATUSES_IF_GONE = frozenset({404})
"""Error 20404: no such call; https://www.twilio.com/docs/api/errors/20404."""


class TwilioFrameSerializer(MediaStreamSerializer):
    """Speaks with a bidirectional stream (`<Connect><Stream>`): mu-law at 8 kHz.

    Twilio does not say who calls: have the TwiML pass it on, as the parameters `from_number` and
    `to_number`. It tells of keys, and presses none.
    """

    dialect = "twilio"
    stream_id_field = "streamSid"
    sequence_field = "sequenceNumber"

    class InputParams(TelephonyParams):
        """What the application wants; see `TelephonyParams`.

        Attributes:
            twilio_sample_rate: Hertz; Twilio has only one.
            verify_signatures: Whether only Twilio may open streams and ask for TwiML, where there
                is an `auth_token` to tell by.
        """

        twilio_sample_rate: Literal[8000] = 8000
        verify_signatures: bool = True

    def __init__(
        self,
        stream_sid: str | None = None,
        call_sid: str | None = None,
        account_sid: str | None = None,
        auth_token: str | None = None,
        region: str | None = None,
        edge: str | None = None,
        base_url: str | None = None,
        params: InputParams | None = None,
        *,
        api_key_sid: str | None = None,
        api_key_secret: str | None = None,
    ) -> None:
        """Make a serializer for calls by Twilio. It needs nothing but to hang up.

        Args:
            stream_sid: Where the application has read the start message itself.
            call_sid: As above.
            account_sid: To hang up.
            auth_token: To hang up, and to know Twilio by its signatures.
            region: Where the account's calls are, such as `"ie1"`; together with `edge`.
            edge: Where to reach them, such as `"dublin"`.
            base_url: Of another server with the same HTTP API, instead of region and edge.
            params: What else there is to choose.
            api_key_sid: In place of `auth_token`, together with `api_key_secret`.
            api_key_secret: As above.

        Raises:
            ConfigurationError: Some of the credentials are missing, or contradict each other.
        """
        params = params or self.InputParams()
        super().__init__(params, PCMU, stream_sid)
        self._call_sid = call_sid
        self._account_sid = account_sid
        self._login: tuple[str, str] | None = None
        self._signing_token = auth_token if params.verify_signatures else None
        self._base_url = base_url.rstrip("/") if base_url else _base_url(region, edge)
        if not params.auto_hang_up:
            return
        name = type(self).__name__
        if auth_token and (api_key_sid or api_key_secret):
            message = f"{name}: auth_token and an API key; give one of them"
            raise ConfigurationError(message)
        if api_key_sid or api_key_secret:
            key = {"api_key_sid": api_key_sid, "api_key_secret": api_key_secret}
            has_credentials(name, account_sid=account_sid, **key)
            self._login = (str(api_key_sid), str(api_key_secret))
        elif has_credentials(name, account_sid=account_sid, auth_token=auth_token):
            self._login = (str(account_sid), str(auth_token))

    @property
    def signs_connections(self) -> bool:
        return self._signing_token is not None

    def is_genuine(self, request: ProviderRequest, *, now: float) -> bool:
        if self._signing_token is None:
            return True
        return is_twilio_signature(
            request.headers.get("x-twilio-signature", ""),
            url=request.url,
            auth_token=self._signing_token,
            params=request.form if request.body else None,
        )

    def start_answer(self, url: str, form: Mapping[str, str]) -> StartAnswer:
        parameters = "".join(
            element("Parameter", {"name": name, "value": form[field]})
            for name, field in (("from_number", "From"), ("to_number", "To"))
            if field in form
        )
        return xml_answer(element("Connect", {}, element("Stream", {"url": url}, parameters)))

    def _opens_with(self, message: Message) -> bool:
        if message["event"] == "connected":
            return "protocol" in message
        return "streamSid" in message and "callSid" in optional_object_at(message, "start")

    def hang_up_request(self, *, now: float) -> CallRequest | None:
        call_sid = self._call_id(self._call_sid)
        if self._login is None or not call_sid:
            return None
        resource = f"Calls/{quote(call_sid, safe='')}.json"
        return self._request(resource, b"Status=completed", STATUSES_IF_GONE)

    def dial_request(
        self, to_number: str, from_number: str, url: str, *, now: float
    ) -> CallRequest | None:
        if self._login is None:
            return None
        numbers = {"From": from_number, "To": to_number}
        form = {**numbers, "Twiml": self.start_answer(url, numbers).body}
        return self._request("Calls.json", urlencode(form).encode())

    def _request(
        self, resource: str, body: bytes, statuses_if_gone: frozenset[int] = frozenset()
    ) -> CallRequest:
        assert self._login is not None  # noqa: S101 - nobody asks without
        account = quote(str(self._account_sid), safe="")
        headers = {
            "Authorization": basic_authorization(*self._login),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        url = f"{self._base_url}/2010-04-01/Accounts/{account}/{resource}"
        return CallRequest("POST", url, headers, body, statuses_if_gone)

    def _read_start(self, message: Message) -> tuple[Call, AudioCodec, AudioCodec]:
        start = object_at(message, "start")
        codec = self._codec_in(optional_object_at(start, "mediaFormat"), "sampleRate")
        if codec != PCMU:
            raise self._unsupported_format("audio/x-mulaw at 8000 Hz")
        parameters = optional_object_at(start, "customParameters")
        call = Call(
            self.dialect,
            id_at(start, "callSid"),
            id_at(start, "streamSid"),
            text_at(parameters, "from_number", "from"),
            text_at(parameters, "to_number", "to"),
            parameters,
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


def _base_url(region: str | None, edge: str | None) -> str:
    """Return where the HTTP API is.

    See https://www.twilio.com/docs/global-infrastructure/understanding-edge-locations: the host is
    api.{edge}.{region}.twilio.com.
    """
    if not region and not edge:
        return "https://api.twilio.com"
    if not (region and edge):
        given, missing = ("region", "edge") if region else ("edge", "region")
        message = f"TwilioFrameSerializer: {given} without {missing}; the API's host needs both"
        raise ConfigurationError(message)
    return f"https://api.{edge}.{region}.twilio.com"
