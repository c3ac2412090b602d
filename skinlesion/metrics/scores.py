"""Scores of a binary classifier, all from counts at each cutoff, for many weightings at once."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from skinlesion.errors import ConfigError, DataError

Score = Callable[[np.ndarray, np.ndarray, float], float]

ALIASES = {
    "auc": "roc_auc",
    "auroc": "roc_auc",
    "ap": "average_precision",
    "recall": "sensitivity",
    "precision": "ppv",
    "f1_score": "f1",
    "brier_score": "brier",
}


def score_all(y_true: np.ndarray, y_prob: np.ndarray, *, threshold: float) -> dict[str, float]:
    """Every score of ``SCORES``, by name; nan where it is undefined.

    Args:
        y_true: Labels, shape (n,), 1 for malignant.
        y_prob: Probability of malignant, shape (n,), in [0, 1].
        threshold: Malignant from this probability on (``>=``).

    Raises:
        DataError: If the arrays do not fit each other, or hold other values than these.
    """
    tally = rank(y_true, y_prob).tally_once(threshold)
    return {name: float(values[0]) for name, values in score_tally(tally).items()}


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


@dataclass(frozen=True)
class Ranking:
    """Predictions in descending order of probability.

    Attributes:
        order: Row number of each ranked image in the caller's arrays, shape (n,).
        y_true: Labels in that order, float64, shape (n,).
        y_prob: Probabilities in that order, float64, shape (n,).
        last: Rank of the last image of each run of equal probabilities, shape (k,).
    """

    order: np.ndarray
    y_true: np.ndarray
    y_prob: np.ndarray
    last: np.ndarray

    @property
    def cutoffs(self) -> np.ndarray:
        """The distinct probabilities, descending, shape (k,)."""
        return self.y_prob[self.last]

    def tally(self, weights: np.ndarray, threshold: float) -> Tally:
        """Count the images at every cutoff.

        Args:
            weights: How often each ranked image counts, float64, shape (r, n).
            threshold: Malignant from this probability on.
        """
        tp_at = self._running_sum(weights * self.y_true)
        fp_at = self._running_sum(weights * (1 - self.y_true))
        called = int((self.cutoffs >= threshold).sum())
        return Tally(tp_at, fp_at, called, weights @ (self.y_prob - self.y_true) ** 2)

    def tally_once(self, threshold: float) -> Tally:
        """Count each image once: a tally with r = 1."""
        return self.tally(np.ones((1, len(self.order))), threshold)

    def _running_sum(self, values: np.ndarray) -> np.ndarray:
        sums = np.zeros((len(values), len(self.last) + 1))
        sums[:, 1:] = np.cumsum(values, axis=1)[:, self.last]
        return sums


def rank(y_true: np.ndarray, y_prob: np.ndarray) -> Ranking:
    """Sort predictions by probability; arguments and errors as ``score_all``."""
    y_true, y_prob = np.asarray(y_true, np.float64), np.asarray(y_prob, np.float64)
    if y_true.ndim != 1 or y_true.shape != y_prob.shape:
        raise DataError(
            f"labels of shape {y_true.shape} with probabilities of shape {y_prob.shape}",
            expected="one label and one probability an image, both of shape (n,)",
        )
    if not np.isin(y_true, (0, 1)).all() or not ((y_prob >= 0) & (y_prob <= 1)).all():
        raise DataError(
            "labels or probabilities are out of range",
            expected="labels 0 or 1, probabilities from 0 to 1",
        )
    order = np.argsort(-y_prob, kind="stable")
    y_true, y_prob = y_true[order], y_prob[order]
    last = np.flatnonzero(np.diff(y_prob, append=-1.0))
    return Ranking(order, y_true, y_prob, last)


@dataclass(frozen=True)
class Tally:
    """Counts at every cutoff, for r weightings of the same images.

    Attributes:
        tp_at: Malignant images called malignant, shape (r, k + 1): column 0 calls no image
            malignant, column i those at or above the i-th highest of k cutoffs.
        fp_at: Benign images called malignant, likewise.
        called: The column that belongs to the threshold.
        squared_error: Sum of (probability - label) squared, shape (r,).
    """

    tp_at: np.ndarray
    fp_at: np.ndarray
    called: int
    squared_error: np.ndarray

    @property
    def tp(self) -> np.ndarray:
        """Malignant images at or above the threshold, shape (r,); so below."""
        return self.tp_at[:, self.called]

    @property
    def fp(self) -> np.ndarray:
        """Benign images at or above the threshold."""
        return self.fp_at[:, self.called]

    @property
    def fn(self) -> np.ndarray:
        """Malignant images below the threshold."""
        return self.malignant - self.tp

    @property
    def tn(self) -> np.ndarray:
        """Benign images below the threshold."""
        return self.benign - self.fp

    @property
    def malignant(self) -> np.ndarray:
        """All malignant images."""
        return self.tp_at[:, -1]

    @property
    def benign(self) -> np.ndarray:
        """All benign images."""
        return self.fp_at[:, -1]


def score_tally(tally: Tally) -> dict[str, np.ndarray]:
    """Every score of ``SCORES`` for each weighting, shape (r,); nan where it is undefined."""
    return {name: score(tally) for name, score in _OF_TALLY.items()}


def _accuracy(tally: Tally) -> np.ndarray:
    return _ratio(tally.tp + tally.tn, tally.malignant + tally.benign)


def _balanced_accuracy(tally: Tally) -> np.ndarray:
    return (_sensitivity(tally) + _specificity(tally)) / 2


def _sensitivity(tally: Tally) -> np.ndarray:
    return _ratio(tally.tp, tally.malignant)


def _specificity(tally: Tally) -> np.ndarray:
    return _ratio(tally.tn, tally.benign)


def _ppv(tally: Tally) -> np.ndarray:
    return _ratio(tally.tp, tally.tp + tally.fp)


def _npv(tally: Tally) -> np.ndarray:
    return _ratio(tally.tn, tally.tn + tally.fn)


def _f1(tally: Tally) -> np.ndarray:
    return _ratio(2 * tally.tp, 2 * tally.tp + tally.fp + tally.fn)


def _roc_auc(tally: Tally) -> np.ndarray:
    """Trapezoids under the ROC curve: a malignant-benign pair of equal probability counts half."""
    heights = tally.tp_at[:, 1:] + tally.tp_at[:, :-1]
    area = np.einsum("rk,rk->r", np.diff(tally.fp_at), heights) / 2
    return _ratio(area, tally.malignant * tally.benign)


def _average_precision(tally: Tally) -> np.ndarray:
    """Precision at each cutoff, weighted by the recall gained there: no interpolation."""
    calls = tally.tp_at[:, 1:] + tally.fp_at[:, 1:]
    # Where nothing is called yet, no recall is gained either: any precision will do.
    precision = tally.tp_at[:, 1:] / np.maximum(calls, 1)
    return _ratio(np.einsum("rk,rk->r", np.diff(tally.tp_at), precision), tally.malignant)


def _brier(tally: Tally) -> np.ndarray:
    return _ratio(tally.squared_error, tally.malignant + tally.benign)


def _specificity_at(sensitivity: float) -> Callable[[Tally], np.ndarray]:
    """The highest specificity among operating points of at least this sensitivity (ISIC 2017)."""

    def score(tally: Tally) -> np.ndarray:
        reached = _ratio(tally.tp_at, tally.malignant[:, None]) >= sensitivity
        first = reached.argmax(axis=1)
        fp = tally.fp_at[np.arange(len(first)), first]
        return np.where(tally.malignant > 0, _ratio(tally.benign - fp, tally.benign), np.nan)

    return score


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``part / whole``, nan where ``whole`` is 0."""
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _of_arrays(score: Callable[[Tally], np.ndarray]) -> Score:
    def of_arrays(y_true: np.ndarray, y_prob: np.ndarray, threshold: float) -> float:
        return float(score(rank(y_true, y_prob).tally_once(threshold))[0])

    return of_arrays


_OF_TALLY = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "sensitivity": _sensitivity,
    "specificity": _specificity,
    "ppv": _ppv,
    "npv": _npv,
    "f1": _f1,
    "roc_auc": _roc_auc,
    "average_precision": _average_precision,
    "brier": _brier,
    "specificity_at_82_sensitivity": _specificity_at(0.82),
    "specificity_at_89_sensitivity": _specificity_at(0.89),
    "specificity_at_95_sensitivity": _specificity_at(0.95),
}

SCORES: dict[str, Score] = {name: _of_arrays(score) for name, score in _OF_TALLY.items()}

LOWER_IS_BETTER = frozenset({"brier"})
HIGHER_IS_BETTER = frozenset(SCORES) - LOWER_IS_BETTER
