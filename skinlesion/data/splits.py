"""Which image goes to which split: whole groups, classes in proportion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from skinlesion.tables import TRAIN, VAL


def split_by_group(
    group: np.ndarray,
    stratum: np.ndarray,
    fractions: Mapping[str, float],
    *,
    rng: np.random.Generator,
) -> np.ndarray:
    """Give every image a split, never dividing a group.

    In each stratum, groups go in random order to the split that lacks most images; if there are
    as many groups as splits, every split gets at least one. A group belongs to the largest
    stratum among its images, so let the severest sort last. The order of rows does not matter.

    Args:
        group: Shape (n,).
        stratum: Sortable, shape (n,): what to keep in proportion, such as "0 nevus".
        fractions: Of the images, by split, summing to 1; a split with 0 gets none.
        rng: Source of the random order.

    Returns:
        The split of each image, shape (n,).
    """
    names, row_group = np.unique(group, return_inverse=True)
    _, row_stratum = np.unique(stratum, return_inverse=True)
    severest = np.zeros(len(names), dtype=np.int64)
    np.maximum.at(severest, row_group, row_stratum)
    size = np.bincount(row_group, minlength=len(names))
    shares = {name: share for name, share in fractions.items() if share > 0}
    chosen = np.zeros(len(names), dtype=np.int64)
    for code in np.unique(severest):
        members = rng.permutation(np.flatnonzero(severest == code))
        chosen[members] = _fill(size[members], np.array(list(shares.values())))
    return np.array(list(shares))[chosen[row_group]]


def strata(label: np.ndarray, diagnosis: np.ndarray, *, rare_below: int = 20) -> np.ndarray:
    """What ``split_by_group`` is to keep in proportion: diagnoses, the malignant sorting last.

    Args:
        label: 0 or 1, shape (n,).
        diagnosis: Shape (n,).
        rare_below: Diagnoses with fewer images are one stratum with the other rare ones of their
            label, so that each split gets some.

    Returns:
        Strata, shape (n,).
    """
    frequency = Counter(diagnosis.tolist())
    return np.array(
        [
            f"{value} {word if frequency[word] >= rare_below else ''}"
            for value, word in zip(label.tolist(), diagnosis.tolist(), strict=True)
        ],
        dtype=np.str_,
    )


def undersample(
    label: np.ndarray,
    split: np.ndarray,
    *,
    splits: Sequence[str] = (TRAIN, VAL),
    rng: np.random.Generator,
) -> np.ndarray:
    """Which images to keep so that each of ``splits`` has as many benign as malignant ones.

    Args:
        label: 0 or 1, shape (n,).
        split: Shape (n,).
        splits: The splits to change; others keep every image.
        rng: Chooses among the images of the larger class.

    Returns:
        Mask, shape (n,).
    """
    keep = np.ones(len(label), dtype=bool)
    for name in splits:
        classes = [np.flatnonzero((split == name) & (label == value)) for value in (0, 1)]
        wanted = min(map(len, classes))
        for rows in classes:
            keep[rng.permutation(rows)[wanted:]] = False
    return keep


def _fill(size: np.ndarray, share: np.ndarray) -> np.ndarray:
    """The split number of each group, in order, so that splits get their share of images."""
    lacking = share / share.sum() * size.sum()
    chosen = np.full(len(size), -1)
    if len(size) >= len(share):
        # The smallest groups make sure that no split stays empty.
        for smallest, number in zip(
            np.argsort(size, kind="stable"), np.argsort(share), strict=False
        ):
            chosen[smallest] = number
            lacking[number] -= size[smallest]
    for index in np.flatnonzero(chosen < 0):
        chosen[index] = lacking.argmax()
        lacking[chosen[index]] -= size[index]
    return chosen
