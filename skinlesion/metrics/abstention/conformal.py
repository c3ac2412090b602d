"""Conformal sets: the labels that an image may have, each class covered as often as promised."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from skinlesion.errors import ConfigError
from skinlesion.metrics.arrays import checked, checked_probs
from skinlesion.metrics.intervals import Estimate
from skinlesion.metrics.proportions import wilson

BENIGN, MALIGNANT, BOTH, NONE = "benign", "malignant", "both", "none"
SETS = (BENIGN, MALIGNANT, BOTH, NONE)
REFERRED = (BOTH, NONE)
ROUNDING = 1e-12  # shares closer than this are the same, summed in another order


@dataclass(frozen=True)
class Zone:
    """The probabilities at which an image is referred to a dermatologist.

    Attributes:
        low: Benign below it.
        high: Malignant above it.
        contains: ``both`` (the ends belong to the zone: too close to call) or ``none`` (the ends
            do not: unlike either class; the promise could be kept without referring).
    """

    low: float
    high: float
    contains: str


@dataclass(frozen=True)
class Outcome:
    """What came of the sets on labelled images; Wilson's intervals, images taken as independent.

    Attributes:
        counts: Images by class (``benign``, ``malignant``) and set.
        benign_coverage: Benign images whose set holds benign.
        malignant_coverage: Malignant images whose set holds malignant.
        referred: Images whose set is not one label.
        sensitivity: Among malignant images that are not referred, those called malignant.
        specificity: Among benign images that are not referred, those called benign.
        accuracy: Among images that are not referred, those called rightly.
    """

    counts: dict[str, dict[str, int]]
    benign_coverage: Estimate
    malignant_coverage: Estimate
    referred: Estimate
    sensitivity: Estimate
    specificity: Estimate
    accuracy: Estimate


def fit_conformal(
    y_true: np.ndarray,
    y_prob: np.ndarray,
    group: np.ndarray,
    *,
    benign_coverage: float,
    malignant_coverage: float,
) -> dict[str, Any]:
    """The thresholds of both classes, from val.

    A malignant image of a new patient is in the set of malignant with a probability of at least
    ``malignant_coverage``, a benign one in that of benign with at least ``benign_coverage``, on the
    average over the val sets that could have been drawn; whatever the model. It takes that val's
    patients are drawn like the new ones, and had no part in the model. Images of one group share
    the weight of one, so the promise is for a random image of a random group.

    Where val has too few groups of a class for the coverage (fewer than c / (1 - c)), every set
    holds that class.

    Args:
        y_true: Labels, shape (n,), 1 for malignant.
        y_prob: Probability of malignant, shape (n,), in [0, 1], calibrated or not.
        group: Patient or lesion of each image, shape (n,).
        benign_coverage: In (0, 1).
        malignant_coverage: In (0, 1).

    Returns:
        ``benign_up_to`` and ``malignant_from``, in [0, 1]; a set holds a class on that side of its
        threshold. ``benign_groups`` and ``malignant_groups``, how many they rest on.

    Raises:
        ConfigError: If a coverage is out of range.
        DataError: If the arrays do not fit each other, or hold other values than these.

    Source: Vovk, Mach. Learn. 92:349, 2013 (class-conditional); Sadinle, Lei and Wasserman, J. Am.
    Stat. Assoc. 114:223, 2019; groups after Lee, Barber and Willett, J. R. Stat. Soc. B, 2024
    (arXiv:2306.06342).
    """
    y_true, y_prob = checked(y_true, y_prob)
    group = np.asarray(group)
    for coverage in (benign_coverage, malignant_coverage):
        if not 0 < coverage < 1:
            raise ConfigError(f"a conformal coverage of {coverage}", expected="above 0, below 1")
    benign, malignant = y_true == 0, y_true == 1
    # How little an image looks like its class, least first; the sets reach up to the quantile.
    of_benign, benign_groups = _quantile(y_prob[benign], group[benign], benign_coverage)
    of_malignant, malignant_groups = _quantile(
        -y_prob[malignant], group[malignant], malignant_coverage
    )
    return {
        "benign_up_to": min(1.0, of_benign),
        "malignant_from": max(0.0, -of_malignant),
        "benign_groups": benign_groups,
        "malignant_groups": malignant_groups,
        "benign_coverage": benign_coverage,
        "malignant_coverage": malignant_coverage,
    }


def label_sets(params: Mapping[str, Any], y_prob: np.ndarray) -> np.ndarray:
    """The set of each image, one of ``SETS``, shape (n,).

    Args:
        params: What ``fit_conformal`` returned.
        y_prob: Shape (n,).
    """
    y_prob = checked_probs(y_prob)
    benign, malignant = y_prob <= params["benign_up_to"], y_prob >= params["malignant_from"]
    return np.select([benign & malignant, benign, malignant], [BOTH, BENIGN, MALIGNANT], NONE)


def refer_zone(params: Mapping[str, Any]) -> Zone:
    """Between which probabilities images are referred; arguments as ``label_sets``."""
    malignant_from, benign_up_to = params["malignant_from"], params["benign_up_to"]
    if malignant_from <= benign_up_to:
        return Zone(malignant_from, benign_up_to, BOTH)
    return Zone(benign_up_to, malignant_from, NONE)


def referral_outcome(
    params: Mapping[str, Any], y_true: np.ndarray, y_prob: np.ndarray, *, confidence: float
) -> Outcome:
    """Coverage by class, the rate of referral, and how right the model is on what it keeps.

    Args:
        params: What ``fit_conformal`` returned, from other images than these.
        y_true: Labels, shape (n,).
        y_prob: Shape (n,).
        confidence: Coverage of the intervals, in (0, 1).
    """
    y_true, y_prob = checked(y_true, y_prob)
    sets = label_sets(params, y_prob)
    counts = {
        name: {held: int(((y_true == label) & (sets == held)).sum()) for held in SETS}
        for label, name in enumerate((BENIGN, MALIGNANT))
    }
    of_benign, of_malignant = counts[BENIGN], counts[MALIGNANT]
    kept_benign = of_benign[BENIGN] + of_benign[MALIGNANT]
    kept_malignant = of_malignant[BENIGN] + of_malignant[MALIGNANT]
    kept = kept_benign + kept_malignant
    right = of_benign[BENIGN] + of_malignant[MALIGNANT]

    def share(part: int, whole: int) -> Estimate:
        return wilson(part, whole, confidence=confidence)

    return Outcome(
        counts=counts,
        benign_coverage=share(of_benign[BENIGN] + of_benign[BOTH], sum(of_benign.values())),
        malignant_coverage=share(
            of_malignant[MALIGNANT] + of_malignant[BOTH], sum(of_malignant.values())
        ),
        referred=share(len(y_true) - kept, len(y_true)),
        sensitivity=share(of_malignant[MALIGNANT], kept_malignant),
        specificity=share(of_benign[BENIGN], kept_benign),
        accuracy=share(right, kept),
    )


def _quantile(values: np.ndarray, group: np.ndarray, coverage: float) -> tuple[float, int]:
    """The smallest value at or below which lies the share ``coverage``, and how many groups.

    Each group has the weight of one, a group yet to come too, whose values may be any: infinity
    where they are needed.
    """
    names, member_of, sizes = np.unique(group, return_inverse=True, return_counts=True)
    order = np.argsort(values, kind="stable")
    shares = np.cumsum((1 / sizes)[member_of][order]) / (len(names) + 1)
    reached = np.flatnonzero(shares >= coverage - ROUNDING)
    return (float(values[order][reached[0]]) if len(reached) else math.inf), len(names)
