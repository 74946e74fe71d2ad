"""Where the frames of a peer's WebSocket stream begin and end.

The connection feeds the trusted parser one frame at a time. So what happens never depends on how
TCP cut the stream, and between two frames it is safe to look at the bytes without the parser.
"""

_SHORTEST_HEAD_BYTES = 2
_MASK_BYTES = 4


class FrameBoundaries:
    """Follows a stream of frames; knows nothing of their meaning.

    It leaves every judgement of right and wrong to the parser: a client's frames that are not
    masked, for example, are measured as though they were, and the parser refuses them at their
    second byte.

    Args:
        are_masked: Whether they should be, as those of clients.
    """

    __slots__ = ("_head", "_mask_bytes", "_missing_bytes")

    def __init__(self, *, are_masked: bool = True) -> None:
        self._mask_bytes = _MASK_BYTES if are_masked else 0
        self._head = bytearray()  # of a frame whose length is not yet known
        self._missing_bytes = 0  # of a frame whose length is known

    @property
    def is_between_frames(self) -> bool:
        return not self._missing_bytes and not self._head

    def advance(self, data: bytes, position: int) -> int:
        """Return where the part of `data` that belongs to the current frame ends.

        Args:
            data: What was read.
            position: Where to go on in it; less than its length.
        """
        end = len(data)
        if not self._missing_bytes:
            head = self._head
            while (lacking := _head_bytes(head) - len(head)) > 0:
                if position == end:
                    return end
                part = data[position : position + lacking]
                head += part
                position += len(part)
            self._missing_bytes = self._mask_bytes + _payload_bytes(head)
            head.clear()
        taken = min(self._missing_bytes, end - position)
        self._missing_bytes -= taken
        return position + taken


def _head_bytes(head: bytearray) -> int:
    """Return how many bytes, without the mask, a frame's head has (RFC 6455, section 5.2)."""
    if len(head) < _SHORTEST_HEAD_BYTES:
        return _SHORTEST_HEAD_BYTES
    length = head[1] & 0x7F
    return 4 if length == 126 else 10 if length == 127 else 2


def _payload_bytes(head: bytearray) -> int:
    length = head[1] & 0x7F
    return length if length < 126 else int.from_bytes(head[2:], "big")
