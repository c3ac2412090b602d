"""Find the pairs among many signatures by an index, in bounded memory.

Two images are near-duplicates if, in the same one of the eight symmetries, their coarse shapes
are at most ``MAX_DISTANCE`` apart and their fine details correlate by at least
``MIN_SIMILARITY``. What no symmetry changes in the shapes, along its principal axes, is never
farther apart than the shapes are: so a k-d tree over it finds every pair that can qualify, and
what is found depends neither on the tree nor on the order of the images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from skinlesion.data.duplicates.features import (
    SHAPES,
    SIGNATURE_SHAPE,
    details,
    has_structure,
    shapes,
)
from skinlesion.data.symmetry import SYMMETRIES, apply_symmetry

# How both were chosen: docs/data.md.
MIN_SIMILARITY = 0.59
MAX_DISTANCE = 0.4

# Principal axes in the tree: more are slower to search, fewer leave more candidates.
AXES = 24
# Images whose axes are computed together, that make one tree, and one of its leaves.
BLOCK, TILE, LEAF = 4096, 2048, 32
# Candidates compared together, by shape and by details.
SHAPE_BATCH, DETAIL_BATCH = 65_536, 2048


@dataclass(frozen=True)
class Pairs:
    """Near-duplicates, ordered by ``first``, then ``second``.

    Args:
        first: Row numbers among ``signatures``, shape (p,).
        second: Row numbers among ``against``, or the larger ones among ``signatures``, shape (p,).
        similarity: Correlation of the details, at most 1, shape (p,).
        symmetry: What turns ``second`` into ``first`` (see ``apply_symmetry``), 0 to 7, shape
            (p,).
    """

    first: np.ndarray
    second: np.ndarray
    similarity: np.ndarray
    symmetry: np.ndarray

    def __len__(self) -> int:
        return len(self.first)


def near_duplicates(
    signatures: np.ndarray,
    against: np.ndarray | None = None,
    *,
    min_similarity: float = MIN_SIMILARITY,
    tile: int = TILE,
    progress: Callable[[int, int], None] | None = None,
) -> Pairs:
    """The pairs of images that show the same picture.

    Images without structure (``has_structure``) match nothing. Memory: about 0.6 KB an image
    beside the signatures, and the pairs found; every pair of a cluster is listed, so that
    thousands of copies of one image make millions of pairs.

    Args:
        signatures: Shape (n, *SIGNATURE_SHAPE), uint8; may be a memmap.
        against: Shape (m, *SIGNATURE_SHAPE): look for pairs between the two sets only, not
            within them.
        min_similarity: Of the details, in (0, 1].
        tile: Images a tree: bounds the candidates held at a time to its square.
        progress: Called with (done, total) comparisons of tiles.

    Returns:
        The pairs.
    """
    left = _Set.of(signatures)
    right = left if against is None else _Set.of(against)
    axes = _principal_axes(right)
    left.divide(axes, tile)
    if right is not left:
        right.divide(axes, tile)
    found: list[tuple[np.ndarray, ...]] = []
    for first, second, allowed in _batched(_candidates(left, right, progress)):
        similarity, symmetry = _compare(left, right, first, second, allowed)
        good = similarity >= min_similarity
        found.append(
            (left.rows[first[good]], right.rows[second[good]], similarity[good], symmetry[good])
        )
    if not found:
        none = np.empty(0, np.int64)
        return Pairs(none, none, np.empty(0, np.float32), none)
    a, b, similarity, symmetry = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((b, a))
    return Pairs(a[order], b[order], similarity[order], symmetry[order])


def clusters(n: int, pairs: Pairs) -> np.ndarray:
    """Join what is connected by pairs.

    Args:
        n: Number of images.
        pairs: Found within one set.

    Returns:
        The smallest row number of each image's cluster, shape (n,); its own if it has no pair.
    """
    links = coo_array((np.ones(len(pairs), bool), (pairs.first, pairs.second)), shape=(n, n))
    _, component = connected_components(links, directed=False)
    _, smallest = np.unique(component, return_index=True)
    return smallest[component]


class _Tile(NamedTuple):
    """A tree and the positions of its images in their set."""

    tree: KDTree
    members: np.ndarray


class _Set:
    """The images of one side that have structure, with their shapes, and cut into small trees."""

    def __init__(self, signatures: np.ndarray, rows: np.ndarray, shapes: np.ndarray) -> None:
        self.signatures, self.rows, self.shapes = signatures, rows, shapes
        self.tiles: list[_Tile] = []

    @classmethod
    def of(cls, signatures: np.ndarray) -> _Set:
        if signatures.shape[1:] != SIGNATURE_SHAPE or signatures.dtype != np.uint8:
            raise ValueError(
                f"expected uint8 signatures of shape (n, {SIGNATURE_SHAPE}), "
                f"received {signatures.dtype} {signatures.shape}"
            )
        rows, coefficients = [np.empty(0, np.int64)], [np.empty((0, len(SHAPES)), np.float32)]
        for start in range(0, len(signatures), BLOCK):
            block = np.asarray(signatures[start : start + BLOCK])
            usable = np.flatnonzero(has_structure(block))
            rows.append(start + usable)
            coefficients.append(shapes(block[usable]))
        return cls(signatures, np.concatenate(rows), np.concatenate(coefficients))

    def divide(self, axes: np.ndarray, tile: int) -> None:
        """Cut into tiles of neighbours, each with its tree."""
        points = np.empty((len(self.rows), axes.shape[1]))
        for start in range(0, len(points), BLOCK):
            block = slice(start, start + BLOCK)
            points[block] = SHAPES.invariants(self.shapes[block]) @ axes
        # A tree's leaves in order: what is near in the order is near in space.
        near = KDTree(points).indices if len(points) else np.empty(0, np.int64)
        for start in range(0, len(near), tile):
            members = near[start : start + tile]
            self.tiles.append(_Tile(KDTree(points[members], LEAF), members))


def _principal_axes(images: _Set) -> np.ndarray:
    """The directions along which the invariants of some of the images differ most."""
    step = max(1, len(images.rows) // 20_000)
    some = SHAPES.invariants(images.shapes[::step]).astype(np.float64)
    some -= some.mean(0) if len(some) else 0
    _, vectors = np.linalg.eigh(some.T @ some)
    return vectors[:, ::-1][:, :AXES]


def _candidates(
    left: _Set, right: _Set, progress: Callable[[int, int], None] | None
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Pairs with similar shapes: positions in both sets, and in which symmetries they are."""
    within = left is right
    done, total = 0, len(left.tiles) * len(right.tiles)
    for row, tile in enumerate(left.tiles):
        skipped = row if within else 0
        done += skipped
        for other in right.tiles[skipped:]:
            first, second = _neighbours(tile, other)
            if within:
                # A tile with itself gives every pair both ways, and each image with itself.
                once = first < second if other is tile else slice(None)
                first, second = (
                    np.minimum(first, second)[once],
                    np.maximum(first, second)[once],
                )
            yield from _of_similar_shape(left, right, first, second)
            done += 1
            if progress:
                progress(done, total)


def _neighbours(tile: _Tile, other: _Tile) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the images of two tiles that may be within the distance."""
    # A little more than the limit, which is applied to the shapes themselves.
    reach = MAX_DISTANCE + 1e-4
    if _apart(tile.tree, other.tree) > reach:
        none = np.empty(0, np.int64)
        return none, none
    near = tile.tree.sparse_distance_matrix(other.tree, reach, output_type="ndarray")
    return tile.members[near["i"]], other.members[near["j"]]


def _apart(tree: KDTree, other: KDTree) -> float:
    """The distance of the boxes around two trees."""
    gap = np.maximum(tree.mins - other.maxes, other.mins - tree.maxes)
    return float(np.linalg.norm(np.maximum(gap, 0)))


def _of_similar_shape(
    left: _Set, right: _Set, first: np.ndarray, second: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    least = 1 - MAX_DISTANCE**2 / 2
    for start in range(0, len(first), SHAPE_BATCH):
        a, b = first[start : start + SHAPE_BATCH], second[start : start + SHAPE_BATCH]
        allowed = SHAPES.products(left.shapes[a], right.shapes[b]) >= least
        good = allowed.any(1)
        if good.any():
            yield a[good], b[good], allowed[good]


def _batched(
    parts: Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> Iterator[tuple[np.ndarray, ...]]:
    """Batches of ``DETAIL_BATCH`` rows, the last one smaller, from parts of any length."""
    waiting: list[tuple[np.ndarray, ...]] = []
    count = 0
    for part in parts:
        waiting.append(part)
        count += len(part[0])
        if count >= DETAIL_BATCH:
            yield from _cut(waiting)
            waiting, count = [], 0
    if waiting:
        yield from _cut(waiting)


def _cut(parts: list[tuple[np.ndarray, ...]]) -> Iterator[tuple[np.ndarray, ...]]:
    whole = tuple(np.concatenate(column) for column in zip(*parts, strict=True))
    for start in range(0, len(whole[0]), DETAIL_BATCH):
        yield tuple(column[start : start + DETAIL_BATCH] for column in whole)


def _compare(
    left: _Set, right: _Set, first: np.ndarray, second: np.ndarray, allowed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The best correlation of the details over the allowed symmetries, and that symmetry."""
    a, b = _details_of(left, first), _details_of(right, second)
    scores = np.full((len(first), SYMMETRIES), -1, np.float32)
    for symmetry in range(SYMMETRIES):
        rows = np.flatnonzero(allowed[:, symmetry])
        turned = apply_symmetry(b[rows].transpose(1, 2, 0), symmetry).transpose(2, 0, 1)
        scores[rows, symmetry] = _correlation(a[rows], turned)
    best = scores.argmax(1)
    return np.minimum(scores.max(1), 1), best


def _details_of(images: _Set, positions: np.ndarray) -> np.ndarray:
    """Details of the images, computed once for each."""
    needed, place = np.unique(positions, return_inverse=True)
    # Fancy indexing of a memmap reads only the rows asked for.
    return details(np.asarray(images.signatures[images.rows[needed]]))[place]


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of images with the details (n, s, s), the best when one is moved by at most one pixel."""
    side = a.shape[1]
    low, whole, high = slice(0, side - 1), slice(0, side), slice(1, side)
    moves = [(low, high), (whole, whole), (high, low)]
    best = np.full(len(a), -1, np.float32)
    for rows, other_rows in moves:
        for columns, other_columns in moves:
            product = np.einsum("nij,nij->n", a[:, rows, columns], b[:, other_rows, other_columns])
            best = np.maximum(best, product)
    return best
