"""Recordings from files."""

from dataclasses import dataclass
from pathlib import Path

from voicewire.audio.format import format_fault
from voicewire.audio.pcm import BYTES_PER_SAMPLE, duration_secs, is_wav, parse_wav
from voicewire.cli.console import EXIT_USAGE, CommandError, as_command_error
from voicewire.errors import MissingExtraError


@dataclass(frozen=True, slots=True)
class Sound:
    """A stretch of audio in its own format.

    Attributes:
        pcm: Interleaved s16le.
        sample_rate: Hertz.
        num_channels: 1 is mono.
        name: Where it comes from.
    """

    pcm: bytes
    sample_rate: int
    num_channels: int
    name: str = ""

    @property
    def duration_secs(self) -> float:
        return duration_secs(len(self.pcm), self.sample_rate, self.num_channels)

    def cut(self, start_secs: float, end_secs: float) -> bytes:
        """Return the samples from one time to the other; silence beyond the end."""
        frame_bytes = self.num_channels * BYTES_PER_SAMPLE
        start = round(start_secs * self.sample_rate) * frame_bytes
        end = round(end_secs * self.sample_rate) * frame_bytes
        return self.pcm[start:end].ljust(end - start, b"\0")


def load_sound(path: Path) -> Sound:
    """Read a file: 16-bit PCM WAV by itself; FLAC, MP3, Ogg Vorbis and other WAV with `miniaudio`.

    Raises:
        CommandError: There is no such file, it holds no audio, or none that a server takes.
    """
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise _error(path, f"cannot be read: {(exc.strerror or str(exc)).lower()}") from exc
    try:
        if not is_wav(data):
            raise ValueError("not a WAV file")
        sound = Sound(*parse_wav(data), path.name)
    except ValueError:
        sound = _decode(path, data)
    fault = format_fault(sound.sample_rate, sound.num_channels)
    if fault is not None:
        raise _error(path, fault)
    if not sound.pcm:
        raise _error(path, "holds no audio")
    return sound


def _decode(path: Path, data: bytes) -> Sound:
    try:
        import miniaudio
    except ImportError as exc:
        needed_for = f"reading {path}, which is not a 16-bit PCM WAV,"
        raise as_command_error(
            MissingExtraError("miniaudio", "audio", needed_for=needed_for)
        ) from exc
    try:
        info = miniaudio.get_file_info(str(path))
        decoded = miniaudio.decode(
            data, nchannels=info.nchannels, sample_rate=info.sample_rate
        )  # s16 is its default
    except miniaudio.MiniaudioError as exc:
        raise _error(path, "is not audio in a format that is known here") from exc
    return Sound(decoded.samples.tobytes(), decoded.sample_rate, decoded.nchannels, path.name)


def _error(path: Path, fault: str) -> CommandError:
    return CommandError(f"{path}: {fault}", exit_code=EXIT_USAGE)
