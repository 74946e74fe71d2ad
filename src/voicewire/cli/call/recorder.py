"""Everything that the bot said, in one WAV, as it was heard."""

import wave
from pathlib import Path

from voicewire.audio.pcm import BYTES_PER_SAMPLE
from voicewire.audio.resample import StreamNormalizer
from voicewire.cli.call.playback import Piece
from voicewire.cli.console import EXIT_USAGE, CommandError


class ReplyRecorder:
    """Writes pieces to a file on the call's own timeline: the file's begin is the connection.

    The file has the format of the first piece; others are brought to it.

    Attributes:
        begins_at: The time of the file's begin, on the pieces' clock; set before the first piece.
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            CommandError: It cannot be written.
        """
        try:
            self._file = wave.open(str(path), "wb")  # noqa: SIM115 - closed by `close`
        except OSError as exc:
            fault = (exc.strerror or str(exc)).lower()
            raise CommandError(f"{path}: cannot be written: {fault}", exit_code=EXIT_USAGE) from exc
        self.begins_at = 0.0
        self._num_written = 0
        self._format: StreamNormalizer | None = None

    def add(self, piece: Piece) -> None:
        """Write a piece at its place; the silence before it too."""
        if self._format is None:
            self._begin(piece.sound.sample_rate, piece.sound.num_channels)
        assert self._format is not None  # noqa: S101 - by `_begin`
        sound = piece.sound
        rate = self._format.sample_rate
        gap_samples = round((piece.start_at - self.begins_at) * rate) - self._num_written
        # Rounding to whole samples is no pause.
        if gap_samples > rate // 1000:
            self._write(self._format.flush())
            self._write(bytes(gap_samples * self._format.num_channels * BYTES_PER_SAMPLE))
        self._write(self._format.process(sound.pcm, sound.sample_rate, sound.num_channels))

    def close(self) -> None:
        """Complete the file; one without a sound where the bot said nothing."""
        if self._format is None:
            self._begin(16000, 1)
        else:
            self._write(self._format.flush())
        self._file.close()

    def _begin(self, sample_rate: int, num_channels: int) -> None:
        self._format = StreamNormalizer(sample_rate, num_channels)
        self._file.setframerate(sample_rate)
        self._file.setnchannels(num_channels)
        self._file.setsampwidth(BYTES_PER_SAMPLE)

    def _write(self, pcm: bytes) -> None:
        assert self._format is not None  # noqa: S101 - by `_begin`
        self._file.writeframes(pcm)
        self._num_written += len(pcm) // (self._format.num_channels * BYTES_PER_SAMPLE)
