"""Matrix products on one core, without changing what the rest of the program does."""

import pytest

from voicewire.vad.blas import OneBlasThread


class FakeBlas:
    def __init__(self) -> None:
        self.threads = 4

    def get(self) -> int:
        return self.threads

    def set(self, threads: int) -> int:
        self.threads = threads
        return 0


@pytest.fixture
def blas() -> FakeBlas:
    return FakeBlas()


@pytest.fixture
def one_thread(blas: FakeBlas) -> OneBlasThread:
    context = OneBlasThread()
    context._get_threads, context._set_threads = blas.get, blas.set
    return context


def test_the_setting_is_put_back(blas: FakeBlas, one_thread: OneBlasThread) -> None:
    with one_thread:
        assert blas.threads == 1
    assert blas.threads == 4


def test_the_setting_is_put_back_by_the_last_to_leave(
    blas: FakeBlas, one_thread: OneBlasThread
) -> None:
    one_thread.__enter__()
    one_thread.__enter__()
    one_thread.__exit__()
    assert blas.threads == 1
    one_thread.__exit__()
    assert blas.threads == 4


def test_another_blas_is_left_alone() -> None:
    context = OneBlasThread()
    context._get_threads = context._set_threads = None
    with context:
        pass


def test_numpys_own_openblas_is_found_and_put_back() -> None:
    context = OneBlasThread()
    if context._get_threads is None or context._set_threads is None:
        pytest.skip("NumPy is not linked with OpenBLAS here")
    before = context._get_threads()
    with context:
        assert context._get_threads() == 1
    assert context._get_threads() == before
