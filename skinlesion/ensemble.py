"""Combiners: how the probabilities of several members become one; on arrays, no model needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from skinlesion.errors import DataError

Params = dict[str, Any]

VOTE_THRESHOLD = 0.5
# A member's likelihood of an image is taken as at least this, so log loss stays finite.
MIN_LIKELIHOOD = 1e-7
MAX_EXCESS_LOSS = 1e-5


@dataclass(frozen=True)
class Combiner:
    """A way to combine members: fitted on val, applied anywhere.

    Attributes:
        fit: From val probabilities, shape (n, m), a column a member, and labels, shape (n,), to
            parameters that JSON can hold.
        apply: From parameters and probabilities, shape (n, m), columns in the same order, to the
            combined output, shape (n,), in [0, 1]. The output of an image depends on its own
            row and on the parameters only.

    Both raise DataError if the shapes do not fit or a value is not a probability.
    """

    fit: Callable[[np.ndarray, np.ndarray], Params]
    apply: Callable[[Mapping[str, Any], np.ndarray], np.ndarray]


def fit_even_weights(val_probs: np.ndarray, y_true: np.ndarray) -> Params:
    """``weights``: the same for each member; val is not used."""
    _, members = _checked(val_probs).shape
    return {"weights": [1 / members] * members}


def fit_best_weights(val_probs: np.ndarray, y_true: np.ndarray) -> Params:
    """``weights``: those, none negative, summing to one, with the least log loss on val.

    Raises:
        DataError: If val lacks a class, or the best weights could not be found.

    Source: linear opinion pool; a convex problem, solved by SLSQP from even weights.
    """
    val_probs = _checked(val_probs)
    if {*np.unique(y_true).tolist()} != {0, 1} or len(y_true) != len(val_probs):
        raise DataError(
            "ensemble weights cannot be fitted on these val labels",
            expected="labels 0 and 1, both present, one a row",
            fix="use method: mean, or a val split that holds both classes",
        )
    malignant = np.asarray(y_true)[:, None] == 1
    likelihood = np.maximum(np.where(malignant, val_probs, 1 - val_probs), MIN_LIKELIHOOD)
    return {"weights": _least_log_loss(likelihood).tolist()}


def apply_weights(params: Mapping[str, Any], probs: np.ndarray) -> np.ndarray:
    """The weighted mean of the members."""
    weights = np.array(params["weights"])
    # Rounding of the weights may exceed 1 by a bit, which is no probability.
    return np.clip((_checked(probs, len(weights)) * weights).sum(axis=1), 0, 1)


def fit_votes(val_probs: np.ndarray, y_true: np.ndarray) -> Params:
    """``thresholds``: from which probability on each member votes malignant; val is not used."""
    _, members = _checked(val_probs).shape
    return {"thresholds": [VOTE_THRESHOLD] * members}


def apply_votes(params: Mapping[str, Any], probs: np.ndarray) -> np.ndarray:
    """The fraction of members that vote malignant: a tied vote gives 0.5."""
    thresholds = np.array(params["thresholds"])
    return (_checked(probs, len(thresholds)) >= thresholds).mean(axis=1)


def fit_ranks(val_probs: np.ndarray, y_true: np.ndarray) -> Params:
    """``sorted_val``: each member's val probabilities, ascending; labels are not used."""
    return {"sorted_val": np.sort(_checked(val_probs), axis=0).T.tolist()}


def apply_ranks(params: Mapping[str, Any], probs: np.ndarray) -> np.ndarray:
    """The mean, over members, of the fraction of val images that are not ranked above the image.

    Members on different scales count alike. The output is a rank, not a probability: half of
    val lies above 0.5 however rare malignancy is, so fit the threshold on val as well.
    """
    sorted_val = params["sorted_val"]
    columns = _checked(probs, len(sorted_val)).T
    ranks = [
        np.searchsorted(val, column, side="right") / len(val)
        for val, column in zip(sorted_val, columns, strict=True)
    ]
    return np.mean(ranks, axis=0)


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


def _checked(probs: np.ndarray, members: int | None = None) -> np.ndarray:
    """``probs`` as float64, shape (n, m)."""
    probs = np.asarray(probs, np.float64)
    if probs.ndim != 2 or 0 in probs.shape or members not in (None, probs.shape[1]):
        columns = "one column a member" if members is None else f"{members} columns"
        raise DataError(
            f"probabilities of shape {probs.shape} cannot be combined",
            expected=f"one row an image, at least one, and {columns}",
        )
    if not ((probs >= 0) & (probs <= 1)).all():
        raise DataError("members' outputs are not probabilities", expected="numbers from 0 to 1")
    return probs


COMBINERS = {
    "mean": Combiner(fit_even_weights, apply_weights),
    "weighted": Combiner(fit_best_weights, apply_weights),
    "majority_vote": Combiner(fit_votes, apply_votes),
    "rank_mean": Combiner(fit_ranks, apply_ranks),
}
