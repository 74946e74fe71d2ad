"""What callers say: recordings, brought to the format of the wire."""

from collections.abc import Sequence
from pathlib import Path

from voicewire.audio.resample import StreamNormalizer
from voicewire.cli.bench.dialect import Audio, Dialect
from voicewire.cli.bench.parser import client_message
from voicewire.cli.bench.plan import FRAME_BYTES, SAMPLE_RATE
from voicewire.cli.bench.stamps import MAX_FRAMES, stamp
from voicewire.cli.call.sound import Sound, load_sound
from voicewire.cli.console import EXIT_USAGE, CommandError

OWN_SPEECH = Path(__file__).parent / "speech"


def load_phrases(directory: Path | None) -> list[Sound]:
    """Return the recordings of a directory at 16 kHz mono, by name; None takes the built-in ones.

    Raises:
        CommandError: There are none, or one cannot be read.
    """
    paths = sorted((directory or OWN_SPEECH).glob("*.wav"))
    if not paths:
        raise CommandError(f"--speech {directory}: no WAV files there", exit_code=EXIT_USAGE)
    return [_normalised(load_sound(path)) for path in paths]


def cut_frames(phrases: Sequence[Sound]) -> list[bytes]:
    """Return phrases one after the other as frames of 20 ms, the last one filled with silence.

    Raises:
        CommandError: They last longer than stamps can count.
    """
    pcm = b"".join(phrase.pcm for phrase in phrases)
    starts = range(0, len(pcm), FRAME_BYTES)
    if len(starts) > MAX_FRAMES:
        secs = MAX_FRAMES * 0.02
        raise CommandError(f"--speech: more than {secs:.0f} s of speech", exit_code=EXIT_USAGE)
    return [pcm[start : start + FRAME_BYTES].ljust(FRAME_BYTES, b"\0") for start in starts]


def stamped(frames: Sequence[bytes]) -> list[bytes]:
    """Return frames that carry their number."""
    return [stamp(frame, number) for number, frame in enumerate(frames)]


def wire_messages(frames: Sequence[bytes], dialect: Dialect) -> list[bytes]:
    """Return what goes through the socket for each frame, ready once for all callers."""
    return [client_message(dialect.audio_message(Audio(frame, SAMPLE_RATE, 1))) for frame in frames]


def _normalised(sound: Sound) -> Sound:
    normalizer = StreamNormalizer(SAMPLE_RATE, 1)
    pcm = normalizer.process(sound.pcm, sound.sample_rate, sound.num_channels)
    return Sound(pcm + normalizer.flush(), SAMPLE_RATE, 1, sound.name)
