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
    images = _choose(code & 1 > 0, tf.reverse(images, [1]), images)
    images = _choose(code & 2 > 0, tf.reverse(images, [2]), images)
    return _choose(code & 4 > 0, tf.transpose(images, [0, 2, 1, 3]), images)


def _choose(first: tf.Tensor, ones: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """Whole images of ``ones`` where ``first``, of ``others`` elsewhere."""
    # tf.where broadcasts the condition pixel by pixel, which takes 8 times as long.
    return tf.raw_ops.Select(condition=first, x=ones, y=others)


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
