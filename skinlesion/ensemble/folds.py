"""Folds of val that divide no group and hold both classes each."""

from __future__ import annotations

import numpy as np


def group_folds(
    y_true: np.ndarray, group: np.ndarray, *, folds: int, rng: np.random.Generator
) -> np.ndarray:
    """Deal whole groups to folds, images of each class in about equal numbers.

    Groups come in random order, those with both classes first, then the other malignant ones,
    then the benign ones; each goes to the fold that has fewest images of its class. So every fold
    holds both classes.

    Args:
        y_true: Labels, shape (n,), 1 for malignant.
        group: Shape (n,).
        folds: Most folds, at least 2; fewer if a class has fewer groups.
        rng: Source of the order.

    Returns:
        Number of the fold of each image, from 0, shape (n,); all 0 if a class has less than two
        groups, so that nothing can be held out.
    """
    names, row_group = np.unique(group, return_inverse=True)
    malignant = np.bincount(row_group, weights=y_true, minlength=len(names))
    sizes = np.stack([np.bincount(row_group, minlength=len(names)) - malignant, malignant])
    folds = int(min(folds, *(sizes > 0).sum(axis=1)))
    if folds < 2:
        return np.zeros(len(row_group), dtype=np.int64)
    both, some_malignant = np.min(sizes, axis=0) > 0, sizes[1] > 0
    shuffled = rng.permutation(len(names))
    dealt = shuffled[np.lexsort((~some_malignant[shuffled], ~both[shuffled]))]
    held, fold = np.zeros((2, folds)), np.zeros(len(names), dtype=np.int64)
    for number in dealt:
        own = int(some_malignant[number])
        fold[number] = np.lexsort((held.sum(axis=0), held[own]))[0]
        held[:, fold[number]] += sizes[:, number]
    return fold[row_group]
