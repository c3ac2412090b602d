"""From a Keras model to LiteRT (TensorFlow Lite), in float32 or with eight-bit integers."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from skinlesion.bundle.graphs import INPUT
from skinlesion.export.saved_model import write_saved_model
from skinlesion.runtime import silent_stderr


def litert_bytes(
    model: keras.Model, representative: Callable[[], Iterable[np.ndarray]] | None = None
) -> bytes:
    """The content of a LiteRT file with the inputs and outputs of ``onnx.onnx_bytes``.

    Args:
        model: Of ``models.build_model``, in float32.
        representative: Gives training images, each of shape (1, s, s, 3), float32 in [0, 255],
            from which the range of each layer is taken: weights and activations become int8, but
            for what goes in and comes out. None: all stays float32.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_saved_model(model, Path(folder))
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        return _converted(converter, representative)


def _converted(converter: Any, representative: Callable[[], Iterable[np.ndarray]] | None) -> bytes:
    if representative:

        def dataset() -> Iterator[dict[str, Any]]:
            for image in representative():
                yield {INPUT: image}

        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = dataset
    # Both interpreters talk, and TensorFlow's own, which calibrates, warns of its end.
    with warnings.catch_warnings(), silent_stderr():
        warnings.simplefilter("ignore", UserWarning)
        return bytes(converter.convert())
