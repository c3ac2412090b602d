"""Integrated gradients: the change of the logit from a baseline, shared out among pixels."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from skinlesion.explain.baselines import baseline_of
from skinlesion.explain.batches import BATCH, Advance, compiled, in_batches


def integrated_gradients(
    model: keras.Model,
    pixels: np.ndarray,
    *,
    steps: int,
    baseline: str,
    sign: int = 1,
    advance: Advance | None = None,
) -> np.ndarray:
    """Signed maps; each adds up to logit(image) - logit(baseline), times ``sign``.

    That law holds as far as ``steps`` suffice: gradients are taken in the middle of as many equal
    pieces of the straight line from the baseline to the image. The colours of a pixel are added.

    Args:
        model: From pixels to one logit.
        pixels: Shape (n, s, s, 3).
        steps: Gradients for each image.
        baseline: One of ``BASELINES``.
        sign: As in the package.
        advance: Told of finished images.

    Source: Sundararajan, Taly and Yan, ICML 2017, arXiv:1703.01365.
    """

    def gradients(batch: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(batch)
            logit = model(batch, training=False)
        return tape.gradient(logit, batch)

    call = compiled(gradients, (None, *pixels.shape[1:]))
    shares = ((np.arange(steps) + 0.5) / steps).astype(np.float32)[:, None, None, None]
    maps = []
    for image, start in zip(pixels, baseline_of(pixels, baseline), strict=True):
        way, total = image - start, np.zeros(image.shape)
        for first in range(0, steps, BATCH):
            batch = tf.constant(start + shares[first : first + BATCH] * way, tf.float32)
            total += call(batch).numpy().sum(axis=0, dtype=np.float64)
        maps.append(sign * (way * total / steps).sum(axis=-1))
        if advance:
            advance(1)
    return np.stack(maps).astype(np.float32)


def completeness_gap(
    model: keras.Model, pixels: np.ndarray, maps: np.ndarray, *, baseline: str, sign: int = 1
) -> np.ndarray:
    """By how many logits each map's sum exceeds what it shares out, shape (n,).

    Args:
        model: As for ``integrated_gradients``.
        pixels: Shape (n, s, s, 3).
        maps: What ``integrated_gradients`` made of them, shape (n, s, s).
        baseline: As it was given there.
        sign: Likewise.
    """
    call = compiled(lambda batch: model(batch, training=False)[:, 0], (None, *pixels.shape[1:]))
    there, here = (in_batches(call, one) for one in (pixels, baseline_of(pixels, baseline)))
    gap: np.ndarray = maps.sum(axis=(1, 2), dtype=np.float64) - sign * (there - here)
    return gap
