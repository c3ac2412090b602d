"""Hair, ruler and dark corners: as frequent in benign as in malignant images."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

RATES = {"hair": 0.35, "ruler": 0.2, "dark_corner": 0.2}
SUPERSAMPLING = 3
BROWN = np.array([1.2, 1.0, 0.85])  # of hair, relative to grey


def add_artefacts(
    photo: np.ndarray, *, rng: np.random.Generator
) -> tuple[np.ndarray, dict[str, bool]]:
    """Draw each artefact with its rate, whatever the lesion is.

    Args:
        photo: Linear RGB, shape (size, size, 3), about [0, 1].
        rng: Decides which, where and how.

    Returns:
        The image with the artefacts, and which of ``RATES`` it has.
    """
    present = {name: bool(rng.random() < rate) for name, rate in RATES.items()}
    if present["hair"]:
        photo = paint(photo, draw_hair(len(photo), rng), rng.uniform(0.03, 0.22) * BROWN)
    if present["ruler"]:
        photo = paint(photo, draw_ruler(len(photo), rng), np.full(3, rng.uniform(0.05, 0.2)))
    if present["dark_corner"]:
        photo = photo * draw_dark_corner(len(photo), rng)[..., None]
    return photo, present


def paint(photo: np.ndarray, cover: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """``photo`` under a layer of ``colour`` with opacity ``cover``, shape (size, size)."""
    return photo + cover[..., None] * (colour - photo)


def draw_hair(size: int, rng: np.random.Generator) -> np.ndarray:
    """Curved strands that mostly run one way; opacity, shape (size, size), in [0, 1]."""
    canvas = Image.new("L", (size * SUPERSAMPLING,) * 2)
    draw = ImageDraw.Draw(canvas)
    along = np.linspace(0, 1, 24)
    direction = rng.uniform(0, 2 * np.pi)
    for _ in range(rng.integers(2, 16)):
        turn = direction + rng.normal(0, 0.5)
        start = rng.uniform(-0.2, 1.2, 2)
        length, bend = rng.uniform(0.4, 1.4), rng.normal(0, 0.25)
        forward = np.array([np.cos(turn), np.sin(turn)])
        sideways = np.array([-forward[1], forward[0]])
        path = start + np.outer(along * length, forward) + np.outer(along**2 * bend, sideways)
        width = max(1, round(rng.uniform(0.004, 0.009) * canvas.width))
        points = (path * canvas.width).ravel().tolist()
        draw.line(points, fill=int(rng.integers(150, 245)), width=width, joint="curve")
    return _shrink(canvas, size)


def draw_ruler(size: int, rng: np.random.Generator) -> np.ndarray:
    """Tick marks along one edge, every fifth longer; opacity, shape (size, size), in [0, 1]."""
    canvas = Image.new("L", (size * SUPERSAMPLING,) * 2)
    draw = ImageDraw.Draw(canvas)
    spacing, inset = rng.uniform(0.045, 0.09), rng.uniform(0.02, 0.06)
    tilt, begin = rng.normal(0, 0.03), rng.uniform(-0.05, 0.3)
    for tick in range(int(rng.integers(6, 14))):
        x = begin + tick * spacing
        y = 1 - inset + tilt * tick * spacing
        length = 0.06 if tick % 5 == 0 else 0.035
        ends = np.array([x, y, x + tilt * length, y - length]) * canvas.width
        draw.line(ends.tolist(), fill=220, width=max(1, round(0.007 * canvas.width)))
    return np.rot90(_shrink(canvas, size), int(rng.integers(4)))


def draw_dark_corner(size: int, rng: np.random.Generator) -> np.ndarray:
    """The dermatoscope's round field of view; transmission, shape (size, size), in [0, 1]."""
    axis = np.linspace(-1, 1, size)
    x, y = axis - rng.normal(0, 0.05), axis - rng.normal(0, 0.05)
    distance = np.hypot(x[None, :], y[:, None])
    edge = (rng.uniform(1.02, 1.25) - distance) / rng.uniform(0.012, 0.05)
    return 0.03 + 0.97 / (1 + np.exp(-np.clip(edge, -30, 30)))


def _shrink(canvas: Image.Image, size: int) -> np.ndarray:
    return np.asarray(canvas.resize((size, size), Image.Resampling.BOX), dtype=np.float64) / 255
