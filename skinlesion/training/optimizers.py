"""Optimisers with a warm-up and a decay by the step."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from skinlesion.config import AdamW, Optimizer, Schedule

NO_DECAY = ("bias", "gamma", "beta")


@keras.saving.register_keras_serializable("skinlesion")
class WarmupDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Linear from 0 to ``peak`` over the warm-up, then cosine to 0 or constant.

    Args:
        peak: The largest rate.
        warmup_steps: At least 0.
        total_steps: Of the whole run.
        cosine: Whether to decay.
    """

    def __init__(self, peak: float, warmup_steps: int, total_steps: int, cosine: bool) -> None:
        super().__init__()
        self.peak, self.warmup_steps = peak, warmup_steps
        self.total_steps, self.cosine = total_steps, cosine

    def __call__(self, step: Any) -> tf.Tensor:
        """The rate of step ``step``, counted from 0."""
        position = tf.cast(step, tf.float32)
        warm = (position + 1.0) / max(self.warmup_steps, 1)
        left = max(self.total_steps - self.warmup_steps, 1)
        progress = tf.clip_by_value((position - self.warmup_steps) / left, 0.0, 1.0)
        decayed = 0.5 * (1.0 + tf.cos(math.pi * progress)) if self.cosine else 1.0
        return self.peak * tf.where(position < self.warmup_steps, warm, decayed)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "peak": self.peak,
            "warmup_steps": self.warmup_steps,
            "total_steps": self.total_steps,
            "cosine": self.cosine,
        }


def make_optimizer(
    optimizer: Optimizer, schedule: Schedule, *, steps: int, epochs: int
) -> keras.optimizers.Optimizer:
    """The optimiser of a run of ``epochs`` epochs of ``steps`` steps.

    Weight decay spares biases and normalisation weights, as is usual.
    """
    rate = WarmupDecay(
        peak=optimizer.learning_rate,
        warmup_steps=round(schedule.warmup_epochs * steps),
        total_steps=epochs * steps,
        cosine=schedule.decay == "cosine",
    )
    made: keras.optimizers.Optimizer
    if isinstance(optimizer, AdamW):
        made = keras.optimizers.AdamW(rate, weight_decay=optimizer.weight_decay)
    else:
        made = keras.optimizers.SGD(
            rate,
            momentum=optimizer.momentum,
            nesterov=optimizer.momentum > 0,
            weight_decay=optimizer.weight_decay,
        )
    made.exclude_from_weight_decay(var_names=list(NO_DECAY))
    return made
