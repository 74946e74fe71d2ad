"""Tokens that say which worker has issued them."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewire.sessions.postmark import Postmark

KEY = bytes(range(32))


@given(st.integers(0, 2**32 - 1))
def test_a_fellow_reads_who_has_issued_a_token(number: int) -> None:
    assert Postmark(KEY, 1).issuer(Postmark(KEY, number).make()) == number


def test_who_has_another_key_reads_nothing() -> None:
    assert Postmark(bytes(32), 1).issuer(Postmark(KEY, 1).make()) is None


def test_no_bit_of_a_token_can_be_changed() -> None:
    token = base64.urlsafe_b64decode(Postmark(KEY, 7).make())
    for bit in range(8 * len(token)):
        forged = bytearray(token)
        forged[bit // 8] ^= 1 << bit % 8
        assert Postmark(KEY, 1).issuer(base64.urlsafe_b64encode(forged).decode()) is None


def test_tokens_of_one_worker_have_nothing_in_common() -> None:
    tokens = [base64.urlsafe_b64decode(Postmark(KEY, 1).make()) for _ in range(200)]
    for at in zip(*tokens, strict=True):
        assert len(set(at)) > 60


@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_what_is_no_token_has_no_issuer(text: str) -> None:
    assert Postmark(KEY, 1).issuer(text) is None


@pytest.mark.parametrize("cut", [1, 4, 47])
def test_a_part_of_a_token_has_no_issuer(cut: int) -> None:
    assert Postmark(KEY, 1).issuer(Postmark(KEY, 1).make()[:-cut]) is None
