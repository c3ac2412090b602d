"""Calibration slope and intercept: logistic regression of the labels on the predictions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from skinlesion.metrics.arrays import checked
from skinlesion.metrics.intervals import Estimate
from skinlesion.metrics.logistic import fit_logistic
from skinlesion.odds import logit, sigmoid

# A probability of exactly 0 or 1 has no logit, and one of 1e-16 would outweigh all others.
LOGIT_CLIP = 1e-6


@dataclass(frozen=True)
class Recalibration:
    """How predictions would have to be moved to fit the labels.

    Attributes:
        slope: 1 is right; below 1 the probabilities are too extreme, above 1 too timid.
        intercept: 0 is right; below 0 the probabilities are too high on the whole, above 0 too
            low.
    """

    slope: Estimate
    intercept: Estimate


def recalibrate(
    y_true: np.ndarray, y_prob: np.ndarray, group: np.ndarray, *, confidence: float
) -> Recalibration:
    """Calibration slope, and intercept with the slope held at 1 (calibration in the large).

    Slope b of logit P(malignant) = a + b logit(y_prob); intercept a of the same with b = 1. The
    probabilities are first kept ``LOGIT_CLIP`` away from 0 and 1. Intervals are Wald's, with a
    sandwich variance over groups.

    Args:
        y_true: Labels, shape (n,), 1 for malignant.
        y_prob: Probability of malignant, shape (n,), in [0, 1].
        group: Patient or lesion of each image, shape (n,).
        confidence: Coverage of the intervals, in (0, 1).

    Returns:
        nan where there is no maximum of the likelihood: one class only, all probabilities equal
        (slope), or classes that a threshold divides without a fault (slope).

    Raises:
        DataError: As ``score_all``.

    Source: Cox, Biometrika 45:562, 1958; Van Calster et al., J. Clin. Epidemiol. 74:167, 2016;
    variance Liang and Zeger, Biometrika 73:13, 1986.
    """
    labels, y_prob = checked(y_true, y_prob)
    logits = logit(y_prob, clip=LOGIT_CLIP)
    ones = np.ones((len(labels), 1))
    both = np.column_stack([logits, ones])
    return Recalibration(
        slope=_first_coefficient(both, np.zeros(len(labels)), labels, group, confidence),
        intercept=_first_coefficient(ones, logits, labels, group, confidence),
    )


def _first_coefficient(
    columns: np.ndarray,
    offset: np.ndarray,
    labels: np.ndarray,
    group: np.ndarray,
    confidence: float,
) -> Estimate:
    fitted = fit_logistic(columns, offset, labels)
    names, member_of = np.unique(group, return_inverse=True)
    if fitted is None:
        return Estimate(math.nan, math.nan, math.nan)
    if len(names) < 2:
        return Estimate(float(fitted[0]), math.nan, math.nan)
    prob = sigmoid(columns @ fitted + offset)
    inverse = np.linalg.inv(columns.T @ (columns * (prob * (1 - prob))[:, None]))
    score = columns * (labels - prob)[:, None]
    summed = np.stack(
        [np.bincount(member_of, weights=one, minlength=len(names)) for one in score.T]
    )
    variance = inverse @ (summed @ summed.T) @ inverse * len(names) / (len(names) - 1)
    half = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(variance[0, 0])
    return Estimate(float(fitted[0]), float(fitted[0] - half), float(fitted[0] + half))
