"""Class activation maps by gradients: where the last feature map speaks for a class."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from skinlesion.explain.batches import Advance, compiled, in_batches

Weigh = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def grad_cam(
    model: keras.Model, pixels: np.ndarray, *, sign: int = 1, advance: Advance | None = None
) -> np.ndarray:
    """Maps of at least 0; 0 throughout where every channel speaks to the contrary.

    Before it is rectified and enlarged, the map of a network with average pooling adds up to the
    logit but for its bias.

    Args:
        model: From ``models.build_model``; its last feature map is the backbone's last output with
            two places, for alexnet what enters ``fc6``.
        pixels: Shape (n, s, s, 3).
        sign: As in the package.
        advance: Told of finished images.

    Source: Selvaraju et al., ICCV 2017, arXiv:1610.02391.
    """
    return in_batches(_cam_call(model, _mean_gradient, sign=sign), pixels, advance)


def grad_cam_plus_plus(
    model: keras.Model, pixels: np.ndarray, *, sign: int = 1, advance: Advance | None = None
) -> np.ndarray:
    """As ``grad_cam``, channels weighted by their positive gradients only, place by place.

    For a class that several lesions or parts show. Of the score exp(logit), as in the paper, the
    common factor exp(logit) is left out.

    Source: Chattopadhay et al., WACV 2018, arXiv:1710.11063, equations 10 and 19.
    """
    return in_batches(_cam_call(model, _positive_gradients, sign=sign), pixels, advance)


def grad_cam_call(model: keras.Model, *, sign: int = 1) -> Callable[[tf.Tensor], tf.Tensor]:
    """``grad_cam`` as a function of a few images, compiled: for those who ask again and again."""
    return _cam_call(model, _mean_gradient, sign=sign)


def _cam_call(model: keras.Model, weigh: Weigh, *, sign: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """From pixels, shape (n, s, s, 3), to maps, shape (n, s, s), as one compiled function."""
    forward = _features_and_logit(model)

    def maps(batch: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(batch)  # so that a frozen network has gradients, too
            features, logit = forward(batch)
            score = sign * logit
        gradients = tf.cast(tape.gradient(score, features), tf.float32)
        features = tf.cast(features, tf.float32)
        weighted = tf.reduce_sum(weigh(features, gradients) * features, axis=-1, keepdims=True)
        return tf.image.resize(tf.nn.relu(weighted), batch.shape[1:3])[..., 0]

    return compiled(maps, (None, *model.input_shape[1:]))


def _features_and_logit(
    model: keras.Model,
) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """``model`` as a function that also returns its last feature map, shape (n, h, w, c)."""
    backbone = model.get_layer("backbone")
    inner = keras.Model(backbone.input, [_last_map(backbone), backbone.output])

    def call(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        x = batch
        for layer in model.layers[1:]:  # a chain; the first is the input
            if layer is backbone:
                features, x = inner(x, training=False)
            else:
                x = layer(x)
        return features, x

    return call


def _last_map(backbone: keras.Model) -> keras.KerasTensor:
    """The last tensor of ``backbone`` with two places."""
    if len(backbone.output.shape) == 4:
        return backbone.output
    # Not for a part of another network, such as efficientnetb0: its layers have outputs in both.
    return next(layer.output for layer in reversed(backbone.layers) if len(layer.output.shape) == 4)


def _mean_gradient(features: tf.Tensor, gradients: tf.Tensor) -> tf.Tensor:
    """Weights of the channels, shape (n, 1, 1, c)."""
    return tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)


def _positive_gradients(features: tf.Tensor, gradients: tf.Tensor) -> tf.Tensor:
    """Weights of the channels, shape (n, 1, 1, c)."""
    squares = gradients**2
    total = tf.reduce_sum(features, axis=(1, 2), keepdims=True)
    shares = tf.math.divide_no_nan(squares, 2 * squares + total * gradients**3)
    return tf.reduce_sum(shares * tf.nn.relu(gradients), axis=(1, 2), keepdims=True)
