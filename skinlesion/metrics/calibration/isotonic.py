"""Isotonic calibration: the rising steps that fit val best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from skinlesion.metrics.arrays import checked, checked_probs, refuse_one_class
from skinlesion.metrics.calibration.parametric import FIX


def fit_isotonic(y_true: np.ndarray, y_prob: np.ndarray) -> dict[str, Any]:
    """``knots``, ascending probabilities, and ``values``, what they become, never falling.

    Of all rising maps it has the least Brier score and log loss on val, and the ROC curve on val
    becomes its convex hull. Images of one step become equal, so on other images the area under the
    curve may fall or rise a little; steps of 0 and 1 are as certain as val was small.

    Source: Zadrozny and Elkan, KDD 2002; Ayer et al., Ann. Math. Stat. 26:641, 1955.
    """
    refuse_one_class(y_true, what="no calibration can be fitted", fix=FIX)
    labels, y_prob = checked(y_true, y_prob)
    knots, fitted = _steps(labels, y_prob)
    # The two ends of each step say it all.
    change = np.diff(fitted, prepend=-1.0) > 0
    ends = change | np.append(change[1:], True)
    return {"knots": knots[ends].tolist(), "values": fitted[ends].tolist()}


def apply_isotonic(params: Mapping[str, Any], y_prob: np.ndarray) -> np.ndarray:
    """The steps, joined by straight lines between knots and constant outside of all of them."""
    return np.interp(checked_probs(y_prob), params["knots"], params["values"])


def _steps(labels: np.ndarray, y_prob: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct probabilities, ascending, and the fitted value of each: pool adjacent violators."""
    knots, which, counts = np.unique(y_prob, return_inverse=True, return_counts=True)
    malignant = np.bincount(which, weights=labels)
    blocks: list[tuple[float, int, int]] = []  # malignant images, images, knots
    for positives, images in zip(malignant.tolist(), counts.tolist(), strict=True):
        block = (positives, images, 1)
        # Cross-multiplied whole numbers, so equal shares are equal.
        while blocks and blocks[-1][0] * block[1] >= block[0] * blocks[-1][1]:
            before = blocks.pop()
            block = (before[0] + block[0], before[1] + block[1], before[2] + block[2])
        blocks.append(block)
    shares = [positives / images for positives, images, _ in blocks]
    return knots, np.repeat(shares, [size for _, _, size in blocks])
