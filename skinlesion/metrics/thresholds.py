"""Operating points: from which probability on to call an image malignant; fitted on val."""

from __future__ import annotations

import numpy as np

from skinlesion.errors import ConfigError, DataError
from skinlesion.metrics.scores import Ranking, rank


def youden(y_true: np.ndarray, y_prob: np.ndarray) -> float:
    """The threshold with the largest sensitivity + specificity - 1 (Youden, Cancer 1950).

    Of equally good thresholds it is the lowest, the one with the highest sensitivity: a missed
    melanoma costs more than a needless biopsy.

    Args:
        y_true: Labels, shape (n,), 1 for malignant.
        y_prob: Probability of malignant, shape (n,), in [0, 1].

    Returns:
        One of the values of ``y_prob``; images at it are called malignant (``>=``).

    Raises:
        DataError: If there is no malignant or no benign image.
    """
    ranking, tp_at, fp_at = _operating_points(y_true, y_prob)
    # Multiplied by both class sizes it is a whole number, so ties are exact.
    index = tp_at * fp_at[-1] - fp_at * tp_at[-1]
    return float(ranking.cutoffs[np.flatnonzero(index == index.max())[-1]])


def at_sensitivity(y_true: np.ndarray, y_prob: np.ndarray, *, target: float) -> float:
    """The highest threshold whose sensitivity is at least ``target``, in (0, 1].

    Arguments, result and errors are those of ``youden``.

    Raises:
        ConfigError: If ``target`` is out of range.
    """
    if not 0 < target <= 1:
        raise ConfigError(f"a target sensitivity of {target}", expected="above 0, at most 1")
    ranking, tp_at, _ = _operating_points(y_true, y_prob)
    return float(ranking.cutoffs[np.argmax(tp_at / tp_at[-1] >= target)])


def _operating_points(
    y_true: np.ndarray, y_prob: np.ndarray
) -> tuple[Ranking, np.ndarray, np.ndarray]:
    """The ranking, and true and false positives at each of its cutoffs, shape (k,) each."""
    ranking = rank(y_true, y_prob)
    tally = ranking.tally_once(threshold=0.0)
    for name, count in (("malignant", tally.malignant[0]), ("benign", tally.benign[0])):
        if not count:
            raise DataError(
                f"no threshold can be fitted: no {name} image among the predictions",
                expected="images of both classes",
                fix="use a fixed threshold, or a val split that holds both classes",
            )
    return ranking, tally.tp_at[0, 1:], tally.fp_at[0, 1:]
