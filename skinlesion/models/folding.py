"""Batch normalisation that is frozen, computed as part of the convolution before it.

With constant statistics and weights a normalisation is a scale and a shift of each channel. Scaling
the kernel instead of its outcome spares training a pass over every map, forwards and backwards:
https://arxiv.org/abs/1806.08342, section 3.2.2.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


def with_folded_norms(model: keras.Model) -> keras.Model:
    """What computes as ``model`` but for rounding, and trains the same weights, sooner.

    It shares all layers with ``model`` and is meant for as long as their ``trainable`` flags stay
    as they are: a normalisation that is trained is left alone.

    Args:
        model: From ``build_model``.

    Returns:
        A model of the same input and output; ``model`` itself if there is nothing to fold.
    """
    backbone = next((layer for layer in model.layers if layer.name == "backbone"), None)
    if backbone is None or not _folds(backbone):
        return model
    folded = _folded(backbone)

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        return (folded if layer is backbone else layer)(*args, **kwargs)

    made = _rewired(model, call)
    made.dtype_policy = model.dtype_policy  # by which compile decides on loss scaling
    return made


def _folds(network: keras.Model) -> bool:
    """Whether a frozen normalisation of ``network`` stands right after a convolution."""
    convolved = {id(layer.output) for layer in network.layers if _is_linear_convolution(layer)}
    return any(_is_frozen_norm(layer) and id(layer.input) in convolved for layer in network.layers)


def _folded(network: keras.Model) -> keras.Model:
    """``network`` with each frozen normalisation right after a convolution taken into it."""
    convolved: dict[int, tuple[keras.layers.Layer, Any, Any]] = {}

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if _is_frozen_norm(layer) and id(args[0]) in convolved:
            convolution, inputs, _ = convolved[id(args[0])]
            return _NormalisedConvolution(convolution, layer)(inputs)
        outputs = layer(*args, **kwargs)
        if _is_linear_convolution(layer):
            # The outputs are kept so that no other tensor gets their id.
            convolved[id(outputs)] = (layer, args[0], outputs)
        return outputs

    return _rewired(network, call)


def _rewired(model: keras.Model, call: Any) -> keras.Model:
    with model.distribute_strategy.scope():
        # Cloning would repeat compile, too, whose loss Keras knows only by name.
        bare = keras.Model(model.input, model.output, name=model.name)
        return keras.models.clone_model(
            bare, clone_function=lambda layer: layer, call_function=call
        )


def _is_frozen_norm(layer: Any) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization) and not layer.trainable


def _is_linear_convolution(layer: Any) -> bool:
    return (
        type(layer) in (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
        and layer.activation is keras.activations.linear
    )


class _NormalisedConvolution(keras.layers.Layer):
    """A convolution and the frozen normalisation of its channels; the weights are theirs."""

    def __init__(self, convolution: Any, norm: Any) -> None:
        # Scale and kernel are multiplied in float32 under every precision policy.
        super().__init__(name=norm.name, dtype="float32", autocast=False)
        self.convolution, self.norm = convolution, norm

    def call(self, inputs: Any) -> Any:
        """Maps, shape (n, h, w, c), to maps."""
        convolution, norm = self.convolution, self.norm
        scale = keras.ops.rsqrt(norm.moving_variance + norm.epsilon)
        if norm.scale:
            scale *= norm.gamma
        bias = convolution.bias if convolution.use_bias else 0.0
        shift = (bias - norm.moving_mean) * scale
        if norm.center:
            shift += norm.beta
        kernel = convolution.kernel
        is_depthwise = isinstance(convolution, keras.layers.DepthwiseConv2D)
        kernel *= keras.ops.reshape(scale, kernel.shape[2:]) if is_depthwise else scale
        apply = keras.ops.depthwise_conv if is_depthwise else keras.ops.conv
        dtype = convolution.compute_dtype
        maps = apply(
            keras.ops.cast(inputs, dtype),
            keras.ops.cast(kernel, dtype),
            strides=convolution.strides,
            padding=convolution.padding,
            dilation_rate=convolution.dilation_rate,
        )
        return tf.nn.bias_add(maps, keras.ops.cast(shift, dtype))
