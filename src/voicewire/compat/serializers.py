"""Serializers that were written for Pipecat, where the two methods are coroutines."""

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from voicewire import serializers
from voicewire.errors import FrameDecodeError, FrameEncodeError
from voicewire.frames import Frame

Result = TypeVar("Result")


class FrameSerializer(serializers.FrameSerializer):
    """Ours, whose subclasses may have `async def serialize` and `async def deserialize`.

    They are run to their end at once, so what they await has to be ready: a lookup over the network
    in one of them is an error. None from `deserialize`, Pipecat's word for a message that is none,
    is counted as a message refused.
    """

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        for name, make_synchronous in _MAKE_SYNCHRONOUS.items():
            method = cls.__dict__.get(name)
            if inspect.iscoroutinefunction(method):
                setattr(cls, name, make_synchronous(method))


def _synchronous_serialize(
    method: Callable[[Any, Frame], Coroutine[Any, Any, bytes | str | None]],
) -> Callable[[Any, Frame], bytes | str | None]:
    @functools.wraps(method)
    def serialize(self: Any, frame: Frame) -> bytes | str | None:
        try:
            return _run_to_end(method(self, frame))
        except FrameEncodeError:
            raise
        except Exception as exc:  # It is somebody else's code: one bad frame must not end a call.
            raise FrameEncodeError(f"{type(self).__name__}.serialize: {exc!r}") from exc

    return serialize


def _synchronous_deserialize(
    method: Callable[[Any, bytes | str], Coroutine[Any, Any, Frame | None]],
) -> Callable[[Any, bytes | str], Frame]:
    @functools.wraps(method)
    def deserialize(self: Any, data: bytes | str) -> Frame:
        try:
            frame = _run_to_end(method(self, data))
        except FrameDecodeError:
            raise
        except Exception as exc:  # As above; and the message may hold what was in the payload.
            fault = f"{type(self).__name__}.deserialize raised {type(exc).__name__}"
            raise FrameDecodeError("serializer_failed", fault) from exc
        if frame is None:
            raise FrameDecodeError("no_frame", f"{type(self).__name__} makes no frame of it")
        return frame

    return deserialize


def _run_to_end(coroutine: Coroutine[Any, Any, Result]) -> Result:
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: Result = done.value
        return result
    coroutine.close()
    raise RuntimeError("it waits for something, and nothing on the way to the wire may wait")


_MAKE_SYNCHRONOUS: dict[str, Callable[..., Any]] = {
    "serialize": _synchronous_serialize,
    "deserialize": _synchronous_deserialize,
}
