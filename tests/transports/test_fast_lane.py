from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode

from tests.transports.fake_transport import client_frame
from voicewire.transports.fast_lane import FrameBoundaries

LENGTHS = st.sampled_from([0, 1, 125, 126, 127, 300, 65535, 65536, 70000])


@given(st.lists(LENGTHS, max_size=5), st.lists(st.integers(1, 40_000), min_size=1, max_size=8))
def test_each_frame_ends_where_it_was_made_to_end_however_it_is_cut(
    lengths: list[int], cuts: list[int]
) -> None:
    frames = [client_frame(Opcode.BINARY, bytes(length)) for length in lengths]
    stream = b"".join(frames)
    boundaries = FrameBoundaries()
    found = []
    start = 0
    turn = 0
    while start < len(stream):
        data = stream[start : start + cuts[turn % len(cuts)]]
        position = 0
        while position < len(data):
            position = boundaries.advance(data, position)
            if boundaries.is_between_frames:
                found.append(start + position)
        start += len(data)
        turn += 1
    ends = [sum(map(len, frames[: index + 1])) for index in range(len(frames))]
    assert found == ends


def test_a_single_byte_is_the_middle_of_a_frame() -> None:
    boundaries = FrameBoundaries()
    assert boundaries.is_between_frames
    assert boundaries.advance(b"\x82", 0) == 1
    assert not boundaries.is_between_frames
