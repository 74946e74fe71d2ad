"""A conversation on the talk page that loses its network, and goes on."""

import time
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import chromium, eared_page
from tests.browser.network import network_to
from tests.browser.served import GREETING, reciter, served
from tests.browser.sounds import words_heard, write_recording
from tests.speech import word_error_rate

pytestmark = [pytest.mark.local, pytest.mark.timeout(120)]

FIRST = "he was not an ill disposed young man"
SPEAKS_AFTER_SECS = 8.0

PATIENCE_MS = 20_000


def test_nothing_that_is_said_during_a_loss_of_the_network_is_lost(tmp_path: Path) -> None:
    microphone = write_recording(
        tmp_path / "microphone.wav", SPEAKS_AFTER_SECS, "sense_0880.wav", 60.0
    )
    with (
        served(reciter) as server,
        network_to(int(server.url.rsplit(":", 1)[1])) as network,
        chromium(microphone) as browser,
        eared_page(browser) as eared,
    ):
        page = eared.page
        page.goto(f"http://localhost:{network.port}")
        began_at = time.monotonic()
        page.get_by_role("button", name="Talk").click()
        captions, status = page.locator("#captions li"), page.locator("#status")
        expect(captions.nth(0)).to_contain_text("welcome", timeout=PATIENCE_MS)
        network.cut()  # While the bot greets.
        expect(status).to_contain_text("Coming back")
        time.sleep(1.5)
        network.mend()
        expect(status).not_to_contain_text("Coming back", timeout=5_000)

        time.sleep(max(0.0, began_at + SPEAKS_AFTER_SECS + 0.5 - time.monotonic()))
        greeting = words_heard(eared.heard())
        network.be_silent()  # While the caller speaks.
        expect(status).to_contain_text("Coming back", timeout=5_000)
        time.sleep(1.0)
        network.mend()
        expect(captions.nth(1)).to_contain_text("man", timeout=PATIENCE_MS)
        asked = captions.nth(1).locator("span").inner_text()
        expect(captions.nth(2)).to_contain_text("planet", timeout=PATIENCE_MS)
        assert page.locator("#captions li").filter(has_text="welcome").count() == 1
    assert word_error_rate(GREETING, greeting) < 0.1, greeting
    assert word_error_rate(FIRST, asked) <= 0.3, asked
    assert not [line for line in eared.logs if "error:" in line.lower()], eared.logs
