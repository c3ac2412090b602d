"""How good candidate ensembles are on val: the criteria that a selection can maximise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from skinlesion.ensemble.arrays import MIN_LIKELIHOOD


def roc_auc(y_true: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Probability that a malignant image is above a benign one, a tie counting half.

    Args:
        y_true: Labels, shape (n,), 1 for malignant.
        candidates: Probabilities, shape (k, n), a row each candidate.

    Returns:
        Shape (k,), the larger the better; nan where ``y_true`` lacks a class. So for the others.

    Source: Hanley and McNeil, Radiology 1982 (the Mann-Whitney statistic).
    """
    benign, malignant = candidates[:, y_true == 0], candidates[:, y_true == 1]
    pairs = benign.shape[1] * malignant.shape[1]
    if not pairs:
        return np.full(len(candidates), np.nan)
    benign = np.sort(benign, axis=1)
    below = [
        np.searchsorted(row, values, "left").sum() + np.searchsorted(row, values, "right").sum()
        for row, values in zip(benign, malignant, strict=True)
    ]
    return np.array(below) / (2 * pairs)


def log_likelihood(y_true: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Mean log probability of the true label: log loss with its sign changed."""
    likelihood = np.where(y_true == 1, candidates, 1 - candidates)
    return np.log(np.maximum(likelihood, MIN_LIKELIHOOD)).mean(axis=1)


def negative_brier(y_true: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Mean squared distance of probability and label, with its sign changed."""
    return -((candidates - y_true) ** 2).mean(axis=1)


Criterion = Callable[[np.ndarray, np.ndarray], np.ndarray]

# By the name of the score; what is better when small has its sign changed.
CRITERIA: dict[str, Criterion] = {
    "roc_auc": roc_auc,
    "log_loss": log_likelihood,
    "brier": negative_brier,
}
