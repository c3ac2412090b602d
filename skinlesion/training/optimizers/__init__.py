"""Optimisers with a learning rate by the step and, if wanted, by the depth of the layer."""

from __future__ import annotations

from collections.abc import Callable

import keras

from skinlesion.config import AdamW, Lion, Optimizer, Schedule, Sgd
from skinlesion.training.optimizers.depth import scale_by_variable
from skinlesion.training.optimizers.schedules import Exponential, OneCycle, WarmupDecay

__all__ = ["NO_DECAY", "Exponential", "OneCycle", "WarmupDecay", "make_optimizer"]

NO_DECAY = ("bias", "gamma", "beta")


def make_optimizer(
    optimizer: Optimizer,
    schedule: Schedule,
    *,
    steps: int,
    epochs: int,
    multiplier: Callable[[keras.Variable], float] | None = None,
) -> keras.optimizers.Optimizer:
    """The optimiser of a run of ``epochs`` epochs of ``steps`` batches.

    Weight decay spares biases and normalisation weights, as is usual. With ``accumulate_steps``
    the gradients of a step's batches are averaged; a step left incomplete by an epoch goes on in
    the next, and one left by the last epoch is not taken.

    Args:
        optimizer: Which, and its numbers.
        schedule: The rate over the run.
        steps: Batches an epoch.
        epochs: At least 1.
        multiplier: Factor of the rate, and so of the decay, of each variable; None: 1.
    """
    rate = _rate(optimizer.learning_rate, schedule, steps=steps, epochs=epochs)
    kind, options = _kind(optimizer)
    if multiplier:
        kind = scale_by_variable(kind, multiplier)
    made = kind(
        rate,
        weight_decay=optimizer.weight_decay,
        global_clipnorm=optimizer.clip_norm,
        # Keras wants None for 1.
        gradient_accumulation_steps=optimizer.accumulate_steps
        if optimizer.accumulate_steps > 1
        else None,
        **options,
    )
    made.exclude_from_weight_decay(var_names=list(NO_DECAY))
    return made


def _kind(optimizer: Optimizer) -> tuple[type[keras.optimizers.Optimizer], dict[str, float]]:
    """Keras's class, and what it takes besides what all take."""
    if isinstance(optimizer, AdamW):
        return keras.optimizers.AdamW, {}
    if isinstance(optimizer, Lion):
        return keras.optimizers.Lion, {}
    assert isinstance(optimizer, Sgd)
    return keras.optimizers.SGD, {
        "momentum": optimizer.momentum,
        "nesterov": optimizer.momentum > 0,
    }


def _rate(
    peak: float, schedule: Schedule, *, steps: int, epochs: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    warmup_steps = round(schedule.warmup_epochs * steps)
    if schedule.decay == "one_cycle":
        return OneCycle(peak=peak, warmup_steps=warmup_steps, total_steps=epochs * steps)
    return WarmupDecay(
        peak=peak,
        warmup_steps=warmup_steps,
        total_steps=epochs * steps,
        cosine=schedule.decay == "cosine",
    )
