"""From a Keras model to ONNX, layer by layer: those that our families have, and no others.

Pixels come as (n, h, w, c); inside, the graph has channels first, as ONNX wants them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from skinlesion.bundle.graphs import INPUT, LOGIT, PROBABILITY
from skinlesion.errors import ConfigError
from skinlesion.export.graph import Graph
from skinlesion.folders import atomic_path
from skinlesion.models.alexnet import LocalResponseNormalization
from skinlesion.models.scaling import SwapRedBlue

BATCH = "n"


def write_onnx(model: keras.Model, path: Path) -> None:
    """Write ``model`` as one ONNX file, whole or not at all; see ``onnx_bytes``."""
    content = onnx_bytes(model)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def onnx_bytes(model: keras.Model) -> bytes:
    """The content of an ONNX file that computes what ``model`` does in inference, in float32.

    Its input ``image`` is RGB pixels, shape (n, s, s, 3), float32 in [0, 255], already at the
    model's size; its outputs are ``probability`` of the positive class, in [0, 1], and ``logit``,
    both of shape (n, 1). n is free.

    Args:
        model: Of ``models.build_model``, in any precision.

    Raises:
        ConfigError: If a layer has no equal here.
    """
    graph = Graph()
    _, height, width, channels = model.input_shape
    pixels = graph.add("Transpose", INPUT, perm=[0, 3, 1, 2])
    logit = _add_model(graph, model, [pixels])[0]
    graph.rename(logit, LOGIT)
    graph.rename(graph.add("Sigmoid", logit), PROBABILITY)
    made = graph.model(
        {INPUT: (BATCH, height, width, channels)}, {PROBABILITY: (BATCH, 1), LOGIT: (BATCH, 1)}
    )
    return bytes(made.SerializeToString())


def _add_model(graph: Graph, model: keras.Model, inputs: list[str]) -> list[str]:
    """Add all layers of ``model``; names of its results."""
    names = {id(tensor): name for tensor, name in zip(model.inputs, inputs, strict=True)}
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if node.is_input:
                continue
            received = [names[id(tensor)] for tensor in node.input_tensors]
            made = _add_operation(graph, node, received)
            names.update({id(t): name for t, name in zip(node.outputs, made, strict=True)})
    return [names[id(tensor)] for tensor in model.outputs]


def _add_operation(graph: Graph, node: Any, inputs: list[str]) -> list[str]:
    operation = node.operation
    if isinstance(operation, keras.Model):
        return _add_model(graph, operation, inputs)
    add = LAYERS.get(type(operation).__name__)
    if add is None:
        raise ConfigError(
            f"{operation.name} is a {type(operation).__name__}, which has no ONNX equal here",
            expected=f"one of {', '.join(LAYERS)}",
        )
    made = add(graph, operation, inputs, node)
    return made if isinstance(made, list) else [made]


# --- layers -------------------------------------------------------------------------------


def _convolution(graph: Graph, layer: Any, inputs: list[str], node: Any) -> str:
    """Keras has kernels as (h, w, in, out), ONNX as (out, in, h, w)."""
    return _filter(graph, layer, inputs, node, np.asarray(layer.kernel).transpose(3, 2, 0, 1), 1)


def _depthwise(graph: Graph, layer: Any, inputs: list[str], node: Any) -> str:
    """Keras has kernels as (h, w, in, multiplier), ONNX as (in * multiplier, 1, h, w)."""
    kernel = np.asarray(layer.kernel)
    height, width, channels, multiplier = kernel.shape
    turned = kernel.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)
    return _filter(graph, layer, inputs, node, turned, channels)


def _filter(
    graph: Graph, layer: Any, inputs: list[str], node: Any, kernel: np.ndarray, groups: int
) -> str:
    bias = [graph.constant(np.asarray(layer.bias))] if layer.use_bias else []
    x = graph.add(
        "Conv",
        *inputs,
        graph.constant(kernel),
        *bias,
        kernel_shape=kernel.shape[2:],
        group=groups * getattr(layer, "groups", 1),
        dilations=list(layer.dilation_rate),
        strides=list(layer.strides),
        pads=_pads(layer, layer.kernel_size, node),
    )
    return _activate(graph, layer.activation, x)


def _pads(layer: Any, window: tuple[int, int], node: Any) -> list[int]:
    """TensorFlow's padding: ``same`` puts the odd pixel after. Top, left, bottom, right."""
    if layer.padding == "valid":
        return [0, 0, 0, 0]
    before, after = [], []
    sides = node.input_tensors[0].shape[1:3]
    dilations = getattr(layer, "dilation_rate", (1, 1))
    for side, stride, size, dilation in zip(sides, layer.strides, window, dilations, strict=True):
        reach = (size - 1) * dilation + 1
        total = max((-(-side // stride) - 1) * stride + reach - side, 0)
        before.append(total // 2)
        after.append(total - total // 2)
    return before + after


def _normalisation(graph: Graph, layer: Any, inputs: list[str], node: Any) -> str:
    mean, variance = np.asarray(layer.moving_mean), np.asarray(layer.moving_variance)
    scale = np.asarray(layer.gamma) if layer.scale else np.ones_like(mean)
    offset = np.asarray(layer.beta) if layer.center else np.zeros_like(mean)
    constants = [graph.constant(values) for values in (scale, offset, mean, variance)]
    return graph.add("BatchNormalization", *inputs, *constants, epsilon=layer.epsilon)


def _local_response(graph: Graph, layer: Any, inputs: list[str], node: Any) -> str:
    """ONNX divides alpha by the number of channels, TensorFlow does not."""
    return graph.add("LRN", *inputs, size=5, alpha=5e-4, beta=0.75, bias=2.0)


def _dense(graph: Graph, layer: Any, inputs: list[str], node: Any) -> str:
    kernel = graph.constant(np.asarray(layer.kernel))
    x = graph.add("Gemm", *inputs, kernel, graph.constant(np.asarray(layer.bias)))
    return _activate(graph, layer.activation, x)


def _pooling(operator: str) -> Callable[..., str]:
    def add(graph: Graph, layer: Any, inputs: list[str], node: Any) -> str:
        return graph.add(
            operator,
            *inputs,
            kernel_shape=list(layer.pool_size),
            strides=list(layer.strides),
            pads=_pads(layer, layer.pool_size, node),
        )

    return add


def _global_pooling(operator: str) -> Callable[..., str]:
    def add(graph: Graph, layer: Any, inputs: list[str], node: Any) -> str:
        x = graph.add(operator, *inputs)
        return x if layer.keepdims else graph.add("Flatten", x)

    return add


def _rescaling(graph: Graph, layer: Any, inputs: list[str], node: Any) -> str:
    scale, offset = (
        graph.constant(np.asarray(value, np.float32).reshape(-1, 1, 1))
        for value in (layer.scale, layer.offset)
    )
    return graph.add("Add", graph.add("Mul", *inputs, scale), offset)


def _swap_red_blue(graph: Graph, layer: Any, inputs: list[str], node: Any) -> str:
    return graph.add("Gather", *inputs, graph.constant([2, 1, 0], "int64"), axis=1)


def _padding(graph: Graph, layer: Any, inputs: list[str], node: Any) -> str:
    (top, bottom), (left, right) = layer.padding
    pads = graph.constant([0, 0, top, left, 0, 0, bottom, right], "int64")
    return graph.add("Pad", *inputs, pads)


def _split(graph: Graph, layer: Any, inputs: list[str], node: Any) -> list[str]:
    """Of channels, into equal parts."""
    sizes = graph.constant([tensor.shape[-1] for tensor in node.outputs], "int64")
    made = graph.add("Split", *inputs, sizes, axis=1, outputs=len(node.outputs))
    return list(made)


def _concatenation(graph: Graph, layer: Any, inputs: list[str], node: Any) -> str:
    return graph.add("Concat", *inputs, axis=1)


def _flat(graph: Graph, layer: Any, inputs: list[str], node: Any) -> str:
    """In the order of Keras: channels last."""
    return graph.add("Flatten", graph.add("Transpose", *inputs, perm=[0, 2, 3, 1]))


def _reshape(graph: Graph, layer: Any, inputs: list[str], node: Any) -> str:
    """Of a vector to a map of one pixel, the only kind there is."""
    if tuple(layer.target_shape[:2]) != (1, 1):
        raise ConfigError(f"{layer.name} reshapes to {layer.target_shape}, expected (1, 1, c)")
    shape = graph.constant([0, layer.target_shape[2], 1, 1], "int64")
    return graph.add("Reshape", *inputs, shape)


def _unchanged(graph: Graph, layer: Any, inputs: list[str], node: Any) -> str:
    return inputs[0]


def _activation(graph: Graph, layer: Any, inputs: list[str], node: Any) -> str:
    return _activate(graph, layer.activation, inputs[0])


def _relu(graph: Graph, layer: Any, inputs: list[str], node: Any) -> str:
    if layer.max_value is not None or layer.negative_slope or layer.threshold:
        raise ConfigError(f"{layer.name} is not a plain ReLU")
    return graph.add("Relu", *inputs)


def _elementwise(operator: str) -> Callable[..., str]:
    def add(graph: Graph, layer: Any, inputs: list[str], node: Any) -> str:
        first, second = inputs
        return graph.add(operator, first, second)

    return add


def _activate(graph: Graph, activation: Any, x: str) -> str:
    name = getattr(activation, "__name__", str(activation))
    if name == "linear":
        return x
    if name == "relu6":
        return graph.add("Clip", x, graph.constant(0.0), graph.constant(6.0))
    if name == "silu":
        return graph.add("Mul", x, graph.add("Sigmoid", x))
    if name in ("relu", "sigmoid"):
        return graph.add(name.capitalize(), x)
    raise ConfigError(f"the activation {name} has no ONNX equal here")


LAYERS: dict[str, Callable[[Graph, Any, list[str], Any], str | list[str]]] = {
    "Activation": _activation,
    "Add": _elementwise("Add"),
    "AveragePooling2D": _pooling("AveragePool"),
    "BatchNormalization": _normalisation,
    "Concatenate": _concatenation,
    "Conv2D": _convolution,
    "Dense": _dense,
    "DepthwiseConv2D": _depthwise,
    "Dropout": _unchanged,
    "Flatten": _flat,
    "GlobalAveragePooling2D": _global_pooling("GlobalAveragePool"),
    "GlobalMaxPooling2D": _global_pooling("GlobalMaxPool"),
    "Identity": _unchanged,
    LocalResponseNormalization.__name__: _local_response,
    "MaxPooling2D": _pooling("MaxPool"),
    "Multiply": _elementwise("Mul"),
    "ReLU": _relu,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    "Split": _split,
    SwapRedBlue.__name__: _swap_red_blue,
    "ZeroPadding2D": _padding,
}
