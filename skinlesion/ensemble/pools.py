"""Pools that look at no label: the mean, the mean of logits, votes and ranks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from skinlesion.ensemble.arrays import checked_probs, logit
from skinlesion.odds import sigmoid

Params = dict[str, Any]

VOTE_THRESHOLD = 0.5


def fit_even_weights(
    val_probs: np.ndarray, y_true: np.ndarray, *, group: np.ndarray, rng: np.random.Generator
) -> Params:
    """``weights``: the same for each member; val is not used."""
    _, members = checked_probs(val_probs).shape
    return {"weights": [1 / members] * members}


def apply_weights(params: Mapping[str, Any], probs: np.ndarray) -> np.ndarray:
    """The weighted mean of the members."""
    weights = np.array(params["weights"])
    # Rounding of the weights may exceed 1 by a bit, which is no probability.
    return np.clip((checked_probs(probs, len(weights)) * weights).sum(axis=1), 0, 1)


def apply_logit_weights(params: Mapping[str, Any], probs: np.ndarray) -> np.ndarray:
    """The probability at the weighted mean of the members' logits.

    It equals the geometric mean of the members' probabilities of malignant, divided by its sum
    with that of benign: the logarithmic opinion pool (Genest and Zidek, Statistical Science 1986).
    """
    weights = np.array(params["weights"])
    return sigmoid((logit(checked_probs(probs, len(weights))) * weights).sum(axis=1))


def fit_votes(
    val_probs: np.ndarray, y_true: np.ndarray, *, group: np.ndarray, rng: np.random.Generator
) -> Params:
    """``thresholds``: from which probability on each member votes malignant; val is not used."""
    _, members = checked_probs(val_probs).shape
    return {"thresholds": [VOTE_THRESHOLD] * members}


def apply_votes(params: Mapping[str, Any], probs: np.ndarray) -> np.ndarray:
    """The fraction of members that vote malignant: a tied vote gives 0.5."""
    thresholds = np.array(params["thresholds"])
    return (checked_probs(probs, len(thresholds)) >= thresholds).mean(axis=1)


def fit_ranks(
    val_probs: np.ndarray, y_true: np.ndarray, *, group: np.ndarray, rng: np.random.Generator
) -> Params:
    """``sorted_val``: each member's val probabilities, ascending; labels are not used."""
    return {"sorted_val": np.sort(checked_probs(val_probs), axis=0).T.tolist()}


def apply_ranks(params: Mapping[str, Any], probs: np.ndarray) -> np.ndarray:
    """The mean, over members, of the fraction of val images that are not ranked above the image.

    Members on different scales count alike. The output is a rank, not a probability: half of
    val lies above 0.5 however rare malignancy is, so fit the threshold on val as well.
    """
    sorted_val = params["sorted_val"]
    columns = checked_probs(probs, len(sorted_val)).T
    ranks = [
        np.searchsorted(val, column, side="right") / len(val)
        for val, column in zip(sorted_val, columns, strict=True)
    ]
    return np.mean(ranks, axis=0)
