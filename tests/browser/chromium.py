"""A real Chromium: with a microphone that plays a recording, and an ear at its loudspeakers."""

import base64
import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from voicewire.audio.pcm import wav_bytes

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

EAR = Path(__file__).with_name("ear.js").read_text()

ARGUMENTS = (
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
"""The page may play sound without a click, and nothing is asked of any server but ours."""


def find_chromium() -> str | None:
    """Return the browser: the one that VOICEWIRE_CHROMIUM names, or the one that is installed."""
    chosen = os.environ.get("VOICEWIRE_CHROMIUM")
    return chosen or next(filter(None, map(shutil.which, NAMES)), None)


@contextlib.contextmanager
def chromium(
    microphone: Path | None, *, arguments: tuple[str, ...] = (), wrapper: Path | None = None
) -> Iterator[Browser]:
    """Start a browser.

    Args:
        microphone: A WAV file that its microphone plays once, from when a page opens it; None
            leaves it without a microphone.
        arguments: More arguments of the command line.
        wrapper: A program that starts the browser instead.
    """
    path = find_chromium()
    assert path is not None, "no Chromium; on Debian or Ubuntu: apt install chromium"
    flags = [*ARGUMENTS, *arguments]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--no-sandbox")
    if microphone is not None:
        flags += [
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={microphone}%noloop",
        ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(wrapper or path),
            args=flags,
            env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass(frozen=True)
class Heard:
    """What came out of the loudspeakers.

    Attributes:
        samples: -1..1, mono.
        sample_rate: Hertz.
        started_at: When the first sample was played, in seconds of `time.time()`.
    """

    samples: NDArray[np.float32]
    sample_rate: int
    started_at: float

    def write_wav(self, path: Path) -> Path:
        pcm = (self.samples * 32767).astype("<i2").tobytes()
        path.write_bytes(wav_bytes(pcm, self.sample_rate, 1))
        return path

    def silent_from(self, at: float, *, secs: float = 0.1, level: float = 0.003) -> float | None:
        """Return since when it is silent for `secs`, looking from `at` on; None if it never is."""
        begin = max(0, round((at - self.started_at) * self.sample_rate))
        loud = np.flatnonzero(np.abs(self.samples[begin:]) > level)
        edges = np.concatenate(([-1], loud, [len(self.samples) - begin]))
        gaps = np.flatnonzero(np.diff(edges) > secs * self.sample_rate)
        if not len(gaps):
            return None
        return self.started_at + (begin + int(edges[gaps[0]]) + 1) / self.sample_rate

    def num_gaps(self, *, min_secs: float, max_secs: float) -> int:
        """Return how often sound stops for so long and goes on."""
        return len(self._gaps(min_secs, max_secs))

    def gaps_secs(self, *, min_secs: float, max_secs: float) -> float:
        """Return how long those silences are together."""
        return float(self._gaps(min_secs, max_secs).sum())

    def _gaps(self, min_secs: float, max_secs: float) -> NDArray[np.float64]:
        silences = np.diff(np.flatnonzero(np.abs(self.samples) > 0.003)) / self.sample_rate
        return silences[(silences >= min_secs) & (silences <= max_secs)]


class EaredPage:
    """A page whose loudspeakers are listened to."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.logs: list[str] = []
        self.page.on("console", lambda message: self.logs.append(message.text))
        self.page.on("pageerror", lambda error: self.logs.append(f"error: {error}"))

    def heard(self) -> Heard:
        """Return everything that has been played by now."""
        found: dict[str, Any] = self.page.evaluate("window.ear.read()")
        pcm = np.frombuffer(base64.b64decode(found["pcm"]), "<i2")
        samples = pcm.astype(np.float32) / np.float32(32768)
        return Heard(samples, found["sampleRate"], found["startedAt"])


@contextlib.contextmanager
def eared_page(browser: Browser, **context_options: Any) -> Iterator[EaredPage]:
    """Open an empty page; it may use the microphone."""
    options: dict[str, Any] = {"permissions": ["microphone"], "bypass_csp": True}
    context = browser.new_context(**options | context_options)
    context.add_init_script(EAR)
    try:
        yield EaredPage(context)
    finally:
        context.close()
