"""Occlusion: how much the logit falls when a window of the image is hidden."""

from __future__ import annotations

from functools import partial

import keras
import numpy as np
import tensorflow as tf

from skinlesion.explain.baselines import baseline_of
from skinlesion.explain.batches import Advance, compiled, in_batches


def occlusion(
    model: keras.Model,
    pixels: np.ndarray,
    *,
    window: float,
    stride: float,
    baseline: str,
    sign: int = 1,
    advance: Advance | None = None,
) -> np.ndarray:
    """Signed maps: the mean fall of the logit, times ``sign``, over all windows on a pixel.

    Zeiler and Fergus watch the probability, which hardly moves where it is near 0 or 1.

    Args:
        model: From pixels to one logit.
        pixels: Shape (n, s, s, 3).
        window: Side of the square hidden, as a fraction of s.
        stride: From one window to the next, as a fraction of s.
        baseline: One of ``BASELINES``: whose pixels are shown inside the window.
        sign: As in the package.
        advance: Told of finished images.

    Source: Zeiler and Fergus, ECCV 2014, arXiv:1311.2901, section 4.2.
    """
    side = pixels.shape[1]
    width = max(1, round(window * side))
    corners = _corners(side, width, max(1, round(stride * side)))
    place = tf.range(side)

    def logits(some: tf.Tensor, image: tf.Tensor, cover: tf.Tensor) -> tf.Tensor:
        after = place >= tf.cast(some, tf.int32)[..., None]
        inside = after & (place < tf.cast(some, tf.int32)[..., None] + width)
        window = inside[:, 0, :, None] & inside[:, 1, None, :]
        return model(tf.where(window[..., None], cover, image), training=False)[:, 0]

    call = compiled(logits, (None, 2), pixels.shape[1:], pixels.shape[1:])
    # The first window lies beyond the image.
    every = np.array([(side, side), *corners], np.float32)
    maps = []
    for image, cover in zip(pixels, baseline_of(pixels, baseline), strict=True):
        of_image = partial(call, image=tf.constant(image, tf.float32), cover=tf.constant(cover))
        seen, *hidden = in_batches(of_image, every)
        maps.append(sign * _mean_over(corners, [seen - one for one in hidden], side, width))
        if advance:
            advance(1)
    return np.stack(maps).astype(np.float32)


def _corners(side: int, width: int, stride: int) -> list[tuple[int, int]]:
    """Top and left of each window; the last ones end at the edge."""
    starts = sorted({*range(0, side - width, stride), side - width})
    return [(top, left) for top in starts for left in starts]


def _mean_over(
    corners: list[tuple[int, int]], values: list[float], side: int, width: int
) -> np.ndarray:
    """The mean value of all windows on each pixel, shape (side, side); 0 where none is."""
    total, count = np.zeros((side, side)), np.zeros((side, side))
    for (top, left), value in zip(corners, values, strict=True):
        total[top : top + width, left : left + width] += value
        count[top : top + width, left : left + width] += 1
    return total / np.maximum(count, 1)
