"""A threshold that keeps its sensitivity on new patients, with a chosen confidence."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from skinlesion.errors import ConfigError, DataError
from skinlesion.metrics.arrays import checked
from skinlesion.metrics.proportions import binomial_cdf


@dataclass(frozen=True)
class Guarantee:
    """A threshold, and what it rests on.

    Attributes:
        threshold: Malignant from this probability on.
        groups: Groups of val that hold a malignant image.
        missed: How many of them may be missed on val for the promise to hold, and the most that
            the threshold misses there.
    """

    threshold: float
    groups: int
    missed: int


def at_guaranteed_sensitivity(
    y_true: np.ndarray,
    y_prob: np.ndarray,
    group: np.ndarray,
    *,
    target: float,
    confidence: float,
) -> Guarantee:
    """The highest threshold that promises a sensitivity of at least ``target``.

    Of all val sets that could have been drawn, at most 1 - ``confidence`` give a threshold whose
    true sensitivity is below ``target``: exact for any size of val, whatever the model. Unlike
    ``at_sensitivity``, which in about half of all val sets gives one that is too high.

    How: thresholds are tested from 0 upwards, each against the hypothesis that its sensitivity is
    too low, by the exact binomial p-value, and the first that is not rejected ends the walk: the
    fixed-sequence test of Learn-then-Test. As misses only increase with the threshold, the p-value
    depends on their number alone and the hypotheses on one side of a point are true, on the other
    false, so the grid may be as fine as one likes; here it is all numbers, and the walk ends at
    the (k + 1)-th smallest malignant probability, k being the most misses that still reject. A
    threshold is accepted if and only if Clopper and Pearson's lower bound reaches ``target``.

    What it takes: that the malignant groups of val are drawn at random from those that the model
    will meet, and that val had no part in the model. A best epoch, ensemble weights or a
    calibration chosen on val break this a little; a rising calibration does not, if the threshold
    is fitted before it and mapped by it. Images of one group depend on each other, so a group
    counts once, by its least probable malignant image: the promise is for lesions (patients) of
    which *every* malignant image is called, and so for their images too.

    Args:
        y_true: Labels, shape (n,), 1 for malignant.
        y_prob: Probability of malignant, shape (n,), in [0, 1].
        group: Patient or lesion of each image, shape (n,).
        target: Sensitivity to promise, in (0, 1).
        confidence: Probability of keeping the promise, in (0, 1).

    Raises:
        ConfigError: If ``target`` or ``confidence`` is out of range.
        DataError: If val has too few malignant groups to promise it even where none is missed.

    Source: Angelopoulos, Bates, Candes, Jordan and Lei, Learn then Test, arXiv:2110.01052, 2021;
    Clopper and Pearson, Biometrika 26:404, 1934; as an order statistic Tong, Feng and Li, Sci.
    Adv. 4:eaao1659, 2018.
    """
    y_true, y_prob = checked(y_true, y_prob)
    needed = groups_needed(target=target, confidence=confidence)
    malignant = y_true == 1
    names, member_of = np.unique(np.asarray(group)[malignant], return_inverse=True)
    if len(names) < needed:
        raise DataError(
            f"{len(names)} malignant groups of val cannot promise a sensitivity of {target:g}"
            f" with confidence {confidence:g}",
            expected=f"at least {needed} malignant groups (lesions or patients) in val",
            fix=_what_they_can(len(names), confidence),
        )
    least = np.ones(len(names))
    np.minimum.at(least, member_of, y_prob[malignant])
    tails = binomial_cdf(len(names), 1 - target)
    missed = int(np.flatnonzero(tails <= 1 - confidence)[-1])
    return Guarantee(float(np.sort(least)[missed]), len(names), missed)


def groups_needed(*, target: float, confidence: float) -> int:
    """How many malignant groups val needs at the least: n with target^n <= 1 - confidence.

    Raises:
        ConfigError: If ``target`` or ``confidence`` is out of range.
    """
    for name, value in (("sensitivity", target), ("confidence", confidence)):
        if not 0 < value < 1:
            raise ConfigError(
                f"a guaranteed sensitivity with {name} {value}",
                expected=f"a {name} above 0, below 1: certainty would need endless images",
            )
    needed = max(1, math.ceil(math.log1p(-confidence) / math.log(target)) - 1)
    while binomial_cdf(needed, 1 - target)[0] > 1 - confidence:  # as the fit does, to the last bit
        needed += 1
    return needed


def _what_they_can(groups: int, confidence: float) -> str:
    advice = "a larger val split, or rule: sensitivity, which promises nothing"
    if not groups:
        return advice
    within_reach = math.floor(1000 * (1 - confidence) ** (1 / groups)) / 1000
    return f"promise at most {within_reach:g} with that confidence, or take {advice}"
