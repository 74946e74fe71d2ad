"""Everything that the bot said, in one WAV, as it was heard."""

import contextlib
import os
import wave
from pathlib import Path
from typing import BinaryIO

from voicewire.audio.pcm import BYTES_PER_SAMPLE
from voicewire.audio.resample import StreamNormalizer
from voicewire.cli.call.playback import Piece
from voicewire.cli.console import EXIT_USAGE, CommandError

EMPTY_FORMAT = (16000, 1)
"""Hertz and channels of the file of a bot that said nothing."""


class ReplyRecorder:
    """Writes pieces to a file on the call's own timeline: the file's begin is the connection.

    The file has the format of the first piece; others are brought to it.
    """

    def __init__(self, path: Path) -> None:
        """Keep the path; the file is written once there is a call.

        Raises:
            CommandError: It could not be written.
        """
        self._path = path
        if path.is_dir() or not os.access(path.parent, os.W_OK):
            raise CommandError(f"{path}: cannot be written", exit_code=EXIT_USAGE)
        self._begins_at = 0.0
        self._num_written = 0
        self._raw: BinaryIO | None = None
        self._wav: wave.Wave_write | None = None
        self._format = StreamNormalizer(*EMPTY_FORMAT)

    def begin(self, at: float) -> None:
        """Open the file, whose begin is the time `at` on the pieces' clock.

        Raises:
            CommandError: It cannot be written.
        """
        self._begins_at = at
        try:
            self._raw = self._path.open("wb")
        except OSError as exc:
            raise self._failure(exc) from exc

    def add(self, piece: Piece) -> None:
        """Write a piece at its place; the silence before it too.

        Raises:
            CommandError: It cannot be written, as on a full disk; then nothing more is.
        """
        if self._raw is None:
            return
        try:
            self._add(piece)
        except OSError as exc:
            self._give_up()
            raise self._failure(exc) from exc

    def close(self) -> None:
        """Complete the file, where it was begun.

        Raises:
            CommandError: It cannot be written.
        """
        if self._raw is None:
            return
        try:
            self._complete()
        except OSError as exc:
            self._give_up()
            raise self._failure(exc) from exc

    def _add(self, piece: Piece) -> None:
        sound = piece.sound
        if self._wav is None:
            self._begin_wav(sound.sample_rate, sound.num_channels)
        rate = self._format.sample_rate
        gap_samples = round((piece.start_at - self._begins_at) * rate) - self._num_written
        # Rounding to whole samples is no pause.
        if gap_samples > rate // 1000:
            self._write(self._format.flush())
            self._write(bytes(gap_samples * self._format.num_channels * BYTES_PER_SAMPLE))
        self._write(self._format.process(sound.pcm, sound.sample_rate, sound.num_channels))

    def _complete(self) -> None:
        if self._wav is None:
            self._begin_wav(*EMPTY_FORMAT)
        self._write(self._format.flush())
        assert self._wav is not None  # noqa: S101 - begun above
        assert self._raw is not None  # noqa: S101 - by `begin`
        self._wav.close()
        self._raw.close()
        self._raw = None

    def _give_up(self) -> None:
        for file in (self._wav, self._raw):
            with contextlib.suppress(OSError):  # What cannot be written cannot be flushed either.
                if file is not None:
                    file.close()
        self._wav = self._raw = None

    def _failure(self, exc: OSError) -> CommandError:
        fault = (exc.strerror or str(exc)).lower()
        return CommandError(f"{self._path}: cannot be written: {fault}")

    def _begin_wav(self, sample_rate: int, num_channels: int) -> None:
        assert self._raw is not None  # noqa: S101 - by `begin`
        self._format = StreamNormalizer(sample_rate, num_channels)
        self._wav = wave.open(self._raw, "wb")  # noqa: SIM115 - closed by `close`
        self._wav.setframerate(sample_rate)
        self._wav.setnchannels(num_channels)
        self._wav.setsampwidth(BYTES_PER_SAMPLE)

    def _write(self, pcm: bytes) -> None:
        assert self._wav is not None  # noqa: S101 - by `_begin_wav`
        self._wav.writeframes(pcm)
        self._num_written += len(pcm) // (self._format.num_channels * BYTES_PER_SAMPLE)
