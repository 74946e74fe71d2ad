"""Genesys Cloud AudioHook: https://developer.genesys.cloud/devapps/audiohook."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, Literal

from voicewire.errors import FrameDecodeError, FrameEncodeError
from voicewire.frames import Frame
from voicewire.serializers.call import Call, ProviderRequest
from voicewire.serializers.codecs import TELEPHONE_RATE, AudioCodec, codec_named
from voicewire.serializers.credentials import are_given
from voicewire.serializers.fields import (
    Message,
    id_at,
    object_at,
    optional_object_at,
    shown_code_at,
    text_at,
)
from voicewire.serializers.signatures import check_genesys_secret, is_genesys_signature
from voicewire.serializers.strict_json import encode_json
from voicewire.serializers.telephony import Handler, TelephonyParams, TelephonySerializer

PROTOCOL_VERSION = "2"

PROBE_CONVERSATION = "00000000-0000-0000-0000-000000000000"
"""Who opens a session for it only tries whether the server answers; nobody calls."""

MAX_SEQUENCE = 2**53 - 1
"""The greatest whole number that JavaScript knows."""

PACKET_SECS = 0.2
"""Genesys answers more than five audio messages in a second with error 429."""


class AudioHookChannel(StrEnum):
    """Whose voice: the customer's, the agent's, or both."""

    EXTERNAL = "external"
    INTERNAL = "internal"
    BOTH = "both"


class AudioHookMediaFormat(StrEnum):
    """How audio is coded: mu-law or 16-bit PCM, at 8 kHz."""

    PCMU = "PCMU"
    L16 = "L16"


class GenesysAudioHookSerializer(TelephonySerializer):
    """Speaks version 2 of the protocol, as the server of an Audio Connector.

    Binary messages are audio, text messages are JSON with numbers in both directions. What the
    protocol wants answered (`open`, `ping`, `close`) is answered by `take_replies`. The variables
    of the Architect flow come as the call's custom parameters; `set_output_variables` says what
    goes back to it. Genesys cannot say how much has been played, and presses no keys.
    """

    dialect = "genesys"
    has_marks = False
    event_field = "type"
    first_events = frozenset({"open"})

    class InputParams(TelephonyParams):
        """What the application wants; see `TelephonyParams`.

        Attributes:
            genesys_sample_rate: Hertz; AudioHook has only one.
            channel: Whose voice to hear; of both, the customer's.
            media_format: Which to choose where both are offered.
            supported_languages: Such as `"en-US"`; said where Genesys asks.
            selected_language: One of them.
            start_paused: Whether Genesys is to begin without audio.
        """

        genesys_sample_rate: Literal[8000] = 8000
        channel: AudioHookChannel = AudioHookChannel.EXTERNAL
        media_format: AudioHookMediaFormat = AudioHookMediaFormat.PCMU
        supported_languages: list[str] | None = None
        selected_language: str | None = None
        start_paused: bool = False

    def __init__(
        self,
        params: InputParams | None = None,
        *,
        api_key: str | None = None,
        client_secret: str | None = None,
    ) -> None:
        """Make a serializer for sessions with Genesys. It needs nothing.

        Args:
            params: What there is to choose.
            api_key: As configured in Genesys: only who knows it and the secret may connect.
            client_secret: As configured in Genesys, in base64.

        Raises:
            ConfigurationError: One is there without the other, or the secret is not base64.
        """
        params = params or self.InputParams()
        self._keys: tuple[str, str] | None = None
        given = {"api_key": api_key, "client_secret": client_secret}
        if are_given(type(self).__name__, "know Genesys by its signature", **given):
            self._keys = (str(api_key), str(client_secret))
            check_genesys_secret(str(client_secret))
        super().__init__(params, _codec(params.media_format))
        self._wishes = params
        self._session_id = ""
        self._server_sequence = 0
        self._replies: list[bytes | str] = []
        self._num_channels, self._channel = 1, 0
        self._is_paused = False
        self._participant: Mapping[str, Any] | None = None
        self._output_variables: dict[str, Any] | None = None

    @property
    def packet_secs(self) -> float:
        return PACKET_SECS

    @property
    def session_id(self) -> str:
        """Genesys' name for the session; empty before `open`."""
        return self._session_id

    @property
    def conversation_id(self) -> str | None:
        """Genesys' name for the conversation."""
        return self._call.call_id if self._call else None

    @property
    def is_open(self) -> bool:
        return self._has_started and not self._is_over

    @property
    def is_paused(self) -> bool:
        """Whether Genesys has said that no audio flows."""
        return self._is_paused

    @property
    def participant(self) -> Mapping[str, Any] | None:
        """The customer: `ani`, `aniName`, `dnis`."""
        return self._participant

    @property
    def input_variables(self) -> Mapping[str, Any] | None:
        """What the Architect flow has passed on."""
        return self._call.custom_parameters if self._call else None

    @property
    def output_variables(self) -> Mapping[str, Any] | None:
        return self._output_variables

    def set_output_variables(self, variables: Mapping[str, Any]) -> None:
        """Say what the Architect flow gets when the session ends."""
        self._output_variables = dict(variables)

    @property
    def signs_connections(self) -> bool:
        return self._keys is not None

    def is_genuine(self, request: ProviderRequest, *, now: float) -> bool:
        if self._keys is None:
            return True
        api_key, client_secret = self._keys
        return is_genesys_signature(
            request.headers,
            target=request.target,
            api_key=api_key,
            client_secret=client_secret,
            now=now,
        )

    # Out.

    def take_replies(self) -> list[bytes | str]:
        replies, self._replies = self._replies, []
        return replies

    def goodbye(self) -> str | None:
        if not (self.is_open and self._params.auto_hang_up):
            return None
        return self._disconnect("completed")

    def _disconnect(self, reason: str, **parameters: Any) -> str:
        """Return the message that asks Genesys to close the session."""
        return self._message("disconnect", reason=reason, **parameters, **self._variables())

    def _audio_message(self, pcm: bytes) -> bytes | None:
        return None if self._is_paused else self._outbound.encode(pcm)

    def _clear_message(self) -> str:
        return self._message("event", entities=[{"type": "barge_in", "data": {}}])

    def _own_message(self, message: Any) -> str | None:
        """Return a message of the application's with the numbers that the protocol wants."""
        if not self.is_open or not isinstance(message, dict) or "type" not in message:
            return None
        parameters = message.get("parameters") or {}
        if not isinstance(parameters, dict) or not isinstance(message["type"], str):
            raise FrameEncodeError("a message for Genesys cannot be sent: parameters is no object")
        return self._message(message["type"], **parameters)

    def _message(self, kind: str, /, **parameters: Any) -> str:
        text = encode_json(
            {
                "version": PROTOCOL_VERSION,
                "type": kind,
                "seq": self._server_sequence + 1,
                "clientseq": self._sequence or 0,
                "id": self._session_id,
                "parameters": parameters,
            }
        )
        self._server_sequence += 1
        return text

    def _variables(self) -> Message:
        return {"outputVariables": self._output_variables} if self._output_variables else {}

    # In.

    def _take_binary(self, data: bytes) -> Frame:
        self._check_state("audio")
        return self._audio_frame(self._one_channel(data))

    def _one_channel(self, data: bytes) -> bytes:
        if self._num_channels == 1:
            return data
        width = self._inbound.bytes_per_sample
        if len(data) % (width * self._num_channels):
            raise FrameDecodeError("partial_sample", "audio: expected samples of both channels")
        if width == 1:
            return data[self._channel :: self._num_channels]
        samples = memoryview(data).cast("H")[self._channel :: self._num_channels]
        return samples.tobytes()

    def _take_message(self, message: Message) -> Frame | None:
        if self._session_id and message.get("id") != self._session_id:
            raise FrameDecodeError("wrong_stream", "id: another than in the open message")
        number = message.get("seq")
        if not isinstance(number, int) or isinstance(number, bool):
            raise FrameDecodeError("missing_field", "seq: expected a number")
        if not 0 <= number <= MAX_SEQUENCE:
            raise FrameDecodeError("invalid_field", f"seq: expected 0..{MAX_SEQUENCE}")
        self._count_sequence(number)
        acknowledged = message.get("serverseq", 0)
        if isinstance(acknowledged, int) and acknowledged > self._server_sequence:
            self._sequence_faults += 1
        return super()._take_message(message)

    def _take_open(self, message: Message) -> None:
        if self._has_started:
            raise FrameDecodeError("repeated_start", "a second open message on one connection")
        session_id = id_at(message, "id")
        parameters = object_at(message, "parameters")
        conversation = id_at(parameters, "conversationId")
        self._session_id = session_id
        media = self._choose_media(parameters.get("media"))
        if media is None:
            self._replies.append(self._disconnect("error", info="no supported audio was offered"))
            raise self._unsupported_format("PCMU or L16 at 8000 Hz")
        self._participant = optional_object_at(parameters, "participant")
        call = Call(
            self.dialect,
            conversation,
            session_id,
            text_at(self._participant, "ani"),
            text_at(self._participant, "dnis"),
            optional_object_at(parameters, "inputVariables"),
        )
        self._start(None if conversation == PROBE_CONVERSATION else call)
        self._is_paused = self._wishes.start_paused
        self._replies.append(self._opened(media, parameters.get("supportedLanguages") is True))

    def _opened(self, media: Message, asks_for_languages: bool) -> str:
        wishes = self._wishes
        parameters: Message = {"startPaused": wishes.start_paused, "media": [media]}
        if asks_for_languages or wishes.supported_languages:
            parameters["supportedLanguages"] = wishes.supported_languages or []
        if wishes.selected_language:
            parameters["selectedLanguage"] = wishes.selected_language
        return self._message("opened", **parameters)

    def _choose_media(self, offered: Any) -> Message | None:
        """Take the offer that is most like the wishes; return it, or None where none will do."""
        possible = [media for media in offered if _is_possible(media)] if _is_list(offered) else []
        if not possible:
            return None
        wishes = self._wishes
        wanted = ["external", "internal"] if wishes.channel == "both" else [wishes.channel]

        def likeness(media: Message) -> tuple[bool, bool]:
            return media["format"] == wishes.media_format, media["channels"] == wanted

        media: Message = max(possible, key=likeness)
        channels = media["channels"]
        self._num_channels = len(channels)
        self._channel = channels.index(wanted[0]) if wanted[0] in channels else 0
        self._inbound = self._outbound = _codec(media["format"])
        return media

    def _take_ping(self, _message: Message) -> None:
        self._replies.append(self._message("pong"))

    def _take_close(self, message: Message) -> None:
        self._replies.append(self._message("closed", **self._variables()))
        self.end(message)

    def _take_paused(self, _message: Message) -> None:
        self._is_paused = True

    def _take_resumed(self, _message: Message) -> None:
        self._is_paused = False

    def _take_key(self, message: Message) -> Frame:
        return self._key_frame(object_at(message, "parameters").get("digit"))

    def _take_error(self, message: Message) -> None:
        shown = shown_code_at(optional_object_at(message, "parameters"), "code")
        raise FrameDecodeError("provider_error", f"Genesys reports error {shown}")

    handlers: ClassVar[Mapping[str, Handler]] = {
        "open": _take_open,
        "ping": _take_ping,
        "close": _take_close,
        "paused": _take_paused,
        "resumed": _take_resumed,
        "dtmf": _take_key,
        "error": _take_error,
        "discarded": TelephonySerializer.understood,
        "playback_started": TelephonySerializer.understood,
        "playback_completed": TelephonySerializer.understood,
        "update": TelephonySerializer.understood,
    }


def _codec(media_format: str) -> AudioCodec:
    codec = codec_named(media_format, TELEPHONE_RATE)
    assert codec is not None  # noqa: S101 - the two formats are known
    return codec


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_possible(media: Any) -> bool:
    """Whether an offer can be taken: one or two channels of audio in a known format at 8 kHz."""
    if not isinstance(media, dict) or media.get("rate") != TELEPHONE_RATE:
        return False
    channels = media.get("channels")
    return (
        media.get("type") == "audio"
        and media.get("format") in tuple(AudioHookMediaFormat)
        and channels in (["external"], ["internal"], ["external", "internal"])
    )
