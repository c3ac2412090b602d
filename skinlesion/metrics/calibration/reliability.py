"""How far probabilities mean what they say: a diagram's bins, and the parts of Brier's score."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from skinlesion.metrics.arrays import checked
from skinlesion.metrics.calibration.isotonic import apply_isotonic, fit_isotonic
from skinlesion.metrics.intervals import Estimate
from skinlesion.metrics.proportions import wilson
from skinlesion.metrics.scores import BINS, bin_of


@dataclass(frozen=True)
class Bin:
    """The images whose probability lies in [``low``, ``high``), the last bin including 1.

    Attributes:
        low: Where the bin begins.
        high: Where it ends.
        images: How many there are.
        malignant: How many of them are malignant.
        mean_prob: Their mean probability; nan of none.
        observed: The malignant fraction with Wilson's interval; nan of none.
    """

    low: float
    high: float
    images: int
    malignant: int
    mean_prob: float
    observed: Estimate


@dataclass(frozen=True)
class BrierParts:
    """Brier's score = miscalibration - discrimination + uncertainty.

    Attributes:
        miscalibration: What the best rising recalibration of these images would save; 0 is right.
        discrimination: What it would save against the same probability for all; more is better.
        uncertainty: Brier's score of that same probability, the malignant fraction.
    """

    miscalibration: float
    discrimination: float
    uncertainty: float


def reliability(y_true: np.ndarray, y_prob: np.ndarray, *, confidence: float) -> list[Bin]:
    """The bins of a reliability diagram, from 0 to 1: those of the score ``ece``, empty ones too.

    Wilson's intervals take images to be independent: several images of one lesion make them too
    narrow.

    Args:
        y_true: Labels, shape (n,), 1 for malignant.
        y_prob: Probability of malignant, shape (n,), in [0, 1].
        confidence: Coverage of the intervals, in (0, 1).

    Raises:
        DataError: If the arrays do not fit each other, or hold other values than these.

    Source: Murphy and Winkler, Appl. Stat. 26:41, 1977; Brocker and Smith, Weather Forecast.
    22:651, 2007 (mean probabilities, counts and intervals belong into it).
    """
    labels, y_prob = checked(y_true, y_prob)
    number = bin_of(y_prob)
    images, malignant, total = (
        np.bincount(number, weights=weights, minlength=BINS) for weights in (None, labels, y_prob)
    )
    return [
        Bin(
            low=index / BINS,
            high=(index + 1) / BINS,
            images=int(images[index]),
            malignant=int(malignant[index]),
            mean_prob=float(total[index] / images[index]) if images[index] else math.nan,
            observed=wilson(int(malignant[index]), int(images[index]), confidence=confidence),
        )
        for index in range(BINS)
    ]


def brier_parts(y_true: np.ndarray, y_prob: np.ndarray) -> BrierParts:
    """Brier's score in parts that need no bins; arguments as ``reliability``.

    Raises:
        DataError: As ``reliability``, or if a class is missing.

    Source: Dimitriadis, Gneiting and Jordan, PNAS 118:e2016191118, 2021 (CORP).
    """
    labels, y_prob = checked(y_true, y_prob)
    recalibrated = apply_isotonic(fit_isotonic(labels, y_prob), y_prob)
    as_is, best, uncertainty = (
        float(((prob - labels) ** 2).mean()) for prob in (y_prob, recalibrated, labels.mean())
    )
    return BrierParts(as_is - best, uncertainty - best, uncertainty)
