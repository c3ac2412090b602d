"""Confidence intervals of all scores at once, by resampling whole groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from skinlesion.metrics.scores import rank, score_all, score_tally

CHUNK_BYTES = 8_000_000
BYTES_A_CELL = 80  # about ten float64 arrays of shape (resamples, images) live at once


@dataclass(frozen=True)
class Estimate:
    """A score with its confidence interval; nan where undefined."""

    value: float
    low: float
    high: float


def bootstrap(
    y_true: np.ndarray,
    y_prob: np.ndarray,
    group: np.ndarray,
    *,
    threshold: float,
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> dict[str, Estimate]:
    """Every score of ``SCORES`` with its percentile interval.

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

    Raises:
        DataError: As ``score_all``.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    values = score_all(y_true, y_prob, threshold=threshold)
    ranking = rank(y_true, y_prob)
    chunks = [
        score_tally(ranking.tally(counts[:, ranking.order], threshold))
        for counts in resample_counts(y_true, group, resamples=resamples, rng=rng)
    ]
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    return {
        name: _estimate(value, np.concatenate([chunk[name] for chunk in chunks]), tails)
        for name, value in values.items()
    }


def resample_counts(
    y_true: np.ndarray, group: np.ndarray, *, resamples: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """How often each image occurs in each resample: chunks of rows, float64, shape (rows, n).

    The draws do not depend on the size of the chunks.
    """
    names, member_of = np.unique(group, return_inverse=True)
    malignant = np.zeros(len(names), dtype=bool)
    malignant[member_of[np.asarray(y_true) == 1]] = True
    # Malignant groups come first, so that each stratum is one range of numbers.
    number = np.argsort(np.argsort(~malignant, kind="stable"))[member_of]
    sizes = np.array([malignant.sum(), (~malignant).sum()])
    start, size = np.repeat([0, sizes[0]], sizes), np.repeat(sizes, sizes)

    rows_a_chunk = max(1, CHUNK_BYTES // (BYTES_A_CELL * max(1, len(y_true))))
    for done in range(0, resamples, rows_a_chunk):
        rows = min(rows_a_chunk, resamples - done)
        drawn = start + np.floor(rng.random((rows, len(names))) * size).astype(np.int64)
        cells = (drawn + np.arange(rows)[:, None] * len(names)).ravel()
        counts = np.bincount(cells, minlength=rows * len(names)).reshape(rows, len(names))
        yield counts[:, number].astype(np.float64)


def _estimate(value: float, resampled: np.ndarray, tails: list[float]) -> Estimate:
    defined = resampled[~np.isnan(resampled)]
    if not len(defined):
        return Estimate(value, np.nan, np.nan)
    low, high = np.quantile(defined, tails)
    return Estimate(value, float(low), float(high))
