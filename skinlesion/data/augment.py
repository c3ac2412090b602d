"""Random flips, one fused affine warp and one colour matrix, on whole batches, stateless.

Each image's change is a function of its row in ``uniforms(seed, epoch)`` alone: of the seed, the
epoch and its number in the data set, never of the batch it is in. So a resumed run sees the same
images as an uninterrupted one. An image that comes again within an epoch has numbers of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

# Columns of the table of random numbers.
FLIP, ROTATE, ZOOM, SHIFT_X, SHIFT_Y, SHEAR, BRIGHTNESS, CONTRAST, SATURATION, HUE = range(10)
COLUMNS = 10
# Keeps the random keys of repeated images apart from those of ``data.order``.
_REPEATED = 2

# RGB to YIQ (NTSC): hue turns the IQ plane, saturation scales it, luma stays.
_TO_YIQ = np.array(
    [[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]], np.float32
)
_FROM_YIQ = np.linalg.inv(_TO_YIQ).astype(np.float32)


@dataclass(frozen=True)
class Ranges:
    """How far each change may go; 0 turns it off. See ``config.Augment`` for units."""

    flip: bool = False
    rotate_degrees: float = 0.0
    zoom: float = 0.0
    shift: float = 0.0
    shear: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    @property
    def warps(self) -> bool:
        """Whether images are resampled."""
        return any((self.rotate_degrees, self.zoom, self.shift, self.shear))

    @property
    def colours(self) -> bool:
        """Whether pixel values change."""
        return any((self.brightness, self.contrast, self.saturation, self.hue))

    @property
    def changes_anything(self) -> bool:
        """Whether an augmented image can differ from the original."""
        return self.flip or self.warps or self.colours


def uniforms(count: int, *, seed: int, epoch: int) -> np.ndarray:
    """Random numbers in [0, 1) for ``count`` images in one epoch, shape (count, COLUMNS)."""
    return np.random.default_rng((seed, epoch)).random((count, COLUMNS), dtype=np.float32)


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


def augment(images: tf.Tensor, uniform: tf.Tensor, ranges: Ranges) -> tf.Tensor:
    """Change each image of a batch as its row of random numbers says.

    Args:
        images: Square, shape (b, s, s, 3), float32 in [0, 255].
        uniform: Rows of ``uniforms``, shape (b, COLUMNS), float32 in [0, 1).
        ranges: How far.

    Returns:
        Shape (b, s, s, 3), float32 in [0, 255].
    """
    if ranges.flip:
        images = _flip(images, uniform[:, FLIP])
    if ranges.warps:
        images = _warp(images, uniform, ranges)
    if ranges.colours:
        images = _colour(images, uniform, ranges)
    return images


def _flip(images: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
    """One of the 8 symmetries of the square, each as likely."""
    code = tf.cast(uniform * 8.0, tf.int32)[:, None, None, None]
    images = tf.where(code & 1 > 0, tf.reverse(images, [1]), images)
    images = tf.where(code & 2 > 0, tf.reverse(images, [2]), images)
    return tf.where(code & 4 > 0, tf.transpose(images, [0, 2, 1, 3]), images)


def _signed(uniform: tf.Tensor, column: int, limit: float) -> tf.Tensor:
    """Column ``column`` scaled to [-limit, limit), shape (b,)."""
    return (uniform[:, column] * 2.0 - 1.0) * limit


def _warp(images: tf.Tensor, uniform: tf.Tensor, ranges: Ranges) -> tf.Tensor:
    """Rotation, zoom, shear and shift about the centre in one bilinear resample."""
    side = images.shape[1]
    angle = _signed(uniform, ROTATE, math.radians(ranges.rotate_degrees))
    scale = tf.exp(_signed(uniform, ZOOM, math.log1p(ranges.zoom)))
    shear = _signed(uniform, SHEAR, ranges.shear)
    cos, sin = tf.cos(angle) / scale, tf.sin(angle) / scale
    # Output pixel to input pixel: [[a, b], [c, d]] about the centre, then the shift.
    a, b = cos, shear * cos - sin
    c, d = sin, shear * sin + cos
    centre = (side - 1) / 2.0
    x = centre - (a + b) * centre + _signed(uniform, SHIFT_X, ranges.shift * side)
    y = centre - (c + d) * centre + _signed(uniform, SHIFT_Y, ranges.shift * side)
    nothing = tf.zeros_like(a)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([a, b, x, c, d, y, nothing, nothing], axis=1),
        output_shape=[side, side],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )


def _colour(images: tf.Tensor, uniform: tf.Tensor, ranges: Ranges) -> tf.Tensor:
    """Hue, saturation, contrast about mid-grey and brightness as one affine map of RGB."""
    angle = _signed(uniform, HUE, 2.0 * math.pi * ranges.hue)
    saturation = 1.0 + _signed(uniform, SATURATION, ranges.saturation)
    contrast = 1.0 + _signed(uniform, CONTRAST, ranges.contrast)
    cos, sin = saturation * tf.cos(angle), saturation * tf.sin(angle)
    one, zero = tf.ones_like(cos), tf.zeros_like(cos)
    turn = tf.stack(
        [
            tf.stack([one, zero, zero], axis=1),
            tf.stack([zero, cos, -sin], axis=1),
            tf.stack([zero, sin, cos], axis=1),
        ],
        axis=1,
    )
    matrix = contrast[:, None, None] * (_FROM_YIQ @ turn @ _TO_YIQ)
    offset = 127.5 * (1.0 - contrast) + _signed(uniform, BRIGHTNESS, 255.0 * ranges.brightness)
    shape = tf.shape(images)
    flat = tf.reshape(images, [shape[0], -1, 3])
    changed = tf.matmul(flat, matrix, transpose_b=True) + offset[:, None, None]
    return tf.ensure_shape(tf.reshape(tf.clip_by_value(changed, 0.0, 255.0), shape), images.shape)
