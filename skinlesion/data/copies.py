"""Which images show one photograph: by ISIC id, by bytes, or as near-duplicates."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from skinlesion.data.duplicates import Pairs, near_duplicates
from skinlesion.data.protected import Protected
from skinlesion.data.sources import isic_id

SAME_ID, IDENTICAL, NEAR = "same id as", "byte-identical to", "near-duplicate of"
# Of several links between two images, the plainest is named.
KINDS = (SAME_ID, IDENTICAL, NEAR)


@dataclass(frozen=True)
class Link:
    """Two rows that show the same photograph.

    Attributes:
        first: A row.
        second: Another row.
        kind: One of ``KINDS``.
        similarity: In [0, 1]; 1 unless near-duplicates.
        symmetry: Which of the 8 flips and quarter turns maps ``second`` onto ``first``.
    """

    first: int
    second: int
    kind: str
    similarity: float = 1.0
    symmetry: int = 0


@dataclass(frozen=True)
class Beyond:
    """Images of protected benchmarks that are no rows of a table, numbered after its rows.

    Attributes:
        image_id: Shape (m,).
        split: Their benchmark, shape (m,).
    """

    image_id: np.ndarray
    split: np.ndarray


@dataclass(frozen=True)
class Photos:
    """What copies are known by.

    Attributes:
        image_id: Shape (n,).
        digest: SHA-256 of the files, "" where unknown, shape (n,).
        signature: As ``duplicates.signature``, uint8, shape (n, *SIGNATURE_SHAPE).
    """

    image_id: np.ndarray
    digest: np.ndarray
    signature: np.ndarray

    def keys(self) -> dict[str, list[str]]:
        """What makes two images the same beyond doubt, by kind of link; "" is like no other."""
        return {
            SAME_ID: [isic_id(name) for name in self.image_id.tolist()],
            IDENTICAL: self.digest.tolist(),
        }


def find_copies(photos: Photos) -> list[Link]:
    """Links within ``photos``; those of one id or digest are linked in a chain."""
    keys = photos.keys()
    links = [link for kind, names in keys.items() for link in links_by_key(names, kind)]
    near = _near_links(near_duplicates(photos.signature))
    return links + [link for link in near if not _same_key(link, keys.values())]


def find_copies_between(photos: Photos, others: Photos) -> list[Link]:
    """Links of which ``first`` is a row of ``photos`` and ``second`` one of ``others``."""
    links = []
    for (kind, keys), other_keys in zip(photos.keys().items(), others.keys().values(), strict=True):
        row_of = {key: row for row, key in reversed(list(enumerate(other_keys))) if key}
        links += [Link(row, row_of[key], kind) for row, key in enumerate(keys) if key in row_of]
    return links + _near_links(near_duplicates(photos.signature, others.signature))


def find_protected(
    photos: Photos, split: np.ndarray, protected: Sequence[Protected]
) -> tuple[Beyond, list[Link]]:
    """Links from n photos to the images of benchmarks that are not among them.

    Args:
        photos: Of a table.
        split: Official splits, shape (n,).
        protected: Benchmarks.

    Returns:
        Those images, numbered from n on, and the links.
    """
    start = len(split)
    present = set(zip(photos.keys()[SAME_ID], split.tolist(), strict=True))
    ids, splits, signatures = [np.array([], np.str_)], [np.array([], np.str_)], []
    for benchmark in protected:
        absent = [
            row
            for row, name in enumerate(benchmark.image_id.tolist())
            if (name, benchmark.split) not in present
        ]
        ids.append(benchmark.image_id[absent])
        splits.append(np.full(len(absent), benchmark.split))
        signatures.append(benchmark.signature[absent])
    beyond = Beyond(np.concatenate(ids), np.concatenate(splits))
    if not len(beyond.image_id):
        return beyond, []
    unknown = np.full(len(beyond.image_id), "")
    found = find_copies_between(
        photos, Photos(beyond.image_id, unknown, np.concatenate(signatures))
    )
    return beyond, [replace(link, second=link.second + start) for link in found]


def links_by_key(keys: Iterable[str], kind: str) -> list[Link]:
    """A chain of links through the rows of each key; "" links to nothing."""
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        if key:
            rows_of[key].append(row)
    return [
        Link(first, second, kind)
        for rows in rows_of.values()
        for first, second in itertools.pairwise(rows)
    ]


def pairs_of(links: Sequence[Link]) -> np.ndarray:
    """The rows that links join, shape (k, 2), int64."""
    pairs = [(link.first, link.second) for link in links]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def clusters(count: int, links: Sequence[Link]) -> np.ndarray:
    """A number for each of ``count`` rows: equal where links join them, also by way of others."""
    first, second = pairs_of(links).T
    graph = coo_array((np.ones(len(first), dtype=bool), (first, second)), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _same_key(link: Link, keys: Iterable[Sequence[str]]) -> bool:
    """Whether the two rows are known to be copies by more than likeness."""
    return any(names[link.first] and names[link.first] == names[link.second] for names in keys)


def _near_links(pairs: Pairs) -> list[Link]:
    columns = (pairs.first, pairs.second, pairs.similarity, pairs.symmetry)
    return [
        Link(int(first), int(second), NEAR, float(similarity), int(symmetry))
        for first, second, similarity, symmetry in zip(*columns, strict=True)
    ]
