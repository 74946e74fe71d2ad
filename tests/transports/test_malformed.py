"""Ten thousand malformed messages of twenty kinds, over a real socket, in one session."""

import gc
import logging
import tracemalloc
from collections.abc import Iterable
from itertools import cycle, islice

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.transports.client import Caller, Echo, audio_message, eventually, serving
from tests.transports.fakes import ToneVAD, tone
from voicewire.audio.pcm import wav_bytes
from voicewire.frames import (
    InputAudioRawFrame,
    InputTransportMessageFrame,
    TextFrame,
    UserStartedSpeakingFrame,
)
from voicewire.serializers.protos import frames_pb2 as proto

pytestmark = pytest.mark.anyio

NUM_MESSAGES = 10_000
NUM_DISTINCT = 200
"""Of each kind; they are sent more than once."""

PAYLOAD = "swordfish, in confidence"
PAYLOAD_BYTES = PAYLOAD.encode()

ODD = st.integers(0, 300).map(lambda n: PAYLOAD_BYTES[:2] * n + b"\0")
SAMPLES = st.integers(1, 300).map(lambda n: bytes(2 * n))
JUNK = st.binary(max_size=64).map(lambda junk: PAYLOAD_BYTES + junk)


def sub_message(number: int, content: bytes) -> bytes:
    """Return a message of less than 128 bytes in a field of `Frame`."""
    return bytes((number << 3 | 2, len(content))) + content


def truncated(message: bytes, left: int) -> bytes:
    return message[: 1 + left % (len(message) - 1)]


def text_frame(text: str) -> bytes:
    return proto.Frame(text=proto.TextFrame(text=PAYLOAD + text)).SerializeToString()


def transcription_frame(text: str) -> bytes:
    frame = proto.TranscriptionFrame(text=PAYLOAD + text, user_id="admin")
    return proto.Frame(transcription=frame).SerializeToString()


def json_frame(text: str) -> bytes:
    return proto.Frame(message=proto.MessageFrame(data=text)).SerializeToString()


def damaged_wav(junk: bytes) -> bytes:
    return audio_message(b"RIFF\xff\xff\xff\x7fWAVE" + PAYLOAD_BYTES + junk)


def wav_of_another_width(junk: bytes) -> bytes:
    wav = bytearray(wav_bytes(bytes(64), 16000, 1))
    wav[34] = 8
    return audio_message(bytes(wav) + junk + junk)


CHARACTERS = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)

KINDS: dict[str, tuple[st.SearchStrategy[bytes] | st.SearchStrategy[str], set[str]]] = {
    "a text message": (CHARACTERS.map(lambda text: PAYLOAD + text), {"text_message"}),
    "nothing": (st.just(b""), {"empty_message"}),
    "junk": (
        JUNK.map(lambda junk: b"\xff" + junk),
        {"malformed_protobuf", "truncated", "unknown_frame"},
    ),
    "half a message": (
        st.builds(truncated, st.just(audio_message(bytes(640))), st.integers(0, 600)),
        {"truncated", "malformed_protobuf"},
    ),
    "an unknown frame": (
        st.builds(sub_message, st.integers(6, 15), JUNK.map(lambda junk: junk[:100])),
        {"unknown_frame"},
    ),
    "an odd number of bytes": (ODD.map(audio_message), {"partial_sample"}),
    "half a stereo sample": (
        st.integers(0, 99).map(lambda n: audio_message(bytes(4 * n + 2), 16000, 2)),
        {"partial_sample"},
    ),
    "rate 0": (SAMPLES.map(lambda pcm: audio_message(pcm, 0)), {"audio_format"}),
    "an absurdly low rate": (
        st.builds(audio_message, SAMPLES, st.integers(1, 7999)),
        {"audio_format"},
    ),
    "an absurdly high rate": (
        st.builds(audio_message, SAMPLES, st.integers(192_001, 2**32 - 1)),
        {"audio_format"},
    ),
    "no channels": (SAMPLES.map(lambda pcm: audio_message(pcm, 16000, 0)), {"audio_format"}),
    "too many channels": (
        st.builds(audio_message, SAMPLES, st.just(16000), st.integers(9, 2**32 - 1)),
        {"audio_format"},
    ),
    "empty audio": (
        st.builds(audio_message, st.just(b""), st.integers(8000, 192_000), st.integers(1, 8)),
        {"empty_audio"},
    ),
    "a damaged WAV": (st.binary(max_size=60).map(damaged_wav), {"invalid_wav"}),
    "a WAV of 8 bits": (st.binary(max_size=60).map(wav_of_another_width), {"invalid_wav"}),
    "text": (CHARACTERS.map(text_frame), {"text_not_enabled"}),
    "a transcription": (CHARACTERS.map(transcription_frame), {"text_not_enabled"}),
    "no JSON": (
        CHARACTERS.map(lambda text: json_frame("{" + PAYLOAD + text)),
        {"invalid_json"},
    ),
    "JSON without a bottom": (
        st.integers(100, 5000).map(lambda depth: json_frame("[" * depth + "]" * depth)),
        {"deep_json"},
    ),
    "text that is not UTF-8": (
        st.binary(max_size=60).map(lambda junk: sub_message(1, sub_message(3, b"\xff" + junk))),
        {"invalid_utf8"},
    ),
    "a number where a message is due": (
        st.builds(
            lambda number, value: bytes((number << 3, value)),
            st.integers(1, 5),
            st.integers(0, 127),
        ),
        {"malformed_protobuf"},
    ),
    "a number without an end": (
        st.integers(11, 100).map(lambda n: b"\x12" + b"\xff" * n),
        {"malformed_protobuf"},
    ),
}


def examples(
    strategy: st.SearchStrategy[bytes] | st.SearchStrategy[str], count: int
) -> Iterable[bytes | str]:
    """Return `count` examples, the same in every run."""
    found: list[bytes | str] = []

    @settings(
        max_examples=min(count, NUM_DISTINCT),
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(message: bytes | str) -> None:
        found.append(message)

    collect()
    return islice(cycle(found), count)


@pytest.fixture(scope="module")
def malformed() -> list[bytes | str]:
    """Return the messages, one kind after the other and again."""
    count = -(-NUM_MESSAGES // len(KINDS))
    columns = [list(examples(strategy, count)) for strategy, _ in KINDS.values()]
    return [message for row in zip(*columns, strict=True) for message in row][:NUM_MESSAGES]


def test_there_are_twenty_kinds(malformed: list[bytes | str]) -> None:
    assert len(KINDS) >= 20
    assert len(malformed) == NUM_MESSAGES
    assert len(set(malformed)) > len(KINDS) * NUM_DISTINCT / 2


async def test_ten_thousand_malformed_messages_leave_a_session_as_it_was(
    malformed: list[bytes | str], caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        serving(Echo(), vad_analyzer=ToneVAD(), audio_in_max_ahead_secs=1000) as served,
        Caller(served.url) as caller,
    ):
        stats = served.transport.stats
        for message in malformed[:1000]:  # What is made once is made.
            await caller.send(message)
        await eventually(lambda: stats.messages_in == 1000)
        gc.collect()
        tracemalloc.start()
        with caplog.at_level(logging.DEBUG, logger="voicewire"):
            for message in malformed:
                await caller.send(message)
            await eventually(lambda: stats.messages_in == 1000 + NUM_MESSAGES)
        gc.collect()
        grown_bytes, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert stats.messages_refused.total() == 1000 + NUM_MESSAGES
        assert grown_bytes < 300_000
        assert caller.close_code is None
        assert served.heard.of(InputAudioRawFrame) == []
        assert served.heard.of(InputTransportMessageFrame) == []
        assert served.heard.of(TextFrame) == []

        # The session goes on: what is said is echoed, and understood as speech.
        await caller.speak(tone(0.15))
        await caller.heard(round(0.14 * 48000))
        await caller.speak(tone(0.3))
        await eventually(lambda: served.heard.of(UserStartedSpeakingFrame))
        assert served.events == [("connected", 0)]
    assert caplog.text.count("message refused") <= len(stats.messages_refused)
    assert PAYLOAD not in caplog.text


@pytest.mark.parametrize("kind", KINDS)
async def test_each_kind_is_refused_for_what_it_is(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    strategy, expected = KINDS[kind]
    async with serving() as served, Caller(served.url) as caller:
        for message in examples(strategy, 20):
            await caller.send(message)
        stats = served.transport.stats
        await eventually(lambda: stats.messages_in == 20)
        assert stats.messages_refused.total() == 20
        assert set(stats.messages_refused) <= expected
        await caller.speak(tone(0.1))
        await eventually(lambda: served.heard.of(InputAudioRawFrame))
    assert PAYLOAD not in caplog.text
    assert caplog.text.count("message refused") == len(stats.messages_refused)
