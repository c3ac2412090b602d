"""Learning rates as functions of the step."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

ONE_CYCLE_START, ONE_CYCLE_END = 1 / 25, 1 / 250_000  # of the peak; as fastai and PyTorch


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


@keras.saving.register_keras_serializable("skinlesion")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Half a cosine from ``peak / 25`` up to ``peak``, half a cosine down to ``peak / 250000``.

    Smith, "A disciplined approach to neural network hyper-parameters: Part 1", arXiv:1803.09820,
    with the shape of fastai's and PyTorch's; the momentum stays.

    Args:
        peak: The largest rate.
        warmup_steps: Of the way up; at least 0.
        total_steps: Of the whole run.
    """

    def __init__(self, peak: float, warmup_steps: int, total_steps: int) -> None:
        super().__init__()
        self.peak, self.warmup_steps, self.total_steps = peak, warmup_steps, total_steps

    def __call__(self, step: Any) -> tf.Tensor:
        """The rate of step ``step``, counted from 0."""
        position = tf.cast(step, tf.float32)
        left = max(self.total_steps - 1 - self.warmup_steps, 1)
        up = _half_cosine(ONE_CYCLE_START, 1.0, position / max(self.warmup_steps, 1))
        down = _half_cosine(1.0, ONE_CYCLE_END, (position - self.warmup_steps) / left)
        return self.peak * tf.where(position < self.warmup_steps, up, down)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "peak": self.peak,
            "warmup_steps": self.warmup_steps,
            "total_steps": self.total_steps,
        }


@keras.saving.register_keras_serializable("skinlesion")
class Exponential(keras.optimizers.schedules.LearningRateSchedule):
    """From ``start`` to ``stop``, multiplied by the same number at each step.

    Args:
        start: The first rate.
        stop: The last.
        total_steps: At least 2.
        batches: A step.
    """

    def __init__(self, start: float, stop: float, total_steps: int, batches: int = 1) -> None:
        super().__init__()
        self.start, self.stop = start, stop
        self.total_steps, self.batches = total_steps, batches

    def __call__(self, step: Any) -> tf.Tensor:
        """The rate of batch ``step``, counted from 0."""
        position = tf.cast(step // self.batches, tf.float32)
        progress = tf.minimum(position / (self.total_steps - 1), 1.0)
        return self.start * tf.exp(math.log(self.stop / self.start) * progress)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "start": self.start,
            "stop": self.stop,
            "total_steps": self.total_steps,
            "batches": self.batches,
        }


def _half_cosine(start: float, end: float, progress: tf.Tensor) -> tf.Tensor:
    progress = tf.clip_by_value(progress, 0.0, 1.0)
    return end + (start - end) * 0.5 * (1.0 + tf.cos(math.pi * progress))
