"""Weights on the simplex with the least log loss on val."""

from __future__ import annotations

from typing import Any

import numpy as np

from skinlesion.ensemble.arrays import MIN_LIKELIHOOD, checked_both_classes, checked_probs
from skinlesion.errors import DataError

MAX_EXCESS_LOSS = 1e-5


def fit_best_weights(
    val_probs: np.ndarray, y_true: np.ndarray, *, group: np.ndarray, rng: np.random.Generator
) -> dict[str, Any]:
    """``weights``: those, none negative, summing to one, with the least log loss on val.

    Raises:
        DataError: If val lacks a class, or the best weights could not be found.

    Source: linear opinion pool; a convex problem, solved by SLSQP from even weights.
    """
    val_probs = checked_probs(val_probs)
    malignant = checked_both_classes(val_probs, y_true)[:, None] == 1
    likelihood = np.maximum(np.where(malignant, val_probs, 1 - val_probs), MIN_LIKELIHOOD)
    return {"weights": _least_log_loss(likelihood).tolist()}


def _least_log_loss(likelihood: np.ndarray) -> np.ndarray:
    """Weights of the mixture of members' likelihoods, shape (n, m), that explains val best."""
    from scipy.optimize import minimize

    members = likelihood.shape[1]

    def loss_and_gradient(weights: np.ndarray) -> tuple[float, np.ndarray]:
        mixture = likelihood @ weights
        return -np.log(mixture).mean(), -(likelihood / mixture[:, None]).mean(axis=0)

    result = minimize(
        loss_and_gradient,
        np.full(members, 1 / members),
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * members,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-12, "maxiter": 1000},
    )
    weights = np.clip(result.x, 0, 1)
    weights /= weights.sum()
    _, gradient = loss_and_gradient(weights)
    # For a convex loss on the simplex this bounds how far it is above its minimum.
    excess = gradient @ weights - gradient.min()
    if not excess <= MAX_EXCESS_LOSS:
        raise DataError(
            f"the ensemble weights did not converge: {result.message}",
            expected=f"a log loss within {MAX_EXCESS_LOSS} of the best, received {excess:.2g}",
            fix="use method: mean",
        )
    return weights
