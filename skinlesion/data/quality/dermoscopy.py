"""How unlike dermoscopic images a picture is: distance of its colours and edges from known ones."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np

from skinlesion.data.quality.exposure import sharpness
from skinlesion.data.quality.planes import LUMINANCE

SIDE = 256  # pixels; of the images that the reference was made from
REFERENCE = Path(__file__).with_name("dermoscopy.json")
_CELLS = 64  # a side
_OFFSET = 4  # grey levels, below which colour is noise
_NO_EDGE = 2.0  # log sharpness where there is no edge at all


def appearance(pixels: np.ndarray) -> np.ndarray:
    """Eleven numbers on colour, light and edges, float64: means of 64 x 64 cells, mostly logs.

    Args:
        pixels: RGB, uint8, shape (256, 256, 3).
    """
    cell = SIDE // _CELLS
    levels = pixels.astype(np.float32).reshape(_CELLS, cell, _CELLS, cell, 3).mean((1, 3))
    red, green, blue = np.moveaxis(np.log(levels + _OFFSET), -1, 0)
    reddish, bluish = red - green, blue - green
    grey = (levels + _OFFSET) @ LUMINANCE
    light = np.log(grey)
    dark, middle, bright = np.percentile(light, (10, 50, 90))
    edges = np.hypot(*np.gradient(grey))
    quarter = _CELLS // 4
    centre = light[quarter:-quarter, quarter:-quarter]
    frequency = sharpness(pixels)
    return np.array(
        [
            np.median(reddish),
            np.median(bluish),
            np.log(reddish.std() + 0.01),
            np.log(bluish.std() + 0.01),
            middle,
            bright - middle,
            np.log(middle - dark + 0.05),
            np.log(frequency) if frequency > 0 else _NO_EDGE,
            np.log(edges.mean() + 0.2),
            centre.mean() - light.mean(),
            np.log(np.median(edges) + 0.2),
        ],
        dtype=np.float64,
    )


def unlikeness(pixels: np.ndarray) -> float:
    """Mahalanobis distance from the nearest of the known sources; arguments as ``appearance``."""
    values = appearance(pixels)
    offsets = (values - mean for mean, _ in reference())
    return min(
        float(np.sqrt(offset @ inverse @ offset))
        for offset, (_, inverse) in zip(offsets, reference(), strict=True)
    )


def is_unlike(pixels: np.ndarray) -> bool:
    """Whether the picture is less like dermoscopy than 98 % of the images of its sources."""
    return unlikeness(pixels) > threshold()


@cache
def reference() -> list[tuple[np.ndarray, np.ndarray]]:
    """Mean, shape (11,), and inverse covariance, shape (11, 11), of each known source."""
    sources = json.loads(REFERENCE.read_text(encoding="utf-8"))["sources"].values()
    return [
        (np.array(source["mean"]), np.linalg.inv(np.array(source["covariance"])))
        for source in sources
    ]


@cache
def threshold() -> float:
    """The distance above which a picture is unlike dermoscopy."""
    return float(json.loads(REFERENCE.read_text(encoding="utf-8"))["threshold"])
