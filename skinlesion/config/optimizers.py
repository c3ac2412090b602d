"""How a training run steps, and how far over its time."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from skinlesion.config.section import Fraction, Positive, Section


class AdamW(Section):
    """Adam with decoupled weight decay."""

    name: Literal["adamw"]
    learning_rate: Positive = 1e-3
    weight_decay: float = Field(1e-4, ge=0)


class Sgd(Section):
    """Stochastic gradient descent with Nesterov momentum."""

    name: Literal["sgd"]
    learning_rate: Positive = 1e-2
    weight_decay: float = Field(1e-4, ge=0)
    momentum: Fraction = 0.9


Optimizer = Annotated[AdamW | Sgd, Field(discriminator="name")]


class Schedule(Section):
    """The learning rate over a run: a linear warm-up, then a decay by the step."""

    warmup_epochs: float = Field(1.0, ge=0)
    decay: Literal["cosine", "none"] = "cosine"
