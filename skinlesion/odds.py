"""Probabilities and their log odds."""

from __future__ import annotations

import numpy as np


def logit(y_prob: np.ndarray, *, clip: float) -> np.ndarray:
    """Log odds, float64; a probability closer than ``clip`` to 0 or 1 is taken as that close."""
    clipped = np.clip(np.asarray(y_prob, np.float64), clip, 1 - clip)
    return np.log(clipped) - np.log1p(-clipped)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """The probabilities whose log odds these are, float64; never overflows."""
    logits = np.asarray(logits, np.float64)
    small = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1, small) / (1 + small)
