"""AlexNet, Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep CNNs", 2012.

As in the paper: two-group convolutions 2, 4 and 5, local response normalisation, overlapping
max-pooling, two dense layers of 4096 with dropout 0.5. Otherwise: He initialisation with zero
biases, because the paper's N(0, 0.01) with unit biases was tuned for 1.2 million images.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

FEATURES = 4096


@keras.saving.register_keras_serializable(package="skinlesion")
class LocalResponseNormalization(keras.layers.Layer):
    """Section 3.3 of the paper: b = a / (2 + 1e-4 * sum over 5 channels of a**2) ** 0.75."""

    def call(self, inputs: Any) -> Any:
        """Normalise over neighbouring channels, shape (n, h, w, c)."""
        # depth_radius 2 is n = 5 channels; TensorFlow's alpha is the paper's, not divided by n.
        return tf.nn.local_response_normalization(
            inputs, depth_radius=2, bias=2.0, alpha=1e-4, beta=0.75
        )

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's."""
        return input_shape


def network(image_size: int, *, batch_norm: bool = False) -> keras.Model:
    """Scaled image, shape (n, s, s, 3), to features, shape (n, 4096).

    Args:
        image_size: At least 64; 224 and 227 both give the paper's 6 x 6 x 256 before ``fc6``.
        batch_norm: Batch normalisation after every convolution (which then has no bias) in place
            of the response normalisation.
    """
    image = keras.Input((image_size, image_size, 3))
    # One pixel before and two after give the paper's 55 x 55 from its 224 x 224.
    x = keras.layers.ZeroPadding2D(((1, 2), (1, 2)), name="conv1_pad")(image)
    x = _convolution(x, "conv1", 96, 11, strides=4, padding="valid", batch_norm=batch_norm)
    x = _normalised(x, "norm1", batch_norm=batch_norm)
    x = keras.layers.MaxPooling2D(3, 2, name="pool1")(x)
    x = _convolution(x, "conv2", 256, 5, groups=2, batch_norm=batch_norm)
    x = _normalised(x, "norm2", batch_norm=batch_norm)
    x = keras.layers.MaxPooling2D(3, 2, name="pool2")(x)
    x = _convolution(x, "conv3", 384, 3, batch_norm=batch_norm)
    x = _convolution(x, "conv4", 384, 3, groups=2, batch_norm=batch_norm)
    x = _convolution(x, "conv5", 256, 3, groups=2, batch_norm=batch_norm)
    x = keras.layers.MaxPooling2D(3, 2, name="pool5")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    for name in ("fc6", "fc7"):
        x = keras.layers.Dense(FEATURES, kernel_initializer="he_normal", name=name)(x)
        x = keras.layers.ReLU(name=f"{name}_relu")(x)
        x = keras.layers.Dropout(0.5, name=f"{name}_dropout")(x)
    return keras.Model(image, x, name="backbone")


def _convolution(
    x: Any,
    name: str,
    filters: int,
    kernel: int,
    *,
    batch_norm: bool,
    strides: int = 1,
    groups: int = 1,
    padding: str = "same",
) -> Any:
    """Convolution, optional batch normalisation, ReLU.

    Groups are separate layers: Keras runs ``Conv2D(groups=2)`` through XLA on a CPU, which is slow.
    """
    parts = keras.ops.split(x, groups, axis=-1) if groups > 1 else [x]
    outputs = [
        keras.layers.Conv2D(
            filters // groups,
            kernel,
            strides=strides,
            padding=padding,
            use_bias=not batch_norm,
            kernel_initializer="he_normal",
            name=name if groups == 1 else f"{name}_group{number}",
        )(part)
        for number, part in enumerate(parts, 1)
    ]
    x = outputs[0] if groups == 1 else keras.layers.Concatenate(name=f"{name}_concat")(outputs)
    if batch_norm:
        x = keras.layers.BatchNormalization(name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def _normalised(x: Any, name: str, *, batch_norm: bool) -> Any:
    return x if batch_norm else LocalResponseNormalization(name=name)(x)
