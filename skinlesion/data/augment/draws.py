"""The random numbers of an epoch: one row an image, one column a decision."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

# A column never moves: what a config gave yesterday it gives today. New columns go into a block
# of their own at the end, drawn from a key of its own.
FLIP, ROTATE, ZOOM, SHIFT_X, SHIFT_Y, SHEAR, BRIGHTNESS, CONTRAST, SATURATION, HUE = range(10)
PERSPECTIVE_X, PERSPECTIVE_Y, HAIR, HAIR_MASK, HAIR_TONE, RULER, RULER_MASK, RULER_TONE = range(
    10, 18
)
CUTOUT, CUTOUT_X, CUTOUT_Y = range(18, 21)
COLUMNS = 21

# Columns of each block, and what follows (seed, epoch) in its key; 1 is the order of an epoch's
# images, 3 their mixing. NumPy takes (seed, epoch, 0) for (seed, epoch): no key ends in 0.
_BLOCKS: tuple[tuple[int, tuple[int, ...]], ...] = ((10, ()), (11, (2,)))
_REPEATED = 2  # with the image and the number of the repeat


def uniforms(count: int, *, seed: int, epoch: int) -> np.ndarray:
    """Random numbers in [0, 1) for ``count`` images in one epoch, shape (count, COLUMNS)."""
    blocks = [
        np.random.default_rng((seed, epoch, *key)).random((count, width), dtype=np.float32)
        for width, key in _BLOCKS
    ]
    return np.concatenate(blocks, axis=1)


def uniforms_of(
    table: np.ndarray, rows: np.ndarray, repeats: np.ndarray, *, seed: int, epoch: int
) -> np.ndarray:
    """Random numbers of some images, shape (b, COLUMNS).

    Args:
        table: The ``uniforms`` of this seed and epoch.
        rows: Numbers of the images in the data set, shape (b,).
        repeats: How often each was shown before in this epoch, shape (b,): where that is 0, the
            row of ``table`` is taken.
        seed: The table's.
        epoch: The table's.
    """
    found = table[rows]
    for place in np.flatnonzero(repeats):
        key = (seed, epoch, int(repeats[place]), _REPEATED, int(rows[place]))
        found[place] = np.random.default_rng(key).random(COLUMNS, dtype=np.float32)
    return found


def signed(uniform: tf.Tensor, column: int, limit: float) -> tf.Tensor:
    """Column ``column`` scaled to [-limit, limit), shape (b,)."""
    return (uniform[:, column] * 2.0 - 1.0) * limit
