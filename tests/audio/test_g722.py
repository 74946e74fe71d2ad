"""G.722 on real speech."""

import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audio.wideband import delay_of, delayed, frames_of, likeness, speech
from voicewire.audio.g722 import G722Decoder, G722Encoder
from voicewire.errors import MissingExtraError

pytest.importorskip("G722", reason="the extra 'g722' is not installed")


def test_speech_comes_out_as_it_went_in_from_a_quarter_of_the_bytes() -> None:
    said = speech()[: 640 * 300]
    coded = G722Encoder().encode(said)
    heard = G722Decoder().decode(coded)
    assert (len(coded), len(heard)) == (len(said) // 4, len(said))
    assert likeness(heard, delayed(said, delay_of(heard, said, 320))) > 0.99


def test_a_stream_may_come_in_pieces() -> None:
    said = speech()[: 640 * 50]
    coded = G722Encoder().encode(said)
    encoder, decoder = G722Encoder(), G722Decoder()
    pieces = [encoder.encode(piece) for piece in frames_of(said, 640)]
    assert b"".join(pieces) == coded
    assert b"".join(map(decoder.decode, pieces)) == G722Decoder().decode(coded)


@given(st.binary(max_size=500))
def test_any_bytes_are_audio(coded: bytes) -> None:
    assert len(G722Decoder().decode(coded)) == 4 * len(coded)


@pytest.mark.parametrize("length", [1, 2, 638])
def test_an_odd_number_of_samples_is_not_coded(length: int) -> None:
    with pytest.raises(ValueError, match=f"{length} bytes of audio; expected a multiple of 4"):
        G722Encoder().encode(bytes(length))


@pytest.mark.parametrize("codec", [G722Encoder, G722Decoder])
def test_a_missing_package_is_named_with_its_extra(
    codec: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "G722", None)
    with pytest.raises(MissingExtraError, match=r'pip install "voicewire\[g722\]"'):
        codec()
