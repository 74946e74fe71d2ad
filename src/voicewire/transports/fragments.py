"""Messages that come in several frames, put together within bounds. Pure."""

MAX_EMPTY_FRAGMENTS = 4096
"""Empty frames in one message. All others are bounded by the bytes that the parser allows."""


class TooManyEmptyFragmentsError(ValueError):
    """A message had more than `MAX_EMPTY_FRAGMENTS` frames with nothing in them."""


class MessageAssembler:
    """Gathers the frames of one message; their order has been checked by the parser."""

    __slots__ = ("_is_text", "_num_empty", "_payload")

    def __init__(self) -> None:
        self._payload: bytearray | None = None
        self._is_text = False
        self._num_empty = 0

    @property
    def is_between_messages(self) -> bool:
        return self._payload is None

    def begin(self, payload: bytes | bytearray, *, is_text: bool) -> None:
        """Take the first frame of a message that is not its last."""
        self._payload = bytearray(payload)
        self._is_text = is_text
        self._num_empty = 0 if payload else 1

    def go_on(
        self, payload: bytes | bytearray, *, is_last: bool
    ) -> tuple[bytes | bytearray, bool] | None:
        """Take a further frame; with the last one return the payload and whether it is text.

        Raises:
            TooManyEmptyFragmentsError: Nothing comes, without end.
            RuntimeError: There was no first frame.
        """
        if self._payload is None:
            raise RuntimeError("a continuation without a beginning")
        self._payload += payload
        if is_last:
            whole, self._payload = self._payload, None
            return whole, self._is_text
        if not payload:
            self._num_empty += 1
            if self._num_empty > MAX_EMPTY_FRAGMENTS:
                raise TooManyEmptyFragmentsError(
                    f"message of more than {MAX_EMPTY_FRAGMENTS} empty frames"
                )
        return None

    def clear(self) -> None:
        """Forget what has been gathered."""
        self._payload = None
