"""The base of every model of parameters: a name that does not exist is an error that helps."""

from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, model_validator

from voicewire.events import nearest_name


class Params(BaseModel):
    """Parameters that a program sets, validated once, where they are made.

    ::

        >>> VADParams(confidense=0.5)
        ValidationError: ... unknown parameter 'confidense'. Did you mean 'confidence'?
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _name_unknown_parameters(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        known = _accepted_names(cls)
        unknown = [name for name in values if name not in known]
        if unknown:
            raise ValueError(
                "; ".join(
                    f"unknown parameter {name!r}.{nearest_name(str(name), known)}"
                    for name in unknown
                )
            )
        return values


def _accepted_names(model: type[BaseModel]) -> list[str]:
    """Return the fields' names and aliases; pydantic itself refuses a name its alias hides."""
    names: list[str] = []
    for name, field in model.model_fields.items():
        names.append(name)
        alias = field.validation_alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
        names.extend(choice for choice in choices if isinstance(choice, str))
    return names
