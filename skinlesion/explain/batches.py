"""Functions of images, compiled once, a few images at a time: gradients need memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

BATCH = 16

Advance = Callable[[int], None]


def compiled(function: Callable[..., Any], *shapes: tuple[int | None, ...]) -> Callable[..., Any]:
    """``function`` of float32 tensors of ``shapes``, traced once."""
    specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    return tf.function(function).get_concrete_function(*specs)


def in_batches(
    call: Callable[[tf.Tensor], tf.Tensor], inputs: np.ndarray, advance: Advance | None = None
) -> np.ndarray:
    """What ``call`` makes of ``inputs``, shape (n, ...), ``BATCH`` rows at a time, as one array.

    Args:
        call: From some rows to as many.
        inputs: At least one row.
        advance: Told the size of each finished batch.
    """
    parts = []
    for first in range(0, len(inputs), BATCH):
        parts.append(call(tf.constant(inputs[first : first + BATCH], tf.float32)).numpy())
        if advance:
            advance(len(parts[-1]))
    return np.concatenate(parts)
