"""What lies over a lesion: hairs, a ruler, and a square that is cut out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from skinlesion.data.augment.boxes import lay_over, square
from skinlesion.data.augment.draws import (
    CUTOUT,
    CUTOUT_X,
    CUTOUT_Y,
    HAIR,
    HAIR_MASK,
    HAIR_TONE,
    RULER,
    RULER_MASK,
    RULER_TONE,
)
from skinlesion.data.augment.geometry import symmetry
from skinlesion.data.augment.masks import MASKS, hair_masks, ruler_masks
from skinlesion.data.augment.ranges import Ranges

# Darkest and palest, RGB, relative to the image's mean colour, which stands for the light: hair
# from black to brown, print from black to grey.
HAIR_TONES = ((0.10, 0.09, 0.08), (0.60, 0.50, 0.42))
RULER_TONES = ((0.10, 0.10, 0.11), (0.50, 0.50, 0.52))


def add_hair(images: tf.Tensor, uniform: tf.Tensor, ranges: Ranges) -> tf.Tensor:
    """Dark curved hairs on the share ``ranges.hair`` of the images."""

    def draw(some: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
        masks = hair_masks(some.shape[1])
        return _print(some, masks, HAIR_TONES, numbers[:, HAIR_MASK], numbers[:, HAIR_TONE])

    return _change(images, uniform, draw, chance=uniform[:, HAIR], share=ranges.hair)


def add_ruler(images: tf.Tensor, uniform: tf.Tensor, ranges: Ranges) -> tf.Tensor:
    """Tick marks along one edge on the share ``ranges.ruler`` of the images."""

    def draw(some: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
        masks = ruler_masks(some.shape[1])
        return _print(some, masks, RULER_TONES, numbers[:, RULER_MASK], numbers[:, RULER_TONE])

    return _change(images, uniform, draw, chance=uniform[:, RULER], share=ranges.ruler)


def cut_out(images: tf.Tensor, uniform: tf.Tensor, ranges: Ranges) -> tf.Tensor:
    """A square in the image's mean colour on the share ``ranges.cutout`` of the images.

    Its centre is anywhere, so that a part may lie outside: DeVries and Taylor, "Improved
    Regularization of Convolutional Neural Networks with Cutout", 2017.
    """

    def draw(some: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
        side = some.shape[1]
        width = tf.constant(float(max(1, round(ranges.cutout_size * side))))
        rows, columns = square(numbers[:, CUTOUT_X], numbers[:, CUTOUT_Y], width, side)
        return lay_over(some, tf.tile(_mean_colour(some), [1, 1, side, 1]), rows, columns)

    return _change(images, uniform, draw, chance=uniform[:, CUTOUT], share=ranges.cutout)


def _change(
    images: tf.Tensor,
    uniform: tf.Tensor,
    draw: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    *,
    chance: tf.Tensor,
    share: float,
) -> tf.Tensor:
    """``draw`` on ``share`` of the images alone: what most go without costs little."""
    if share == 1:
        return draw(images, uniform)
    rows = tf.where(chance < share)
    drawn = draw(tf.gather(images, rows[:, 0]), tf.gather(uniform, rows[:, 0]))
    return tf.tensor_scatter_nd_update(images, rows, drawn)


def _print(
    images: tf.Tensor,
    masks: np.ndarray,
    tones: tuple[tuple[float, ...], tuple[float, ...]],
    mask: tf.Tensor,
    tone: tf.Tensor,
) -> tf.Tensor:
    """One of ``masks`` in one of its 8 ways, in a colour between ``tones``, on each image."""
    side = images.shape[1]
    code = tf.cast(mask * (8.0 * MASKS), tf.int32)
    chosen = symmetry(tf.gather(tf.constant(masks), code // 8), code % 8)
    opacity = tf.cast(chosen, tf.float32) / 255.0
    darkest, palest = np.array(tones, dtype=np.float32)
    colour = (darkest + tone[:, None] * (palest - darkest))[:, None, None] * _mean_colour(images)
    # A whole row of the colour: TensorFlow is slow where a last axis of 3 is broadcast.
    return images + opacity * (tf.tile(colour, [1, 1, side, 1]) - images)


def _mean_colour(images: tf.Tensor) -> tf.Tensor:
    """Shape (b, 1, 1, 3)."""
    # One axis after the other: both at once takes TensorFlow 8 times as long.
    return tf.reduce_mean(tf.reduce_mean(images, axis=1, keepdims=True), axis=2, keepdims=True)
