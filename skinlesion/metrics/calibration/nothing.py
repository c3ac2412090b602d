"""No calibration: the probabilities as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from skinlesion.metrics.arrays import checked, checked_probs


def fit_nothing(y_true: np.ndarray, y_prob: np.ndarray) -> dict[str, Any]:
    """No parameters; val is not used."""
    checked(y_true, y_prob)
    return {}


def apply_nothing(params: Mapping[str, Any], y_prob: np.ndarray) -> np.ndarray:
    """The probabilities as they are."""
    return checked_probs(y_prob)
