"""The talk page in a real Chromium, with a caller who speaks and a bot that answers."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import chromium, eared_page
from tests.browser.served import ANSWER, GREETING, reciter, served
from tests.browser.sounds import words_heard, write_recording
from tests.speech import normalise, word_error_rate

pytestmark = [pytest.mark.local, pytest.mark.timeout(240)]

PATIENCE_MS = 40_000

FIRST = "he was not an ill disposed young man"

MAX_ERROR_RATE = 0.3
"""The browser's noise suppression takes away from it, and Whisper is the tiny one."""


def test_a_caller_talks_is_heard_hears_and_interrupts(tmp_path: Path) -> None:
    microphone = write_recording(
        tmp_path / "microphone.wav", 7.0, "sense_0880.wav", 10.0, "sense_0890.wav", 30.0
    )
    with served(reciter) as server, chromium(microphone) as browser, eared_page(browser) as eared:
        page = eared.page
        page.goto(server.page)
        captions = page.locator("#captions li")
        expect(page.locator("#status")).to_contain_text("Press Talk")

        page.get_by_role("button", name="Talk").click()
        expect(captions.nth(0)).to_contain_text("welcome", timeout=PATIENCE_MS)
        expect(captions.nth(1)).to_contain_text("man", timeout=PATIENCE_MS)
        assert (
            word_error_rate(FIRST, captions.nth(1).locator("span").inner_text()) <= MAX_ERROR_RATE
        )
        expect(page.locator("body")).to_have_attribute(
            "data-phase", "speaking", timeout=PATIENCE_MS
        )

        # The second sentence interrupts the long answer: what was not heard is struck through.
        cut = captions.nth(2).locator("s.cut")
        expect(cut).to_contain_text("everything that we buy", timeout=PATIENCE_MS)
        said = captions.nth(2).locator(".heard").inner_text()
        expect(page.locator("#timeline svg")).to_be_visible()
        expect(page.locator("#history")).to_contain_text("interrupted")
        heard = words_heard(eared.heard())
        page.get_by_role("button", name="Hang up").click()
        expect(page.locator("#status")).to_contain_text("over")
        page.wait_for_timeout(200)  # Nothing that is still on its way moves the meters any more.
        for meter in ("#caller-level", "#bot-level"):
            expect(page.locator(meter)).to_have_attribute("style", "--level: 0.000;")
    assert word_error_rate(f"{GREETING} {said}", heard) < 0.3, heard
    assert 3 <= len(normalise(said)) < len(normalise(ANSWER)) - 10
    assert not [line for line in eared.logs if "error" in line.lower()], eared.logs


def test_a_caller_may_write_and_the_answer_is_spoken(tmp_path: Path) -> None:
    microphone = write_recording(tmp_path / "microphone.wav", 60.0)
    with served(reciter) as server, chromium(microphone) as browser, eared_page(browser) as eared:
        page = eared.page
        page.goto(server.page)
        page.get_by_role("button", name="Talk").click()
        page.get_by_label("Write to the bot").fill("What about the sea?")
        page.get_by_role("button", name="Send").click()
        captions = page.locator("#captions li")
        expect(captions.filter(has_text="What about the sea?")).to_be_visible()
        expect(captions.last).to_contain_text("planet", timeout=PATIENCE_MS)
        expect(captions.last.locator(".heard")).to_contain_text("planet", timeout=PATIENCE_MS)
        assert "planet" in words_heard(eared.heard())


def test_a_muted_microphone_is_not_heard(tmp_path: Path) -> None:
    microphone = write_recording(
        tmp_path / "microphone.wav", 5.0, "sense_0880.wav", 2.0, "sense_0880.wav", 60.0
    )
    with served(reciter) as server, chromium(microphone) as browser, eared_page(browser) as eared:
        page = eared.page
        page.goto(server.page)
        page.get_by_role("button", name="Talk").click()
        mute = page.get_by_role("button", name="Mute")
        mute.click()
        expect(page.get_by_role("button", name="Unmute")).to_have_attribute("aria-pressed", "true")
        page.wait_for_timeout(14_000)
        expect(page.locator("#captions .caller")).to_have_count(0)


def test_without_a_microphone_the_page_says_so_and_one_can_write() -> None:
    with served(reciter) as server, chromium(None) as browser, eared_page(browser) as eared:
        page = eared.page
        page.goto(server.page)
        page.get_by_role("button", name="Talk").click()
        problem = page.get_by_role("alert")
        expect(problem).to_contain_text("There is no microphone")
        expect(problem).to_contain_text("Plug one in")
        problem.get_by_role("button", name="Write instead").click()
        expect(page.locator("#status")).to_contain_text("Write to the bot")
        expect(page.locator("#captions li").first).to_contain_text("Hello", timeout=PATIENCE_MS)


def test_a_microphone_that_is_not_allowed_is_told_with_what_to_do(tmp_path: Path) -> None:
    microphone = write_recording(tmp_path / "microphone.wav", 5.0)
    arguments = ("--deny-permission-prompts",)
    with (
        served(reciter) as server,
        chromium(microphone, arguments=arguments) as browser,
        eared_page(browser, permissions=[]) as eared,
    ):
        page = eared.page
        page.goto(server.page)
        page.get_by_role("button", name="Talk").click()
        problem = page.get_by_role("alert")
        expect(problem).to_contain_text("not allowed")
        expect(problem.get_by_role("button", name="Try again")).to_be_visible()


def test_a_server_that_is_gone_is_told_and_found_again(tmp_path: Path) -> None:
    microphone = write_recording(tmp_path / "microphone.wav", 60.0)
    with chromium(microphone) as browser, eared_page(browser) as eared:
        page = eared.page
        with served(reciter) as server:
            port = int(server.url.rsplit(":", 1)[1])
            page.goto(server.page)
            page.get_by_role("button", name="Talk").click()
            expect(page.locator("#captions li").first).to_contain_text(
                "welcome", timeout=PATIENCE_MS
            )
        expect(page.locator("#status")).to_contain_text("Attempt", timeout=PATIENCE_MS)
        with served(reciter, port=port):
            expect(page.locator("body")).to_have_attribute(
                "data-state", "ready", timeout=PATIENCE_MS
            )
            expect(page.locator("#captions li").nth(1)).to_contain_text(
                "welcome", timeout=PATIENCE_MS
            )


def test_a_server_that_does_not_answer_is_told(tmp_path: Path) -> None:
    microphone = write_recording(tmp_path / "microphone.wav", 5.0)
    with chromium(microphone) as browser, eared_page(browser) as eared:
        page = eared.page
        with served(reciter) as server:
            page.goto(server.page)
        page.get_by_role("button", name="Talk").click()
        problem = page.get_by_role("alert")
        expect(problem).to_contain_text("The server does not answer", timeout=PATIENCE_MS)


def test_the_page_obeys_its_own_policy(tmp_path: Path) -> None:
    microphone = write_recording(tmp_path / "microphone.wav", 5.0)
    with chromium(microphone) as browser:
        context = browser.new_context(permissions=["microphone"])
        page = context.new_page()
        logs: list[str] = []
        page.on("console", lambda message: logs.append(message.text))
        with served(reciter) as server:
            page.goto(server.page)
            page.get_by_role("button", name="Talk").click()
            expect(page.locator("body")).to_have_attribute("data-state", "ready")
            expect(page.locator("#captions li").first).to_contain_text("Hello", timeout=PATIENCE_MS)
            context.close()
        assert logs == []
