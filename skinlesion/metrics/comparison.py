"""Is one model better than another on the same images: tests, paired bootstrap, correction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from skinlesion.metrics.delong import DelongTest, delong_test
from skinlesion.metrics.intervals import PERCENTILE, Estimate, distributions
from skinlesion.metrics.scores import FORMULAS, LOWER_IS_BETTER, Ranking, canonical, rank

ROC_AUC = "roc_auc"


@dataclass(frozen=True)
class McnemarTest:
    """How often one model only is right.

    Attributes:
        only_first: Images that the first calls right and the second wrong.
        only_second: The reverse.
        p: Two-sided, of the hypothesis that both are equally often right.
    """

    only_first: int
    only_second: int
    p: float


@dataclass(frozen=True)
class Pair:
    """Two models compared.

    Attributes:
        first: Number of a model, as it was given.
        second: Number of another.
        difference: First minus second in the score, with its paired bootstrap interval.
        bootstrap_p: Two-sided, of no difference in the score.
        delong: Of their areas under the ROC curve, whatever the score.
        mcnemar: Of their calls at their own thresholds, whatever the score.
        p: What the verdict rests on: DeLong's for ``roc_auc``, else the bootstrap's.
        adjusted_p: That after Holm's correction over all pairs.
        better: The number of the better model; None if there is no evidence of a difference.
    """

    first: int
    second: int
    difference: Estimate
    bootstrap_p: float
    delong: DelongTest
    mcnemar: McnemarTest
    p: float
    adjusted_p: float = math.nan
    better: int | None = None


@dataclass(frozen=True)
class Comparison:
    """Several models on the same images.

    Attributes:
        models: Each model's score with its interval.
        pairs: Each pair once, in the models' order.
    """

    models: list[Estimate]
    pairs: list[Pair]


def mcnemar(first_right: np.ndarray, second_right: np.ndarray) -> McnemarTest:
    """The exact (binomial) test of two models' calls on the same images.

    It takes the images to be independent: several images of one lesion make p too small.

    Args:
        first_right: Whether the first model's call is right, bool, shape (n,).
        second_right: Likewise for the second.

    Source: McNemar, Psychometrika 12:153, 1947; Agresti, Categorical Data Analysis, section 10.1.
    """
    only_first = int((first_right & ~second_right).sum())
    only_second = int((second_right & ~first_right).sum())
    discordant = only_first + only_second
    # Whole numbers of any size, so the probability is exact before its one division.
    term = tail = 1
    for count in range(min(only_first, only_second)):
        term = term * (discordant - count) // (count + 1)
        tail += term
    return McnemarTest(only_first, only_second, min(1.0, 2 * tail / 2**discordant))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number, in the same order; nan stays and does not count.

    Source: Holm, Scand. J. Statist. 6:65, 1979.
    """
    defined = sorted((p, index) for index, p in enumerate(p_values) if not math.isnan(p))
    adjusted = [math.nan] * len(p_values)
    reached = 0.0
    for place, (p, index) in enumerate(defined):
        reached = max(reached, min(1.0, p * (len(defined) - place)))
        adjusted[index] = reached
    return adjusted


def compare(
    y_true: np.ndarray,
    y_probs: np.ndarray,
    group: np.ndarray,
    *,
    thresholds: Sequence[float],
    score: str,
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
    method: str = PERCENTILE,
) -> Comparison:
    """Compare every pair of m models on the same images.

    Every resample of groups is scored by all models, so what images have in common cancels in
    the differences.

    Args:
        y_true: Labels, shape (n,), 1 for malignant.
        y_probs: Probability of malignant by each model, shape (m, n), in [0, 1].
        group: Patient or lesion of each image, shape (n,).
        thresholds: Each model's own, of length m.
        score: One of ``SCORES``.
        resamples: Number of resamples.
        confidence: Coverage of the intervals; 1 - confidence is the level of the verdicts.
        rng: Source of the draws.
        method: ``percentile`` or ``bca``.

    Raises:
        ConfigError: If there is no such score.
        DataError: As ``score_all``.
    """
    score = canonical(score)
    rankings = [rank(y_true, y_prob) for y_prob in y_probs]
    pairs = list(combinations(range(len(rankings)), 2))

    def statistic(weights: np.ndarray) -> dict[str, np.ndarray]:
        values = [
            _weighted(ranking, weights, threshold, score)
            for ranking, threshold in zip(rankings, thresholds, strict=True)
        ]
        alone = {f"{model}": value for model, value in enumerate(values)}
        return alone | {f"{one}-{two}": values[one] - values[two] for one, two in pairs}

    found = distributions(statistic, y_true, group, resamples=resamples, rng=rng, method=method)
    right = [
        (y_prob >= threshold) == (y_true == 1)
        for y_prob, threshold in zip(y_probs, thresholds, strict=True)
    ]
    compared = []
    for one, two in pairs:
        difference = found[f"{one}-{two}"]
        areas = delong_test(y_true, y_probs[one], y_probs[two], confidence=confidence, group=group)
        compared.append(
            Pair(
                first=one,
                second=two,
                difference=difference.estimate(method, confidence),
                bootstrap_p=difference.p_value(),
                delong=areas,
                mcnemar=mcnemar(right[one], right[two]),
                p=areas.p if score == ROC_AUC else difference.p_value(),
            )
        )
    return Comparison(
        [found[f"{model}"].estimate(method, confidence) for model in range(len(rankings))],
        _with_verdicts(compared, score, confidence),
    )


def _weighted(ranking: Ranking, weights: np.ndarray, threshold: float, score: str) -> np.ndarray:
    return FORMULAS[score](ranking.tally(weights[:, ranking.order], threshold))


def _with_verdicts(pairs: list[Pair], score: str, confidence: float) -> list[Pair]:
    judged = []
    for pair, adjusted in zip(pairs, holm([pair.p for pair in pairs]), strict=True):
        better = None
        if adjusted < 1 - confidence:
            first_is_better = (pair.difference.value > 0) != (score in LOWER_IS_BETTER)
            better = pair.first if first_is_better else pair.second
        judged.append(replace(pair, adjusted_p=adjusted, better=better))
    return judged
