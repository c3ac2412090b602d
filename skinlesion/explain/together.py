"""One map of several members: an ensemble is explained by the weighted sum of its members' maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skinlesion.data.augment import resize


def weighted_sum(
    maps: Sequence[np.ndarray], weights: Sequence[float], *, adding_up: bool = False
) -> np.ndarray:
    """The members' maps, each of shape (n, s, s), times their weights, summed at the largest s.

    Args:
        maps: One array a member.
        weights: As many.
        adding_up: Enlarging keeps sums (up to what the edges get too much), not heights.
    """
    side = max(one.shape[1] for one in maps)
    weighed = [
        weight * _enlarged(one, side, adding_up=adding_up)
        for one, weight in zip(maps, weights, strict=True)
    ]
    summed: np.ndarray = np.sum(weighed, axis=0)
    return summed


def _enlarged(maps: np.ndarray, side: int, *, adding_up: bool) -> np.ndarray:
    if maps.shape[1] == side:
        return maps
    larger: np.ndarray = resize(maps[..., None], side).numpy()[..., 0]
    return larger * (maps.shape[1] / side) ** 2 if adding_up else larger
