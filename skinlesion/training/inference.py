"""Predicting with TensorFlow: the networks of a run or a bundle, rebuilt and ready to answer."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from skinlesion.bundle import Bundle, read_bundle
from skinlesion.inference import (
    BATCH,
    Answer,
    Predictor,
    default_threshold,
    threshold_of,
)
from skinlesion.runs import RunDir
from skinlesion.training.bundling import bundle_models, describe
from skinlesion.training.predict import forward
from skinlesion.training.session import load_run_model
from skinlesion.training.views import scaled

__all__ = [
    "BATCH",
    "Answer",
    "KerasNetwork",
    "Predictor",
    "bundle_predictor",
    "default_threshold",
    "load_predictor",
    "threshold_of",
]


class KerasNetwork:
    """A model as a ``Predictor`` wants it.

    Attributes:
        model: The model itself, which gradients need.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model, self._call, self._size = model, forward(model), model.input_shape[1]

    def __call__(self, pixels: np.ndarray, scale: float) -> np.ndarray:
        """Logits, shape (n,), of stored pixels."""
        logits: np.ndarray = self._call(scaled(tf.constant(pixels), self._size, scale)).numpy()
        return logits[:, 0]


def load_predictor(path: Path, *, views: int | None = None) -> Predictor:
    """The model in ``path``, ready to predict.

    Args:
        path: A finished run's folder, or a bundle of weights.
        views: As for ``Predictor``.

    Raises:
        DataError: If there is no model, or it is something else.
        IntegrityError: If a bundle was changed.
    """
    if not RunDir(path).is_run():
        return bundle_predictor(read_bundle(path), views=views)
    described = describe(RunDir(path))
    networks = [KerasNetwork(load_run_model(run)[0]) for run in described.runs]
    return Predictor(described.description, networks, checksum=described.checksum, views=views)


def bundle_predictor(bundle: Bundle, *, views: int | None = None) -> Predictor:
    """The model of a bundle of weights; IntegrityError if it was changed."""
    networks = [KerasNetwork(model) for model in bundle_models(bundle)]
    return Predictor(bundle.description, networks, checksum=bundle.checksum, views=views)
