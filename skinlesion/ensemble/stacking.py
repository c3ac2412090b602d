"""Stacking: a regularised logistic regression on the members' logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from skinlesion.ensemble.arrays import (
    checked_both_classes,
    checked_probs,
    logit,
)
from skinlesion.ensemble.criteria import log_likelihood
from skinlesion.ensemble.folds import group_folds
from skinlesion.errors import DataError
from skinlesion.odds import sigmoid

PENALTIES = (10.0, 1.0, 0.1, 0.01, 0.001)
MAX_GRADIENT = 1e-7
MAX_STEPS = 100
# Weights this close to 0 that want to fall are at 0 for the Newton step.
NEAR_BOUND = 1e-6
# Keeps the curvature invertible where all images are certain.
TINY = 1e-12


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
    """Intercept, then weights: the minimum of a strictly convex function, shape (1 + m,).

    Source: Bertsekas, Projected Newton methods, SIAM Journal on Control and Optimization 1982.
    """
    members = logits.shape[1]
    inputs = np.column_stack([np.ones(len(logits)), logits])
    even = np.append(0.0, np.full(members, 1 / members))
    pull = np.append(0.0, np.full(members, penalty))
    lowest = np.append(-np.inf, np.zeros(members))

    def loss(solution: np.ndarray) -> float:
        combined = inputs @ solution
        fit = (np.logaddexp(0, combined) - y_true * combined).mean()
        return float(fit + (pull * (solution - even) ** 2).sum() / 2)

    solution = even if start is None else start
    for _ in range(MAX_STEPS):
        chance = sigmoid(inputs @ solution)
        gradient = inputs.T @ (chance - y_true) / len(y_true) + pull * (solution - even)
        # At the minimum a weight of 0 may want to become negative; all else wants to stay.
        steepest = np.abs(solution - np.maximum(solution - gradient, lowest)).max()
        if steepest <= MAX_GRADIENT:
            return solution
        spread = chance * (1 - chance) / len(y_true)
        curvature = (inputs.T * spread) @ inputs + np.diag(pull + TINY)
        free = (solution > lowest + NEAR_BOUND) | (gradient <= 0)
        step = -gradient / np.diag(curvature)
        step[free] = -np.linalg.solve(curvature[np.ix_(free, free)], gradient[free])
        solution = _descend(loss, solution, step, gradient, lowest)
    raise DataError(
        f"stacking did not converge in {MAX_STEPS} steps",
        expected=f"a gradient within {MAX_GRADIENT} of 0, received {steepest:.2g}",
        fix="use method: logit_mean, or a larger method.penalty",
    )


def _descend(
    loss: Callable[[np.ndarray], float],
    solution: np.ndarray,
    step: np.ndarray,
    gradient: np.ndarray,
    lowest: np.ndarray,
) -> np.ndarray:
    """The first of ever shorter steps, kept above ``lowest``, that lowers the loss enough."""
    before = loss(solution)
    for scale in 0.5 ** np.arange(30):
        trial = np.maximum(solution + scale * step, lowest)
        if loss(trial) <= before + 1e-4 * gradient @ (trial - solution):
            return trial
    return solution
