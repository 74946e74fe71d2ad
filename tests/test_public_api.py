"""The public names: importable, documented, typed, and cheap to have."""

import ast
import dataclasses
import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import voicewire
from voicewire import frames
from voicewire.exports import HOME_OF

ROOT = Path(__file__).parents[1]
REFERENCE = (ROOT / "docs/reference.md").read_text()

MODEL_RUNTIMES = ("ctranslate2", "hibari", "onnxruntime", "openai", "torch", "xllamacpp")
IMPORT_SECS = 0.3


def section(title: str) -> str:
    """Return what stands under a heading of the reference, up to the next one."""
    match = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", REFERENCE, re.M | re.S)
    assert match, f"no section {title!r}"
    return match.group(1)


def rows(text: str) -> list[list[str]]:
    """Return the cells of each row of a section's tables whose first cell is code."""
    lines = [line.strip("| ") for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip(" `") for cell in line.split(" | ")] for line in lines]


def names_shown_to_type_checkers() -> dict[str, str]:
    tree = ast.parse(Path(str(voicewire.__file__)).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def test_every_name_is_importable() -> None:
    for name in voicewire.__all__:
        assert getattr(voicewire, name) is not None
    assert dir(voicewire) == sorted(dir(voicewire))
    assert set(voicewire.__all__) <= set(dir(voicewire))


def test_the_names_are_complete() -> None:
    assert sorted(voicewire.__all__) == sorted([*HOME_OF, "__version__"])


def test_type_checkers_see_the_same_names_from_the_same_modules() -> None:
    assert names_shown_to_type_checkers() == HOME_OF


def test_every_public_frame_is_among_them() -> None:
    assert set(frames.__all__) <= set(voicewire.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'voicewire' has no attribute 'Pipelin'"):
        getattr(voicewire, "Pipelin")  # noqa: B009 - type checkers would refuse the other form


def test_the_version_is_that_of_the_package() -> None:
    assert f'version = "{voicewire.__version__}"' in (ROOT / "pyproject.toml").read_text()


def run_import(statement: str) -> tuple[float, list[str]]:
    """Return the seconds that an import takes in a fresh interpreter, and what it has loaded."""
    program = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", program],
        capture_output=True,
        text=True,
        check=True,
    )
    micros = re.findall(r"\|\s+(\d+) \| voicewire$", done.stderr, re.M)
    return int(micros[-1]) / 1e6, done.stdout.split()


def test_importing_voicewire_is_quick_and_loads_no_model_runtime() -> None:
    # The best of three: this measures the import, not the machine's other work.
    runs = [run_import("import voicewire") for _ in range(3)]

    assert min(secs for secs, _ in runs) < IMPORT_SECS
    assert {*MODEL_RUNTIMES, "uvicorn", "numpy"}.isdisjoint(runs[0][1])


def test_all_names_together_load_no_model_runtime() -> None:
    _, modules = run_import("from voicewire import *")

    assert {*MODEL_RUNTIMES, "uvicorn"}.isdisjoint(modules)


def test_the_reference_lists_exactly_the_public_names() -> None:
    not_names = {*events_in_reference(), *parameters_in_reference(), *dict(services_by_module())}
    listed = [row[0] for row in rows(REFERENCE) if row[0] not in not_names and "/" not in row[0]]

    assert sorted(listed) == sorted(set(voicewire.__all__) - {"__version__"})


def events_in_reference() -> set[str]:
    return {row[0] for row in rows(REFERENCE) if row[0].startswith("on_")}


def services_by_module() -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in rows(REFERENCE) if row[0].startswith("voicewire.")]


def parameters_in_reference() -> set[str]:
    titles = (
        "`WebsocketServerParams`",
        "`Limits`",
        "`VADParams`",
        "`PipelineParams`",
        "`LLMUserAggregatorParams`",
        CALLING,
    )
    return {row[0] for title in titles for row in rows(section(title))}


CALLING = "`WebsocketClientTransport`: calling a server"


def test_the_reference_tells_what_clients_have_beside_what_servers_have() -> None:
    listed = {row[0]: row[1] for row in rows(section(CALLING))}
    fields = voicewire.WebsocketClientParams.model_fields
    own = fields.keys() - voicewire.WebsocketServerParams.model_fields.keys()
    assert listed.keys() == own | {"resume_window_secs"}  # Which means another thing here.
    for name, default in listed.items():
        assert ast.literal_eval(default) == fields[name].get_default(call_default_factory=True)


@pytest.mark.parametrize(("module", "name"), services_by_module())
def test_the_reference_tells_where_each_service_is(module: str, name: str) -> None:
    assert isinstance(getattr(importlib.import_module(module), name), type)


@pytest.mark.parametrize(
    "model",
    [
        voicewire.WebsocketServerParams,
        voicewire.Limits,
        voicewire.VADParams,
        voicewire.PipelineParams,
        voicewire.LLMUserAggregatorParams,
    ],
)
def test_the_reference_tells_every_parameter_and_its_default(model: type[BaseModel]) -> None:
    listed = {row[0]: row[1] for row in rows(section(f"`{model.__name__}`"))}
    defaults = {
        name: field.get_default(call_default_factory=True)
        for name, field in model.model_fields.items()
    }

    assert listed.keys() == defaults.keys()
    for name, default in defaults.items():
        if name in ("serializer", "rtvi", "user_turn_strategies"):
            assert listed[name] == f"{type(default).__name__}()"
        elif name == "dialects":
            assert listed[name] == "all_dialects()"
        else:
            assert ast.literal_eval(listed[name]) == default, name


@pytest.mark.parametrize(
    ("title", "emitter"),
    [
        ("Events of a transport", voicewire.WebsocketServerTransport()),
        ("Events of `PipelineTask`", voicewire.PipelineTask(voicewire.Pipeline([]))),
    ],
)
def test_the_reference_tells_every_event(title: str, emitter: Any) -> None:
    assert {row[0] for row in rows(section(title))} == set(emitter._handlers)


@pytest.mark.parametrize(
    ("title", "family"),
    [
        ("System frames", frames.SystemFrame),
        ("Data frames", frames.DataFrame),
        ("Control frames", frames.ControlFrame),
    ],
)
def test_the_reference_has_each_frame_in_its_family_with_its_fields(
    title: str, family: type[frames.Frame]
) -> None:
    every = {name: getattr(frames, name) for name in frames.__all__}
    expected = {
        name: [field.name for field in dataclasses.fields(each) if field.init]
        for name, each in every.items()
        if isinstance(each, type) and issubclass(each, family) and each is not family
    }

    assert {row[0]: re.findall(r"\w+", row[1]) for row in rows(section(title))} == expected
