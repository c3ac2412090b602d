"""What every fit and score asks of its arrays."""

from __future__ import annotations

import numpy as np

from skinlesion.errors import DataError


def checked(y_true: np.ndarray, y_prob: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities as float64, shape (n,) each.

    Raises:
        DataError: If they are not of one shape (n,), or hold other than labels 0 and 1 and
            probabilities.
    """
    y_true, y_prob = np.asarray(y_true, np.float64), np.asarray(y_prob, np.float64)
    if y_true.ndim != 1 or y_true.shape != y_prob.shape:
        raise DataError(
            f"labels of shape {y_true.shape} with probabilities of shape {y_prob.shape}",
            expected="one label and one probability an image, both of shape (n,)",
        )
    if not np.isin(y_true, (0, 1)).all() or not ((y_prob >= 0) & (y_prob <= 1)).all():
        raise DataError(
            "labels or probabilities are out of range",
            expected="labels 0 or 1, probabilities from 0 to 1",
        )
    return y_true, y_prob


def checked_probs(y_prob: np.ndarray) -> np.ndarray:
    """Probabilities as float64, shape (n,); DataError if they are none."""
    y_prob = np.asarray(y_prob, np.float64)
    return checked(np.zeros(y_prob.shape), y_prob)[1]


def refuse_one_class(y_true: np.ndarray, *, what: str, fix: str) -> None:
    """Raise DataError unless labels 0 and 1 both occur.

    Args:
        y_true: Labels, shape (n,).
        what: What cannot be done without both.
        fix: What the user can do.
    """
    for name, label in (("malignant", 1), ("benign", 0)):
        if not (np.asarray(y_true) == label).any():
            raise DataError(
                f"{what}: no {name} image among the predictions",
                expected="images of both classes",
                fix=fix,
            )
