"""From RGB pixels in 0-255 to what each family's weights were trained on, as layers.

The four conventions of ``keras.applications`` and EfficientNet-Lite. They compute in float32 under
every precision policy: bfloat16 cannot tell neighbouring grey levels apart once they are augmented.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
IMAGENET_MEAN_BGR = (103.939, 116.779, 123.68)


@keras.saving.register_keras_serializable(package="skinlesion")
class SwapRedBlue(keras.layers.Layer):
    """RGB to BGR, shape (n, h, w, 3)."""

    def call(self, inputs: Any) -> Any:
        """Reverse the last axis, as a gather: every exporter knows it."""
        return keras.ops.take(inputs, [2, 1, 0], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's."""
        return input_shape


def _tf() -> list[keras.layers.Layer]:
    """To [-1, 1]."""
    return [keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="scaling", dtype="float32")]


def _torch() -> list[keras.layers.Layer]:
    """To mean 0 and standard deviation 1 over ImageNet, each channel."""
    scale = [1 / (255 * std) for std in IMAGENET_STD]
    offset = [-mean / std for mean, std in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)]
    return [keras.layers.Rescaling(scale, offset=offset, name="scaling", dtype="float32")]


def _caffe() -> list[keras.layers.Layer]:
    """To BGR minus ImageNet's mean, not divided."""
    offset = [-mean for mean in IMAGENET_MEAN_BGR]
    return [
        SwapRedBlue(name="swap_red_blue", dtype="float32"),
        keras.layers.Rescaling(1.0, offset=offset, name="scaling", dtype="float32"),
    ]


def _lite() -> list[keras.layers.Layer]:
    """(x - 127) / 128."""
    return [keras.layers.Rescaling(1 / 128, offset=-127 / 128, name="scaling", dtype="float32")]


SCALINGS: dict[str, Callable[[], list[keras.layers.Layer]]] = {
    "tf": _tf,
    "torch": _torch,
    "caffe": _caffe,
    "lite": _lite,
}
