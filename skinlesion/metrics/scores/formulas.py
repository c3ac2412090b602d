"""What each score is, as a function of a tally: one value for each weighting, shape (r,)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from skinlesion.metrics.scores.tally import Tally, ratio

Formula = Callable[[Tally], np.ndarray]


def _accuracy(tally: Tally) -> np.ndarray:
    return ratio(tally.tp + tally.tn, tally.images)


def _balanced_accuracy(tally: Tally) -> np.ndarray:
    return (_sensitivity(tally) + _specificity(tally)) / 2


def _sensitivity(tally: Tally) -> np.ndarray:
    return ratio(tally.tp, tally.malignant)


def _specificity(tally: Tally) -> np.ndarray:
    return ratio(tally.tn, tally.benign)


def _ppv(tally: Tally) -> np.ndarray:
    return ratio(tally.tp, tally.tp + tally.fp)


def _npv(tally: Tally) -> np.ndarray:
    return ratio(tally.tn, tally.tn + tally.fn)


def _f1(tally: Tally) -> np.ndarray:
    return ratio(2 * tally.tp, 2 * tally.tp + tally.fp + tally.fn)


def _mcc(tally: Tally) -> np.ndarray:
    """Correlation of calls and labels; undefined where either is the same for all images."""
    tp, fp, fn, tn = tally.tp, tally.fp, tally.fn, tally.tn
    margins = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return ratio(tp * tn - fp * fn, np.sqrt(margins))


def _kappa(tally: Tally) -> np.ndarray:
    """Agreement of calls and labels beyond chance; undefined if both are one class only."""
    by_chance = (tally.tp + tally.fp) * tally.malignant + (tally.tn + tally.fn) * tally.benign
    agreed = (tally.tp + tally.tn) * tally.images
    return ratio(agreed - by_chance, tally.images**2 - by_chance)


def _roc_auc(tally: Tally) -> np.ndarray:
    """Trapezoids under the ROC curve: a malignant-benign pair of equal probability counts half."""
    heights = tally.tp_at[:, 1:] + tally.tp_at[:, :-1]
    area = np.einsum("rk,rk->r", np.diff(tally.fp_at), heights) / 2
    return ratio(area, tally.malignant * tally.benign)


def _partial_auc_above(sensitivity: float) -> Formula:
    """Area between the ROC curve and this sensitivity, from 0 to 1 - sensitivity (ISIC 2024)."""

    def score(tally: Tally) -> np.ndarray:
        reached = tally.sensitivity_at
        negative = tally.benign[:, None] - tally.fp_at
        # Integrate specificity over the sensitivities above: trapezoids between cutoffs ...
        widths = np.diff(np.maximum(reached, sensitivity))
        area = np.einsum("rk,rk->r", widths, negative[:, 1:] + negative[:, :-1]) / 2
        # ... of which the first is cut where the line between its two cutoffs crosses.
        rows, first = np.arange(len(reached)), np.argmax(reached >= sensitivity, axis=1)
        before = np.maximum(first - 1, 0)
        rise = reached[rows, first] - reached[rows, before]
        inside = reached[rows, first] - sensitivity
        fall = negative[rows, before] - negative[rows, first]
        area -= np.nan_to_num(inside * fall * (1 - ratio(inside, rise)) / 2)
        return np.where(tally.malignant > 0, ratio(area, tally.benign), np.nan)

    return score


def _average_precision(tally: Tally) -> np.ndarray:
    """Precision at each cutoff, weighted by the recall gained there: no interpolation."""
    calls = tally.tp_at[:, 1:] + tally.fp_at[:, 1:]
    # Where nothing is called yet, no recall is gained either: any precision will do.
    precision = tally.tp_at[:, 1:] / np.maximum(calls, 1)
    return ratio(np.einsum("rk,rk->r", np.diff(tally.tp_at), precision), tally.malignant)


def _brier(tally: Tally) -> np.ndarray:
    return ratio(tally.squared_error, tally.images)


def _log_loss(tally: Tally) -> np.ndarray:
    return ratio(tally.log_loss, tally.images)


def _ece(tally: Tally) -> np.ndarray:
    """Mean distance of probability and frequency, over bins weighted by their images."""
    return ratio(np.abs(tally.excess).sum(axis=1), tally.images)


def _specificity_at(sensitivity: float) -> Formula:
    """The highest specificity among operating points of at least this sensitivity (ISIC 2017)."""

    def score(tally: Tally) -> np.ndarray:
        first = np.argmax(tally.sensitivity_at >= sensitivity, axis=1)
        fp = tally.fp_at[np.arange(len(first)), first]
        return np.where(tally.malignant > 0, ratio(tally.benign - fp, tally.benign), np.nan)

    return score


def restated(tally: Tally, prevalence: float) -> dict[str, np.ndarray]:
    """PPV and NPV where this fraction of the images is malignant: Bayes' theorem.

    Sensitivity and specificity are taken to be the same there.
    """
    sensitivity, specificity = _sensitivity(tally), _specificity(tally)
    true_positive = sensitivity * prevalence
    true_negative = specificity * (1 - prevalence)
    false_positive = (1 - specificity) * (1 - prevalence)
    false_negative = (1 - sensitivity) * prevalence
    return {
        "ppv_at_prevalence": ratio(true_positive, true_positive + false_positive),
        "npv_at_prevalence": ratio(true_negative, true_negative + false_negative),
    }


FORMULAS: dict[str, Formula] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "sensitivity": _sensitivity,
    "specificity": _specificity,
    "ppv": _ppv,
    "npv": _npv,
    "f1": _f1,
    "mcc": _mcc,
    "kappa": _kappa,
    "roc_auc": _roc_auc,
    "partial_auc_above_80_sensitivity": _partial_auc_above(0.80),
    "average_precision": _average_precision,
    "brier": _brier,
    "log_loss": _log_loss,
    "ece": _ece,
    "specificity_at_82_sensitivity": _specificity_at(0.82),
    "specificity_at_89_sensitivity": _specificity_at(0.89),
    "specificity_at_95_sensitivity": _specificity_at(0.95),
}
