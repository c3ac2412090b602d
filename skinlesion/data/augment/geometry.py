"""Flips, sizes, and one projective warp that does both too in one bilinear resample."""

from __future__ import annotations

import math

import tensorflow as tf

from skinlesion.data.augment.draws import (
    FLIP,
    PERSPECTIVE_X,
    PERSPECTIVE_Y,
    ROTATE,
    SHEAR,
    SHIFT_X,
    SHIFT_Y,
    ZOOM,
    signed,
)
from skinlesion.data.augment.ranges import Ranges

Row = tuple[tf.Tensor, ...]

# A bilinear look skips pixels if it goes further than this from one to the next.
LARGEST_STEP = 1.25


def flip(images: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
    """One of the 8 symmetries of the square, each as likely."""
    return symmetry(images, flip_code(uniform))


def flip_code(uniform: tf.Tensor) -> tf.Tensor:
    """Which symmetry: shape (b,), 0 to 7."""
    return tf.cast(uniform[:, FLIP] * 8.0, tf.int32)


def symmetry(images: tf.Tensor, code: tf.Tensor) -> tf.Tensor:
    """Each image under one symmetry of the square: bits 1 and 2 reverse, bit 4 transposes.

    Args:
        images: Shape (b, s, s, c), any type.
        code: Shape (b,), 0 to 7.
    """
    images = _reverse_rows(images, code & 1 > 0)
    sideways = _reverse_rows(tf.transpose(images, [0, 2, 1, 3]), code & 2 > 0)
    # Whole images: tf.where would broadcast the condition to every pixel, 8 times as slow.
    return tf.raw_ops.Select(
        condition=code & 4 > 0, x=sideways, y=tf.transpose(sideways, [0, 2, 1, 3])
    )


def _reverse_rows(images: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """The images ``wanted`` upside down, the others as they are."""
    # Rows are copied whole; tf.reverse along a row goes pixel by pixel.
    rows = tf.range(images.shape[1])[None, :]
    return tf.gather(
        images, tf.where(wanted[:, None], images.shape[1] - 1 - rows, rows), axis=1, batch_dims=1
    )


def resize(images: tf.Tensor, image_size: int) -> tf.Tensor:
    """To (b, image_size, image_size, 3) float32 in [0, 255], antialiased; a cast if it fits."""
    if images.shape[1] == image_size:
        return tf.cast(images, tf.float32)
    return tf.image.resize(images, (image_size, image_size), antialias=True)


def warp(
    images: tf.Tensor, uniform: tf.Tensor, ranges: Ranges, image_size: int | None = None
) -> tf.Tensor:
    """A flip, then rotation, zoom, shear, perspective and shift about the centre.

    Args:
        images: Square, shape (b, S, S, 3), any type; without aliasing if S is up to
            ``LARGEST_STEP`` times ``image_size``.
        uniform: Rows of ``uniforms``, shape (b, COLUMNS), float32 in [0, 1).
        ranges: How far.
        image_size: Pixels a side of what comes out; None: S.

    Returns:
        Shape (b, image_size, image_size, 3), float32; each pixel is one bilinear look.
    """
    source, side = images.shape[1], image_size or images.shape[1]
    angle = signed(uniform, ROTATE, math.radians(ranges.rotate_degrees))
    scale = tf.exp(signed(uniform, ZOOM, math.log1p(ranges.zoom))) * (side / source)
    shear = signed(uniform, SHEAR, ranges.shear)
    cos, sin = tf.cos(angle) / scale, tf.sin(angle) / scale
    # Output pixel to input pixel, both about the centre: rows of numerators over 1 + g x + h y,
    # which perspective makes 1 - p at one edge and 1 + p at the other.
    rows = (
        (cos, shear * cos - sin, signed(uniform, SHIFT_X, ranges.shift * source)),
        (sin, shear * sin + cos, signed(uniform, SHIFT_Y, ranges.shift * source)),
    )
    if ranges.flip:
        rows = _flipped(rows, uniform)
    centre, middle = (side - 1) / 2.0, (source - 1) / 2.0
    g = signed(uniform, PERSPECTIVE_X, ranges.perspective / centre)
    h = signed(uniform, PERSPECTIVE_Y, ranges.perspective / centre)
    # The same about the corner, where the op has its origin, and with 1 as its last number.
    last = 1.0 - (g + h) * centre
    numbers = []
    for a, b, shift in rows:
        offset = shift - (a + b) * centre + middle * last
        numbers += [a + middle * g, b + middle * h, offset]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(images, tf.float32),
        transforms=tf.stack([*numbers, g, h], axis=1) / last[:, None],
        output_shape=[side, side],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )


def _flipped(rows: tuple[Row, Row], uniform: tf.Tensor) -> tuple[Row, Row]:
    """Numerators of a place in the image before ``flip``, from those of its place afterwards."""
    code = flip_code(uniform)
    swap = code & 4 > 0
    signs = (_sign(code & 2), _sign(code & 1))
    x, y = rows
    ordered = ((tf.where(swap, b, a), tf.where(swap, a, b)) for a, b in zip(x, y, strict=True))
    x, y = zip(*ordered, strict=True)
    return tuple(signs[0] * n for n in x), tuple(signs[1] * n for n in y)


def _sign(bit: tf.Tensor) -> tf.Tensor:
    return tf.where(bit > 0, -1.0, 1.0)
