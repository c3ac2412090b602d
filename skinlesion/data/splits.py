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


def deal_folds(
    group: np.ndarray,
    label: np.ndarray,
    diagnosis: np.ndarray,
    *,
    count: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Deal images into folds of like size and like diagnoses, never dividing a group.

    Groups of one stratum (see ``strata``) go, the largest first and equal ones in random order, to
    the fold that has fewest images of it; of several such folds, to the one with fewest images of
    its label, then of any. The order of rows does not matter.

    Args:
        group: Shape (n,).
        label: 0 or 1, shape (n,). A group of both is dealt as one of 1.
        diagnosis: Shape (n,).
        count: Number of folds, at least 2.
        rng: Source of the random order.

    Returns:
        Number of the fold of each image, from 0, shape (n,).
    """
    names, row_group = np.unique(group, return_inverse=True)
    _, row_stratum = np.unique(strata(label, diagnosis), return_inverse=True)
    stratum, own = np.zeros((2, len(names)), dtype=np.int64)
    np.maximum.at(stratum, row_group, row_stratum)
    np.maximum.at(own, row_group, label)
    size = np.bincount(row_group, minlength=len(names))
    shuffled = rng.permutation(len(names))
    order = shuffled[np.lexsort((-size[shuffled], -stratum[shuffled]))]
    fold = np.zeros(len(names), dtype=np.int64)
    of_stratum, of_label = np.zeros((stratum.max() + 1, count)), np.zeros((2, count))
    for number in order:
        fewest = (of_label.sum(axis=0), of_label[own[number]], of_stratum[stratum[number]])
        chosen = fold[number] = np.lexsort(fewest)[0]
        of_stratum[stratum[number], chosen] += size[number]
        of_label[own[number], chosen] += size[number]
    return fold[row_group]


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
