"""Confidence intervals of all scores at once, by resampling whole groups."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from skinlesion.metrics.scores import rank, score_tally

PERCENTILE, BCA = "percentile", "bca"
CHUNK_BYTES = 4_000_000
BYTES_A_CELL = 80  # about ten float64 arrays of shape (resamples, images) live at once
JACKKNIFE_BLOCKS = 500  # at most so many in each stratum
ROUNDING = 1e-12  # statistics closer than this are the same number, summed in another order

Statistic = Callable[[np.ndarray], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Estimate:
    """A score with its confidence interval; nan where undefined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Distribution:
    """What one statistic comes to, on the images as they are and on their resamples.

    Attributes:
        value: On the images as they are; nan if undefined.
        resampled: On each resample where it is defined, shape (b,).
        acceleration: How fast its standard error changes with its value; 0 without a jackknife.
    """

    value: float
    resampled: np.ndarray
    acceleration: float = 0.0

    def estimate(self, method: str, confidence: float) -> Estimate:
        """The interval between two quantiles of the resamples.

        Args:
            method: ``percentile``, or ``bca``: the quantiles moved for bias and acceleration,
                undefined where the value lies outside of all resamples.
            confidence: Coverage of the interval, in (0, 1).
        """
        if not len(self.resampled):
            return Estimate(self.value, math.nan, math.nan)
        tails = [(1 - confidence) / 2, (1 + confidence) / 2]
        if method == BCA:
            tails = [self._moved(tail) for tail in tails]
        if any(math.isnan(tail) for tail in tails):
            return Estimate(self.value, math.nan, math.nan)
        low, high = np.quantile(self.resampled, tails)
        return Estimate(self.value, float(low), float(high))

    def p_value(self) -> float:
        """Two-sided, of the hypothesis that the statistic is 0: nan if it is undefined.

        It is the level at which the percentile interval just reaches 0; never below
        2 / (b + 1), as b resamples cannot show less.
        """
        count = len(self.resampled)
        if not count:
            return math.nan
        not_above = int((self.resampled <= ROUNDING).sum())
        not_below = int((self.resampled >= -ROUNDING).sum())
        return min(1.0, 2 * (min(not_above, not_below) + 1) / (count + 1))

    def _moved(self, tail: float) -> float:
        """The BCa quantile for ``tail`` (Efron and Tibshirani 1993, equation 14.10)."""
        below = (self.resampled < self.value - ROUNDING).mean()
        above = (self.resampled > self.value + ROUNDING).mean()
        share = (below + 1 - above) / 2  # resamples equal to the value count half
        if not 0 < share < 1:
            return math.nan
        normal = NormalDist()
        bias = normal.inv_cdf(share)
        shifted = bias + normal.inv_cdf(tail)
        # The acceleration is at most 1/6, so this is only met far out in the tails.
        if self.acceleration * shifted >= 1:
            return math.nan
        return normal.cdf(bias + shifted / (1 - self.acceleration * shifted))


def bootstrap(
    y_true: np.ndarray,
    y_prob: np.ndarray,
    group: np.ndarray,
    *,
    threshold: float,
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
    method: str = PERCENTILE,
    prevalence: float | None = None,
) -> dict[str, Estimate]:
    """Every score of ``score_all`` with its bootstrap interval.

    Groups are drawn with replacement, as many as there are, separately among groups that hold a
    malignant image and groups that hold none, so every resample has about the same prevalence.
    The threshold stays fixed. A resample in which a score is undefined is left out of that
    score's interval.

    Args:
        y_true: Labels, shape (n,), 1 for malignant.
        y_prob: Probability of malignant, shape (n,), in [0, 1].
        group: Patient or lesion of each image, shape (n,).
        threshold: Malignant from this probability on (``>=``).
        resamples: Number of resamples, at least 1.
        confidence: Coverage of the interval, in (0, 1).
        rng: Source of the draws; the same state gives the same intervals.
        method: ``percentile`` or ``bca``.
        prevalence: As in ``score_all``.

    Raises:
        DataError: As ``score_all``.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 and 14.
    """
    ranking = rank(y_true, y_prob)

    def scores(weights: np.ndarray) -> dict[str, np.ndarray]:
        return score_tally(ranking.tally(weights[:, ranking.order], threshold), prevalence)

    found = distributions(scores, y_true, group, resamples=resamples, rng=rng, method=method)
    return {name: one.estimate(method, confidence) for name, one in found.items()}


def distributions(
    statistic: Statistic,
    y_true: np.ndarray,
    group: np.ndarray,
    *,
    resamples: int,
    rng: np.random.Generator,
    method: str = PERCENTILE,
) -> dict[str, Distribution]:
    """The bootstrap distribution of each value that ``statistic`` returns, by name.

    Args:
        statistic: Takes how often each image counts, float64, shape (r, n); returns values of
            shape (r,).
        y_true: As in ``bootstrap``; so the others.
        group: Shape (n,).
        resamples: Number of resamples.
        rng: Source of the draws.
        method: ``bca`` adds the acceleration, by a jackknife over groups.
    """
    values = statistic(np.ones((1, len(y_true))))
    resampled = _evaluate(
        statistic, resample_counts(y_true, group, resamples=resamples, rng=rng), values
    )
    accelerations = dict.fromkeys(values, 0.0)
    if method == BCA:
        block_of, stratum = jackknife_blocks(y_true, group)
        left_out = _evaluate(statistic, _without_each(block_of, len(stratum)), values)
        accelerations = {name: acceleration(left_out[name], stratum) for name in values}
    return {
        name: Distribution(
            float(value[0]), resampled[name][~np.isnan(resampled[name])], accelerations[name]
        )
        for name, value in values.items()
    }


def resample_counts(
    y_true: np.ndarray, group: np.ndarray, *, resamples: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """How often each image occurs in each resample: chunks of rows, float64, shape (rows, n).

    The draws do not depend on the size of the chunks.
    """
    number, sizes = _strata(y_true, group)
    groups = int(sizes.sum())
    start, size = np.repeat([0, sizes[0]], sizes), np.repeat(sizes, sizes)
    for rows in _chunks(resamples, len(number)):
        drawn = start + np.floor(rng.random((len(rows), groups)) * size).astype(np.int64)
        cells = (drawn + np.arange(len(rows))[:, None] * groups).ravel()
        counts = np.bincount(cells, minlength=len(rows) * groups).reshape(len(rows), groups)
        yield counts[:, number].astype(np.float64)


def jackknife_blocks(y_true: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which block each image is left out with, and the stratum (0 or 1) of each block.

    A block is a group; in a stratum of more than ``JACKKNIFE_BLOCKS`` groups it is several, as
    equal in number as can be. The acceleration is a ratio of sums of cumulants, which add up
    over independent groups, so that it is the same with blocks of them.
    """
    number, sizes = _strata(y_true, group)
    blocks = np.minimum(sizes, JACKKNIFE_BLOCKS)
    malignant = number < sizes[0]
    within = np.where(malignant, number, number - sizes[0])
    block_of = within % np.maximum(np.where(malignant, blocks[0], blocks[1]), 1)
    return np.where(malignant, block_of, blocks[0] + block_of), np.repeat([0, 1], blocks)


def acceleration(left_out: np.ndarray, stratum: np.ndarray) -> float:
    """The acceleration of BCa from a jackknife.

    Args:
        left_out: The statistic without each block, shape (j,); nan where undefined.
        stratum: Of each block, shape (j,).

    Source: Efron and Tibshirani 1993, equation 14.15; for strata Davison and Hinkley, Bootstrap
    Methods and their Application, 1997, section 5.3.
    """
    squares = cubes = 0.0
    for one in np.unique(stratum):
        values = left_out[(stratum == one) & ~np.isnan(left_out)]
        if len(values) > 1:
            influence = (values.mean() - values) * (len(values) - 1) / len(values)
            influence[np.abs(influence) < ROUNDING] = 0
            squares += float((influence**2).sum())
            cubes += float((influence**3).sum())
    return cubes / (6 * squares**1.5) if squares > 0 else 0.0


def _strata(y_true: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each image's group as a number, shape (n,), and how many groups there are of each stratum.

    Groups that hold a malignant image come first, so that each stratum is one range of numbers.
    """
    names, member_of = np.unique(group, return_inverse=True)
    malignant = np.zeros(len(names), dtype=bool)
    malignant[member_of[np.asarray(y_true) == 1]] = True
    number = np.argsort(np.argsort(~malignant, kind="stable"))[member_of]
    return number, np.array([malignant.sum(), (~malignant).sum()])


def _without_each(block_of: np.ndarray, blocks: int) -> Iterator[np.ndarray]:
    """Weights that leave out one block of images a row, in chunks of rows."""
    for rows in _chunks(blocks, len(block_of)):
        yield (block_of != np.array(rows)[:, None]).astype(np.float64)


def _chunks(rows: int, images: int) -> Iterator[range]:
    size = max(1, CHUNK_BYTES // (BYTES_A_CELL * max(1, images)))
    for start in range(0, rows, size):
        yield range(start, min(start + size, rows))


def _evaluate(
    statistic: Statistic, weightings: Iterable[np.ndarray], names: Iterable[str]
) -> dict[str, np.ndarray]:
    """The statistic of every row of every chunk, by name."""
    chunks = [statistic(weights) for weights in weightings]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in names}
