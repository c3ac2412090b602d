"""Opacities of hairs and rulers, drawn once for each image size, the same every time."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from skinlesion.data.synthetic.artefacts import draw_ruler

MASKS = 16
_SUPERSAMPLING = 3


def hair_masks(side: int) -> np.ndarray:
    """Hairs, shape (MASKS, side, side, 1), uint8: 255 is opaque."""
    return _bank(draw_strands, side)


def ruler_masks(side: int) -> np.ndarray:
    """Tick marks along an edge, shape (MASKS, side, side, 1), uint8: 255 is opaque."""
    return _bank(draw_ruler, side)


@functools.lru_cache(maxsize=8)
def _bank(draw: Callable[[int, np.random.Generator], np.ndarray], side: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    drawn = np.stack([draw(side, rng) for _ in range(MASKS)])
    return np.round(drawn * 255).astype(np.uint8)[..., None]


def draw_strands(side: int, rng: np.random.Generator) -> np.ndarray:
    """Hairs that mostly run one way, bent, thinner towards the tip; shape (side, side), [0, 1]."""
    canvas = Image.new("L", (side * _SUPERSAMPLING,) * 2)
    draw = ImageDraw.Draw(canvas)
    direction = rng.uniform(0, 2 * np.pi)
    for _ in range(int(rng.integers(3, 22))):
        points = _strand(direction + rng.normal(0, 0.45), rng) * canvas.width
        thickest = rng.uniform(0.003, 0.008) * canvas.width
        shade = int(rng.integers(120, 235))
        for number, width in enumerate(np.linspace(thickest, 0.3 * thickest, len(points) - 1)):
            ends = points[number : number + 2].ravel().tolist()
            draw.line(ends, fill=shade, width=max(1, round(width)))
    small = canvas.resize((side, side), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float64) / 255


def _strand(turn: float, rng: np.random.Generator) -> np.ndarray:
    """A curve from root to tip, shape (32, 2), as fractions of the side."""
    along = np.linspace(0, 1, 32)[:, None]
    length, bend, twist = rng.uniform(0.3, 1.1), rng.normal(0, 0.25), rng.normal(0, 0.2)
    forward = np.array([np.cos(turn), np.sin(turn)])
    sideways = np.array([-forward[1], forward[0]])
    side_step = length * (bend * along**2 + twist * along**3)
    return rng.uniform(-0.2, 1.2, 2) + along * length * forward + side_step * sideways
