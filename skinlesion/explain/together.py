"""One map of several members: an ensemble by mean is explained by the mean of its members."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skinlesion.data.augment import resize


def mean_map(maps: Sequence[np.ndarray], *, adding_up: bool = False) -> np.ndarray:
    """The mean of the members' maps, each of shape (n, s, s), at the largest s.

    Args:
        maps: One array a member.
        adding_up: Enlarging keeps sums (up to what the edges get too much), not heights.
    """
    side = max(one.shape[1] for one in maps)
    return np.mean([_enlarged(one, side, adding_up=adding_up) for one in maps], axis=0)


def _enlarged(maps: np.ndarray, side: int, *, adding_up: bool) -> np.ndarray:
    if maps.shape[1] == side:
        return maps
    larger: np.ndarray = resize(maps[..., None], side).numpy()[..., 0]
    return larger * (maps.shape[1] / side) ** 2 if adding_up else larger
