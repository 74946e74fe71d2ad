"""What Opus costs and saves on the raw wire: time, bytes, and words that are misheard.

    python benchmarks/opus.py [FOLDER ...]

Times are per 20 ms of 16 kHz mono. "raw in" and "raw out" are everything from a device's message to
a checked frame, or from a new frame to the message.

Words are heard by the local Whisper, in `tests/data/speech` and, as it is little, in the bot's own
voice; folders are further recordings, with a README.md like theirs. Each is heard several times,
begun some milliseconds later, as frames fall differently on the same sounds then. Bytes are those
of the WebSocket messages that a device sends for it, each with its header.
"""

import argparse
import asyncio
import itertools
import json
import statistics
import sys
import timeit
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.conversation.voices import questions  # noqa: E402 - not installed, but beside us
from scripts.measure_wer import recordings_in  # noqa: E402
from tests.speech import normalise, word_error_rate  # noqa: E402
from voicewire.audio.g722 import G722Decoder, G722Encoder  # noqa: E402
from voicewire.audio.opus import OpusDecoder, OpusEncoder  # noqa: E402
from voicewire.audio.pcm import parse_wav  # noqa: E402
from voicewire.audio.resample import StreamNormalizer  # noqa: E402
from voicewire.frames import InputAudioRawFrame, OutputAudioRawFrame  # noqa: E402
from voicewire.serializers import RawFrameSerializer  # noqa: E402
from voicewire.services.local.whisper import WhisperEngine  # noqa: E402

RATE = 16_000
FRAME_BYTES = RATE * 20 // 500
BITRATES = (16_000, 24_000, 32_000)
LATER_MS = (0, 5, 13)
ROUNDS = 15
CALLS = 200

MASKED_HEADER_BYTES = 6
LONG_HEADER_BYTES = 8
MAX_SHORT_BYTES = 125
"""RFC 6455, section 5.2: what a client's message has before its content."""

Encode = Callable[[bytes], bytes]


class Utterance(NamedTuple):
    """Somebody says something."""

    words: str
    pcm: bytes


class Heard(NamedTuple):
    """What came of an utterance by one coding."""

    num_bytes: int
    words: str


def frames_of(pcm: bytes) -> list[bytes]:
    whole = pcm + bytes(-len(pcm) % FRAME_BYTES)
    return [whole[at : at + FRAME_BYTES] for at in range(0, len(whole), FRAME_BYTES)]


def device(codec: str) -> RawFrameSerializer:
    """Return the wire of a device that has said hello."""
    audio = {"codec": codec, "sample_rate": RATE}
    serializer = RawFrameSerializer()
    serializer.deserialize(json.dumps({"type": "hello", "audio_in": audio, "audio_out": audio}))
    return serializer


# Time.


def ways(frames: list[bytes]) -> Mapping[str, Callable[[], object]]:
    """Return what is timed; each goes on with a stream of its own."""
    pcm = itertools.cycle(frames)
    packets = itertools.cycle(list(map(OpusEncoder(RATE).encode, frames)))
    copies = itertools.cycle(
        list(map(OpusEncoder(RATE, expected_loss_percent=20).encode, frames)),
    )
    coded = itertools.cycle(list(map(G722Encoder().encode, frames)))
    decoder, concealer, restorer = (OpusDecoder(RATE) for _ in range(3))
    opus, plain = device("opus"), device("pcm")

    def encoding(complexity: int) -> Callable[[], object]:
        encoder = OpusEncoder(RATE, complexity=complexity)
        return lambda: encoder.encode(next(pcm))

    def restore() -> object:
        packet = next(copies)
        return restorer.recover(packet, 20), restorer.decode(packet)

    def conceal() -> object:  # with nothing between, it would soon be silence
        return concealer.conceal(20), concealer.decode(next(packets))

    g722_encoder, g722_decoder = G722Encoder(), G722Decoder()
    return {
        **{f"Opus encode, complexity {each}": encoding(each) for each in (0, 5, 10)},
        "Opus decode": lambda: decoder.decode(next(packets)),
        "Opus restore by its copy, and decode": restore,
        "Opus conceal, and decode": conceal,
        "G.722 encode": lambda: g722_encoder.encode(next(pcm)),
        "G.722 decode": lambda: g722_decoder.decode(next(coded)),
        "raw in: Opus": lambda: opus.deserialize(next(packets)),
        "raw in: PCM": lambda: plain.deserialize(next(pcm)),
        "raw out: Opus": lambda: opus.serialize(OutputAudioRawFrame(next(pcm), RATE, 1)),
        "raw out: PCM": lambda: plain.serialize(OutputAudioRawFrame(next(pcm), RATE, 1)),
    }


def print_times(pcm: bytes) -> None:
    micros: dict[str, list[float]] = {}
    timed = ways(frames_of(pcm))
    for _ in range(ROUNDS):  # in turns, so that a slow moment of the machine hits all alike
        for name, way in timed.items():
            secs = timeit.timeit(way, number=CALLS)
            micros.setdefault(name, []).append(secs / CALLS * 1e6)
    for name, each in micros.items():
        print(f"{name:38} {statistics.median(each):6.1f} µs")


# Bytes, and words.


def codings() -> Mapping[str, tuple[str, Callable[[], Encode]]]:
    """Return by name the codec of the wire, and what opens a device's encoder."""
    table: dict[str, tuple[str, Callable[[], Encode]]] = {
        "PCM": ("pcm", lambda: bytes),
        "G.722": ("g722", lambda: G722Encoder().encode),
    }
    for bitrate in BITRATES:
        table[f"Opus, {bitrate // 1000} kbit/s, DTX"] = ("opus", _opus_of(bitrate))
    return table


def _opus_of(bitrate: int) -> Callable[[], Encode]:
    return lambda: OpusEncoder(RATE, bitrate=bitrate, dtx=True).encode


async def hear(pcm: bytes, codec: str, encode: Encode) -> Heard:
    """Send an utterance through the wire, and have it transcribed."""
    serializer = device(codec)
    num_bytes = 0
    heard = b""
    for frame in frames_of(pcm):
        message = encode(frame)
        is_short = len(message) <= MAX_SHORT_BYTES
        num_bytes += len(message) + (MASKED_HEADER_BYTES if is_short else LONG_HEADER_BYTES)
        audio = serializer.deserialize(message)
        assert isinstance(audio, InputAudioRawFrame)
        heard += audio.audio
    transcript = await WhisperEngine.shared().transcribe(heard)
    return Heard(num_bytes, transcript.text)


async def utterances(folders: list[Path]) -> list[Utterance]:
    said = [
        Utterance(each.transcript, _at_rate(*parse_wav(each.path.read_bytes())))
        for folder in folders
        for each in recordings_in(folder)
    ]
    return said + [Utterance(words, pcm) for words, pcm in (await questions()).items()]


def _at_rate(pcm: bytes, sample_rate: int, num_channels: int) -> bytes:
    normalizer = StreamNormalizer(RATE, 1)
    return normalizer.process(pcm, sample_rate, num_channels) + normalizer.flush()


def later(said: list[Utterance]) -> Iterator[Utterance]:
    for words, pcm in said:
        for ms in LATER_MS:
            yield Utterance(words, bytes(2 * RATE * ms // 1000) + pcm)


async def print_words(said: list[Utterance]) -> None:
    trials = list(later(said))
    num_words = sum(len(normalise(each.words)) for each in trials)
    secs = sum(len(each.pcm) for each in trials) / (2 * RATE)
    print(f"{len(said)} utterances, {num_words} words and {secs:.0f} s with those begun later")
    pcm_bytes = 0
    for name, (codec, open_encoder) in codings().items():
        num_bytes = 0
        num_wrong = 0.0
        for words, pcm in trials:
            heard = await hear(pcm, codec, open_encoder())
            num_bytes += heard.num_bytes
            num_wrong += word_error_rate(words, heard.words) * len(normalise(words))
        pcm_bytes = pcm_bytes or num_bytes
        print(
            f"{name:22} {num_bytes / secs / 1000:5.2f} kB/s, 1/{pcm_bytes / num_bytes:4.1f} of PCM"
            f"  {num_wrong:3.0f} words wrong, WER {num_wrong / num_words:.1%}"
        )


async def run(folders: list[Path]) -> None:
    said = await utterances(folders)
    print_times(said[0].pcm)
    print()
    await print_words(said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folders", nargs="*", type=Path, help="further recordings")
    options = parser.parse_args()
    asyncio.run(run([ROOT / "tests/data/speech", *options.folders]))


if __name__ == "__main__":
    main()
