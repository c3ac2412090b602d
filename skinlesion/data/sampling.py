"""Some of the rows of a data set, and how they are chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skinlesion.data.store import PixelStore


@dataclass(frozen=True)
class Images:
    """Some rows of a pixel store with their labels.

    Attributes:
        pixels: The whole store, read as it is needed.
        rows: The rows meant, shape (k,).
        labels: Their labels, shape (k,), 0 or 1.
    """

    pixels: PixelStore
    rows: np.ndarray
    labels: np.ndarray


def limit_rows(
    rows: np.ndarray, labels: np.ndarray, *, limit: int, rng: np.random.Generator
) -> np.ndarray:
    """At most ``limit`` of ``rows``, class proportions kept to within one image.

    Args:
        rows: Row numbers, shape (n,).
        labels: Their labels, shape (n,).
        limit: At least the number of classes; every class keeps at least one row.
        rng: Decides which.

    Returns:
        The chosen row numbers, ascending.
    """
    if len(rows) <= limit:
        return np.sort(rows)
    classes, counts = np.unique(labels, return_counts=True)
    shares = np.maximum(1, np.floor(counts * limit / len(rows))).astype(int)
    while shares.sum() < limit:
        shares[np.argmax(counts * limit / len(rows) - shares)] += 1
    while shares.sum() > limit:
        shares[np.argmax(shares)] -= 1
    chosen = [
        rng.choice(rows[labels == label], size=share, replace=False)
        for label, share in zip(classes, shares, strict=True)
    ]
    return np.sort(np.concatenate(chosen))
