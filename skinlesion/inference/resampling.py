"""The last resize, from stored pixels to a network's, in NumPy: TensorFlow's, rounding and all."""

from __future__ import annotations

from functools import lru_cache
from math import ceil

import numpy as np


def resampled(pixels: np.ndarray, image_size: int, scale: float = 1.0) -> np.ndarray:
    """What ``training.views.scaled`` gives, within 1e-4 grey levels.

    Each output pixel is a mean of input pixels, weighted by a triangle as wide as two output
    pixels, at least two input pixels; lines first, then columns.

    Args:
        pixels: Square, shape (n, S, S, 3), uint8.
        image_size: The side m.
        scale: How many times larger the lesion appears, at least 0.5; the centre stays. Beyond
            the edge the input is mirrored.

    Returns:
        Shape (n, m, m, 3), float32 in [0, 255].
    """
    side = pixels.shape[1]
    values = pixels.astype(np.float32)
    if side == image_size and scale == 1:
        return values
    margin = ceil((side / scale - side) / 2 + max(1.0, side / (image_size * scale)))
    if scale < 1:
        around = (margin, margin)
        values = np.pad(values, ((0, 0), around, around, (0, 0)), mode="symmetric")
    factor = image_size * scale / side
    offset = 0.0 if scale == 1 else image_size / 2 - values.shape[1] / 2 * factor
    starts, weights = taps(values.shape[1], image_size, factor, offset)
    return _gathered(_gathered(values, starts, weights, axis=1), starts, weights, axis=2)


def _gathered(values: np.ndarray, starts: np.ndarray, weights: np.ndarray, axis: int) -> np.ndarray:
    """Weighted sums along ``axis``, a tap at a time, so that what is in memory stays small."""
    shape = [1] * values.ndim
    shape[axis] = len(starts)
    last = values.shape[axis] - 1
    total: np.ndarray = np.zeros((), np.float32)
    for tap, weight in enumerate(weights.T):
        taken = values.take(np.minimum(starts + tap, last), axis=axis)
        taken *= weight.reshape(shape)
        total = taken if tap == 0 else np.add(total, taken, out=total)
    return total


@lru_cache(maxsize=32)
def taps(side: int, image_size: int, factor: float, offset: float) -> tuple[np.ndarray, np.ndarray]:
    """Which inputs each output takes, and how much of each, in single precision as TensorFlow.

    Args:
        side: Input pixels of a line.
        image_size: Output pixels.
        factor: Output pixels for each input pixel.
        offset: Where the input's edge comes to lie, in output pixels.

    Returns:
        First inputs, shape (m,), and weights of it and those after it, shape (m, k), float32,
        each row adding up to 1; beyond the last input they are 0.
    """
    one, half = np.float32(1), np.float32(0.5)
    step = one / np.float32(factor)
    reach = max(step, one)
    place = (np.arange(image_size, dtype=np.float32) + half) * step - step * np.float32(offset)
    starts = np.clip(np.ceil(place - reach - half), 0, side - 1).astype(int)
    stops = np.clip(np.floor(place + reach - half), 0, side - 1).astype(int) + 1
    inputs = starts[:, None] + np.arange((stops - starts).max())
    distances = inputs.astype(np.float32) + half - place[:, None]
    weights = np.maximum(np.float32(0), one - np.abs(distances * (one / reach)))
    weights[inputs >= stops[:, None]] = 0
    weights *= one / weights.sum(axis=1, keepdims=True, dtype=np.float32)
    return starts, weights
