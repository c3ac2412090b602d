"""What combiners ask of their arrays, and what a logit is to them."""

from __future__ import annotations

import numpy as np

from skinlesion import odds
from skinlesion.errors import DataError

# A probability is taken as at least this far from 0 and 1, so logits and log loss stay finite.
MIN_LIKELIHOOD = 1e-7


def checked_probs(probs: np.ndarray, members: int | None = None) -> np.ndarray:
    """``probs`` as float64, shape (n, m).

    Raises:
        DataError: If it has another shape, or other than ``members`` columns, or holds a value
            that is no probability.
    """
    probs = np.asarray(probs, np.float64)
    if probs.ndim != 2 or 0 in probs.shape or members not in (None, probs.shape[1]):
        columns = "one column a member" if members is None else f"{members} columns"
        raise DataError(
            f"probabilities of shape {probs.shape} cannot be combined",
            expected=f"one row an image, at least one, and {columns}",
        )
    if not ((probs >= 0) & (probs <= 1)).all():
        raise DataError("members' outputs are not probabilities", expected="numbers from 0 to 1")
    return probs


def checked_both_classes(val_probs: np.ndarray, y_true: np.ndarray) -> np.ndarray:
    """``y_true`` as int64, shape (n,); DataError unless it holds both labels, one a row."""
    y_true = np.asarray(y_true)
    if {*np.unique(y_true).tolist()} != {0, 1} or y_true.shape != val_probs.shape[:1]:
        raise DataError(
            "ensemble weights cannot be fitted on these val labels",
            expected="labels 0 and 1, both present, one a row",
            fix="use method: mean, or a val split that holds both classes",
        )
    return y_true.astype(np.int64)


def logit(probs: np.ndarray) -> np.ndarray:
    """Log odds; a probability closer than ``MIN_LIKELIHOOD`` to 0 or 1 is taken as that close."""
    return odds.logit(probs, clip=MIN_LIKELIHOOD)
