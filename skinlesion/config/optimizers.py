"""How a training run steps: optimiser, learning rate over time, averages of weights, unfreezing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from skinlesion.config.section import Fraction, Positive, Section


class _Steps(Section):
    """What every optimiser has."""

    weight_decay: float = Field(1e-4, ge=0, description="decoupled; spares biases and norms")
    clip_norm: Positive | None = Field(
        None, description="largest norm of all gradients together; null: not clipped"
    )
    accumulate_steps: int = Field(
        1, ge=1, description="batches a step: their gradients are averaged"
    )
    layer_decay: Positive = Field(
        1.0, le=1, description="factor of the rate for each block further from the head"
    )


class AdamW(_Steps):
    """Adam with decoupled weight decay, Loshchilov and Hutter 2019."""

    name: Literal["adamw"]
    learning_rate: Positive = 1e-3


class Sgd(_Steps):
    """Stochastic gradient descent with Nesterov momentum."""

    name: Literal["sgd"]
    learning_rate: Positive = 1e-2
    momentum: Fraction = 0.9


class Lion(_Steps):
    """Steps by the sign of the momentum, Chen et al. 2023: a rate 3 to 10 times below AdamW's."""

    name: Literal["lion"]
    learning_rate: Positive = 1e-4


Optimizer = Annotated[AdamW | Sgd | Lion, Field(discriminator="name")]


class Schedule(Section):
    """The learning rate over a run: a warm-up, then a decay by the step."""

    warmup_epochs: float = Field(1.0, ge=0)
    decay: Literal["cosine", "none", "one_cycle"] = Field(
        "cosine",
        description="one_cycle: up from 1/25 of the rate over the warm-up, down to 1/250000",
    )


class Ema(Section):
    """Exponential moving average of the weights; what is validated, kept and predicted with."""

    name: Literal["ema"]
    decay: Fraction = Field(
        0.999, description="by batch, counted from 0; of batch t at most (1 + t) / (10 + t)"
    )


class LastEpochs(Section):
    """The mean of the weights after each of the last epochs; ``monitor`` chooses no epoch then."""

    name: Literal["last_epochs"]
    epochs: int = Field(5, ge=1, description="at most as many as the run has")


class Unfreeze(Section):
    """Gradual unfreezing, Howard and Ruder 2018: the head first, then block after block."""

    every_epochs: int = Field(1, ge=1, description="epochs before each more")
    blocks: int = Field(1, ge=1, description="blocks more each time")
