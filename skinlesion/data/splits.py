"""Which image goes to which split: whole groups, classes in proportion, no copy on both sides."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from skinlesion.errors import IntegrityError
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


def connected_groups(group: np.ndarray, link: np.ndarray) -> np.ndarray:
    """Join the groups of images that share a link, also by way of others.

    Args:
        group: Shape (n,).
        link: Shape (n,); "" links to nothing.

    Returns:
        The new group of each image, shape (n,): the first in sorting order of those joined.
    """
    parent = {name: name for name in group.tolist()}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    linked: dict[str, str] = {}
    for name, key in zip(group.tolist(), link.tolist(), strict=True):
        if key:
            first, last = sorted((root(name), root(linked.setdefault(key, name))))
            parent[last] = first
    return np.array([root(name) for name in group.tolist()], dtype=np.str_)


def identical(digest: np.ndarray) -> list[list[int]]:
    """The rows of each digest that occurs more than once, by first row; "" is like no other."""
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, key in enumerate(digest.tolist()):
        if key:
            rows_of[key].append(row)
    return [rows for rows in rows_of.values() if len(rows) > 1]


def leaking_copies(digest: np.ndarray, split: np.ndarray) -> dict[int, int]:
    """Images to drop because a byte-identical one is held out.

    A copy of a test image leaves train, val and the images still to be split; a copy of a val
    image leaves train. Test sets keep what they share with each other.

    Args:
        digest: Of the file, shape (n,); "" is like no other.
        split: Official split, "" where it is still to be chosen; shape (n,).

    Returns:
        From each row to drop to the row of its copy that stays.
    """
    leaks: dict[int, int] = {}
    for rows in identical(digest):
        rank = {row: _rank(str(split[row])) for row in rows}
        keeper = max(rows, key=lambda row: rank[row])
        # What is still to be split may join val or train together with its copy.
        leaks |= {
            row: keeper
            for row in rows
            if rank[row] < rank[keeper] and (split[row] != "" or rank[keeper] == _rank("test"))
        }
    return leaks


def is_held_out(split: np.ndarray) -> np.ndarray:
    """Mask of the images of test sets, shape (n,): neither train, val nor still to be split."""
    return ~np.isin(split, ["", TRAIN, VAL])


def join_official(group: np.ndarray, split: np.ndarray) -> np.ndarray:
    """Give images that are still to be split the official split of their group, if it has one.

    Args:
        group: Shape (n,).
        split: Official split or ""; shape (n,).

    Returns:
        Splits, shape (n,); "" where the whole group is still to be split.

    Raises:
        IntegrityError: If the official splits divide a group.
    """
    official: dict[str, str] = {}
    divided = []
    for name, place in zip(group.tolist(), split.tolist(), strict=True):
        if place and official.setdefault(name, place) != place:
            divided.append(f"{name} ({official[name]}, {place})")
    if divided:
        raise IntegrityError(
            f"the sources' own splits divide {len(set(divided))} groups",
            expected="all images of one patient or lesion in one split",
            fix="change the split of those images, or remove them",
            which=sorted(set(divided)),
        )
    return np.array([official.get(name, "") for name in group.tolist()], dtype=np.str_)


def _rank(split: str) -> int:
    """How far from training a split is; "" is not held out at all."""
    return {"": 0, TRAIN: 1, VAL: 2}.get(split, 3)


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
