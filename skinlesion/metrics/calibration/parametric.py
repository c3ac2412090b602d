"""Temperature, Platt and beta calibration: logistic regressions whose slopes are never negative."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np

from skinlesion.metrics.arrays import checked, checked_probs, refuse_one_class
from skinlesion.metrics.logistic import fit_logistic, log_likelihood
from skinlesion.metrics.recalibration import LOGIT_CLIP
from skinlesion.odds import sigmoid

FIX = "use calibration: none, or a val split that holds both classes"
# Fitted maps are applied closer to 0 and 1 than they are fitted, so that images stay in order.
LOWEST, HIGHEST = 1e-300, 1 - 2**-53


def fit_temperature(y_true: np.ndarray, y_prob: np.ndarray) -> dict[str, Any]:
    """``slope``, at least 0: one over the temperature that leaves the least log loss on val.

    Source: Guo, Pleiss, Sun and Weinberger, ICML 2017.
    """
    labels, y_prob = _val(y_true, y_prob)
    logits = _log_odds(y_prob)[:, None]
    if _divided(labels, y_prob):
        labels = _platt_targets(labels)
    return {"slope": float(_fit_rising(logits, labels, slopes=1)[0])}


def apply_temperature(params: Mapping[str, Any], y_prob: np.ndarray) -> np.ndarray:
    """sigmoid(``slope`` logit p)."""
    return sigmoid(params["slope"] * np.add(*_log_parts(y_prob)))


def fit_platt(y_true: np.ndarray, y_prob: np.ndarray) -> dict[str, Any]:
    """``slope``, at least 0, and ``intercept`` of a logistic regression on the logits.

    Labels are moved a little towards each other, to (P + 1) / (P + 2) and 1 / (N + 2) of P
    malignant and N benign images, so that a small val does not make the outcome certain.

    Source: Platt, Probabilistic Outputs for Support Vector Machines, 1999; Lin, Lin and Weng,
    Mach. Learn. 68:267, 2007.
    """
    labels, y_prob = _val(y_true, y_prob)
    columns = np.column_stack([_log_odds(y_prob), np.ones(len(labels))])
    slope, intercept = _fit_rising(columns, _platt_targets(labels), slopes=1)
    return {"slope": float(slope), "intercept": float(intercept)}


def apply_platt(params: Mapping[str, Any], y_prob: np.ndarray) -> np.ndarray:
    """sigmoid(``slope`` logit p + ``intercept``)."""
    return sigmoid(params["slope"] * np.add(*_log_parts(y_prob)) + params["intercept"])


def fit_beta(y_true: np.ndarray, y_prob: np.ndarray) -> dict[str, Any]:
    """``a`` and ``b``, at least 0, and ``c``, of the greatest likelihood.

    It is the right map if the probabilities of each class follow a beta distribution; unlike the
    others it can bend the two ends differently, and can be the identity.

    Source: Kull, Silva Filho and Flach, AISTATS 2017 (and Electron. J. Stat. 11:5052).
    """
    labels, y_prob = _val(y_true, y_prob)
    of_malignant, of_benign = _log_parts(np.clip(y_prob, LOGIT_CLIP, 1 - LOGIT_CLIP))
    columns = np.column_stack([of_malignant, of_benign, np.ones(len(labels))])
    if _divided(labels, y_prob):
        labels = _platt_targets(labels)
    a, b, c = _fit_rising(columns, labels, slopes=2)
    return {"a": float(a), "b": float(b), "c": float(c)}


def apply_beta(params: Mapping[str, Any], y_prob: np.ndarray) -> np.ndarray:
    """sigmoid(``a`` ln p - ``b`` ln(1 - p) + ``c``)."""
    of_malignant, of_benign = _log_parts(y_prob)
    return sigmoid(params["a"] * of_malignant + params["b"] * of_benign + params["c"])


def _val(y_true: np.ndarray, y_prob: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    refuse_one_class(y_true, what="no calibration can be fitted", fix=FIX)
    return checked(y_true, y_prob)


def _log_parts(y_prob: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two parts of the logit, ln p and -ln(1 - p), shape (n,) each: both rise with p."""
    y_prob = np.clip(checked_probs(y_prob), LOWEST, HIGHEST)
    return np.log(y_prob), -np.log1p(-y_prob)


def _log_odds(y_prob: np.ndarray) -> np.ndarray:
    return np.add(*_log_parts(np.clip(y_prob, LOGIT_CLIP, 1 - LOGIT_CLIP)))


def _platt_targets(labels: np.ndarray) -> np.ndarray:
    malignant = labels.sum()
    benign = len(labels) - malignant
    return np.where(labels == 1, (malignant + 1) / (malignant + 2), 1 / (benign + 2))


def _divided(labels: np.ndarray, y_prob: np.ndarray) -> bool:
    """Whether a threshold divides val without a fault, so that no likelihood has a maximum."""
    divided = y_prob[labels == 1].min() >= y_prob[labels == 0].max()
    return bool(divided and y_prob.min() < y_prob.max())


def _fit_rising(columns: np.ndarray, labels: np.ndarray, *, slopes: int) -> np.ndarray:
    """The coefficients of the greatest likelihood with the first ``slopes`` of them at least 0.

    The likelihood is concave, so the best of the maxima with some slopes held at 0 is the answer.
    """
    coefficients, best = np.zeros(columns.shape[1]), -np.inf
    for free_slopes in product((True, False), repeat=slopes):
        free = np.array([*free_slopes] + [True] * (columns.shape[1] - slopes))
        found = np.zeros(len(free))
        if free.any():
            fitted = fit_logistic(columns[:, free], np.zeros(len(labels)), labels)
            if fitted is None:
                continue
            found[free] = fitted
        reached = log_likelihood(columns @ found, labels)
        if (found[:slopes] >= 0).all() and reached > best:
            coefficients, best = found, reached
    return coefficients
