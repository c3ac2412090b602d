"""EfficientNet-Lite: EfficientNet with ReLU6 and without squeeze-and-excitation.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019;
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np

from skinlesion.errors import IntegrityError

STEM_FILTERS, HEAD_FILTERS = 32, 1280


class Stage(NamedTuple):
    """Blocks of one resolution: kernel side, repeats, output filters, expansion, first stride."""

    kernel: int
    repeats: int
    filters: int
    expansion: int
    stride: int


STAGES = (
    Stage(3, 1, 16, 1, 1),
    Stage(3, 2, 24, 6, 2),
    Stage(5, 2, 40, 6, 2),
    Stage(3, 3, 80, 6, 2),
    Stage(5, 3, 112, 6, 1),
    Stage(5, 4, 192, 6, 2),
    Stage(3, 1, 320, 6, 1),
)

# Name of a layer here, and of its module in the PyTorch packages; blocks count from 0 in both.
TORCH_MODULES = {
    "stem_conv": "_conv_stem",
    "stem_bn": "_bn0",
    "head_conv": "_conv_head",
    "head_bn": "_bn1",
}
TORCH_BLOCK_MODULES = {
    "expand_conv": "_expand_conv",
    "expand_bn": "_bn0",
    "depthwise_conv": "_depthwise_conv",
    "depthwise_bn": "_bn1",
    "project_conv": "_project_conv",
    "project_bn": "_bn2",
}
TORCH_UNUSED = {"_fc.weight", "_fc.bias"}


def network(
    image_size: int, *, width: float, depth: float, stochastic_depth: float = 0.0
) -> keras.Model:
    """Scaled image, shape (n, s, s, 3), to a feature map, shape (n, ceil(s/32), ceil(s/32), 1280).

    Args:
        image_size: At least 32.
        width: Multiplier of filters, at least 1; stem and head keep theirs.
        depth: Multiplier of repeats, at least 1; first and last stage keep theirs.
        stochastic_depth: Rate at which training skips the last residual block, in [0, 1); that of
            an earlier one is less in proportion to its number.
    """
    image = keras.Input((image_size, image_size, 3))
    x = _conv(image, "stem", STEM_FILTERS, kernel=3, strides=2)
    stages = [
        stage._replace(stride=stage.stride if repeat == 0 else 1)
        for stage, repeats in _repeats(depth)
        for repeat in range(repeats)
    ]
    for number, stage in enumerate(stages):
        skip = stochastic_depth * number / len(stages)
        x = _block(x, f"block{number}", stage, width, skip=skip)
    x = _conv(x, "head", HEAD_FILTERS, kernel=1)
    return keras.Model(image, x, name="backbone")


def assign(network: keras.Model, tensors: dict[str, np.ndarray]) -> None:
    """Copy the PyTorch package's ``tensors`` into ``network``.

    Raises:
        IntegrityError: If a tensor is missing, left over (but for the classifier's) or of the
            wrong shape; ``network`` is then unchanged.
    """
    left = set(tensors) - TORCH_UNUSED
    wrong, planned = [], []
    for layer in network.layers:
        if not layer.weights:
            continue
        names = _tensor_names(layer)
        left -= {*names, f"{torch_module(layer.name)}.num_batches_tracked"}
        arrays = [_to_keras(layer, tensors[name]) for name in names if name in tensors]
        if [array.shape for array in arrays] == [tuple(weight.shape) for weight in layer.weights]:
            planned.append((layer, arrays))
        else:
            wrong.append(f"{layer.name} ({', '.join(names)})")
    if wrong or left:
        raise IntegrityError(
            "the tensors of the weights package are not those of this network",
            expected="every tensor used once, every shape equal",
            which=wrong + sorted(left),
        )
    for layer, arrays in planned:
        layer.set_weights(arrays)


def torch_module(layer_name: str) -> str:
    """The PyTorch module of a layer: ``block3_expand_bn`` is ``_blocks.3._bn0``."""
    if layer_name in TORCH_MODULES:
        return TORCH_MODULES[layer_name]
    block, _, part = layer_name.partition("_")
    return f"_blocks.{block.removeprefix('block')}.{TORCH_BLOCK_MODULES[part]}"


def _tensor_names(layer: keras.layers.Layer) -> list[str]:
    """Names of the PyTorch tensors of a layer, in the order of ``layer.weights``."""
    module = torch_module(layer.name)
    if isinstance(layer, keras.layers.BatchNormalization):
        parts = ["weight", "bias", "running_mean", "running_var"]
        return [f"{module}.{part}" for part in parts]
    return [f"{module}.weight"]


def _to_keras(layer: keras.layers.Layer, tensor: np.ndarray) -> np.ndarray:
    """PyTorch has kernels as (out, in, h, w); Keras (h, w, in, out), depthwise (h, w, in, 1)."""
    if tensor.ndim != 4:
        return tensor
    is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    return tensor.transpose((2, 3, 0, 1) if is_depthwise else (2, 3, 1, 0))


def _repeats(depth: float) -> Iterator[tuple[Stage, int]]:
    for stage in STAGES:
        is_end = stage in (STAGES[0], STAGES[-1])
        yield stage, stage.repeats if is_end else math.ceil(stage.repeats * depth)


def _round_filters(filters: int, width: float) -> int:
    """The multiple of 8 nearest to ``filters * width``, at most a tenth below it."""
    wanted = filters * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


def _block(x: Any, name: str, stage: Stage, width: float, *, skip: float) -> Any:
    """Inverted bottleneck: expand, filter each channel, project; add the input if shapes agree."""
    # The stem is not scaled, so the first block's input is 32 whatever the width.
    inputs, filters = x, _round_filters(stage.filters, width)
    if stage.expansion > 1:
        x = _conv(x, f"{name}_expand", x.shape[-1] * stage.expansion, kernel=1)
    x = keras.layers.DepthwiseConv2D(
        stage.kernel,
        strides=stage.stride,
        padding="same",
        use_bias=False,
        depthwise_initializer=_initializer(),
        name=f"{name}_depthwise_conv",
    )(x)
    x = _norm(x, f"{name}_depthwise")
    x = keras.layers.Activation("relu6", name=f"{name}_depthwise_relu")(x)
    x = _conv(x, f"{name}_project", filters, kernel=1, activate=False)
    if stage.stride == 1 and inputs.shape[-1] == filters:
        if skip:
            # One number an image: the whole block or nothing of it.
            x = keras.layers.Dropout(skip, noise_shape=(None, 1, 1, 1), name=f"{name}_drop")(x)
        x = keras.layers.Add(name=f"{name}_add")([inputs, x])
    return x


def _conv(
    x: Any, name: str, filters: int, *, kernel: int, strides: int = 1, activate: bool = True
) -> Any:
    x = keras.layers.Conv2D(
        filters,
        kernel,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer=_initializer(),
        name=f"{name}_conv",
    )(x)
    x = _norm(x, name)
    return keras.layers.Activation("relu6", name=f"{name}_relu")(x) if activate else x


def _norm(x: Any, name: str) -> Any:
    return keras.layers.BatchNormalization(epsilon=1e-3, name=f"{name}_bn")(x)


def _initializer() -> keras.initializers.Initializer:
    """EfficientNet's: He initialisation over the outputs."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal")
