"""The space of a search: which fields of a TrainConfig vary, and between what."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from skinlesion.config.section import Section


class FloatRange(Section):
    """A number between two."""

    type: Literal["float"]
    low: float
    high: float
    log: bool = Field(False, description="tried evenly on a logarithmic scale")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _refuse_order(self.low, self.high)
        if self.log and self.low <= 0:
            raise ValueError("log needs a low above 0")
        return self


class IntRange(Section):
    """A whole number between two, both included."""

    type: Literal["int"]
    low: int
    high: int
    step: int = Field(1, ge=1, description="from low on; high is one of the steps")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _refuse_order(self.low, self.high)
        if (self.high - self.low) % self.step:
            raise ValueError(f"high is not a multiple of step {self.step} above low")
        return self


class Choices(Section):
    """One of several values."""

    type: Literal["categorical"]
    choices: tuple[bool | int | float | str | None, ...] = Field(min_length=1)


Parameter = Annotated[FloatRange | IntRange | Choices, Field(discriminator="type")]


class Space(Section):
    """What a search varies: dotted keys of TrainConfig, below ``parameters`` or at the top."""

    parameters: dict[str, Parameter] = Field(
        min_length=1,
        description="key: {type: float, low, high, log} | {type: int, low, high, step}"
        " | {type: categorical, choices}",
    )

    @model_validator(mode="before")
    @classmethod
    def _at_the_top(cls, values: Any) -> Any:
        if isinstance(values, dict) and "parameters" not in values:
            return {"parameters": values}
        return values


def _refuse_order(low: float, high: float) -> None:
    if low >= high:
        raise ValueError("low is not below high")
