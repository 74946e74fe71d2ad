"""Serializers whose methods are coroutines, as Pipecat's are."""

import asyncio
import json

import pytest

from voicewire import serializers
from voicewire.compat.serializers import FrameSerializer
from voicewire.errors import FrameDecodeError, FrameEncodeError
from voicewire.frames import EndFrame, Frame, TextFrame


class JsonSerializer(FrameSerializer):
    """As a program for Pipecat has it."""

    async def serialize(self, frame: Frame) -> str | None:  # type: ignore[override]
        if not isinstance(frame, TextFrame):
            return None
        await self._look_up()
        return json.dumps({"text": frame.text})

    async def deserialize(self, data: bytes | str) -> Frame | None:  # type: ignore[override]
        message = json.loads(data)
        return TextFrame(message["text"]) if "text" in message else None

    async def _look_up(self) -> None:
        """Have an answer at once."""


class WaitingSerializer(JsonSerializer):
    async def _look_up(self) -> None:
        await asyncio.sleep(0)


def used_by_us(serializer: FrameSerializer) -> serializers.FrameSerializer:
    """Return it as the transport sees it: its methods are no coroutines any more."""
    return serializer


def test_coroutines_run_to_their_end_at_once() -> None:
    serializer = used_by_us(JsonSerializer())

    message = serializer.serialize(TextFrame("Hello."))
    frame = serializer.deserialize('{"text": "Hi."}')

    assert message == '{"text": "Hello."}'
    assert isinstance(frame, TextFrame)
    assert frame.text == "Hi."
    assert serializer.serialize(EndFrame()) is None


def test_a_serializer_that_waits_is_refused_with_the_reason() -> None:
    with pytest.raises(FrameEncodeError, match="nothing on the way to the wire may wait"):
        used_by_us(WaitingSerializer()).serialize(TextFrame("Hello."))


def test_a_message_that_makes_no_frame_is_refused() -> None:
    with pytest.raises(FrameDecodeError) as caught:
        used_by_us(JsonSerializer()).deserialize('{"other": 1}')

    assert caught.value.kind == "no_frame"


def test_a_failure_is_a_message_refused_without_its_content() -> None:
    with pytest.raises(FrameDecodeError) as caught:
        used_by_us(JsonSerializer()).deserialize("secret words")

    assert caught.value.kind == "serializer_failed"
    assert "secret" not in str(caught.value)
