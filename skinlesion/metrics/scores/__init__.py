"""Scores of a binary classifier, all from counts at each cutoff, for many weightings at once."""

from __future__ import annotations

import difflib
from collections.abc import Callable

import numpy as np

from skinlesion.errors import ConfigError
from skinlesion.metrics.scores.formulas import FORMULAS, Formula, restated
from skinlesion.metrics.scores.tally import BINS, Ranking, Tally, bin_of, rank, ratio

Score = Callable[[np.ndarray, np.ndarray, float], float]

__all__ = [
    "ALIASES",
    "BINS",
    "FORMULAS",
    "HIGHER_IS_BETTER",
    "LOWER_IS_BETTER",
    "SCORES",
    "Ranking",
    "Tally",
    "bin_of",
    "canonical",
    "confusion",
    "rank",
    "ratio",
    "score_all",
    "score_tally",
]

ALIASES = {
    "auc": "roc_auc",
    "auroc": "roc_auc",
    "ap": "average_precision",
    "recall": "sensitivity",
    "precision": "ppv",
    "f1_score": "f1",
    "brier_score": "brier",
    "matthews_corrcoef": "mcc",
    "cohen_kappa": "kappa",
    "pauc": "partial_auc_above_80_sensitivity",
    "partial_auc": "partial_auc_above_80_sensitivity",
    "logloss": "log_loss",
    "cross_entropy": "log_loss",
    "expected_calibration_error": "ece",
}


def score_all(
    y_true: np.ndarray, y_prob: np.ndarray, *, threshold: float, prevalence: float | None = None
) -> dict[str, float]:
    """Every score of ``SCORES``, by name; nan where it is undefined.

    Args:
        y_true: Labels, shape (n,), 1 for malignant.
        y_prob: Probability of malignant, shape (n,), in [0, 1].
        threshold: Malignant from this probability on (``>=``).
        prevalence: Adds ``ppv_at_prevalence`` and ``npv_at_prevalence``: the predictive values
            where this fraction is malignant, in (0, 1).

    Raises:
        DataError: If the arrays do not fit each other, or hold other values than these.
    """
    tally = rank(y_true, y_prob).tally_once(threshold)
    return {name: float(values[0]) for name, values in score_tally(tally, prevalence).items()}


def score_tally(tally: Tally, prevalence: float | None = None) -> dict[str, np.ndarray]:
    """Every score for each weighting, shape (r,); nan where it is undefined."""
    scores = {name: formula(tally) for name, formula in FORMULAS.items()}
    return scores if prevalence is None else {**scores, **restated(tally, prevalence)}


def confusion(y_true: np.ndarray, y_prob: np.ndarray, *, threshold: float) -> dict[str, int]:
    """Number of images by outcome: ``tn``, ``fp``, ``fn``, ``tp``; arguments as ``score_all``."""
    tally = rank(y_true, y_prob).tally_once(threshold)
    counts = {"tn": tally.tn, "fp": tally.fp, "fn": tally.fn, "tp": tally.tp}
    return {name: int(values[0]) for name, values in counts.items()}


def canonical(name: str) -> str:
    """The key of ``SCORES`` that a user means by ``name``, such as ``roc_auc`` by ``AUC``.

    Raises:
        ConfigError: If there is no such score.
    """
    key = name.strip().lower().replace("-", "_").replace(" ", "_")
    key = ALIASES.get(key, key)
    if key in SCORES:
        return key
    close = difflib.get_close_matches(key, [*SCORES, *ALIASES], n=1)
    raise ConfigError(
        f"there is no score {name!r}",
        expected=f"one of {', '.join(SCORES)}",
        fix=f"did you mean {close[0]}?" if close else "",
    )


def _of_arrays(formula: Formula) -> Score:
    def of_arrays(y_true: np.ndarray, y_prob: np.ndarray, threshold: float) -> float:
        return float(formula(rank(y_true, y_prob).tally_once(threshold))[0])

    return of_arrays


SCORES: dict[str, Score] = {name: _of_arrays(formula) for name, formula in FORMULAS.items()}

LOWER_IS_BETTER = frozenset({"brier", "log_loss", "ece"})
HIGHER_IS_BETTER = frozenset(SCORES) - LOWER_IS_BETTER
