"""How soon the bot is silent at the caller's ear when the server has decided that they speak.

Our client and Pipecat's in turns, in a real Chromium: the caller interrupts a bot that hums, and
each sample that the page sends to the loudspeakers is looked at. In `.venv`, after `make test` has
installed what it needs::

    python -m benchmarks.barge_in
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from playwright.sync_api import Page

from tests.browser.chromium import chromium, eared_page
from tests.browser.pages import serving_stock_page
from tests.browser.served import Served, hummer, served
from tests.browser.sounds import write_recording

STOCK = "pipecat-1.13"
HUM_SECS = 5.0
"""Between two interruptions."""

SPEECH_SECS = 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description="Barge-in at the ear.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--interruptions", type=int, default=6, help="in each round")
    arguments = parser.parse_args()
    results: dict[str, list[float]] = {"voicewire": [], "Pipecat": []}
    with serving_stock_page(STOCK) as stock:
        ways = {"voicewire": begin_ours, "Pipecat": partial(begin_stock, stock)}
        for number in range(arguments.rounds):
            print(f"round {number + 1} of {arguments.rounds}", flush=True)
            for name, begin in ways.items():
                results[name] += measure(begin, arguments.interruptions)
    print("\nfrom the server's decision to silence at the loudspeakers, ms")
    print(f"{'client':>10} {'median':>7} {'p95':>7} {'longest':>7} {'times':>6}")
    for name, secs in results.items():
        ms = sorted(1000 * each for each in secs)
        p95 = ms[min(len(ms) - 1, round(0.95 * len(ms)))]
        median = statistics.median(ms)
        print(f"{name:>10} {median:7.0f} {p95:7.0f} {ms[-1]:7.0f} {len(ms):6}")


def measure(begin: Callable[[Page, Served], None], count: int) -> list[float]:
    """Return the seconds of each interruption."""
    decided: list[float] = []
    with tempfile.TemporaryDirectory() as directory:
        parts = [part for _ in range(count) for part in (HUM_SECS, "sense_0880.wav")]
        microphone = write_recording(Path(directory) / "microphone.wav", *parts, HUM_SECS)
        with (
            served(hummer(decided)) as server,
            chromium(microphone) as browser,
            eared_page(browser) as eared,
        ):
            begin(eared.page, server)
            eared.page.wait_for_timeout(1000 * (count * (HUM_SECS + SPEECH_SECS) + HUM_SECS / 2))
            heard = eared.heard()
    silences = [(at, heard.silent_from(at)) for at in decided]
    return [silent - at for at, silent in silences if silent is not None]


def begin_ours(page: Page, server: Served) -> None:
    page.goto(server.page)
    page.get_by_role("button", name="Talk").click()


def begin_stock(stock_url: str, page: Page, server: Served) -> None:
    page.goto(stock_url)
    page.wait_for_function("window.client")
    page.evaluate("(wsUrl) => client.connect({ wsUrl })", server.url)


if __name__ == "__main__":
    main()
