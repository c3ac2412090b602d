"""Counts and sums from which every score follows, for many weightings of the images at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skinlesion.metrics.arrays import checked

BINS = 15
CLIP = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Ranking:
    """Predictions in descending order of probability.

    Attributes:
        order: Row number of each ranked image in the caller's arrays, shape (n,).
        y_true: Labels in that order, float64, shape (n,).
        y_prob: Probabilities in that order, float64, shape (n,).
        last: Rank of the last image of each run of equal probabilities, shape (k,).
        bins: Rank of the first image in each bin of ``Tally.excess`` that holds any, ascending.
    """

    order: np.ndarray
    y_true: np.ndarray
    y_prob: np.ndarray
    last: np.ndarray
    bins: np.ndarray

    @property
    def cutoffs(self) -> np.ndarray:
        """The distinct probabilities, descending, shape (k,)."""
        return self.y_prob[self.last]

    def tally(self, weights: np.ndarray, threshold: float) -> Tally:
        """Count the images at every cutoff.

        Args:
            weights: How often each ranked image counts, float64, shape (r, n).
            threshold: Malignant from this probability on.
        """
        malignant = weights * self.y_true
        tp_at, fp_at = self._running_sum(malignant), self._running_sum(weights - malignant)
        called = int((self.cutoffs >= threshold).sum())
        error = self.y_prob - self.y_true
        # Not by @: BLAS would wake its threads for each of thousands of small products.
        return Tally(
            tp_at,
            fp_at,
            called,
            squared_error=np.einsum("rn,n->r", weights, error**2),
            log_loss=np.einsum("rn,n->r", weights, self._log_losses),
            excess=np.add.reduceat(weights * error, self.bins, axis=1),
        )

    def tally_once(self, threshold: float) -> Tally:
        """Count each image once: a tally with r = 1."""
        return self.tally(np.ones((1, len(self.order))), threshold)

    @cached_property
    def _log_losses(self) -> np.ndarray:
        """Of each ranked image, shape (n,)."""
        of_truth = np.where(self.y_true == 1, self.y_prob, 1 - self.y_prob)
        return -np.log(np.clip(of_truth, CLIP, 1 - CLIP))

    def _running_sum(self, values: np.ndarray) -> np.ndarray:
        sums = np.zeros((len(values), len(self.last) + 1))
        if len(self.last) == values.shape[1]:
            np.cumsum(values, axis=1, out=sums[:, 1:])
        else:
            sums[:, 1:] = np.cumsum(values, axis=1)[:, self.last]
        return sums


def rank(y_true: np.ndarray, y_prob: np.ndarray) -> Ranking:
    """Sort predictions by probability; arguments and errors as ``score_all``."""
    y_true, y_prob = checked(y_true, y_prob)
    order = np.argsort(-y_prob, kind="stable")
    y_true, y_prob = y_true[order], y_prob[order]
    last = np.flatnonzero(np.diff(y_prob, append=-1.0))
    bins = np.flatnonzero(np.diff(bin_of(y_prob), prepend=-1))
    return Ranking(order, y_true, y_prob, last, bins)


def bin_of(y_prob: np.ndarray) -> np.ndarray:
    """The number of the bin of ``Tally.excess`` that each probability falls into, shape (n,)."""
    return np.minimum((y_prob * BINS).astype(np.int64), BINS - 1)


@dataclass(frozen=True)
class Tally:
    """Counts at every cutoff, for r weightings of the same images.

    Attributes:
        tp_at: Malignant images called malignant, shape (r, k + 1): column 0 calls no image
            malignant, column i those at or above the i-th highest of k cutoffs.
        fp_at: Benign images called malignant, likewise.
        called: The column that belongs to the threshold.
        squared_error: Sum of (probability - label) squared, shape (r,).
        log_loss: Sum of -log(probability of the true label), shape (r,); that probability is
            kept ``CLIP`` away from 0 and 1.
        excess: Sum of (probability - label) in each bin that holds any image, shape (r, b). The
            ``BINS`` bins are of equal width: from i / BINS on, below (i + 1) / BINS, the last
            one including 1.
    """

    tp_at: np.ndarray
    fp_at: np.ndarray
    called: int
    squared_error: np.ndarray
    log_loss: np.ndarray
    excess: np.ndarray

    @property
    def tp(self) -> np.ndarray:
        """Malignant images at or above the threshold, shape (r,); so below."""
        return self.tp_at[:, self.called]

    @property
    def fp(self) -> np.ndarray:
        """Benign images at or above the threshold."""
        return self.fp_at[:, self.called]

    @property
    def fn(self) -> np.ndarray:
        """Malignant images below the threshold."""
        return self.malignant - self.tp

    @property
    def tn(self) -> np.ndarray:
        """Benign images below the threshold."""
        return self.benign - self.fp

    @property
    def malignant(self) -> np.ndarray:
        """All malignant images."""
        return self.tp_at[:, -1]

    @property
    def benign(self) -> np.ndarray:
        """All benign images."""
        return self.fp_at[:, -1]

    @property
    def images(self) -> np.ndarray:
        """All images."""
        return self.malignant + self.benign

    @cached_property
    def sensitivity_at(self) -> np.ndarray:
        """Sensitivity at each cutoff, shape (r, k + 1); nan without a malignant image."""
        return ratio(self.tp_at, self.malignant[:, None])


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``part / whole``, nan where ``whole`` is 0."""
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
