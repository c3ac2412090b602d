"""Logits of images, batch by batch; features of images, cached on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from skinlesion.data.augment import Ranges
from skinlesion.data.pipeline import Images, view_batches


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits, float64, without overflow."""
    return np.exp(-np.logaddexp(0.0, -logits.astype(np.float64)))


def forward(model: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    """``model`` in inference mode as one compiled function that takes any batch size."""
    signature = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)

    @tf.function(input_signature=[signature], jit_compile=False)
    def call(inputs: tf.Tensor) -> tf.Tensor:
        return model(inputs, training=False)

    return call


def predict_logits(
    call: Callable[[tf.Tensor], tf.Tensor],
    images: Images,
    *,
    image_size: int,
    batch_size: int,
    advance: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Logits of ``images`` in row order, shape (k,), float32.

    Args:
        call: What ``forward`` made of a model with one logit.
        images: What to predict.
        image_size: What the model takes.
        batch_size: Images at a time; the result does not depend on it but for rounding.
        advance: Called with the size of each finished batch.
    """
    batches = view_batches(images, image_size=image_size, batch_size=batch_size)
    return logits_of_batches(call, batches, advance)


def logits_of_batches(
    call: Callable[[tf.Tensor], tf.Tensor],
    batches: Iterable[tf.Tensor],
    advance: Callable[[int], None] | None = None,
) -> np.ndarray:
    """As ``predict_logits``, of ``batches`` of images as the model takes them."""
    parts = []
    for batch in batches:
        parts.append(call(batch).numpy()[:, 0])
        if advance:
            advance(len(parts[-1]))
    return np.concatenate(parts) if parts else np.empty(0, np.float32)


def cache_features(
    extractor: keras.Model,
    images: Images,
    path: Path,
    *,
    views: int,
    image_size: int,
    batch_size: int,
    seed: int,
    ranges: Ranges,
    advance: Callable[[int], None] | None = None,
) -> np.ndarray:
    """One pass of the pixels through the backbone for each view.

    Args:
        extractor: Image to features (d,).
        images: What to read.
        path: Of the .npy file made; features live there, not in memory.
        views: The first is clean, the others augmented.
        image_size: What the extractor takes.
        batch_size: Images at a time.
        seed: Of the augmentation.
        ranges: Of the augmentation.
        advance: Called with the size of each finished batch.

    Returns:
        Shape (views, k, d), float32, memory-mapped.
    """
    call = forward(extractor)
    shape = (views, len(images.rows), extractor.output_shape[-1])
    path.parent.mkdir(parents=True, exist_ok=True)
    features = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    for view in range(views):
        first = 0
        batches = view_batches(
            images,
            image_size=image_size,
            batch_size=batch_size,
            view=view,
            seed=seed,
            ranges=ranges,
        )
        for batch in batches:
            values = call(batch).numpy()
            features[view, first : first + len(values)] = values
            first += len(values)
            if advance:
                advance(len(values))
    features.flush()
    return features
