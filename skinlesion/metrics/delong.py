"""DeLong's variance of the area under the ROC curve: its interval, and the test of two areas."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from skinlesion.errors import ConfigError, DataError
from skinlesion.metrics.intervals import Estimate

SCALES = ("logit", "plain")


@dataclass(frozen=True)
class DelongTest:
    """Two areas under the ROC curve, of the same images.

    Attributes:
        difference: First minus second, with its interval, which is not cut at -1 and 1.
        z: The difference over its standard error.
        p: Two-sided, of the hypothesis that the areas are equal.
    """

    difference: Estimate
    z: float
    p: float


def auc_covariance(
    y_true: np.ndarray, y_probs: np.ndarray, group: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Areas under the ROC curve of m models, and the covariance of their estimates.

    Args:
        y_true: Labels, shape (n,), 1 for malignant.
        y_probs: Any scores that rise with malignancy, shape (m, n).
        group: Patient or lesion of each image, shape (n,): images of one group may depend on each
            other, as in Obuchowski's extension. None, or each image its own group: DeLong's.

    Returns:
        Areas, shape (m,), nan if a class is missing; covariance, shape (m, m), nan if fewer than
        two groups hold a malignant, or a benign, image.

    Raises:
        DataError: If the arrays do not fit each other.

    Source: DeLong, DeLong and Clarke-Pearson, Biometrics 44:837, 1988; in O(n log n) by midranks
    after Sun and Xu, IEEE Signal Process. Lett. 21:1389, 2014; groups after Obuchowski,
    Biometrics 53:567, 1997.
    """
    y_true, y_probs = np.asarray(y_true), np.asarray(y_probs, np.float64)
    if y_probs.ndim != 2 or y_probs.shape[1:] != y_true.shape:
        raise DataError(
            f"labels of shape {y_true.shape} with scores of shape {y_probs.shape}",
            expected="shapes (n,) and (models, n)",
        )
    malignant = y_true == 1
    if malignant.all() or not malignant.any():
        models = len(y_probs)
        return np.full(models, np.nan), np.full((models, models), np.nan)
    of_malignant, of_benign = _placements(malignant, y_probs)
    areas = of_malignant.mean(axis=1)
    group = np.arange(len(y_true)) if group is None else group
    names, member_of = np.unique(group, return_inverse=True)
    return areas, _covariance(
        _sum_by_group(of_malignant - areas[:, None], member_of[malignant], len(names)),
        _sum_by_group(of_benign - areas[:, None], member_of[~malignant], len(names)),
        np.bincount(member_of[malignant], minlength=len(names)),
        np.bincount(member_of[~malignant], minlength=len(names)),
    )


def delong_interval(
    y_true: np.ndarray,
    y_prob: np.ndarray,
    *,
    confidence: float,
    group: np.ndarray | None = None,
    scale: str = "logit",
) -> Estimate:
    """The area under the ROC curve with DeLong's interval.

    Args:
        y_true: Labels, shape (n,), 1 for malignant.
        y_prob: Scores, shape (n,).
        confidence: Coverage of the interval, in (0, 1).
        group: As in ``auc_covariance``.
        scale: Where the interval is symmetric: ``logit`` stays within (0, 1) and covers better
            near 1 (undefined for an area of 0 or 1); ``plain`` is cut at 0 and 1, like R's pROC.

    Raises:
        ConfigError: If there is no such scale.
    """
    if scale not in SCALES:
        raise ConfigError(f"there is no scale {scale!r}", expected=f"one of {', '.join(SCALES)}")
    areas, covariance = auc_covariance(y_true, np.asarray(y_prob)[None], group)
    area, error = float(areas[0]), math.sqrt(covariance[0, 0])
    half = NormalDist().inv_cdf((1 + confidence) / 2) * error
    if math.isnan(half):
        return Estimate(area, math.nan, math.nan)
    if scale == "plain":
        return Estimate(area, max(0.0, area - half), min(1.0, area + half))
    if not 0 < area < 1:
        return Estimate(area, math.nan, math.nan)
    centre, reach = math.log(area / (1 - area)), half / (area * (1 - area))
    low, high = ((1 + math.tanh((centre + side * reach) / 2)) / 2 for side in (-1, 1))
    return Estimate(area, low, high)


def delong_test(
    y_true: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    *,
    confidence: float,
    group: np.ndarray | None = None,
) -> DelongTest:
    """Whether two models' areas under the ROC curve differ, on the same images.

    Two equal areas without any variance of their difference (one model twice) give p = 1; other
    areas without it say nothing about more images, so z and p are nan.

    Args:
        y_true: Labels, shape (n,), 1 for malignant.
        first: One model's scores, shape (n,).
        second: The other's.
        confidence: Coverage of the interval of the difference, in (0, 1).
        group: As in ``auc_covariance``.
    """
    areas, covariance = auc_covariance(y_true, np.stack([first, second]), group)
    difference = float(areas[0] - areas[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    if variance <= 1e-15:  # rounding may leave a little, even below 0
        nothing = abs(difference) <= 1e-12
        z, error = (0.0, 0.0) if nothing else (math.nan, math.nan)
    else:
        error = math.sqrt(variance)
        z = difference / error
    half = NormalDist().inv_cdf((1 + confidence) / 2) * error
    p = math.erfc(abs(z) / math.sqrt(2))
    return DelongTest(Estimate(difference, difference - half, difference + half), z, p)


def _placements(malignant: np.ndarray, y_probs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each malignant image the share of benign ones below it, and the reverse; ties half."""
    of_malignant, of_benign = [], []
    for scores in y_probs:
        overall, above, below = _midranks(scores), scores[malignant], scores[~malignant]
        of_malignant.append((overall[malignant] - _midranks(above)) / len(below))
        of_benign.append(1 - (overall[~malignant] - _midranks(below)) / len(above))
    return np.stack(of_malignant), np.stack(of_benign)


def _midranks(scores: np.ndarray) -> np.ndarray:
    """Rank of each score from 1 on; equal scores share the mean of their ranks."""
    _, which, counts = np.unique(scores, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[which]


def _sum_by_group(values: np.ndarray, member_of: np.ndarray, groups: int) -> np.ndarray:
    """Shape (m, groups)."""
    return np.stack([np.bincount(member_of, weights=row, minlength=groups) for row in values])


def _covariance(
    of_malignant: np.ndarray,
    of_benign: np.ndarray,
    malignant: np.ndarray,
    benign: np.ndarray,
) -> np.ndarray:
    """Obuchowski's covariance, from sums of centred placements and counts of images a group."""
    with_malignant, with_benign = int((malignant > 0).sum()), int((benign > 0).sum())
    if min(with_malignant, with_benign) < 2:
        return np.full((len(of_malignant), len(of_malignant)), np.nan)

    def unbiased(groups: int) -> float:
        return groups / (groups - 1)

    first, second = of_malignant / malignant.sum(), of_benign / benign.sum()
    mixed = first @ second.T
    within: np.ndarray = unbiased(with_malignant) * first @ first.T
    return (
        within
        + unbiased(with_benign) * second @ second.T
        + unbiased(len(malignant)) * (mixed + mixed.T)
    )
