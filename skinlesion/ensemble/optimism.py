"""How much better an ensemble looks on the val it was fitted on than on new images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from skinlesion.ensemble.combiners import Combiner
from skinlesion.ensemble.criteria import log_likelihood, roc_auc
from skinlesion.ensemble.folds import group_folds


@dataclass(frozen=True)
class Optimism:
    """Scores on val, by name (``roc_auc``, ``log_loss``); nan where undefined.

    Attributes:
        folds: Number of folds; 0: a class has less than two groups, so nothing was held out.
        apparent: Fitted and scored on all of val.
        nested: What is left of that without the advantage of having seen the scored images.
    """

    folds: int
    apparent: dict[str, float]
    nested: dict[str, float]


def estimate_optimism(
    combiner: Combiner,
    params: Mapping[str, Any],
    val_probs: np.ndarray,
    y_true: np.ndarray,
    *,
    group: np.ndarray,
    folds: int,
    rng: np.random.Generator,
    options: Mapping[str, Any],
) -> Optimism:
    """Fit ``combiner`` anew without each fold of groups, and score it on that fold.

    The apparent score minus the optimism: the mean over folds of what the combiner that has seen
    the fold scores above the one that has not. Only images of one fold are ranked among each other,
    as outputs of different fits are not on one scale; comparing both combiners on the same images
    takes out the luck of the folds. A combiner that learns nothing has an optimism of 0.

    Args:
        combiner: One of ``COMBINERS``' values.
        params: What it fitted on all of val.
        val_probs: Shape (n, m).
        y_true: Labels, shape (n,).
        group: Shape (n,); no group is divided between folds.
        folds: At least 2; fewer are made if a class has fewer groups.
        rng: Draws the folds, and serves each fit.
        options: The combiner's.

    Raises:
        DataError: As ``combiner.fit``.

    Source: Varma and Simon, BMC Bioinformatics 2006 (nested cross-validation); Airola et al.,
    Computational Statistics & Data Analysis 2011 (AUC within folds).
    """
    fitted = combiner.apply(params, val_probs)
    apparent = _scores(y_true, fitted)
    fold = group_folds(y_true, group, folds=folds, rng=rng)
    if not fold.any():
        return Optimism(0, apparent, dict.fromkeys(apparent, np.nan))
    gaps: dict[str, list[float]] = {name: [] for name in apparent}
    shares = []
    for number in range(fold.max() + 1):
        inside = fold == number
        without = combiner.fit(
            val_probs[~inside], y_true[~inside], group=group[~inside], rng=rng, **options
        )
        before = _scores(y_true[inside], fitted[inside])
        after = _scores(y_true[inside], combiner.apply(without, val_probs[inside]))
        for name, values in gaps.items():
            values.append(before[name] - after[name])
        shares.append(inside.mean())
    nested = {
        name: apparent[name] - float(np.average(values, weights=shares))
        for name, values in gaps.items()
    }
    return Optimism(len(shares), apparent, nested)


def _scores(y_true: np.ndarray, combined: np.ndarray) -> dict[str, float]:
    return {
        "roc_auc": float(roc_auc(y_true, combined[None])[0]),
        "log_loss": -float(log_likelihood(y_true, combined[None])[0]),
    }
