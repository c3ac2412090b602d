"""Logistic regression by maximum likelihood for a handful of columns."""

from __future__ import annotations

import numpy as np

from skinlesion.odds import sigmoid

MAX_STEPS, MAX_HALVINGS = 50, 30
# Beside the maximum, likelihoods differ by less than their rounding: no reason to halve a step.
ROUNDING = 1e-12


def log_likelihood(linear: np.ndarray, labels: np.ndarray) -> float:
    """Of labels, in [0, 1], shape (n,), given their log odds, shape (n,)."""
    return float((labels * linear - np.logaddexp(0, linear)).sum())


def fit_logistic(columns: np.ndarray, offset: np.ndarray, labels: np.ndarray) -> np.ndarray | None:
    """Coefficients of the greatest likelihood; None if it has no maximum.

    By Newton's method with halved steps.

    Args:
        columns: Shape (n, m); a constant one is the intercept.
        offset: Added to the log odds of each row, shape (n,).
        labels: In [0, 1], shape (n,).

    Returns:
        Shape (m,).
    """
    if not 0 < labels.sum() < len(labels):
        return None
    coefficients = np.zeros(columns.shape[1])
    best = log_likelihood(columns @ coefficients + offset, labels)
    for _ in range(MAX_STEPS):
        prob = sigmoid(columns @ coefficients + offset)
        information = columns.T @ (columns * (prob * (1 - prob))[:, None])
        if np.linalg.cond(information) > 1e12:
            return None
        step = np.linalg.solve(information, columns.T @ (labels - prob))
        if np.abs(step).max() < 1e-9:
            return coefficients
        for _ in range(MAX_HALVINGS):
            reached = log_likelihood(columns @ (coefficients + step) + offset, labels)
            if reached >= best - ROUNDING * abs(best):
                break
            step = step / 2
        coefficients, best = coefficients + step, max(best, reached)
    return None
