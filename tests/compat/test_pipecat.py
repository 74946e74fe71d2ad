"""Which imports of Pipecat work, and what those say that do not."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

import voicewire
from voicewire import frames as frames_of_ours
from voicewire.compat.pipecat import TABLE
from voicewire.compat.stand_in import StandInFinder


@pytest.mark.usefixtures("as_pipecat")
@pytest.mark.parametrize("path", TABLE)
def test_each_path_of_the_table_can_be_imported_with_all_its_names(path: str) -> None:
    module = importlib.import_module(path)

    assert isinstance(module, ModuleType)
    for name in TABLE[path]:
        if name != "*":
            assert name in module.__all__
    for name in module.__all__:
        assert getattr(module, name) is not None


@pytest.mark.usefixtures("as_pipecat")
def test_every_frame_has_its_name_there() -> None:
    frames = importlib.import_module("pipecat.frames.frames")

    for name in frames_of_ours.__all__:
        assert getattr(frames, name) is getattr(frames_of_ours, name)


@pytest.mark.usefixtures("as_pipecat")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("StartInterruptionFrame", "InterruptionFrame"),
        ("BotInterruptionFrame", "InterruptionFrame"),
        ("EndTaskFrame", "EndFrame"),
        ("CancelTaskFrame", "CancelFrame"),
        ("StopTaskFrame", "StopFrame"),
        ("TransportMessageFrame", "OutputTransportMessageFrame"),
        ("TransportMessageUrgentFrame", "OutputTransportMessageUrgentFrame"),
    ],
)
def test_a_frame_that_was_renamed_has_its_old_name_too(old: str, new: str) -> None:
    frames = importlib.import_module("pipecat.frames.frames")

    assert getattr(frames, old) is getattr(voicewire, new)


@pytest.mark.usefixtures("as_pipecat")
def test_a_name_that_there_is_not_is_refused_with_the_nearest_one_and_the_list() -> None:
    with pytest.raises(ImportError) as caught:
        exec("from pipecat.frames.frames import TextFrme")  # noqa: S102

    message = str(caught.value)
    assert "has no TextFrme in pipecat.frames.frames. Did you mean 'TextFrame'?" in message
    assert "InputAudioRawFrame" in message


@pytest.mark.usefixtures("as_pipecat")
@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("import pipecat.clocks.system", "no pipecat.clocks. "),
        ("from pipecat.pipeline.tsk import PipelineTask", "Did you mean 'pipeline.task'?"),
        ("from pipecat.transports import daily", "no daily in pipecat.transports."),
        ("from pipecat import clocks", "frames.frames"),
    ],
)
def test_a_module_that_there_is_not_is_refused_with_the_list(statement: str, says: str) -> None:
    with pytest.raises(ImportError, match="voicewire stands in for pipecat") as caught:
        exec(statement)  # noqa: S102

    assert says in str(caught.value)


@pytest.mark.usefixtures("as_pipecat")
def test_looking_for_an_attribute_is_no_import() -> None:
    frames = importlib.import_module("pipecat.frames.frames")

    assert not hasattr(frames, "TextFrme")
    assert getattr(importlib.import_module("pipecat"), "clocks", None) is None


@pytest.mark.usefixtures("as_pipecat")
def test_submodules_can_be_imported_from_their_package() -> None:
    names: dict[str, object] = {}
    exec("from pipecat.frames import frames\nfrom pipecat.pipeline import task", names)  # noqa: S102

    assert names["frames"] is sys.modules["pipecat.frames.frames"]
    assert names["task"] is sys.modules["pipecat.pipeline.task"]


@pytest.mark.usefixtures("as_pipecat")
def test_the_package_tells_which_release_its_names_follow() -> None:
    assert importlib.import_module("pipecat").__version__ == "1.14.0"


@pytest.mark.usefixtures("as_pipecat")
def test_installing_twice_is_harmless() -> None:
    voicewire.install_as_pipecat()

    assert sum(isinstance(each, StandInFinder) for each in sys.meta_path) == 1


def test_it_is_refused_when_pipecat_itself_has_been_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pipecat", ModuleType("pipecat"))

    with pytest.raises(voicewire.ConfigurationError, match="before the first import of pipecat"):
        voicewire.install_as_pipecat()

    assert not any(isinstance(each, StandInFinder) for each in sys.meta_path)


def test_ours_comes_before_an_installed_pipecat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pipecat.py").write_text("raise RuntimeError('the real one')")
    monkeypatch.syspath_prepend(tmp_path)
    finders = list(sys.meta_path)
    try:
        voicewire.install_as_pipecat()
        assert importlib.import_module("pipecat").__version__ == "1.14.0"
    finally:
        sys.meta_path[:] = finders
        sys.modules.pop("pipecat", None)
