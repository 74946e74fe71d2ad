"""Functions that a language model may call, described as JSON Schema. Pure."""

import functools
import inspect
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import Field, ValidationError, create_model
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from voicewire.errors import ConfigurationError

PARAMS_NAME = "params"
"""A function's first parameter, if it is called so, gets the call itself and is no argument."""

_ARGS_HEADING = re.compile(r"^\s*(?:Args|Arguments|Parameters):\s*$")
_SECTION_HEADING = re.compile(r"^\s*[A-Z][A-Za-z ]*:\s*$")
_ARGUMENT = re.compile(r"^\s*\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")


@dataclass(frozen=True)
class FunctionSchema:
    """A function as a language model sees it.

    Attributes:
        name: What the model calls it.
        description: What it does, and when to call it.
        properties: JSON Schema of each argument.
        required: The arguments without a default.
        handler: What is called; None if it is registered with the service, or runs in the client.
        model: Checks the arguments; None if the handler does so.
        cancel_on_interruption: Whether the call is given up when the caller interrupts.
        timeout_secs: Longest run; None is the service's own.
        progress: What the bot says when the call takes a while; None says nothing.
        progress_after_secs: After how long it says so.
    """

    name: str
    description: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    required: Sequence[str] = ()
    handler: Callable[..., Any] | None = None
    model: Any = field(default=None, repr=False)
    cancel_on_interruption: bool = True
    timeout_secs: float | None = None
    progress: str | None = None
    progress_after_secs: float = 1.0

    @property
    def parameters(self) -> dict[str, Any]:
        """JSON Schema of all arguments."""
        return {
            "type": "object",
            "properties": dict(self.properties),
            "required": list(self.required),
        }

    def to_openai(self) -> dict[str, Any]:
        """Return it in the form of OpenAI's chat completions."""
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": self.parameters,
            },
        }

    def check(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments as the function's type hints have them.

        Raises:
            ValueError: Some are missing or of the wrong kind; in words that help a model to mend
                its call.
        """
        if self.model is None:
            return dict(arguments)
        try:
            checked = self.model.model_validate(dict(arguments))
        except ValidationError as exc:
            faults = "; ".join(
                f"{'.'.join(map(str, fault['loc'])) or self.name}: {fault['msg']}"
                for fault in exc.errors(include_url=False)
            )
            raise ValueError(f"wrong arguments for {self.name}: {faults}") from exc
        # Only what was given: a default is the function's own affair.
        fields = type(checked).model_fields
        return {
            fields[name].alias or name: getattr(checked, name) for name in checked.model_fields_set
        }


@dataclass
class ToolsSchema:
    """The functions that a model may call.

    Raises:
        ConfigurationError: Two have one name.
    """

    standard_tools: Sequence[FunctionSchema] = ()

    def __post_init__(self) -> None:
        names = [tool.name for tool in self.standard_tools]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ConfigurationError(f"two tools are called {twice!r}; each needs its own name")

    def __len__(self) -> int:
        return len(self.standard_tools)

    def get(self, name: str) -> FunctionSchema | None:
        """Return the function of that name."""
        return next((tool for tool in self.standard_tools if tool.name == name), None)


def tool(
    *,
    cancel_on_interruption: bool = True,
    timeout_secs: float | None = None,
    progress: str | None = None,
    progress_after_secs: float = 1.0,
) -> Callable[[Callable[..., Any]], FunctionSchema]:
    """Decorate a function that a model may call, to say how it runs.

    The arguments are those of `FunctionSchema`. ::

        @tool(progress="Let me look that up.")
        async def find_order(number: int) -> str: ...
    """

    def decorate(function: Callable[..., Any]) -> FunctionSchema:
        return replace(
            schema_of(function),
            cancel_on_interruption=cancel_on_interruption,
            timeout_secs=timeout_secs,
            progress=progress,
            progress_after_secs=progress_after_secs,
        )

    return decorate


def schema_of(given: FunctionSchema | Callable[..., Any]) -> FunctionSchema:
    """Return what a model is told of a function: its name, docstring and type hints.

    The docstring's first paragraph describes the function, its section `Args:` the arguments. ::

        async def get_weather(city: str, unit: Literal["C", "F"] = "C") -> str:
            \"\"\"Tell the weather of today.

            Args:
                city: Where, such as Paris.
                unit: Of the temperature.
            \"\"\"

    Args:
        given: The function; a description of one is returned as it is.

    Raises:
        ConfigurationError: An argument has no type hint, or one that JSON does not have.
    """  # noqa: D214 - the indented section is that of the example
    if isinstance(given, FunctionSchema):
        return given
    if not callable(given):
        raise ConfigurationError(
            f"a tool is {type(given).__name__}; expected a function or a FunctionSchema"
        )
    if isinstance(given, functools.partial):
        name = getattr(given.func, "__name__", type(given.func).__name__)
    else:
        name = getattr(given, "__name__", type(given).__name__)
    description, meanings = _read_docstring(_docstring_of(given))
    hints = _hints_of(given, name)
    fields: dict[str, Any] = {}
    for index, parameter in enumerate(inspect.signature(given).parameters.values()):
        if index == 0 and parameter.name == PARAMS_NAME:
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ConfigurationError(f"{name}: *{parameter.name} cannot be described to a model")
        if parameter.name not in hints:
            raise ConfigurationError(
                f"{name}: the argument {parameter.name!r} has no type hint; "
                "a model needs to know what to give"
            )
        about: dict[str, Any] = {"alias": parameter.name}
        if parameter.name in meanings:
            about["description"] = meanings[parameter.name]
        default = ... if parameter.default is parameter.empty else parameter.default
        # By a name of ours: an argument may be called `json` or `_x`, a model's field may not.
        fields[f"argument_{index}"] = (hints[parameter.name], Field(default, **about))
    try:
        model = create_model(f"{name}_arguments", **fields)
        schema = model.model_json_schema()
    except (PydanticSchemaGenerationError, PydanticUserError, NameError) as exc:
        raise ConfigurationError(f"{name}: an argument has no form in JSON: {exc}") from exc
    properties = {
        each: {key: value for key, value in of.items() if key != "title"}
        for each, of in schema.get("properties", {}).items()
    }
    if "$defs" in schema:
        properties = write_out_references(properties, schema["$defs"])
    return FunctionSchema(
        name, description, properties, tuple(schema.get("required", ())), given, model
    )


def _hints_of(given: Callable[..., Any], name: str) -> dict[str, Any]:
    of = given
    while isinstance(of, functools.partial):
        of = of.func
    if not inspect.isroutine(of):
        of = type(of).__call__  # An object that can be called.
    try:
        return typing.get_type_hints(of, include_extras=True)
    except (NameError, TypeError) as exc:
        raise ConfigurationError(f"{name}: a type hint cannot be resolved: {exc}") from exc


def _docstring_of(given: Callable[..., Any]) -> str:
    while isinstance(given, functools.partial):
        given = given.func
    of_call = None if inspect.isroutine(given) else inspect.getdoc(type(given).__call__)
    # Every `__call__` inherits a docstring that says nothing.
    is_own = of_call is not None and of_call != inspect.getdoc(type.__call__)
    return (of_call if is_own else inspect.getdoc(given)) or ""


def _read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """Return the first paragraph, and what is said of each argument."""
    lines = text.splitlines()
    end = next((i for i, line in enumerate(lines) if _ends_paragraph(line)), len(lines))
    description = " ".join(" ".join(lines[:end]).split())
    meanings: dict[str, str] = {}
    current: str | None = None
    indent: int | None = None
    start = next((i + 1 for i, line in enumerate(lines) if _ARGS_HEADING.match(line)), len(lines))
    for line in lines[start:]:
        if not line.strip():
            continue
        here = len(line) - len(line.lstrip())
        indent = here if indent is None else indent
        if here < indent or _SECTION_HEADING.match(line):
            break
        match = _ARGUMENT.match(line) if here == indent else None
        if match:
            current = match.group(1)
            meanings[current] = match.group(2).strip()
        elif current is not None:
            meanings[current] = f"{meanings[current]} {line.strip()}".strip()
    return description, meanings


def _ends_paragraph(line: str) -> bool:
    return not line.strip() or bool(_SECTION_HEADING.match(line))


def write_out_references(
    node: Any, definitions: Mapping[str, Any], inside: frozenset[str] = frozenset()
) -> Any:
    """Return a schema with its references written out: not every service follows them.

    Args:
        node: A part of the schema.
        definitions: What can be referred to.
        inside: The references that this part has been written out for.
    """
    if isinstance(node, list):
        return [write_out_references(each, definitions, inside) for each in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str):
        name = node["$ref"].rsplit("/", 1)[-1]
        if name in inside:
            raise ConfigurationError(f"the type {name} contains itself; models cannot be told that")
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return {**write_out_references(definitions[name], definitions, inside | {name}), **rest}
    if "oneOf" in node and isinstance(node.get("discriminator"), dict):
        node = {key: value for key, value in node.items() if key != "discriminator"}
    return {key: write_out_references(value, definitions, inside) for key, value in node.items()}
