"""The providers' side of the telephone wires: what they send, and what they make of the answers.

Written from the providers' documents and not from our serializers, which are tested with it.
"""

import base64
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from voicewire.audio.g711 import pcm_to_ulaw, ulaw_to_pcm

Message = bytes | str


@dataclass(frozen=True)
class Order:
    """What the server wants of the provider.

    Attributes:
        kind: `audio` is to be played, `clear` drops what has not been, `mark` asks to be told when
            all before it has been, `key` presses a key, `hang_up` ends the call.
        pcm: Of `audio`: mono s16le at the line's rate.
        name: Of `mark` and `key`.
    """

    kind: Literal["audio", "clear", "mark", "key", "hang_up"]
    pcm: bytes = b""
    name: str = ""


class PhoneLine(ABC):
    """One provider.

    Attributes:
        path: Where its calls go.
        sample_rate: Hertz of its audio.
        caller: The number of who calls; empty where the provider does not say.
        returns_cleared_marks: Whether marks in what is cleared come back at once.
    """

    path: str
    sample_rate = 8000
    caller = "+15550100"
    returns_cleared_marks = False

    def __init__(self) -> None:
        self._number = 0

    @abstractmethod
    def opening(self) -> list[Message]:
        """Return the messages that begin a call."""

    @abstractmethod
    def speech(self, pcm: bytes) -> Message:
        """Return the message with what the caller says: mono s16le at the line's rate."""

    @abstractmethod
    def key(self, digit: str) -> Message:
        """Return the message that says that the caller has pressed a key."""

    def mark(self, name: str) -> Message | None:
        """Return the message that says that a mark has been reached; None if there is none."""
        return None

    def hanging_up(self) -> Message | None:
        """Return the message that says that the caller has hung up; None if there is none."""
        return None

    @abstractmethod
    def read(self, message: Message) -> list[Order]:
        """Return what the server wants."""

    def _next_number(self) -> int:
        self._number += 1
        return self._number


class MediaStreamLine(PhoneLine):
    """A line of JSON messages, each with an event and the stream's name, as Twilio has begun it."""

    _stream: ClassVar[Mapping[str, str]]
    _number_field: ClassVar = "sequence_number"

    def mark(self, name: str) -> Message:
        return self._event("mark", mark={"name": name})

    def read(self, message: Message) -> list[Order]:
        said = json.loads(message)
        if said["event"] == "media":
            return [Order("audio", self._pcm(said["media"]["payload"]))]
        if said["event"] == "mark":
            return [Order("mark", name=said["mark"]["name"])]
        assert said["event"] == "clear"
        return [Order("clear")]

    def _pcm(self, payload: str) -> bytes:
        return ulaw_to_pcm(base64.b64decode(payload))

    def _event(self, event: str, **fields: Any) -> str:
        number = {self._number_field: str(self._next_number())}
        return json.dumps({"event": event, **number, **fields, **self._stream})


class TwilioLine(MediaStreamLine):
    """Media Streams: www.twilio.com/docs/voice/media-streams/websocket-messages."""

    path = "/twilio"
    returns_cleared_marks = True
    _number_field = "sequenceNumber"
    _stream: ClassVar = {"streamSid": "MZ0123456789abcdef0123456789abcdef"}

    def opening(self) -> list[Message]:
        start = {
            "accountSid": "AC0123456789abcdef0123456789abcdef",
            "streamSid": self._stream["streamSid"],
            "callSid": "CA0123456789abcdef0123456789abcdef",
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"from_number": self.caller},
        }
        connected = {"event": "connected", "protocol": "Call", "version": "1.0.0"}
        return [json.dumps(connected), self._event("start", start=start)]

    def speech(self, pcm: bytes) -> Message:
        media = {"track": "inbound", "chunk": "1", "timestamp": "0", "payload": _ulaw(pcm)}
        return self._event("media", media=media)

    def key(self, digit: str) -> Message:
        return self._event("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    def hanging_up(self) -> Message:
        return self._event("stop", stop={"callSid": "CA0123456789abcdef0123456789abcdef"})

    def read(self, message: Message) -> list[Order]:
        assert json.loads(message)["streamSid"] == self._stream["streamSid"]
        return super().read(message)


class TelnyxLine(MediaStreamLine):
    """Media streaming: developers.telnyx.com, "Media Streaming over WebSockets"."""

    path = "/telnyx"
    returns_cleared_marks = True
    _stream: ClassVar = {"stream_id": "32DE0DEA-53CB-4B21-89A4-9E1819C043BC"}

    def opening(self) -> list[Message]:
        start = {
            "user_id": "3E6F995F-85F7-4705-9741-53B116D28237",
            "call_control_id": "v2:T02llQxIyaRkhfRKxgAP8nY511EhFLizdvdUKJiSw8d6A9BborherQ",
            "from": self.caller,
            "to": "+15550199",
            "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
        }
        connected = json.dumps({"event": "connected", "version": "1.0.0"})
        return [connected, self._event("start", start=start)]

    def speech(self, pcm: bytes) -> Message:
        media = {"track": "inbound", "chunk": "1", "timestamp": "0", "payload": _ulaw(pcm)}
        return self._event("media", media=media)

    def key(self, digit: str) -> Message:
        return self._event("dtmf", dtmf={"digit": digit})

    def hanging_up(self) -> Message:
        return self._event("stop", stop={"user_id": "3E6F995F-85F7-4705-9741-53B116D28237"})


class PlivoLine(PhoneLine):
    """Audio streaming: www.plivo.com/docs, "Stream event protocol"."""

    path = "/plivo"
    caller = ""
    _stream: ClassVar = {"streamId": "20170ada-f610-433b-8758-c02a2aab3662"}

    def opening(self) -> list[Message]:
        start = {
            "callId": "1dc7d34b-ea21-4a2b-8d76-5f4f8c0b9e0a",
            "streamId": self._stream["streamId"],
            "accountId": "MAXXXXXXXXXXXXXXXXXX",
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
        }
        return [json.dumps({"event": "start", "sequenceNumber": 0, "start": start})]

    def speech(self, pcm: bytes) -> Message:
        media = {"track": "inbound", "timestamp": "0", "chunk": 1, "payload": _ulaw(pcm)}
        return self._event("media", media=media)

    def key(self, digit: str) -> Message:
        return self._event("dtmf", dtmf={"track": "inbound", "digit": digit, "timestamp": "0"})

    def mark(self, name: str) -> Message:
        return self._event("playedStream", name=name)

    def hanging_up(self) -> Message:
        return self._event("stop")

    def read(self, message: Message) -> list[Order]:
        said = json.loads(message)
        if said["event"] == "playAudio":
            media = said["media"]
            assert (media["contentType"], media["sampleRate"]) == ("audio/x-mulaw", 8000)
            return [Order("audio", ulaw_to_pcm(base64.b64decode(media["payload"])))]
        if said["event"] == "checkpoint":
            return [Order("mark", name=said["name"])]
        if said["event"] == "sendDTMF":
            return [Order("key", name=said["dtmf"])]
        assert said["event"] == "clearAudio"
        return [Order("clear")]

    def _event(self, event: str, **fields: Any) -> str:
        number = self._next_number()
        return json.dumps({"event": event, "sequenceNumber": number, **fields, **self._stream})


class ExotelLine(MediaStreamLine):
    """AgentStream: developer.exotel.com/docs/agentstream, with 16-bit PCM."""

    path = "/exotel"
    _stream: ClassVar = {"stream_sid": "1707204900.123"}

    def opening(self) -> list[Message]:
        start = {
            "stream_sid": self._stream["stream_sid"],
            "call_sid": "6f8d3b1e5b7c4e5f9a0b",
            "account_sid": "exotel123",
            "from": self.caller,
            "to": "08047491899",
            "media_format": {"encoding": "base64", "sample_rate": "8000", "bit_rate": "128kbps"},
        }
        return [json.dumps({"event": "connected"}), self._event("start", start=start)]

    def speech(self, pcm: bytes) -> Message:
        payload = base64.b64encode(pcm).decode()
        return self._event("media", media={"chunk": "1", "timestamp": "0", "payload": payload})

    def key(self, digit: str) -> Message:
        return self._event("dtmf", dtmf={"duration": "200", "digit": digit})

    def hanging_up(self) -> Message:
        return self._event("stop", stop={"reason": "callended"})

    def read(self, message: Message) -> list[Order]:
        assert json.loads(message)["stream_sid"] == self._stream["stream_sid"]
        return super().read(message)

    def _pcm(self, payload: str) -> bytes:
        return base64.b64decode(payload)


class VonageLine(PhoneLine):
    """Voice API: developer.vonage.com/en/voice/voice-api/concepts/websockets."""

    path = "/vonage"
    sample_rate = 16000

    def opening(self) -> list[Message]:
        return [
            json.dumps(
                {
                    "event": "websocket:connected",
                    "content-type": "audio/l16;rate=16000",
                    "from_number": self.caller,
                }
            )
        ]

    def speech(self, pcm: bytes) -> Message:
        return pcm

    def key(self, digit: str) -> Message:
        return json.dumps({"event": "websocket:dtmf", "digit": digit, "duration": 260})

    def mark(self, name: str) -> Message:
        return json.dumps({"event": "websocket:notify", "payload": json.loads(name)})

    def read(self, message: Message) -> list[Order]:
        if isinstance(message, bytes):
            return [Order("audio", message)]
        said = json.loads(message)
        if said["action"] == "notify":
            return [Order("mark", name=json.dumps(said["payload"]))]
        assert said["action"] == "clear"
        return [Order("clear")]


class GenesysLine(PhoneLine):
    """AudioHook: developer.genesys.cloud/devapps/audiohook."""

    path = "/genesys"
    _session = "e160e428-53e2-487c-977d-96989bf5c99d"

    def __init__(self) -> None:
        super().__init__()
        self._server_number = 0

    def opening(self) -> list[Message]:
        return [
            self._say(
                "open",
                organizationId="d7934305-0972-4844-938e-9060eef73d05",
                conversationId="090eaa2f-72fa-480a-83e0-8667ff89c0ec",
                participant={"id": "883efee8", "ani": self.caller, "dnis": "+15550199"},
                media=[{"type": "audio", "format": "PCMU", "channels": ["external"], "rate": 8000}],
                language="en-US",
            )
        ]

    def speech(self, pcm: bytes) -> Message:
        return pcm_to_ulaw(pcm)

    def key(self, digit: str) -> Message:
        return self._say("dtmf", digit=digit)

    def hanging_up(self) -> Message:
        return self._say("close", reason="end")

    def read(self, message: Message) -> list[Order]:
        if isinstance(message, bytes):
            return [Order("audio", ulaw_to_pcm(message))]
        said = json.loads(message)
        assert said["seq"] == self._server_number + 1
        assert (said["version"], said["id"]) == ("2", self._session)
        self._server_number = said["seq"]
        if said["type"] == "event":
            assert said["parameters"]["entities"][0]["type"] == "barge_in"
            return [Order("clear")]
        return [Order("hang_up")] if said["type"] == "disconnect" else []

    def _say(self, kind: str, **parameters: Any) -> str:
        return json.dumps(
            {
                "version": "2",
                "id": self._session,
                "type": kind,
                "seq": self._next_number(),
                "serverseq": self._server_number,
                "position": "PT0S",
                "parameters": parameters,
            }
        )


class AsteriskLine(PhoneLine):
    """chan_websocket: docs.asterisk.org/Configuration/Channel-Drivers/WebSocket."""

    path = "/asterisk"
    caller = ""

    def opening(self) -> list[Message]:
        start = (
            "MEDIA_START connection_id:e226e283-c90a-4ea9-9e37-389000b9ef47 "
            "channel:WebSocket/bot channel_id:pbx1-123456789.999 format:ulaw "
            "optimal_frame_size:160 ptime:20"
        )
        return [start]

    def speech(self, pcm: bytes) -> Message:
        return pcm_to_ulaw(pcm)

    def key(self, digit: str) -> Message:
        return f"DTMF_END digit:{digit}"

    def mark(self, name: str) -> Message:
        return f"MEDIA_MARK_PROCESSED {name}"

    def read(self, message: Message) -> list[Order]:
        if isinstance(message, bytes):
            assert len(message) % 160 == 0, "Asterisk drops what is less than a frame"
            return [Order("audio", ulaw_to_pcm(message))]
        command, _, argument = message.partition(" ")
        if command == "MARK_MEDIA":
            return [Order("mark", name=argument)]
        return [Order("hang_up" if command == "HANGUP" else "clear")]


def _ulaw(pcm: bytes) -> str:
    return base64.b64encode(pcm_to_ulaw(pcm)).decode()
