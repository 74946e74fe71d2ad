"""An engine for each test."""

from collections.abc import Iterator

import pytest

from tests.vad.engine_fakes import SumModel
from voicewire.vad.engine import BatchEngine


@pytest.fixture
def model() -> SumModel:
    return SumModel()


@pytest.fixture
def engine(model: SumModel) -> Iterator[BatchEngine]:
    engine = BatchEngine(model, "test-engine")
    yield engine
    model.may_go_on.set()
    engine.stop()
