"""What is fuzzed, by name."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from fuzz.doors import FramesTarget, read_head
from fuzz.inputs import Message
from fuzz.server import MessageTarget, ServerTarget, SocketTarget, wrapped_in_protobuf
from fuzz.wires import Speech, WireTarget, said_by
from voicewire.serializers import (
    AsteriskFrameSerializer,
    ExotelFrameSerializer,
    FrameSerializer,
    GenesysAudioHookSerializer,
    PlivoFrameSerializer,
    ProtobufFrameSerializer,
    RawFrameSerializer,
    TelnyxFrameSerializer,
    TwilioFrameSerializer,
    VonageFrameSerializer,
)
from voicewire.serializers.dialects import all_dialects
from voicewire.serializers.openai_realtime import OpenAIRealtimeSerializer
from voicewire.testing import (
    AsteriskLine,
    ExotelLine,
    GenesysLine,
    PlivoLine,
    TelnyxLine,
    TwilioLine,
    VonageLine,
)

Target = Callable[[bytes], None]
"""Runs one input; raises where a property does not hold."""

PROTOBUF_SPEECH = bytes.fromhex("12161205617564696f1a08000102030405060720807d2801")
"""As Pipecat's JavaScript client sends it."""

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
"""The key is the one of RFC 6455, section 1.3."""

WORDS = '{"type": "text", "text": "hello"}'


def _say_in_protobuf(_: FrameSerializer) -> Sequence[Message]:
    return [PROTOBUF_SPEECH]


def _say_in_realtime(serializer: FrameSerializer) -> Sequence[Message]:
    return ['{"type": "input_audio_buffer.append", "audio": "AAABAA=="}']


def _say_raw(serializer: FrameSerializer) -> Sequence[Message]:
    # Words, for there is no speech that is right in every codec.
    return [WORDS] if serializer.has_started else ['{"type": "hello"}', WORDS]


SPEECH: Mapping[type[FrameSerializer], Speech] = {
    ProtobufFrameSerializer: _say_in_protobuf,
    RawFrameSerializer: _say_raw,
    OpenAIRealtimeSerializer: _say_in_realtime,
    TwilioFrameSerializer: said_by(TwilioLine),
    TelnyxFrameSerializer: said_by(TelnyxLine),
    PlivoFrameSerializer: said_by(PlivoLine),
    ExotelFrameSerializer: said_by(ExotelLine),
    VonageFrameSerializer: said_by(VonageLine),
    GenesysAudioHookSerializer: said_by(GenesysLine),
    AsteriskFrameSerializer: said_by(AsteriskLine),
}
"""What a peer says on each wire that has the right to."""


def _say_detected(serializer: FrameSerializer) -> Sequence[Message]:
    settled = serializer.settled
    kind = TwilioFrameSerializer if settled is serializer else type(settled)
    return SPEECH[kind](settled)


def _wire(serializer: FrameSerializer, *, keeps_traces: bool = False) -> Callable[[], Target]:
    speech = SPEECH.get(type(serializer), _say_detected)
    return lambda: WireTarget(serializer, speech, keeps_traces=keeps_traces)


# With credentials, so that calls are hung up; nothing is sent.
TARGETS: Mapping[str, Callable[[], Target]] = {
    "protobuf": _wire(ProtobufFrameSerializer()),
    # Audio that cannot be decoded counts as lost, and what is lost is made up for.
    "raw": _wire(RawFrameSerializer(), keeps_traces=True),
    "openai_realtime": _wire(OpenAIRealtimeSerializer()),
    "twilio": _wire(TwilioFrameSerializer(account_sid="AC0", auth_token="a")),
    "telnyx": _wire(TelnyxFrameSerializer(api_key="a")),
    "plivo": _wire(PlivoFrameSerializer(auth_id="MA0", auth_token="a")),
    "exotel": _wire(ExotelFrameSerializer()),
    "vonage": _wire(VonageFrameSerializer()),
    # A session that was refused for its audio keeps its name until Genesys closes it.
    "genesys": _wire(GenesysAudioHookSerializer(), keeps_traces=True),
    "asterisk": _wire(AsteriskFrameSerializer()),
    # The first message says which wire it is, also where it is wrong.
    "detect": _wire(all_dialects()["/detect"], keeps_traces=True),
    "head": lambda: read_head,
    "frames": FramesTarget,
    "port": SocketTarget,
    "websocket": lambda: SocketTarget(HANDSHAKE),
    "rtvi": lambda: MessageTarget("/", wrapped_in_protobuf),
    "realtime_session": lambda: MessageTarget("/v1/realtime"),
    "raw_session": lambda: MessageTarget("/raw"),
}
"""Makes each target: what it needs is made once."""


def replay(target: str, inputs: Iterable[bytes]) -> None:
    """Run inputs through a target.

    Raises:
        Exception: Whatever one of them brings about that should not be.
    """
    run = TARGETS[target]()
    try:
        for each in inputs:
            run(each)
    finally:
        close(run)


def close(target: Target) -> None:
    """Let go of what a target has opened."""
    if isinstance(target, ServerTarget | FramesTarget):
        target.close()
