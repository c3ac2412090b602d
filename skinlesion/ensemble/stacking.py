"""Stacking: a regularised logistic regression on the members' logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from skinlesion.ensemble.arrays import (
    checked_both_classes,
    checked_probs,
    logit,
    sigmoid,
)
from skinlesion.ensemble.criteria import log_likelihood
from skinlesion.ensemble.folds import group_folds
from skinlesion.errors import DataError

PENALTIES = (10.0, 1.0, 0.1, 0.01, 0.001)
MAX_GRADIENT = 1e-4


def fit_stacking(
    val_probs: np.ndarray,
    y_true: np.ndarray,
    *,
    group: np.ndarray,
    rng: np.random.Generator,
    penalty: float | None,
    folds: int,
) -> dict[str, Any]:
    """``intercept`` and ``weights`` of the members' logits, none negative, and the ``penalty``.

    They minimise the mean log loss plus half the penalty times the squared distance of the weights
    from even ones: a large penalty gives the mean of the logits, recalibrated by the intercept. A
    weight below 0 would bet against a member, which on a small val is mostly noise.

    Args:
        val_probs: Shape (n, m).
        y_true: Labels, shape (n,), of both classes.
        group: Shape (n,); no group is divided between folds.
        rng: Draws the folds.
        penalty: Above 0; None: of ``PENALTIES`` the one with the least log loss on held-out folds,
            and the largest if a class has too few groups to hold any out.
        folds: Of the choice of the penalty, at least 2.

    Raises:
        DataError: If val lacks a class, or the minimum was not found.

    Source: Wolpert, Neural Networks 1992; weights that are not negative: Breiman, Stacked
    regressions, Machine Learning 1996.
    """
    val_probs = checked_probs(val_probs)
    y_true = checked_both_classes(val_probs, y_true)
    # In an order that depends on what the members say only, so that theirs does not matter.
    order = np.lexsort(val_probs[::-1])
    logits = logit(val_probs[:, order])
    if penalty is None:
        penalty = _best_penalty(logits, y_true, group_folds(y_true, group, folds=folds, rng=rng))
    solution = _solve(logits, y_true, penalty)
    weights = np.zeros(len(order))
    weights[order] = solution[1:]
    return {"intercept": float(solution[0]), "weights": weights.tolist(), "penalty": penalty}


def apply_stacking(params: Mapping[str, Any], probs: np.ndarray) -> np.ndarray:
    """The probability at the intercept plus the weighted sum of the members' logits."""
    weights = np.array(params["weights"])
    logits = logit(checked_probs(probs, len(weights)))
    return sigmoid(params["intercept"] + (logits * weights).sum(axis=1))


def _best_penalty(logits: np.ndarray, y_true: np.ndarray, fold: np.ndarray) -> float:
    if not fold.any():
        return PENALTIES[0]
    held_out = np.zeros((len(PENALTIES), len(y_true)))
    for number in range(fold.max() + 1):
        inside = fold == number
        solution = None
        for row, penalty in enumerate(PENALTIES):
            solution = _solve(logits[~inside], y_true[~inside], penalty, start=solution)
            held_out[row, inside] = sigmoid(solution[0] + logits[inside] @ solution[1:])
    return PENALTIES[int(np.argmax(log_likelihood(y_true, held_out)))]


def _solve(
    logits: np.ndarray, y_true: np.ndarray, penalty: float, start: np.ndarray | None = None
) -> np.ndarray:
    """Intercept, then weights: the minimum of a strictly convex function, shape (1 + m,)."""
    from scipy.optimize import minimize

    members = logits.shape[1]

    def loss_and_gradient(solution: np.ndarray) -> tuple[float, np.ndarray]:
        combined = solution[0] + logits @ solution[1:]
        distance = solution[1:] - 1 / members
        loss = (np.logaddexp(0, combined) - y_true * combined).mean()
        residual = (sigmoid(combined) - y_true) / len(y_true)
        gradient = np.append(residual.sum(), residual @ logits + penalty * distance)
        return loss + penalty / 2 * distance @ distance, gradient

    result = minimize(
        loss_and_gradient,
        np.append(0.0, np.full(members, 1 / members)) if start is None else start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(None, None)] + [(0, None)] * members,
        options={"ftol": 1e-14, "gtol": 1e-7, "maxiter": 1000},
    )
    solution: np.ndarray = result.x
    _, gradient = loss_and_gradient(solution)
    # At the minimum a weight of 0 may want to become negative; all else wants to stay.
    at_bound = (np.arange(1 + members) > 0) & (solution <= 0)
    steepest = np.abs(np.where(at_bound, np.minimum(gradient, 0), gradient)).max()
    if not steepest <= MAX_GRADIENT:
        raise DataError(
            f"stacking did not converge: {result.message}",
            expected=f"a gradient within {MAX_GRADIENT} of 0, received {steepest:.2g}",
            fix="use method: logit_mean, or a larger method.penalty",
        )
    return solution
