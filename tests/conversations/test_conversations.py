"""Ten conversations, with real speech over real sockets in real time, several at once."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.conversations.stage import (
    GREETING,
    SHORT_STORY,
    STORY,
    calling,
    recording,
    rehearse,
    speech,
)
from tests.speech import word_error_rate
from voicewire.turns import MinWordsUserTurnStartStrategy

pytestmark = [pytest.mark.local, pytest.mark.timeout(180)]

AT_ONCE = 3
"""Conversations at a time: as many as two cores hear without keeping anybody waiting."""

START_SECS = 0.2
"""Of `VADParams`."""

ASK_STORY = "Tell me a story."
ASK_SHORT_STORY = "Tell me a short story."
ASK_WEATHER = "What is the weather in Paris?"
STOP = "Please stop."
NEVER_MIND = "Never mind. Tell me a short story."
TWO_QUESTIONS = "Who are you, and can you tell me a short story?"
UH_HUH = "Uh huh."
GOODBYE = "Goodbye."
SPEECH = (
    "and so my fellow americans ask not what your country can do for you ask what you can do for "
    "your country"
)


def is_beginning(text: str, whole: str) -> bool:
    return whole.startswith(text) and text != whole


async def interrupted_in_the_first_word() -> None:
    async with calling() as call:
        await call.greeted()
        began_at = await call.ask(ASK_STORY)
        await call.cut_short(STOP, after=began_at)
        await call.caller.wait_for("bot-stopped-speaking", after=began_at + 1.0)
        said = call.remembered("assistant")
        assert said[0] == GREETING
        assert said[-1] == "I see.", "it answers what cut it off"
        heard = said[1] if len(said) == 3 else ""
        assert STORY.startswith(heard)
        assert len(heard.split()) <= 4


async def interrupted_in_the_last_word() -> None:
    async with calling() as call:
        await call.greeted()
        began_at = await call.ask(ASK_SHORT_STORY)
        sentence = await call.caller.wait_for("bot-output", after=began_at - 1.0)
        assert sentence.data["text"] == SHORT_STORY
        # The voice takes 1.3 s for it; a third of a second is how soon it is cut off.
        await asyncio.sleep(0.65)
        await call.cut_short(STOP, after=began_at)
        await call.caller.wait_for("bot-stopped-speaking", after=began_at + 1.5)
        said = call.remembered("assistant")
        assert is_beginning(said[1], SHORT_STORY) or said[1] == SHORT_STORY
        assert len(said[1].split()) >= 2


async def interrupted_twice_in_a_row() -> None:
    async with calling() as call:
        await call.greeted()
        for _ in range(2):
            began_at = await call.ask(ASK_STORY)
            await asyncio.sleep(1.5)
            await call.cut_short(STOP, after=began_at)
            await call.caller.wait_for("bot-stopped-speaking", after=began_at + 2.5)
        said = call.remembered("assistant")
        assert [s == "I see." for s in said] == [False, False, True, False, True]
        for told in (said[1], said[3]):
            assert is_beginning(told, STORY)
            assert 3 <= len(told.split()) <= 9


async def interrupted_during_a_function_call() -> None:
    async with calling() as call:
        await call.greeted()
        said_at = await call.caller.say(speech(ASK_WEATHER))
        await call.caller.wait_for("llm-function-call-in-progress", after=said_at)
        progress = await call.caller.wait_for("bot-output", after=said_at)
        assert progress.data["text"] == "One moment, please."
        await asyncio.sleep(0.5)
        said_at = await call.caller.say(speech(NEVER_MIND))
        stopped = await call.caller.wait_for("llm-function-call-stopped")
        assert stopped.data["cancelled"]
        await call.caller.wait_for("bot-stopped-speaking", after=said_at)
        assert call.remembered("tool")[0].startswith("CANCELLED")
        assert call.remembered("assistant")[-1] == SHORT_STORY
        assert "rains" not in " ".join(call.remembered("assistant"))


async def spoken_to_in_silence() -> None:
    async with calling() as call:
        await call.greeted()
        began_at = await call.ask(ASK_SHORT_STORY)
        await call.caller.wait_for("bot-stopped-speaking", after=began_at)
        await asyncio.sleep(2.0)
        began_at = await call.ask(ASK_SHORT_STORY)
        await call.caller.wait_for("bot-stopped-speaking", after=began_at)
        assert call.remembered("assistant") == [GREETING, SHORT_STORY, SHORT_STORY]
        assert not [each for each in call.caller.told if each.kind == "vw-cut"]


async def a_long_monologue() -> None:
    async with calling() as call:
        greeted_at = await call.greeted()
        said_at = await call.caller.say(recording("jfk.wav"))
        begun = await call.caller.wait_for("bot-started-speaking", after=greeted_at)
        assert begun.at_secs > said_at, "nobody is cut off in their pauses"
        (heard,) = call.remembered("user")
        assert word_error_rate(SPEECH, heard) <= 0.2


async def an_uh_huh() -> None:
    async with calling(start=lambda: [MinWordsUserTurnStartStrategy(3)]) as call:
        await call.greeted()
        began_at = await call.ask(ASK_STORY)
        for _ in range(2):
            await asyncio.sleep(1.5)
            await call.caller.say(speech(UH_HUH))
        await call.caller.wait_for("bot-stopped-speaking", after=began_at)
        assert call.remembered("assistant") == [GREETING, STORY]
        assert len(call.remembered("user")) == 1


async def a_muted_microphone() -> None:
    async with calling() as call:
        greeted_at = await call.greeted()
        call.caller.start_saying(speech(ASK_SHORT_STORY))
        await call.caller.wait_for("user-started-speaking", after=greeted_at)
        await asyncio.sleep(len(speech(ASK_SHORT_STORY)) / 32_000 - 0.35)
        call.caller.mute(is_muted=True)  # With the last word, and before the silence behind it.
        begun = await call.caller.wait_for("bot-started-speaking", after=greeted_at)
        await call.caller.wait_for("bot-stopped-speaking", after=begun.at_secs)
        assert "story" in call.remembered("user")[0].lower()
        call.caller.mute(is_muted=False)
        began_at = await call.ask(ASK_SHORT_STORY)
        await call.caller.wait_for("bot-stopped-speaking", after=began_at)
        assert call.remembered("assistant")[-1] == SHORT_STORY


async def two_questions_in_one_breath() -> None:
    async with calling() as call:
        await call.greeted()
        began_at = await call.ask(TWO_QUESTIONS)
        await call.caller.wait_for("bot-stopped-speaking", after=began_at)
        (asked,) = call.remembered("user")
        assert "who are you" in asked.lower()
        assert "story" in asked.lower()
        assert call.remembered("assistant") == [GREETING, SHORT_STORY]


async def a_goodbye() -> None:
    async with calling() as call:
        await call.greeted()
        await call.caller.say(speech(GOODBYE))
        await call.caller.wait_for("closed")
        assert call.remembered("assistant")[-1] == "Goodbye, and thank you."
        assert "Goodbye, and thank you." in call.caller.said_by_bot()


CONVERSATIONS: tuple[Callable[[], Awaitable[None]], ...] = (
    interrupted_in_the_first_word,
    interrupted_in_the_last_word,
    interrupted_twice_in_a_row,
    interrupted_during_a_function_call,
    spoken_to_in_silence,
    a_long_monologue,
    an_uh_huh,
    a_muted_microphone,
    two_questions_in_one_breath,
    a_goodbye,
)

Outcomes = dict[str, BaseException | None]


@pytest.fixture(scope="module")
def outcomes() -> Outcomes:
    """Hold all conversations, `AT_ONCE` at a time."""

    async def hold_all() -> Outcomes:
        await rehearse(
            ASK_STORY,
            ASK_SHORT_STORY,
            ASK_WEATHER,
            STOP,
            NEVER_MIND,
            TWO_QUESTIONS,
            UH_HUH,
            GOODBYE,
        )
        free = asyncio.Semaphore(AT_ONCE)

        async def hold(conversation: Callable[[], Awaitable[None]]) -> None:
            async with free:
                await conversation()

        ends = await asyncio.gather(*(hold(each) for each in CONVERSATIONS), return_exceptions=True)
        return {each.__name__: end for each, end in zip(CONVERSATIONS, ends, strict=True)}

    return asyncio.run(hold_all())


@pytest.mark.parametrize("name", [each.__name__ for each in CONVERSATIONS])
def test_a_conversation(outcomes: Outcomes, name: str) -> None:
    if (failure := outcomes[name]) is not None:
        raise failure
