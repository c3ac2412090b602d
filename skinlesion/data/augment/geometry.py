"""Flips, and one projective warp in one bilinear resample."""

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


def flip(images: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
    """One of the 8 symmetries of the square, each as likely."""
    return symmetry(images, tf.cast(uniform[:, FLIP] * 8.0, tf.int32))


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


def warp(images: tf.Tensor, uniform: tf.Tensor, ranges: Ranges) -> tf.Tensor:
    """Rotation, zoom, shear, perspective and shift about the centre."""
    side = images.shape[1]
    angle = signed(uniform, ROTATE, math.radians(ranges.rotate_degrees))
    scale = tf.exp(signed(uniform, ZOOM, math.log1p(ranges.zoom)))
    shear = signed(uniform, SHEAR, ranges.shear)
    cos, sin = tf.cos(angle) / scale, tf.sin(angle) / scale
    # Output pixel to input pixel, about the centre: [[a, b], [c, d]] over 1 + g x + h y, which
    # perspective makes 1 - p at one edge and 1 + p at the other; then the shift.
    a, b = cos, shear * cos - sin
    c, d = sin, shear * sin + cos
    centre = (side - 1) / 2.0
    g = signed(uniform, PERSPECTIVE_X, ranges.perspective / centre)
    h = signed(uniform, PERSPECTIVE_Y, ranges.perspective / centre)
    # The same about the corner, where the op has its origin, and with 1 as its last number.
    last = 1.0 - (g + h) * centre
    x = last * centre - (a + b) * centre + signed(uniform, SHIFT_X, ranges.shift * side)
    y = last * centre - (c + d) * centre + signed(uniform, SHIFT_Y, ranges.shift * side)
    a, b, c, d = a + g * centre, b + h * centre, c + g * centre, d + h * centre
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([a, b, x, c, d, y, g, h], axis=1) / last[:, None],
        output_shape=[side, side],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )
