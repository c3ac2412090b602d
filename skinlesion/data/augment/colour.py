"""Hue, saturation, contrast and brightness as one affine map of RGB."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from skinlesion.data.augment.draws import BRIGHTNESS, CONTRAST, HUE, SATURATION, signed
from skinlesion.data.augment.ranges import Ranges

# RGB to YIQ (NTSC): hue turns the IQ plane, saturation scales it, luma stays.
_TO_YIQ = np.array(
    [[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]], np.float32
)
_FROM_YIQ = np.linalg.inv(_TO_YIQ).astype(np.float32)


def change_colour(images: tf.Tensor, uniform: tf.Tensor, ranges: Ranges) -> tf.Tensor:
    """Turn hue, scale saturation, stretch contrast about mid-grey, add brightness; clip."""
    angle = signed(uniform, HUE, 2.0 * math.pi * ranges.hue)
    saturation = 1.0 + signed(uniform, SATURATION, ranges.saturation)
    contrast = 1.0 + signed(uniform, CONTRAST, ranges.contrast)
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
    offset = 127.5 * (1.0 - contrast) + signed(uniform, BRIGHTNESS, 255.0 * ranges.brightness)
    shape = tf.shape(images)
    flat = tf.reshape(images, [shape[0], -1, 3])
    changed = tf.matmul(flat, matrix, transpose_b=True) + offset[:, None, None]
    return tf.ensure_shape(tf.reshape(tf.clip_by_value(changed, 0.0, 255.0), shape), images.shape)
