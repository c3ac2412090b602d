"""Logits of images or of their features, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

# Not in TensorFlow's public names, but in its documentation of frozen graphs.
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from skinlesion.data.pipeline import Images, view_batches

FEATURE_ROWS = 4096
# From so many images on, constants save more than it takes to make them: a second or two.
WORTH_FIXING = 512


def forward(model: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    """``model`` in inference mode as one compiled function that takes any batch size."""
    signature = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)

    @tf.function(input_signature=[signature], jit_compile=False)
    def call(inputs: tf.Tensor) -> tf.Tensor:
        return model(inputs, training=False)

    return call


def fixed_forward(model: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    """As ``forward``, with the weights as they are now built in as constants.

    TensorFlow then folds batch normalisation into convolutions, which saves a quarter of a
    network's time on a CPU; the result differs by rounding.
    """
    traced: Any = forward(model)
    frozen = convert_variables_to_constants_v2(traced.get_concrete_function())

    def call(inputs: tf.Tensor) -> tf.Tensor:
        return frozen(inputs)[0]

    return call


class Forward:
    """``model`` as ``forward``, or, for many images, as ``fixed_forward`` of its weights then."""

    def __init__(self, model: keras.Model) -> None:
        self._model, self._call = model, forward(model)

    def for_images(self, count: int) -> Callable[[tf.Tensor], tf.Tensor]:
        """What computes ``count`` images soonest; the same count, the same computation."""
        return fixed_forward(self._model) if count >= WORTH_FIXING else self._call


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


def feature_logits(call: Callable[[tf.Tensor], tf.Tensor], features: np.ndarray) -> np.ndarray:
    """Logits of features, shape (k, d), in row order, shape (k,), float32.

    Args:
        call: What ``forward`` made of a head.
        features: May be memory-mapped; ``FEATURE_ROWS`` are in memory at a time.
    """
    parts = [
        call(tf.constant(features[first : first + FEATURE_ROWS])).numpy()[:, 0]
        for first in range(0, len(features), FEATURE_ROWS)
    ]
    return np.concatenate(parts) if parts else np.empty(0, np.float32)
