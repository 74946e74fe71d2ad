"""A real microphone and real loudspeakers, through `miniaudio` (the extra `audio`)."""

import os
import threading
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from voicewire.audio.pcm import num_bytes
from voicewire.audio.resample import StreamNormalizer
from voicewire.cli.call.microphone import MESSAGE_SECS
from voicewire.cli.call.sound import Sound
from voicewire.cli.console import CommandError, as_command_error
from voicewire.errors import MissingExtraError

CAPTURE_RATE = 16000
PLAYBACK_RATE = 24000

MAX_RECORDED_MESSAGES = 50
"""A second of microphone audio may wait for the network; then the oldest is dropped."""

MAX_UNPLAYED_SECS = 60.0
"""Beyond it the newest audio of the bot is dropped."""


class Headset:
    """Records and plays while it is open. Its devices run on threads of their own."""

    def __init__(self) -> None:
        """Open the devices.

        Raises:
            CommandError: There is none, or `miniaudio` is not installed.
        """
        try:
            import miniaudio
        except ImportError as exc:
            missing = MissingExtraError("miniaudio", "audio", needed_for="--mic")
            raise as_command_error(missing) from exc
        self._lock = threading.Lock()
        self._recorded: deque[bytes] = deque(maxlen=MAX_RECORDED_MESSAGES)
        self._unplayed = bytearray()
        self._format = StreamNormalizer(PLAYBACK_RATE, 1)
        self._devices: list[Any] = []
        try:
            with _quiet_stderr():
                self._open(miniaudio)
        except miniaudio.MiniaudioError as exc:
            self.close()
            message = "--mic: there is no microphone, or no loudspeaker, that can be used"
            raise CommandError(message) from exc

    def _open(self, miniaudio: Any) -> None:
        block_ms = round(1000 * MESSAGE_SECS)
        capture = miniaudio.CaptureDevice(
            sample_rate=CAPTURE_RATE, nchannels=1, buffersize_msec=block_ms
        )
        self._devices.append(capture)
        playback = miniaudio.PlaybackDevice(
            sample_rate=PLAYBACK_RATE, nchannels=1, buffersize_msec=2 * block_ms
        )
        self._devices.append(playback)
        recording, playing = self._record(), self._feed()
        next(recording)
        next(playing)
        capture.start(recording)
        playback.start(playing)

    def recorded(self) -> Sound | None:
        """Return what the microphone has recorded since the last call, if anything."""
        with self._lock:
            pcm = b"".join(self._recorded)
            self._recorded.clear()
        return Sound(pcm, CAPTURE_RATE, 1) if pcm else None

    def play(self, sound: Sound) -> None:
        """Play a sound after those that wait."""
        pcm = self._format.process(sound.pcm, sound.sample_rate, sound.num_channels)
        with self._lock:
            if len(self._unplayed) < num_bytes(MAX_UNPLAYED_SECS, PLAYBACK_RATE, 1):
                self._unplayed += pcm

    def flush(self) -> None:
        """Drop what has not been played."""
        with self._lock:
            self._unplayed.clear()

    def close(self) -> None:
        for device in self._devices:
            device.close()

    def _record(self) -> Generator[None, bytes, None]:
        """Take what the capture device sends in; runs on its thread."""
        while True:
            pcm = yield
            with self._lock:
                self._recorded.append(bytes(pcm))

    def _feed(self) -> Generator[bytes, int, None]:
        """Give the playback device what it asks for, silence where nothing waits; on its thread."""
        num_frames = yield b""
        while True:
            wanted = num_frames * 2
            with self._lock:
                pcm = bytes(self._unplayed[:wanted])
                del self._unplayed[:wanted]
            num_frames = yield pcm.ljust(wanted, b"\0")


@contextmanager
def _quiet_stderr() -> Generator[None, None, None]:
    """Keep ALSA's library from writing a page to stderr where there is no sound card."""
    with Path(os.devnull).open("w") as nowhere:
        stderr = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
