"""One map of several members: an ensemble by mean is explained by the mean of its members."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skinlesion.data.augment import resize


def mean_map(maps: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of the members' maps, each of shape (n, s, s), at the largest s."""
    side = max(one.shape[1] for one in maps)
    return np.mean([_enlarged(one, side) for one in maps], axis=0)


def _enlarged(maps: np.ndarray, side: int) -> np.ndarray:
    return maps if maps.shape[1] == side else resize(maps[..., None], side).numpy()[..., 0]
