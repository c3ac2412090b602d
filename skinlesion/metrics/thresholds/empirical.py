"""Thresholds that are the best of all on val: nothing is promised of other images."""

from __future__ import annotations

import numpy as np

from skinlesion.errors import ConfigError
from skinlesion.metrics.arrays import refuse_one_class
from skinlesion.metrics.scores import Ranking, rank

FIX = "use a fixed threshold, or a val split that holds both classes"
ROUNDING = 1e-12  # costs closer than this, in misses, are the same, summed in another order


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
    _refuse_target("sensitivity", target)
    ranking, tp_at, _ = _operating_points(y_true, y_prob)
    return float(ranking.cutoffs[np.argmax(tp_at / tp_at[-1] >= target)])


def at_specificity(y_true: np.ndarray, y_prob: np.ndarray, *, target: float) -> float:
    """The lowest threshold whose specificity is at least ``target``, in (0, 1].

    Arguments and errors are those of ``at_sensitivity``.

    Returns:
        One of the values of ``y_prob``, or, if only calling none of these images malignant will
        do, the next number above them all.
    """
    _refuse_target("specificity", target)
    ranking, _, fp_at = _operating_points(y_true, y_prob)
    reached = np.flatnonzero((fp_at[-1] - fp_at) / fp_at[-1] >= target)
    return float(ranking.cutoffs[reached[-1]]) if len(reached) else _above(ranking)


def least_cost(
    y_true: np.ndarray, y_prob: np.ndarray, *, miss_cost: float, prevalence: float | None = None
) -> float:
    """The threshold with the least expected cost of misses and false alarms.

    Cost of an image: ``miss_cost`` (1 - sensitivity) prevalence + (1 - specificity) (1 -
    prevalence), a false alarm costing 1. Of equal ones it is the lowest threshold.

    Args:
        y_true: Labels, shape (n,), 1 for malignant.
        y_prob: Any scores in [0, 1] that rise with malignancy, calibrated or not, shape (n,).
        miss_cost: Cost of calling a malignant image benign, in false alarms, above 0.
        prevalence: Fraction of malignant images where the model will be used, in (0, 1); None:
            that of ``y_true``.

    Returns:
        One of the values of ``y_prob``, or, if calling none of these images malignant costs
        least, the next number above them all.

    Raises:
        ConfigError: If ``miss_cost`` or ``prevalence`` is out of range.
        DataError: As ``youden``.

    Source: Metz, Semin. Nucl. Med. 8:283, 1978; Zweig and Campbell, Clin. Chem. 39:561, 1993.
    """
    if not 0 < miss_cost < np.inf:
        raise ConfigError(f"a miss that costs {miss_cost} false alarms", expected="above 0")
    if prevalence is not None and not 0 < prevalence < 1:
        raise ConfigError(f"a prevalence of {prevalence}", expected="above 0, below 1")
    ranking, tp_at, fp_at = _operating_points(y_true, y_prob)
    malignant, benign = tp_at[-1], fp_at[-1]
    share = malignant / (malignant + benign) if prevalence is None else prevalence
    # Against the cost of calling no image malignant, which is 0 on this scale.
    saved = miss_cost * share * tp_at / malignant - (1 - share) * fp_at / benign
    best = max(0.0, float(saved.max()))
    as_good = np.flatnonzero(saved >= best - ROUNDING * miss_cost)
    return float(ranking.cutoffs[as_good[-1]]) if len(as_good) else _above(ranking)


def most_net_benefit(
    y_true: np.ndarray, y_prob: np.ndarray, *, at: float, prevalence: float | None = None
) -> float:
    """The threshold with the most net benefit to those who would treat from probability ``at`` on.

    Net benefit: sensitivity prevalence - (1 - specificity) (1 - prevalence) at / (1 - at). With
    calibrated probabilities it is about ``at`` itself; of others it is the score at which their
    probability of malignancy reaches ``at``.

    Args:
        y_true: As in ``least_cost``; so what is returned or raised.
        y_prob: Shape (n,).
        at: The probability at which treating and not treating are equally good, in (0, 1).
        prevalence: As in ``least_cost``.

    Source: Vickers and Elkin, Med. Decis. Making 26:565, 2006.
    """
    if not 0 < at < 1:
        raise ConfigError(f"a threshold probability of {at}", expected="above 0, below 1")
    return least_cost(y_true, y_prob, miss_cost=(1 - at) / at, prevalence=prevalence)


def _operating_points(
    y_true: np.ndarray, y_prob: np.ndarray
) -> tuple[Ranking, np.ndarray, np.ndarray]:
    """The ranking, and true and false positives at each of its cutoffs, shape (k,) each."""
    ranking = rank(y_true, y_prob)
    refuse_one_class(y_true, what="no threshold can be fitted", fix=FIX)
    tally = ranking.tally_once(threshold=0.0)
    return ranking, tally.tp_at[0, 1:], tally.fp_at[0, 1:]


def _above(ranking: Ranking) -> float:
    return float(np.nextafter(ranking.cutoffs[0], np.inf))


def _refuse_target(score: str, target: float) -> None:
    if not 0 < target <= 1:
        raise ConfigError(f"a target {score} of {target}", expected="above 0, at most 1")
