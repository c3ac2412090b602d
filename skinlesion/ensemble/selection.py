"""Which members to average: greedy forward selection, and the best of all subsets."""

from __future__ import annotations

from typing import Any

import numpy as np

from skinlesion.ensemble.arrays import checked_both_classes, checked_probs
from skinlesion.ensemble.criteria import CRITERIA, Criterion
from skinlesion.errors import ConfigError

MAX_SUBSET_MEMBERS = 12
# Averages that differ only in rounding count as equal.
TOLERANCE = 1e-12
CHUNK_CELLS = 500_000


def fit_greedy(
    val_probs: np.ndarray,
    y_true: np.ndarray,
    *,
    group: np.ndarray,
    rng: np.random.Generator,
    score: str,
    rounds: int,
) -> dict[str, Any]:
    """``weights``: how often each member was picked, as a fraction of all picks.

    Each round picks the member that leaves the mean of all picks with the best score; a member
    may be picked again. Of the sequence of picks the shortest beginning with the best score is
    kept. Of members that score alike the better one on its own is picked.

    Args:
        val_probs: Shape (n, m).
        y_true: Labels, shape (n,), of both classes.
        group: Not used.
        rng: Not used.
        score: One of ``CRITERIA``.
        rounds: Most picks, at least 1.

    Raises:
        DataError: If val lacks a class.

    Source: Caruana et al., Ensemble selection from libraries of models, ICML 2004.
    """
    val_probs = checked_probs(val_probs)
    y_true = checked_both_classes(val_probs, y_true)
    criterion = CRITERIA[score]
    order = _best_first(val_probs, y_true, criterion)
    candidates = val_probs.T[order]
    total, picks, reached = np.zeros(len(y_true)), [], []
    for count in range(1, rounds + 1):
        scores = criterion(y_true, (total + candidates) / count)
        pick = int(np.argmax(scores >= scores.max() - TOLERANCE))
        total += candidates[pick]
        picks.append(order[pick])
        reached.append(scores[pick])
    kept = int(np.argmax(np.array(reached) >= max(reached) - TOLERANCE)) + 1
    picked = np.bincount(picks[:kept], minlength=val_probs.shape[1])
    return {"weights": (picked / kept).tolist()}


def fit_best_subset(
    val_probs: np.ndarray,
    y_true: np.ndarray,
    *,
    group: np.ndarray,
    rng: np.random.Generator,
    score: str,
) -> dict[str, Any]:
    """``weights``: the same for each member of the subset whose mean scores best, else 0.

    Of subsets that score alike the smallest is taken, and of those the one of the members that
    are better on their own. Arguments are those of ``fit_greedy``.

    Raises:
        ConfigError: If there are more than ``MAX_SUBSET_MEMBERS`` members.
        DataError: If val lacks a class.
    """
    val_probs = checked_probs(val_probs)
    members = val_probs.shape[1]
    if members > MAX_SUBSET_MEMBERS:
        raise ConfigError(
            f"best_subset would try {2**members - 1:,} subsets of {members} members",
            expected=f"at most {MAX_SUBSET_MEMBERS} members",
            fix="use method: greedy, or fewer --members",
        )
    y_true = checked_both_classes(val_probs, y_true)
    criterion = CRITERIA[score]
    order = _best_first(val_probs, y_true, criterion)
    weights = _subsets(members)
    scores = _score_in_chunks(criterion, y_true, weights, val_probs.T[order])
    chosen = np.zeros(members)
    chosen[order] = weights[np.argmax(scores >= scores.max() - TOLERANCE)]
    return {"weights": chosen.tolist()}


def _subsets(members: int) -> np.ndarray:
    """Even weights of every subset but the empty one, small subsets first, shape (2^m - 1, m)."""
    numbers = np.arange(1, 2**members)
    # The first member is the highest bit, so among subsets of a size its own come first.
    inside = (numbers[:, None] >> np.arange(members)[::-1] & 1).astype(np.float64)
    sizes = inside.sum(axis=1)
    return (inside / sizes[:, None])[np.lexsort((-numbers, sizes))]


def _score_in_chunks(
    criterion: Criterion, y_true: np.ndarray, weights: np.ndarray, members: np.ndarray
) -> np.ndarray:
    rows = max(1, CHUNK_CELLS // len(y_true))
    chunks = [weights[start : start + rows] @ members for start in range(0, len(weights), rows)]
    return np.concatenate([criterion(y_true, np.clip(chunk, 0, 1)) for chunk in chunks])


def _best_first(val_probs: np.ndarray, y_true: np.ndarray, criterion: Criterion) -> np.ndarray:
    """Members by their own score, descending; equal ones by content, so their order is moot."""
    alone = criterion(y_true, val_probs.T)
    return np.lexsort((*val_probs[::-1], -alone))
