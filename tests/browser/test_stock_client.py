"""Pipecat's JavaScript client, as it comes from the registry, in a real Chromium."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.chromium import chromium, eared_page
from tests.browser.served import ANSWER, GREETING, reciter, served
from tests.browser.sounds import words_heard, write_recording
from tests.speech import normalise, word_error_rate

pytestmark = [pytest.mark.local, pytest.mark.timeout(240)]

PATIENCE_MS = 40_000

FIRST = "he was not an ill disposed young man"

MAX_ERROR_RATE = 0.3
"""The browser's noise suppression takes away from it, and Whisper is the tiny one."""
LATEST, MAJOR_1 = "pipecat-1.13", "pipecat-1.2"


class Talk:
    """A page with the client, and what the client has told."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def begin(self, stock_page: str, server_page: str) -> dict[str, Any]:
        """Connect by way of `POST /connect`; return what the bot says of itself."""
        self.page.goto(stock_page)
        self.page.wait_for_function("window.client")
        ready: dict[str, Any] = self.page.evaluate(
            "(endpoint) => client.startBotAndConnect({ endpoint, requestData: { who: 'Ada' } })",
            f"{server_page}/connect",
        )
        return ready

    def events(self, name: str) -> list[Any]:
        found: list[Any] = self.page.evaluate(
            "(name) => events.filter((event) => event.name === name).map(({ data }) => data)", name
        )
        return found

    def understood(self, count: int) -> list[str]:
        """Return what the caller has been heard to say, when there are so many sentences."""
        self.page.wait_for_function(
            "(count) => events.filter(({ name, data }) => name === 'onUserTranscript'"
            " && data.final).length >= count",
            arg=count,
            timeout=PATIENCE_MS,
        )
        return [each["text"] for each in self.events("onUserTranscript") if each["final"]]

    def wait_for(self, name: str, count: int = 1) -> list[Any]:
        self.page.wait_for_function(
            "([name, count]) => events.filter((event) => event.name === name).length >= count",
            arg=[name, count],
            timeout=PATIENCE_MS,
        )
        return self.events(name)


@pytest.mark.parametrize(("version", "protocol"), [(LATEST, "2."), (MAJOR_1, "1.")])
def test_it_connects_is_heard_hears_interrupts_and_leaves(
    version: str, protocol: str, stock_page: Callable[[str], str], tmp_path: Path
) -> None:
    microphone = write_recording(
        tmp_path / "microphone.wav", 7.0, "sense_0880.wav", 10.0, "sense_0890.wav", 30.0
    )
    page = stock_page(version)
    with served(reciter) as server, chromium(microphone) as browser, eared_page(browser) as eared:
        talk = Talk(eared.page)
        assert talk.begin(page, server.page)["version"].startswith(protocol)
        talk.wait_for("onBotStartedSpeaking")

        assert word_error_rate(FIRST, talk.understood(1)[0]) <= MAX_ERROR_RATE
        talk.wait_for("onBotStartedSpeaking", 2)
        talk.understood(2)
        talk.wait_for("onBotStartedSpeaking", 3)
        said = " ".join(each["text"] for each in talk.events("onBotTtsText"))
        played = words_heard(eared.heard())
        eared.page.evaluate("client.disconnect()")
        talk.wait_for("onDisconnected")
        errors = talk.events("onError")
    # What it played is what it was told that the bot has said, and the answer was cut off.
    assert normalise(said)[: len(normalise(GREETING))] == normalise(GREETING)
    assert "everything that we buy" not in said
    assert word_error_rate(said, played) < 0.4, (said, played)
    assert errors == []


def test_it_writes_asks_the_application_and_hangs_up(
    stock_page: Callable[[str], str], tmp_path: Path
) -> None:
    microphone = write_recording(tmp_path / "microphone.wav", 60.0)
    page = stock_page(LATEST)
    with served(reciter) as server, chromium(microphone) as browser, eared_page(browser) as eared:
        talk = Talk(eared.page)
        talk.begin(page, server.page)
        assert eared.page.evaluate("client.sendClientRequest('what', 1)") == {"echo": 1}
        fail = "client.sendClientRequest('fail').catch(({ data }) => data.error)"
        assert eared.page.evaluate(fail) == "as you wished"

        eared.page.evaluate("client.sendText('Tell me of the sea', { audio_response: true })")
        eared.page.wait_for_function(
            "events.some(({ name, data }) => name === 'onBotTtsText' && /planet/.test(data.text))",
            timeout=PATIENCE_MS,
        )
        assert "planet" in words_heard(eared.heard())

        # The bot says the rest and leaves; a close by the server, this client calls an error.
        eared.page.evaluate("client.disconnectBot()")
        talk.wait_for("onError")
        said = " ".join(each["text"] for each in talk.events("onBotTtsText"))
    assert normalise(said)[-3:] == normalise(ANSWER)[-3:]
