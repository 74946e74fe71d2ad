"""What a process needs to go on with a conversation that another has begun."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

MAX_RECORD_BYTES = 256 * 1024
"""A longer conversation is not kept: summarise long before that (`ContextSummary`)."""


class SessionRecord(BaseModel):
    """A conversation, as far as the bot remembers it.

    Attributes:
        version: Of this form; a process that knows another one begins anew.
        session_id: The client's, where the conversation began.
        subject: Who the caller is, as `authenticate` has found; None where it was not asked.
        path: Where the caller has connected.
        began_at: When the conversation began, in seconds of Unix time.
        messages: The context's, oldest first.
        data: The application's own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    session_id: str
    subject: str | None
    path: str
    began_at: float
    messages: list[dict[str, Any]]
    data: JsonValue = None

    def to_json(self) -> bytes:
        """Return it as a store keeps it.

        Raises:
            ValueError: Something in it is no JSON, or it is longer than `MAX_RECORD_BYTES`.
        """
        content = self.model_dump_json().encode()
        if len(content) > MAX_RECORD_BYTES:
            raise ValueError(f"it has {len(content)} bytes; expected {MAX_RECORD_BYTES} at most")
        return content

    @classmethod
    def from_json(cls, content: bytes) -> "SessionRecord":
        """Return the record that a store has kept.

        Raises:
            ValueError: It is none, or one of another version.
        """
        return cls.model_validate_json(content)
