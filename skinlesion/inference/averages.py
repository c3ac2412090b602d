"""How the logits of one image's views become one probability."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from skinlesion.config import ViewAverage


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits, float64, without overflow."""
    return np.exp(-np.logaddexp(0.0, -logits.astype(np.float64)))


def _unchanged(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float64)


# What is done to logits before the mean, and to the mean.
AVERAGES: dict[
    ViewAverage,
    tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]],
] = {
    "logit": (_unchanged, sigmoid),
    "probability": (sigmoid, _unchanged),
}
