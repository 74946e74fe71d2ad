"""What a model is told of a function, and what the function is given."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import BaseModel, Field, field_validator

from voicewire.context import FunctionSchema, ToolsSchema, schema_of, tool
from voicewire.errors import ConfigurationError


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Street(BaseModel):
    name: str
    number: int = Field(ge=1)


class Address(BaseModel):
    """Where somebody lives."""

    street: Street
    city: str = "Paris"


class Tree(BaseModel):
    children: list["Tree"] = []


def test_a_function_is_described_by_its_name_docstring_and_hints() -> None:
    async def get_weather(city: str, unit: Literal["C", "F"] = "C") -> str:
        """Tell the weather
        of today.

        Not that of tomorrow.

        Args:
            city: Where, such as Paris.
            unit (str): Of the temperature,
                which is in the shade.

        Returns:
            city: The weather.
        """  # noqa: D205 - as many write
        return f"{city} {unit}"

    schema = schema_of(get_weather)
    assert schema.to_openai() == {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Tell the weather of today.",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "Where, such as Paris."},
                    "unit": {
                        "type": "string",
                        "enum": ["C", "F"],
                        "default": "C",
                        "description": "Of the temperature, which is in the shade.",
                    },
                },
                "required": ["city"],
            },
        },
    }
    assert schema.handler is get_weather


def test_a_docstring_without_blank_lines_is_understood() -> None:
    def add(a: int) -> None:
        """Add.

        Args:
            a: One.

                Note: two lines of it.
        """

    schema = schema_of(add)
    assert schema.description == "Add."
    assert schema.properties["a"]["description"] == "One. Note: two lines of it."


def test_a_function_without_a_docstring_has_no_description() -> None:
    def add(a: int) -> None: ...

    assert schema_of(add).description == ""
    assert "description" not in schema_of(add).properties["a"]


def takes_optional(value: Optional[int] = None) -> None: ...  # noqa: UP045 - both spellings
def takes_union(value: int | None = None) -> None: ...
def takes_list(value: list[str]) -> None: ...
def takes_enum(value: Colour = Colour.RED) -> None: ...
def takes_model(value: Address) -> None: ...
def takes_annotated(value: Annotated[int, Field(ge=1, description="How many.")]) -> None: ...


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (takes_optional, {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}),
        (takes_union, {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}),
        (takes_list, {"type": "array", "items": {"type": "string"}}),
        (takes_annotated, {"type": "integer", "minimum": 1, "description": "How many."}),
    ],
)
def test_a_hint_becomes_json_schema(function: Callable[..., Any], expected: Any) -> None:
    assert schema_of(function).properties["value"] == expected


def test_an_enum_is_written_out_and_comes_back_as_one() -> None:
    schema = schema_of(takes_enum)
    assert schema.properties["value"]["enum"] == ["red", "blue"]
    assert schema.properties["value"]["default"] == "red"
    assert schema.check({"value": "blue"}) == {"value": Colour.BLUE}


def test_a_nested_model_is_written_out_and_comes_back_as_one() -> None:
    schema = schema_of(takes_model)
    value = schema.properties["value"]
    assert "$ref" not in str(schema.properties)
    assert value["properties"]["street"]["properties"]["number"]["minimum"] == 1
    checked = schema.check({"value": {"street": {"name": "Main", "number": 2}}})
    assert checked == {"value": Address(street=Street(name="Main", number=2))}


def test_deep_models_are_told_and_only_endless_ones_refused() -> None:
    class A(BaseModel):
        value: int

    class B(BaseModel):
        a: list[A]
        other: A

    class C(BaseModel):
        b: list[B]

    class D(BaseModel):
        c: dict[str, list[C]]

    def deep(d: list[D]) -> None: ...

    def endless(tree: Tree) -> None: ...

    deep.__annotations__["d"] = list[D]
    assert "$ref" not in str(schema_of(deep).properties)
    with pytest.raises(ConfigurationError, match="Tree contains itself"):
        schema_of(endless)


def test_a_tagged_union_loses_the_references_of_its_tag() -> None:
    class Cat(BaseModel):
        kind: Literal["cat"]

    class Dog(BaseModel):
        kind: Literal["dog"]

    def adopt(pet: Any) -> None: ...

    adopt.__annotations__["pet"] = Annotated[Cat | Dog, Field(discriminator="kind")]
    schema = schema_of(adopt)
    assert "$defs" not in str(schema.properties)
    assert schema.check({"pet": {"kind": "dog"}}) == {"pet": Dog(kind="dog")}


def test_only_what_was_given_is_handed_on() -> None:
    def call(a: int, b: int = 5) -> None: ...

    assert schema_of(call).check({"a": "1"}) == {"a": 1}
    assert schema_of(call).check({"a": 1, "b": 2}) == {"a": 1, "b": 2}


def test_wrong_arguments_are_told_in_words_that_help() -> None:
    def book(seats: int, city: str) -> None: ...

    with pytest.raises(ValueError, match="wrong arguments for book") as caught:
        schema_of(book).check({"seats": "many"})
    assert "seats: Input should be a valid integer" in str(caught.value)
    assert "city: Field required" in str(caught.value)


def test_nested_wrong_arguments_are_named_with_their_place() -> None:
    with pytest.raises(ValueError, match=r"value\.street\.number"):
        schema_of(takes_model).check({"value": {"street": {"name": "Main", "number": 0}}})


def test_what_the_function_does_not_know_is_left_out() -> None:
    def call(a: int) -> None: ...

    assert schema_of(call).check({"a": 1, "argument_0": 2, "z": 3}) == {"a": 1}


def test_any_name_of_python_can_be_an_argument() -> None:
    def call(json: str, schema: str, copy: int, _x: int, model_config: str) -> None: ...

    given = {"json": "j", "schema": "s", "copy": 1, "_x": 2, "model_config": "m"}
    schema = schema_of(call)
    assert list(schema.properties) == list(given)
    assert list(schema.required) == list(given)
    assert schema.check(given) == given


def test_a_schema_written_by_hand_takes_what_comes() -> None:
    schema = FunctionSchema("look", "Look.", {"word": {"type": "string"}}, ["word"])
    assert schema.check({"other": 1}) == {"other": 1}


def test_the_first_parameter_params_is_no_argument() -> None:
    def call(params: Any, city: str) -> None: ...

    assert list(schema_of(call).properties) == ["city"]


def test_params_elsewhere_is_an_argument() -> None:
    def call(city: str, params: str) -> None: ...

    assert list(schema_of(call).properties) == ["city", "params"]


def test_a_method_has_no_self() -> None:
    class Shop:
        def find_order(self, number: int) -> int:
            """Find an order."""
            return number

    assert list(schema_of(Shop().find_order).properties) == ["number"]


def test_an_object_that_can_be_called_is_a_function() -> None:
    class FindOrder:
        """Finds orders."""

        def __call__(self, number: int) -> int:
            """Find an order."""
            return number

    schema = schema_of(FindOrder())
    assert (schema.name, schema.description) == ("FindOrder", "Find an order.")
    assert list(schema.properties) == ["number"]


def test_a_partial_function_is_told_without_what_it_has() -> None:
    def find(shop: str, number: int) -> str:
        """Find an order."""
        return f"{shop} {number}"

    schema = schema_of(functools.partial(find, "tea"))
    assert (schema.name, schema.description) == ("find", "Find an order.")
    assert list(schema.properties) == ["number"]


def without_hint(city) -> None: ...  # type: ignore[no-untyped-def]
def with_args(*cities: str) -> None: ...
def with_kwargs(**cities: str) -> None: ...
def with_callable(value: Callable[[], None]) -> None: ...
def with_unknown(value: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821


@dataclass
class Handle:
    function: Callable[[], None]


def with_object(value: Handle) -> None: ...


@pytest.mark.parametrize(
    ("function", "fault"),
    [
        (without_hint, "without_hint: the argument 'city' has no type hint"),
        (with_args, r"\*cities cannot be described"),
        (with_kwargs, r"\*cities cannot be described"),
        (with_callable, "with_callable: an argument has no form in JSON"),
        (with_object, "with_object: an argument has no form in JSON"),
        (with_unknown, "with_unknown: a type hint cannot be resolved"),
        (7, "a tool is int; expected a function"),
    ],
)
def test_what_a_model_cannot_be_told_is_an_error_that_names_it(function: Any, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        schema_of(function)


def test_a_decorated_function_says_how_it_runs() -> None:
    @tool(cancel_on_interruption=False, timeout_secs=5, progress="Wait.", progress_after_secs=2)
    async def find_order(number: int) -> str:
        """Find an order."""
        return str(number)

    assert find_order.name == "find_order"
    assert not find_order.cancel_on_interruption
    assert (find_order.timeout_secs, find_order.progress) == (5, "Wait.")
    assert find_order.progress_after_secs == 2
    assert schema_of(find_order) is find_order


def test_two_tools_of_one_name_are_refused() -> None:
    one = FunctionSchema("look", "")
    with pytest.raises(ConfigurationError, match="two tools are called 'look'"):
        ToolsSchema([one, FunctionSchema("other", ""), FunctionSchema("look", "")])
    assert ToolsSchema([one]).get("look") is one
    assert ToolsSchema([one]).get("other") is None


def test_a_validator_of_the_program_speaks_to_the_model() -> None:
    class Seats(BaseModel):
        count: int

        @field_validator("count")
        @classmethod
        def _is_free(cls, count: int) -> int:
            raise ValueError("only 3 seats are free")

    def book(seats: Any) -> None: ...

    book.__annotations__["seats"] = Seats
    with pytest.raises(ValueError, match="only 3 seats are free"):
        schema_of(book).check({"seats": {"count": 4}})
