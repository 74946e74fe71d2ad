"""How often the sound breaks on a bad network: our client beside Pipecat's, on the same link.

Both play a bot that hums, at the same time, in one Chromium, over a link with delay, jitter and
loss; each sample that the pages send to the loudspeakers is looked at. Needs root and Linux. In
`.venv`, after `make test` has installed what it needs::

    python -m benchmarks.lossy_network
"""

import argparse
import shutil
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.impaired_link import (
    CLIENT,
    SERVER,
    SERVER_IP,
    Impairment,
    enter_namespace,
    impaired_link,
    is_possible,
)
from tests.browser.chromium import EaredPage, Heard, chromium, eared_page, find_chromium
from tests.browser.pages import serving_stock_page
from tests.browser.served import hummer, served
from tests.browser.sounds import write_recording

STOCK = "pipecat-1.13"

SHORTEST_GAP_SECS = 0.002
LONGEST_GAP_SECS = 10.0
SETTLE_SECS = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description="Glitches on a bad network.")
    parser.add_argument("--secs", type=float, default=600.0)
    parser.add_argument("--delay-ms", type=float, default=80.0)
    parser.add_argument("--jitter-ms", type=float, default=40.0)
    parser.add_argument("--loss-percent", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if not is_possible():
        raise SystemExit("network namespaces and TUN devices need root on Linux")
    impairment = Impairment(
        arguments.delay_ms / 1000,
        arguments.jitter_ms / 1000,
        arguments.loss_percent / 100,
        arguments.seed,
    )
    ours, theirs = compare(impairment, arguments.secs)
    print(f"{'client':>10} {'glitches':>9} {'silence':>9}")
    for name, heard in (("voicewire", ours), ("Pipecat", theirs)):
        print(f"{name:>10} {num_glitches(heard):9} {silence_secs(heard):7.1f} s")
    factor = num_glitches(theirs) / max(1, num_glitches(ours))
    print(f"{factor:.0f} times fewer glitches in {arguments.secs:g} s")


def compare(impairment: Impairment, secs: float) -> tuple[Heard, Heard]:
    """Return what came out of our client's and Pipecat's loudspeakers."""
    enter_server = partial(enter_namespace, SERVER)
    with (
        tempfile.TemporaryDirectory() as directory,
        impaired_link(impairment),
        served(hummer([]), host=SERVER_IP, enter=enter_server, allowed_origins=["*"]) as server,
        serving_stock_page(STOCK, host=SERVER_IP, enter=enter_server) as stock,
    ):
        microphone = write_recording(Path(directory) / "microphone.wav", 1.0)
        pages = ",".join(url.rstrip("/") for url in (server.page, stock))
        with (
            chromium(
                microphone,
                arguments=(f"--unsafely-treat-insecure-origin-as-secure={pages}",),
                wrapper=_browser_in_namespace(Path(directory)),
            ) as browser,
            eared_page(browser) as ours,
            eared_page(browser) as theirs,
        ):
            ours.page.goto(server.page)
            theirs.page.goto(stock)
            theirs.page.wait_for_function("window.client")
            ours.page.get_by_role("button", name="Talk").click()
            theirs.page.evaluate("(wsUrl) => client.connect({ wsUrl })", server.url)
            _wait_for_ready(ours)
            ours.page.wait_for_timeout((secs + SETTLE_SECS) * 1000)
            return ours.heard(), theirs.heard()


def num_glitches(heard: Heard) -> int:
    return heard.num_gaps(min_secs=SHORTEST_GAP_SECS, max_secs=LONGEST_GAP_SECS)


def silence_secs(heard: Heard) -> float:
    return heard.gaps_secs(min_secs=SHORTEST_GAP_SECS, max_secs=LONGEST_GAP_SECS)


def _wait_for_ready(eared: EaredPage) -> None:
    eared.page.wait_for_selector("[data-state=ready]", timeout=60_000)


def _browser_in_namespace(directory: Path) -> Path:
    path = find_chromium()
    ip = shutil.which("ip")
    wrapper = directory / "chromium"
    wrapper.write_text(f'#!/bin/sh\nexec {ip} netns exec {CLIENT} {path} "$@"\n')
    wrapper.chmod(0o700)
    return wrapper


if __name__ == "__main__":
    main()
