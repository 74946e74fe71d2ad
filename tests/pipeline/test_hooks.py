"""Hooks come and go while a pipeline runs."""

from voicewire.frames import Frame, TextFrame
from voicewire.pipeline import FrameDirection, Processor
from voicewire.pipeline.hooks import PushHooks


class Step(Processor):
    def receive(self, frame: Frame, direction: FrameDirection) -> None: ...


class Keeper:
    def __init__(self) -> None:
        self.seen: list[tuple[Processor, Processor, Frame, FrameDirection]] = []

    def see(self, source: Processor, to: Processor, frame: Frame, way: FrameDirection) -> None:
        self.seen.append((source, to, frame, way))


def test_without_hooks_there_is_nothing_to_call() -> None:
    assert PushHooks().tell is None


def test_each_hook_is_told_between_its_coming_and_its_going() -> None:
    hooks = PushHooks()
    first, second = Keeper(), Keeper()
    source, to, frames = Step(), Step(), [TextFrame(text) for text in "abcd"]

    def push(frame: Frame) -> None:
        if hooks.tell is not None:
            hooks.tell(source, to, frame, FrameDirection.DOWNSTREAM)

    hooks.add(first.see)
    push(frames[0])
    hooks.add(second.see)
    push(frames[1])
    hooks.remove(first.see)
    push(frames[2])
    hooks.remove(second.see)
    push(frames[3])
    assert [seen[2] for seen in first.seen] == frames[:2]
    assert [seen[2] for seen in second.seen] == frames[1:3]
    assert first.seen[0] == (source, to, frames[0], FrameDirection.DOWNSTREAM)
    assert hooks.tell is None


def test_a_hook_that_is_not_there_may_go() -> None:
    hooks = PushHooks()
    hooks.remove(Keeper().see)
    assert hooks.tell is None
