"""The first inputs of each target: conversations that providers have published, and our own.

`python -m fuzz.seeds` adds them to what is kept.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from websockets.frames import Opcode

from fuzz.inputs import Message, join_messages, read_corpus, write_corpus
from fuzz.targets import HANDSHAKE
from tests.serializers import (
    test_asterisk,
    test_exotel,
    test_genesys,
    test_plivo,
    test_protobuf,
    test_telnyx,
    test_twilio,
    test_vonage,
)
from voicewire.audio.pcm import wav_bytes
from voicewire.serializers.protos import frames_pb2 as proto


def _rtvi(kind: str, **data: Any) -> dict[str, Any]:
    return {"label": "rtvi-ai", "id": "1", "type": kind, "data": data}


def _wrapped(message: Mapping[str, Any]) -> bytes:
    text = json.dumps(message, separators=(",", ":"))
    return proto.Frame(message=proto.MessageFrame(data=text)).SerializeToString()


def _audio(pcm: bytes, rate: int = 16000, channels: int = 1) -> bytes:
    frame = proto.AudioRawFrame(audio=pcm, sample_rate=rate, num_channels=channels)
    return proto.Frame(audio=frame).SerializeToString()


RTVI = [
    _rtvi("client-ready", version="2.1.0", about={"library": "x"}, voicewire={"flush": True}),
    _rtvi("client-message", t="ask", d={"a": 1}),
    _rtvi("send-text", content="hello", options={"run_immediately": True, "audio_response": False}),
    _rtvi("append-to-context", role="user", content="hello", run_immediately=True),
    _rtvi("dtmf", buttons=["1", "#"]),
    _rtvi("dtmf", button="1"),
    _rtvi("llm-function-call-result", function_name="f", tool_call_id="1", arguments={}, result=1),
    _rtvi("raw-audio", base64Audio="AAABAA==", sampleRate=16000, numChannels=1),
    _rtvi("raw-audio-batch", base64AudioBatch=["AAABAA=="], sampleRate=48000, numChannels=2),
    _rtvi("vw-ping", sent_at=1.5),
    _rtvi("vw-playout", stream_id=0, played_ms=20, buffered_ms=100),
    _rtvi("ui-event", x=1),
    _rtvi("disconnect-bot"),
]

REALTIME = [
    {"type": "session.update", "session": {"type": "realtime", "instructions": "Be brief."}},
    {"type": "input_audio_buffer.append", "audio": "AAABAA=="},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {
        "type": "conversation.item.create",
        "item": {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "hello"}],
        },
    },
    {"type": "conversation.item.retrieve", "item_id": "item_1"},
    {"type": "conversation.item.delete", "item_id": "item_1"},
    {
        "type": "conversation.item.truncate",
        "item_id": "item_1",
        "content_index": 0,
        "audio_end_ms": 20,
    },
    {"type": "response.create", "response": {"output_modalities": ["audio"]}},
    {"type": "response.cancel"},
]


def _hello(codec: str, **settings: Any) -> dict[str, Any]:
    coded = {"codec": codec, **settings}
    return {"type": "hello", "audio_in": coded, "audio_out": coded}


RAW = [
    {"type": "hello"},
    bytes(range(64)),
    {"type": "played", "ms": 20, "stream": 0},
    {"type": "interrupt"},
    {"type": "text", "text": "hello"},
    {"type": "dtmf", "button": "5"},
    {"type": "message", "data": {"a": 1}},
]

CONVERSATIONS: Mapping[str, Iterable[Iterable[Any]]] = {
    "protobuf": [
        [
            test_protobuf.JAVASCRIPT_AUDIO,
            test_protobuf.JAVASCRIPT_MESSAGE,
            test_protobuf.STEREO_WITH_PTS,
            test_protobuf.WAV_AUDIO,
        ],
        [test_protobuf.TEXT, test_protobuf.TRANSCRIPTION, test_protobuf.INTERRUPTION],
        [_audio(wav_bytes(bytes(64), 24000, 2))],
        *([_wrapped(each)] for each in RTVI),
    ],
    "raw": [
        RAW,
        [_hello("opus", sample_rate=16000, frame_ms=20), b"\x48" + bytes(20), b"", b"\x48"],
        [_hello("g722"), bytes(160)],
        [_hello("pcmu", frame_ms=40), bytes(160)],
        [_hello("pcma"), bytes(160)],
    ],
    "openai_realtime": [REALTIME, *([each] for each in REALTIME)],
    "twilio": [test_twilio.CONVERSATION],
    "telnyx": [test_telnyx.CONVERSATION, [test_telnyx.START, test_telnyx.ERROR]],
    "plivo": [test_plivo.CONVERSATION],
    "exotel": [test_exotel.CONVERSATION],
    "vonage": [test_vonage.CONVERSATION],
    "genesys": [test_genesys.CONVERSATION, [test_genesys.OPEN, test_genesys.ERROR]],
    "asterisk": [test_asterisk.CONVERSATION, test_asterisk.JSON_CONVERSATION],
}


def _frame(opcode: Opcode, payload: bytes = b"", *, fin: bool = True) -> bytes:
    # A mask of zeros leaves the payload readable.
    return bytes((fin << 7 | opcode, 0x80 | len(payload))) + bytes(4) + payload


_SPEECH = _audio(bytes(range(64)))
FRAMES = [
    _frame(Opcode.BINARY, _SPEECH) * 3,
    _frame(Opcode.BINARY, _SPEECH[:9], fin=False)
    + _frame(Opcode.PING, b"are you there")
    + _frame(Opcode.CONT, _SPEECH[9:]),
    _frame(Opcode.TEXT, b"hello") + _frame(Opcode.PONG) + _frame(Opcode.CLOSE, b"\x03\xe8bye"),
    b"\x82\xfe\x00\x80" + bytes(4 + 128),
    b"\x82\xff" + bytes(6) + b"\x01\0" + bytes(4 + 256),
]
REQUESTS = [
    HANDSHAKE + FRAMES[0],
    HANDSHAKE.replace(b"GET /", b"GET /twilio?token=a%20b")
    .replace(b"Upgrade\r\n", b"keep-alive, Upgrade\r\nOrigin: http://localhost\r\n")
    .replace(b"13\r\n", b"13\r\nSec-WebSocket-Protocol: audio, b\r\n"),
    b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" + HANDSHAKE,
    b"GET /readyz HTTP/1.0\n\n",
    (
        b"POST /connect HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b"Content-Length: 2\r\n\r\n{}"
    ),
    (
        b"POST /twilio/start HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\n3\r\na=b\r\n0\r\n\r\n"
    ),
    b"OPTIONS /connect HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
]


def _messages(conversation: Iterable[Any]) -> Iterable[Message]:
    for each in conversation:
        yield json.dumps(each, separators=(",", ":")) if isinstance(each, dict) else each


def seeds() -> dict[str, list[bytes]]:
    """Return the first inputs of each target."""
    found = {
        name: [join_messages(_messages(each)) for each in conversations]
        for name, conversations in CONVERSATIONS.items()
    }
    found["rtvi"] = [
        join_messages(_messages(RTVI)),
        *(join_messages(_messages([each])) for each in RTVI),
    ]
    found["realtime_session"] = found["openai_realtime"]
    found["raw_session"] = found["raw"]
    found["head"] = REQUESTS
    found["frames"] = [join_messages([each]) for each in FRAMES]
    found["port"] = [b"\0" + each for each in REQUESTS]
    found["websocket"] = [b"\0" + each for each in FRAMES]
    found["detect"] = [first for inputs in found.values() for first in inputs[:1]]
    return found


if __name__ == "__main__":
    for name, inputs in seeds().items():
        try:
            kept = read_corpus(name)
        except FileNotFoundError:
            kept = []
        write_corpus(name, [*kept, *inputs])
