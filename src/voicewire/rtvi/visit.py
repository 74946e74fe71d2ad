"""One client that speaks RTVI, from its hello to its goodbye."""

import asyncio
import base64
import binascii
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from pydantic import ValidationError

from voicewire.audio.format import format_fault
from voicewire.audio.pcm import BYTES_PER_SAMPLE
from voicewire.frames import (
    EndFrame,
    Frame,
    FunctionCallResultFrame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InterruptionFrame,
    LLMConfigureOutputFrame,
    LLMMessagesAppendFrame,
    RTVIClientMessageFrame,
)
from voicewire.pipeline import FrameDirection, Processor
from voicewire.pipeline.hooks import PushHooks
from voicewire.pipeline.owner import TaskOwner
from voicewire.rtvi.messages import (
    DTMF,
    LABEL,
    MAJORS,
    PROTOCOL_VERSION,
    AppendToContext,
    ClientData,
    ClientMessage,
    ClientReady,
    FunctionCallResult,
    Json,
    Ping,
    PlayoutData,
    RawAudio,
    SendText,
    fault_of,
    major_of,
    message,
)
from voicewire.rtvi.params import RTVIParams
from voicewire.rtvi.reports import Reporter

logger = logging.getLogger(__name__)

MAX_EVENTS_WAITING = 100
"""Client messages whose handlers have not begun; more are answered with an error."""

MAX_ID_CHARS = 128
"""Of a message's id, which answers repeat."""

DOWNSTREAM = FrameDirection.DOWNSTREAM


class Application(Protocol):
    """What a visit needs of whoever handles the events."""

    async def emit(self, event_name: str, *args: Any) -> None: ...

    async def set_bot_ready(self) -> None: ...


class RTVIVisit:
    """Acts on one client's messages, and tells it what the pipeline does once it has said hello.

    Args:
        application: Handles the events.
        params: What the client is told.
        push: Sends a frame into the pipeline from its first processor.
        send: Sends a message to the client, at once.
        hooks: The pipeline's.
        tasks: Owns the task that calls the handlers.
        output: The pipeline's last processor: what it pushes has been sent.
        on_ready: Called with the client's first hello.
        on_playout: Called with what it says of its player.
        acknowledge: Called with how many messages it has got; returns how many of its have come.

    Attributes:
        client_version: The version that the client speaks; None before it has said hello.
        about_client: What it says of itself.
        ready_id: The id of its hello.
        is_answered: Whether it has been told that the bot is ready.
        is_voicewire: Whether it is a client of voicewire's own, or can do as one.
    """

    def __init__(
        self,
        application: Application,
        *,
        params: RTVIParams,
        push: Callable[[Frame, FrameDirection], None],
        send: Callable[[Json], None],
        hooks: PushHooks,
        tasks: TaskOwner,
        output: Processor,
        on_ready: Callable[[ClientReady], None],
        on_playout: Callable[[PlayoutData], None],
        acknowledge: Callable[[int], int],
    ) -> None:
        self.client_version: str | None = None
        self.about_client: Json = {}
        self.ready_id = ""
        self.is_answered = False
        self.is_voicewire = False
        self.send = send
        self._application = application
        self._params = params
        self._push = push
        self._hooks = hooks
        self._tasks = tasks
        self._output = output
        self._on_ready = on_ready
        self._on_playout = on_playout
        self._acknowledge = acknowledge
        self._has_refused = False
        self._reporter: Reporter | None = None
        self._events: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue(
            MAX_EVENTS_WAITING
        )
        self._worker: asyncio.Task[None] | None = None

    @property
    def spoken_version(self) -> str:
        """The version that we speak with this client."""
        version = self.client_version or PROTOCOL_VERSION
        return version if _major(version) == 1 else PROTOCOL_VERSION

    def push(self, frame: Frame) -> None:
        """Send a frame downstream from the pipeline's first processor."""
        self._push(frame, DOWNSTREAM)

    def take(self, content: Any) -> list[Frame] | None:
        """Act on a message; return what goes into the pipeline, or None if it is not of RTVI."""
        if not isinstance(content, dict) or content.get("label") != LABEL:
            return None
        kind = content.get("type")
        msg_id = content.get("id", "")
        if not isinstance(kind, str) or not isinstance(msg_id, str | int):
            return self._refuse("", "expected a type, a string, and an id, a string")
        msg_id = str(msg_id)[:MAX_ID_CHARS]
        if kind.startswith("ui-"):
            self._emit(msg_id, "on_ui_message", kind, content.get("data"))
            return []
        if kind == "error-response":
            return []  # An answer to it would be answered by one.
        if kind not in _REQUESTS:
            known = ", ".join(sorted(_REQUESTS))
            why = f"unknown type {kind[:64]!r}; expected one of {known}"
            return self._refuse(msg_id, why, logged="unknown type")
        model, act = _REQUESTS[kind]
        try:
            return act(self, msg_id, model.model_validate(content.get("data") or {}))
        except ValidationError as exc:
            return self._refuse(msg_id, f"{kind}: {fault_of(exc)}")
        except ValueError as exc:
            return self._refuse(msg_id, f"{kind}: {exc}")

    def close(self) -> None:
        """Forget the client: no handler is called any more."""
        self._hooks.remove(self._see)
        if self._reporter is not None:
            self._reporter.close()
        if self._worker is not None:
            self._worker.cancel()
            self._worker = None
        while not self._events.empty():
            self._events.get_nowait()

    def _see(
        self, source: Processor, to: Processor, frame: Frame, direction: FrameDirection
    ) -> None:
        assert self._reporter is not None  # noqa: S101 - the hook is added behind it
        try:
            for each in self._reporter.report(frame, direction, is_sent=source is self._output):
                self.send(each)
        except Exception:  # The frame itself must move on, whatever is wrong with what is in it.
            logger.exception("RTVI: %s cannot be told of", type(frame).__name__)

    def _refuse(self, msg_id: str, why: str, *, logged: str | None = None) -> list[Frame]:
        """Tell the client why; `logged` where that quotes what it has sent."""
        # One line for each client: a flood must not become a flood of lines.
        if not self._has_refused:
            self._has_refused = True
            logger.warning("RTVI message refused: %s", logged or why)
        self.send(message("error-response", {"error": why}, to=msg_id))
        return []

    def _emit(self, msg_id: str, event_name: str, *args: Any) -> None:
        self._do_later(msg_id, lambda: self._application.emit(event_name, self._application, *args))

    def _do_later(self, msg_id: str, call: Callable[[], Awaitable[None]]) -> None:
        """Call when the handlers of earlier messages have returned."""
        try:
            self._events.put_nowait(call)
        except asyncio.QueueFull:
            self._refuse(msg_id, f"{MAX_EVENTS_WAITING} messages wait already; send more slowly")
            return
        if self._worker is None:
            self._worker = self._tasks.create(self._work(), name="RTVI handlers")

    async def _work(self) -> None:
        while True:
            call = await self._events.get()
            await call()

    async def _say_hello(self) -> None:
        await self._application.emit("on_client_ready", self._application)
        await self._application.set_bot_ready()

    # What clients ask for. Each returns the frames that go into the pipeline.

    def _client_ready(self, msg_id: str, data: ClientReady) -> list[Frame]:
        try:
            major = major_of(data.version)
        except ValueError as exc:
            # Told, and served all the same, as what we speak: most of it, they will understand.
            self._refuse(msg_id, f"client-ready: {exc}")
            major = max(MAJORS)
        is_first = self._reporter is None
        if self._reporter is not None:
            self._reporter.close()
        self.client_version = data.version
        self.about_client = data.about
        self.is_voicewire = bool(data.voicewire.model_fields_set)
        self.ready_id = msg_id
        self._reporter = Reporter(self._params, major=major, tells_cuts=data.voicewire.cut)
        self.is_answered = False
        if is_first:
            self._hooks.add(self._see)
            self._on_ready(data)
        self._do_later(msg_id, self._say_hello if is_first else self._application.set_bot_ready)
        return []

    def _client_message(self, msg_id: str, data: ClientMessage) -> list[Frame]:
        frame = RTVIClientMessageFrame(msg_id, data.t, data.d)
        self._emit(msg_id, "on_client_message", frame)
        return [frame]

    def _send_text(self, msg_id: str, data: SendText) -> list[Frame]:
        options = data.options
        asked = LLMMessagesAppendFrame(
            [{"role": "user", "content": data.content}], run_llm=options.run_immediately
        )
        frames: list[Frame] = [InterruptionFrame()] if options.run_immediately else []
        if options.audio_response:
            return [*frames, asked]
        silent = LLMConfigureOutputFrame(skip_tts=True)
        return [*frames, silent, asked, LLMConfigureOutputFrame(skip_tts=False)]

    def _append_to_context(self, msg_id: str, data: AppendToContext) -> list[Frame]:
        added = {"role": data.role, "content": data.content}
        frames: list[Frame] = [InterruptionFrame()] if data.run_immediately else []
        return [*frames, LLMMessagesAppendFrame([added], run_llm=data.run_immediately)]

    def _dtmf(self, msg_id: str, data: DTMF) -> list[Frame]:
        return [InputDTMFFrame(button) for button in data.buttons]

    def _disconnect_bot(self, msg_id: str, data: ClientData) -> list[Frame]:
        self._push(EndFrame(reason="the client asked for it"), FrameDirection.UPSTREAM)
        return []

    def _function_call_result(self, msg_id: str, data: FunctionCallResult) -> list[Frame]:
        return [
            FunctionCallResultFrame(
                data.function_name, data.tool_call_id, data.arguments, data.result
            )
        ]

    def _ping(self, msg_id: str, data: Ping) -> list[Frame]:
        pong: Json = {"sent_at": data.sent_at}
        if data.received is not None:
            pong["received"] = self._acknowledge(data.received)
        self.send(message("vw-pong", pong))
        return []

    def _playout(self, msg_id: str, data: PlayoutData) -> list[Frame]:
        self._on_playout(data)
        return []

    def _raw_audio(self, msg_id: str, data: RawAudio) -> list[Frame]:
        fault = format_fault(data.sample_rate, data.num_channels)
        if fault is not None:
            raise ValueError(fault)
        return [
            InputAudioRawFrame(
                _pcm_of(encoded, data.num_channels), data.sample_rate, data.num_channels
            )
            for encoded in data.batch
        ]


_REQUESTS: dict[str, tuple[type[ClientData], Callable[[RTVIVisit, str, Any], list[Frame]]]] = {
    "client-ready": (ClientReady, RTVIVisit._client_ready),
    "client-message": (ClientMessage, RTVIVisit._client_message),
    "send-text": (SendText, RTVIVisit._send_text),
    "append-to-context": (AppendToContext, RTVIVisit._append_to_context),
    "dtmf": (DTMF, RTVIVisit._dtmf),
    "disconnect-bot": (ClientData, RTVIVisit._disconnect_bot),
    "llm-function-call-result": (FunctionCallResult, RTVIVisit._function_call_result),
    "raw-audio": (RawAudio, RTVIVisit._raw_audio),
    "raw-audio-batch": (RawAudio, RTVIVisit._raw_audio),
    "vw-ping": (Ping, RTVIVisit._ping),
    "vw-playout": (PlayoutData, RTVIVisit._playout),
}


def _pcm_of(encoded: str, num_channels: int) -> bytes:
    try:
        pcm = base64.b64decode(encoded, validate=True)
    except binascii.Error as exc:
        raise ValueError(f"audio is not base64: {exc}") from exc
    if not pcm or len(pcm) % (num_channels * BYTES_PER_SAMPLE):
        raise ValueError(
            f"audio of {len(pcm)} bytes; expected whole samples of {num_channels} channels"
        )
    return pcm


def _major(version: str) -> int:
    try:
        return major_of(version)
    except ValueError:
        return max(MAJORS)
