"""How the logits of one image's views become one probability."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from skinlesion.config import ViewAverage
from skinlesion.odds import sigmoid


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
