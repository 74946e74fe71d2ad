"""RTVI on the server: a client's requests, and the answers of the application."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

from voicewire.events import EventEmitter
from voicewire.frames import InterruptionFrame, RTVIClientMessageFrame, RTVIServerResponseFrame
from voicewire.rtvi.messages import Json, message
from voicewire.rtvi.reports import response
from voicewire.rtvi.visit import RTVIVisit


class RTVI(EventEmitter):
    """What a transport and its application do with RTVI; `transport.rtvi` is one.

    | Event | Arguments | When |
    |---|---|---|
    | `on_client_ready` | rtvi | a client has said hello; once for each |
    | `on_client_message` | rtvi, `RTVIClientMessageFrame` | it sends one of the application's |
    | `on_ui_message` | rtvi, type, data | it tells of its page: a type that begins with `ui-` |

    A client is told that the bot is ready when `on_client_ready` has been handled, and all else
    that `RTVIParams` name from then on.
    """

    def __init__(self) -> None:
        super().__init__("on_client_ready", "on_client_message", "on_ui_message")
        self._visit: RTVIVisit | None = None

    @property
    def client_version(self) -> str | None:
        """The version that the client speaks; None before it has said hello."""
        return self._visit.client_version if self._visit is not None else None

    @property
    def about_client(self) -> Mapping[str, Any]:
        """What the client says of itself: `library`, `library_version`, `platform`."""
        return self._visit.about_client if self._visit is not None else {}

    def begin(self, visit: RTVIVisit | None) -> None:
        """Know who the client is; None when it has left."""
        self._visit = visit

    async def set_bot_ready(self, about: Mapping[str, Any] | None = None) -> None:
        """Tell the client that the bot is ready; once is enough, and happens by itself.

        Args:
            about: What to say of the bot instead of this library's name and version.
        """
        visit = self._visit
        if visit is None or visit.client_version is None or visit.is_answered:
            return
        visit.is_answered = True
        library = {"library": "voicewire", "library_version": _our_version()}
        data = {"version": visit.spoken_version, "about": dict(about or library)}
        self._send(message("bot-ready", data, to=visit.ready_id))

    async def send_server_message(self, data: Any) -> None:
        """Send a message of the application's own kind; dropped where there is no client."""
        self._send(message("server-message", data))

    async def send_server_response(self, client_msg: RTVIClientMessageFrame, data: Any) -> None:
        """Answer a client's message."""
        self._answer(RTVIServerResponseFrame(client_msg, data))

    async def send_error_response(self, client_msg: RTVIClientMessageFrame, error: str) -> None:
        """Tell the client why its message has no answer."""
        self._answer(RTVIServerResponseFrame(client_msg, error=error))

    async def send_error(self, error: str) -> None:
        """Tell the client that something went wrong; the conversation goes on."""
        self._send(message("error", {"error": error, "message": error, "fatal": False}))

    def tell_goaway(self, *, within_secs: float, reason: str) -> None:
        """Tell a client that has said hello that the server will leave.

        voicewire's own gets a `vw-goaway`, others a `server-message` of the type `goaway`.

        Args:
            within_secs: By when; a client that calls again before that reaches another server.
            reason: In words.
        """
        visit = self._visit
        if visit is None or visit.client_version is None:
            return
        data = {"within_secs": within_secs, "reason": reason}
        if visit.is_voicewire:
            self._send(message("vw-goaway", data))
        else:
            self._send(message("server-message", {"type": "goaway", **data}))

    async def interrupt_bot(self) -> None:
        """Stop what the bot is saying."""
        if self._visit is not None:
            self._visit.push(InterruptionFrame())

    def _answer(self, frame: RTVIServerResponseFrame) -> None:
        self._send(response(frame))

    def _send(self, content: Json) -> None:
        if self._visit is not None:
            self._visit.send(content)


@cache
def _our_version() -> str:
    """Return the version of this library; it is read from a file."""
    return version("voicewire")
