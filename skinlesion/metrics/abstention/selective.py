"""Risk and coverage: how many errors are left if the least certain images are left to others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skinlesion.metrics.arrays import checked
from skinlesion.metrics.recalibration import LOGIT_CLIP
from skinlesion.metrics.scores import ratio
from skinlesion.odds import logit


@dataclass(frozen=True)
class RiskCoverage:
    """What the model gets wrong on the images that it keeps, most certain first.

    Attributes:
        coverage: Share of images kept, one value for each distinct certainty, shape (k,).
        risk: Share of the kept images that it calls wrongly.
        sensitivity: On the kept images; nan as long as none is malignant.
        specificity: On the kept images; nan as long as none is benign.
        aurc: Mean risk over all numbers of kept images; less is better, the error rate if
            certainty says nothing.
        excess_aurc: How much more than that of the best possible order of the same calls.
    """

    coverage: np.ndarray
    risk: np.ndarray
    sensitivity: np.ndarray
    specificity: np.ndarray
    aurc: float
    excess_aurc: float


def risk_coverage(y_true: np.ndarray, y_prob: np.ndarray, *, threshold: float) -> RiskCoverage:
    """The risk-coverage curve of the calls at a threshold.

    An image is the more certain, the farther its logit is from the threshold's (at a threshold of
    0.5: the larger the probability of its call). Images of equal certainty are kept together; the
    areas are the mean over all orders of them.

    Args:
        y_true: Labels, shape (n,), 1 for malignant.
        y_prob: Probability of malignant, shape (n,), in [0, 1].
        threshold: Malignant from this probability on, fitted on val.

    Raises:
        DataError: If the arrays do not fit each other, hold other values than these, or are empty.

    Source: El-Yaniv and Wiener, J. Mach. Learn. Res. 11:1605, 2010; Geifman and El-Yaniv, NeurIPS
    2017; the areas Geifman, Uziel and El-Yaniv, ICLR 2019.
    """
    labels, y_prob = checked(y_true, y_prob)
    certainty = np.abs(logit(y_prob, clip=LOGIT_CLIP) - logit(np.array(threshold), clip=LOGIT_CLIP))
    # In float64 the same distance above and below the threshold may differ in the last bits.
    certainty = np.round(certainty, 9)
    order = np.argsort(-certainty, kind="stable")
    malignant = labels[order] == 1
    wrong = (y_prob[order] >= threshold) != malignant
    last = np.flatnonzero(np.diff(certainty[order], append=-1.0))
    kept = last + 1
    errors, misses, positives = (
        np.cumsum(values)[last] for values in (wrong, wrong & malignant, malignant)
    )
    negatives = kept - positives
    return RiskCoverage(
        coverage=kept / len(labels),
        risk=errors / kept,
        sensitivity=ratio(positives - misses, positives),
        specificity=ratio(negatives - (errors - misses), negatives),
        aurc=_area(kept, errors),
        excess_aurc=_area(kept, errors) - _least_area(len(labels), int(wrong.sum())),
    )


def _area(kept: np.ndarray, errors: np.ndarray) -> float:
    """Mean risk over 1 ... n kept images; among equals errors come at an even pace, on average."""
    numbers = np.arange(1, kept[-1] + 1)
    return float((np.interp(numbers, np.append(0, kept), np.append(0, errors)) / numbers).mean())


def _least_area(images: int, errors: int) -> float:
    """That of calls with so many errors, all of them last."""
    numbers = np.arange(1, images + 1)
    return float((np.maximum(0, numbers - (images - errors)) / numbers).mean())
