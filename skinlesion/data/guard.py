"""The leak guard: what must leave train and val because a copy, or its patient, is held out."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from skinlesion.data.copies import KINDS, NEAR, SAME_ID, Link
from skinlesion.data.sources import isic_id
from skinlesion.tables import TEST, TRAIN, VAL

HELD_OUT = 3


@dataclass(frozen=True)
class Verdict:
    """What the guard decides of n images.

    Attributes:
        split: Official splits, completed: images that are still to be split follow an official
            split of their group; shape (n,), "" where the whole group is still to be split.
        group: Never divided between splits once ``reasons`` are obeyed; shape (n,).
        reasons: Why a row must be left out.
    """

    split: np.ndarray
    group: np.ndarray
    reasons: dict[int, str]


def judge(
    image_id: np.ndarray, split: np.ndarray, group: np.ndarray, links: Sequence[Link]
) -> Verdict:
    """Decide which images must be left out so that no split holds what another is tested on.

    Of a group (a patient's, a lesion's, or copies of one photograph) whose images stand in
    several official splits, those in the least held-out ones leave: test sets go before ``val``,
    ``val`` before ``train``. Test sets are never touched, not even by each other. Images that are
    still to be split follow ``train``, ``val`` or ``test``, but leave where their group is in a
    benchmark, or where they are a copy of a test image.

    Args:
        image_id: For the reasons, shape (n,).
        split: Official split, "" where it is still to be chosen; shape (n,).
        group: Shape (n,); images that a link joins are of one group.
        links: Copies, in any order.
    """
    rank = np.array([held_out_rank(name) for name in split.tolist()], dtype=np.int64)
    rows_of = _rows_by(group)
    neighbours = _neighbours(links)
    settled, named = split.astype(object), group.astype(object)
    reasons: dict[int, str] = {}
    for name, rows in rows_of.items():
        top = int(rank[rows].max())
        places = sorted({str(split[row]) for row in rows if rank[row] == top})
        if len(places) > 1:
            # Test sets may share a patient; a group's name then says which set's images it means.
            named[rows] = [f"{name} ({split[row]})" for row in rows]
        for row in rows:
            if rank[row] == top:
                continue
            way = _way(row, neighbours, rank, at_least=top)
            barred = top == HELD_OUT and (way or places != [TEST])
            if split[row] or barred:
                reasons[row] = _reason(way, image_id, split) or (
                    f"its group {name} is in {places[0]}"
                )
            else:
                settled[row] = places[0]
    return Verdict(settled.astype(np.str_), named.astype(np.str_), reasons)


def repeated_ids(image_id: np.ndarray, source: np.ndarray, kept: np.ndarray) -> dict[int, str]:
    """Why later rows of one ISIC id must be left out, where several are kept: the first stays.

    Args:
        image_id: Shape (n,).
        source: Name of each image's source, shape (n,).
        kept: Mask of the rows that no other rule leaves out, shape (n,).
    """
    first: dict[str, int] = {}
    reasons = {}
    for row in np.flatnonzero(kept).tolist():
        stays = first.setdefault(isic_id(str(image_id[row])) or str(image_id[row]), row)
        if stays != row:
            reasons[row] = f"{SAME_ID} {image_id[stays]} in source {source[stays]}"
    return reasons


def held_out_rank(split: str) -> int:
    """How far a split is from training: 0 still to be chosen, 1 train, 2 val, 3 any test set."""
    return {"": 0, TRAIN: 1, VAL: 2}.get(split, HELD_OUT)


def _rows_by(group: np.ndarray) -> dict[str, list[int]]:
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(group.tolist()):
        rows_of[name].append(row)
    return rows_of


def _neighbours(links: Sequence[Link]) -> Mapping[int, list[tuple[int, Link]]]:
    """Of each row the rows that it is linked to, the plainest and closest link first."""
    found: dict[int, list[tuple[int, Link]]] = defaultdict(list)
    for link in sorted(links, key=lambda one: (KINDS.index(one.kind), -one.similarity)):
        found[link.first].append((link.second, link))
        found[link.second].append((link.first, link))
    return found


def _way(
    row: int,
    neighbours: Mapping[int, list[tuple[int, Link]]],
    rank: np.ndarray,
    *,
    at_least: int,
) -> list[tuple[int, Link]] | None:
    """The shortest way over links from ``row`` to one of at least this rank; None: no way."""
    waiting: deque[tuple[int, list[tuple[int, Link]]]] = deque([(row, [])])
    seen = {row}
    while waiting:
        here, path = waiting.popleft()
        for other, link in neighbours.get(here, ()):
            if other in seen:
                continue
            seen.add(other)
            longer = [*path, (other, link)]
            if rank[other] >= at_least:
                return longer
            waiting.append((other, longer))
    return None


def _reason(
    way: list[tuple[int, Link]] | None, image_id: np.ndarray, split: np.ndarray
) -> str | None:
    if not way:
        return None
    last, link = way[-1]
    held = f"{image_id[last]} of {split[last]}"
    kind = max((step.kind for _, step in way), key=KINDS.index)
    if kind != NEAR:
        return f"{kind} {held}"
    if len(way) > 1:
        return f"copy of {held} by way of {image_id[way[0][0]]}"
    return f"{kind} {held} (similarity {link.similarity:.3f})"
