"""Whatever comes in whatever order: what must arrive arrives, in its order."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pipeline.fakes import Session, Step, Tap, TextStep, audio, settle
from voicewire.frames import (
    EndFrame,
    Frame,
    FunctionCallResultFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    SystemFrame,
    TextFrame,
    UserStartedSpeakingFrame,
)
from voicewire.pipeline import ParallelPipeline, Pipeline
from voicewire.pipeline.processor import DOWNSTREAM, UPSTREAM

WORDS = ("text", "result", "audio", "speaking", "interruption", "ask", "wait", "fail")


def make_frame(word: str) -> Frame:
    match word:
        case "text" | "fail":
            return TextFrame(word)
        case "result":
            return FunctionCallResultFrame("f", "1", {}, "sunny")
        case "audio":
            return audio()
        case "speaking":
            return UserStartedSpeakingFrame()
        case _:
            return InterruptionFrame()


async def work(frame: Frame) -> None:
    for _ in range(frame.id % 3):
        await asyncio.sleep(0)
    if isinstance(frame, TextFrame) and frame.text == "fail":
        raise LookupError("on purpose")


@settings(deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=30), st.booleans())
def test_what_must_arrive_arrives_in_its_order(words: list[str], has_branches: bool) -> None:
    asyncio.run(send_and_compare(words, has_branches=has_branches))


async def send_and_compare(words: list[str], *, has_branches: bool) -> None:
    middle = (
        ParallelPipeline([Step(work)], [Tap()], [TextStep(work)])
        if has_branches
        else Pipeline([TextStep(work), Tap()])
    )
    session = Session(Step(work), middle, TextStep(), Step(work))
    run = asyncio.ensure_future(session.task.run())
    await settle()
    sent: list[Frame] = []
    for word in words:
        if word == "wait":
            await asyncio.sleep(0)
            continue
        frame = make_frame(word)
        sent.append(frame)
        if word == "ask":
            session.task._tail.push(frame, UPSTREAM)
        else:
            session.task._head.push(frame, DOWNSTREAM)
    await settle()
    end = EndFrame()
    await session.task.queue_frame(end)
    await asyncio.wait_for(run, 5.0)

    came = session.tap.down[1:]
    assert came[-1] is end
    assert len(set(came)) == len(came)
    system = [frame for frame in came if isinstance(frame, SystemFrame)]
    assert {frame for frame in sent if isinstance(frame, SystemFrame)} == set(system)
    for kind in (InputAudioRawFrame, UserStartedSpeakingFrame, FunctionCallResultFrame):
        assert [f for f in came if isinstance(f, kind)] == [f for f in sent if isinstance(f, kind)]
    ordered = [frame for frame in came if not isinstance(frame, SystemFrame)]
    if not has_branches:  # Branches are not equally quick, and each has its own order.
        positions = [sent.index(frame) for frame in ordered[:-1]]
        assert positions == sorted(positions)
    interruptions = [i for i, frame in enumerate(sent) if isinstance(frame, InterruptionFrame)]
    if not interruptions:
        texts = [frame for frame in sent if isinstance(frame, TextFrame) and frame.text == "text"]
        assert [frame for frame in came if frame in texts] == texts
