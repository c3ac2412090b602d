"""What every config is made of: sections whose unknown keys are errors, and bounded numbers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

Fraction = Annotated[float, Field(ge=0, lt=1)]
Probability = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A part of a config: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _prepare(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        fields = cls.model_fields
        return {
            key: prepared(value, fields[key]) if key in fields else value
            for key, value in values.items()
        }


def prepared(value: Any, field: FieldInfo) -> Any:
    """``value`` as it is meant, in three cases where pydantic would take it otherwise."""
    # "epochs: yes" is true in YAML, which pydantic takes for 1.
    if isinstance(value, bool) and field.annotation not in (bool, str):
        return str(value)
    # "method: greedy" is short for "method: {name: greedy}".
    if field.discriminator and isinstance(value, str):
        return {field.discriminator: value}
    # "optimizer: {learning_rate: 1e-4}" names no optimizer: it changes the default one.
    is_partial = isinstance(value, dict) and field.discriminator not in value
    if field.discriminator and is_partial and isinstance(field.default, BaseModel):
        return {**field.default.model_dump(), **value}
    return value
