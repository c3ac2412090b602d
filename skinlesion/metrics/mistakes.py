"""Which images a model gets most wrong, and how far the members of an ensemble agree."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from skinlesion.errors import DataError
from skinlesion.metrics.arrays import checked


@dataclass(frozen=True)
class Mistake:
    """An image called wrongly.

    Attributes:
        image_id: Its name.
        y_prob: What the model said, in [0, 1].
    """

    image_id: str
    y_prob: float


@dataclass(frozen=True)
class Mistakes:
    """The images that a model gets most wrong.

    Attributes:
        false_negatives: Malignant images called benign, the least probable first.
        false_positives: Benign images called malignant, the most probable first.
    """

    false_negatives: list[Mistake]
    false_positives: list[Mistake]


@dataclass(frozen=True)
class Agreement:
    """How far m members agree in their calls on n images.

    Attributes:
        pairwise: Chance that two different members call a random image alike.
        fleiss_kappa: That beyond chance: 1 is always alike, 0 as by chance; nan if all calls are
            the same.
        unanimous: Share of images that all members call alike.
        all_wrong: Row numbers of the images that every member calls wrongly.
    """

    pairwise: float
    fleiss_kappa: float
    unanimous: float
    all_wrong: list[int]


def worst_mistakes(
    image_id: np.ndarray, y_true: np.ndarray, y_prob: np.ndarray, *, threshold: float, most: int
) -> Mistakes:
    """The images farthest on the wrong side of the threshold; equals in the order of their ids.

    Args:
        image_id: Shape (n,).
        y_true: Labels, shape (n,), 1 for malignant.
        y_prob: Probability of malignant, shape (n,), in [0, 1].
        threshold: Malignant from this probability on.
        most: At most so many of each kind.

    Raises:
        DataError: If the arrays do not fit each other, or hold other values than these.
    """
    y_true, y_prob = checked(y_true, y_prob)
    called, ids = y_prob >= threshold, np.asarray(image_id)

    def worst(wrong: np.ndarray, badness: np.ndarray) -> list[Mistake]:
        rows = np.flatnonzero(wrong)
        rows = rows[np.lexsort((ids[rows], badness[rows]))][:most]
        return [Mistake(str(ids[row]), float(y_prob[row])) for row in rows]

    return Mistakes(
        false_negatives=worst((y_true == 1) & ~called, y_prob),
        false_positives=worst((y_true == 0) & called, -y_prob),
    )


def agreement(y_true: np.ndarray, y_probs: np.ndarray, *, thresholds: np.ndarray) -> Agreement:
    """How far members agree, each calling at its own threshold.

    Args:
        y_true: Labels, shape (n,), 1 for malignant.
        y_probs: Probability of malignant by each member, shape (m, n), in [0, 1].
        thresholds: Shape (m,).

    Raises:
        DataError: If the shapes do not fit, or there are fewer than two members or no image.

    Source: Fleiss, Psychol. Bull. 76:378, 1971.
    """
    y_true, y_probs = np.asarray(y_true), np.asarray(y_probs, np.float64)
    thresholds = np.asarray(thresholds, np.float64)
    members, images = y_probs.shape if y_probs.ndim == 2 else (0, 0)
    if members < 2 or not images or y_true.shape != (images,) or thresholds.shape != (members,):
        raise DataError(
            f"no agreement of probabilities of shape {y_probs.shape} with"
            f" {thresholds.size} thresholds and {y_true.size} labels",
            expected="shape (members, images), at least two members, a threshold each",
        )
    calls = y_probs >= thresholds[:, None]
    malignant = calls.sum(axis=0)
    benign = members - malignant
    alike = (malignant * (malignant - 1) + benign * (benign - 1)) / (members * (members - 1))
    share = calls.mean()
    by_chance = share**2 + (1 - share) ** 2
    pairwise = float(alike.mean())
    kappa = (pairwise - by_chance) / (1 - by_chance) if 0 < share < 1 else math.nan
    wrong = (calls != (y_true == 1)).all(axis=0)
    return Agreement(
        pairwise=pairwise,
        fleiss_kappa=float(kappa),
        unanimous=float((malignant % members == 0).mean()),
        all_wrong=np.flatnonzero(wrong).tolist(),
    )
