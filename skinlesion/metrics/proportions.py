"""Proportions: Wilson's interval, and binomial probabilities."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist

import numpy as np

from skinlesion.metrics.intervals import Estimate

# Each score that is a proportion, as counted and not counted outcomes of a confusion matrix.
PROPORTIONS = {
    "accuracy": (("tp", "tn"), ("fp", "fn")),
    "sensitivity": (("tp",), ("fn",)),
    "specificity": (("tn",), ("fp",)),
    "ppv": (("tp",), ("fp",)),
    "npv": (("tn",), ("fn",)),
}


def wilson(successes: int, trials: int, *, confidence: float) -> Estimate:
    """The score interval of a proportion; nan without a trial.

    It takes the trials to be independent: several images of one lesion make it too narrow.

    Args:
        successes: At most ``trials``.
        trials: At least 0.
        confidence: Coverage of the interval, in (0, 1).

    Source: Wilson, J. Am. Stat. Assoc. 22:209, 1927; Newcombe, Stat. Med. 17:857, 1998, method 3.
    """
    if not trials:
        return Estimate(math.nan, math.nan, math.nan)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / trials
    centre = 2 * successes + z**2
    half = z * math.sqrt(z**2 + 4 * successes * (1 - share))
    whole = 2 * (trials + z**2)
    # At 0 and at 1 the end is exact, whatever the rounding.
    low = 0.0 if successes == 0 else (centre - half) / whole
    high = 1.0 if successes == trials else (centre + half) / whole
    return Estimate(share, low, high)


def wilson_all(counts: Mapping[str, int], *, confidence: float) -> dict[str, Estimate]:
    """Wilson's interval of every score that is a proportion.

    Args:
        counts: What ``confusion`` returns.
        confidence: Coverage of the intervals, in (0, 1).
    """
    found = {}
    for name, (counted, others) in PROPORTIONS.items():
        successes = sum(counts[outcome] for outcome in counted)
        trials = successes + sum(counts[outcome] for outcome in others)
        found[name] = wilson(successes, trials, confidence=confidence)
    return found


def binomial_cdf(trials: int, share: float) -> np.ndarray:
    """Probability of at most k successes in ``trials``, for k = 0 ... trials, shape (trials + 1,).

    Args:
        trials: At least 0.
        share: Probability of a success, in (0, 1).
    """
    log_factorial = np.array([math.lgamma(k + 1) for k in range(trials + 1)])
    successes = np.arange(trials + 1)
    log_mass = (
        log_factorial[-1]
        - log_factorial
        - log_factorial[::-1]
        + successes * math.log(share)
        + (trials - successes) * math.log1p(-share)
    )
    return np.minimum(np.cumsum(np.exp(log_mass)), 1.0)
