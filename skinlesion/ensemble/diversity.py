"""How much members differ from each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skinlesion.ensemble.arrays import checked_probs, logit


@dataclass(frozen=True)
class Diversity:
    """Members compared pair by pair, shape (m, m) each, symmetric; nan where undefined.

    Attributes:
        correlation: Pearson's, of the members' logits.
        disagreement: Fraction of images that one member has right and the other wrong.
        q_statistic: Yule's Q of being right, in [-1, 1]: 0 for members that err independently,
            below 0 for members that err on different images.
    """

    correlation: np.ndarray
    disagreement: np.ndarray
    q_statistic: np.ndarray

    def closest(self) -> tuple[int, int] | None:
        """The two members of the highest correlation; None if none is defined."""
        pairs = np.triu(np.nan_to_num(self.correlation, nan=-2.0) + 2, k=1)
        first, second = np.unravel_index(int(pairs.argmax()), pairs.shape)
        return (int(first), int(second)) if pairs.max() > 0 else None


def diversity(probs: np.ndarray, y_true: np.ndarray, *, thresholds: np.ndarray) -> Diversity:
    """Compare members pair by pair.

    Args:
        probs: Shape (n, m), a column a member.
        y_true: Labels, shape (n,).
        thresholds: Malignant from this probability on (``>=``), shape (m,).

    Raises:
        DataError: If ``probs`` holds other than probabilities.

    Source: Kuncheva and Whitaker, Measures of diversity in classifier ensembles, Machine Learning
    2003 (Q and disagreement; their correlation is of being right, ours of what members say).
    """
    probs = checked_probs(probs, len(thresholds))
    right = ((probs >= thresholds) == (np.asarray(y_true) == 1)[:, None]).astype(np.float64)
    both_right, both_wrong = right.T @ right, (1 - right).T @ (1 - right)
    only_first, only_second = right.T @ (1 - right), (1 - right).T @ right
    alike, unlike = both_right * both_wrong, only_first * only_second
    return Diversity(
        correlation=_correlation(logit(probs)),
        disagreement=(only_first + only_second) / len(probs),
        q_statistic=_ratio(alike - unlike, alike + unlike),
    )


def mean_over_others(pairwise: np.ndarray) -> np.ndarray:
    """Each member's mean over its pairs with others, shape (m,); undefined pairs are left out."""
    others = ~np.eye(len(pairwise), dtype=bool) & ~np.isnan(pairwise)
    return _ratio(np.where(others, pairwise, 0).sum(axis=1), others.sum(axis=1).astype(float))


def without_each(probs: np.ndarray) -> list[np.ndarray]:
    """For each of m members the columns of the others, shape (n, m - 1) each."""
    return [np.delete(probs, member, axis=1) for member in range(probs.shape[1])]


def _correlation(columns: np.ndarray) -> np.ndarray:
    centred = columns - columns.mean(axis=0)
    covariance = centred.T @ centred
    # Rounding leaves a constant column a spread of about 1e-30, and takes 1 a bit too far.
    spread = np.sqrt(np.diag(covariance))
    spread = np.where(np.ptp(columns, axis=0) > 0, spread, 0)
    return np.clip(_ratio(covariance, np.outer(spread, spread)), -1, 1)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``part / whole``, nan where ``whole`` is 0."""
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
