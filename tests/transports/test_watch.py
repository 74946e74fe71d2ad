import pytest

from tests.transports.client import Caller, Echo, Served, serving
from voicewire.frames import ClientConnectedFrame, Frame, InputAudioRawFrame, OutputAudioRawFrame
from voicewire.pipeline import FrameDirection, Processor

pytestmark = pytest.mark.anyio


async def test_a_watcher_sees_what_leaves_each_end() -> None:
    seen: list[tuple[str, str]] = []

    def watch(source: Processor, to: Processor, frame: Frame, way: FrameDirection) -> None:
        seen.append((type(source).__name__, type(frame).__name__))

    def prepare(served: Served) -> None:
        served.transport.watch(watch)

    async with serving(Echo(), prepare=prepare) as served, Caller(served.url) as caller:
        await caller.speak(bytes(3200))
        await caller.heard()

    assert ("InputTransport", ClientConnectedFrame.__name__) in seen
    assert ("InputTransport", InputAudioRawFrame.__name__) in seen
    assert ("OutputTransport", OutputAudioRawFrame.__name__) in seen
    assert {source for source, _ in seen} == {"InputTransport", "OutputTransport"}


async def test_several_watchers_see_the_same() -> None:
    seen: tuple[list[int], list[int]] = ([], [])

    def prepare(served: Served) -> None:
        served.transport.watch(lambda source, to, frame, way: seen[0].append(frame.id))
        served.transport.watch(lambda source, to, frame, way: seen[1].append(frame.id))

    async with serving(Echo(), prepare=prepare) as served, Caller(served.url) as caller:
        await caller.speak(bytes(3200))
        await caller.heard()

    assert seen[0]
    assert seen[0] == seen[1]
