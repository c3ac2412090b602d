"""Draw the before-and-after pictures of docs/data.md from synthetic lesions, the same every time.

python benchmarks/cleaning_pictures.py        # writes docs/images/cleaning_*.png
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args
from unittest import mock

import numpy as np
from PIL import Image

from skinlesion.config import Cleaning, Fit
from skinlesion.data.cleaning import crop_border, remove_hair, shades_of_gray
from skinlesion.data.images import to_square
from skinlesion.data.synthetic import artefacts, draw_lesion

FOLDER = Path(__file__).parents[1] / "docs" / "images"
DRAWN, SHOWN = 256, 128  # pixels a side
GAP, COLOURS = 6, 128
MAX_BYTES = 120_000


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    write("border_crop", [dark_corners(seed) for seed in (1, 4, 7)], [cropped])
    write("hair_removal", [hairy(seed) for seed in (7, 14, 25)], [remove_hair])
    lights = [(1.0, 0.8, 0.65), (0.75, 0.9, 1.0), (1.0, 0.75, 0.8)]
    write("color_constancy", [tinted(3, light) for light in lights], [gray_light])
    fits = [fitted(fit) for fit in get_args(Fit)]
    write("fit", [wide(seed) for seed in (0, 11)], fits)


def write(
    name: str,
    before: Sequence[np.ndarray],
    changes: Sequence[Callable[[np.ndarray], np.ndarray]],
) -> None:
    """One row an image: as it was, then after each change."""
    pairs = [[image, *(change(image) for change in changes)] for image in before]
    # Pairs stand side by side, the three fits of an image in a row of their own.
    rows = pairs if len(changes) > 1 else [[image for pair in pairs for image in pair]]
    sheet = np.concatenate([row(images, every=1 + len(changes)) for images in rows])
    path = FOLDER / f"cleaning_{name}.png"
    picture = Image.fromarray(sheet).quantize(COLOURS, dither=Image.Dither.FLOYDSTEINBERG)
    picture.save(path, optimize=True)
    size = path.stat().st_size
    assert size <= MAX_BYTES, f"{path} has {size} bytes"
    print(f"{path}: {size / 1000:.0f} kB")


def row(images: Sequence[np.ndarray], *, every: int) -> np.ndarray:
    """Images beside each other on white, with a wider gap after ``every`` of them."""
    parts = []
    for number, image in enumerate(images, 1):
        height, width = (round(side * SHOWN / DRAWN) for side in image.shape[:2])
        small = Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS)
        last = number == len(images)
        gap = 0 if last else GAP * (4 if number % every == 0 else 1)
        below = SHOWN - height + GAP
        parts.append(np.pad(small, ((0, below), (0, gap), (0, 0)), constant_values=255))
    return np.concatenate(parts, axis=1)


def clear(seed: int) -> np.ndarray:
    """A lesion without artefacts, RGB in [0, 1]."""
    with mock.patch.dict(artefacts.RATES, dict.fromkeys(artefacts.RATES, 0.0)):
        return draw_lesion(seed % 2, size=DRAWN, rng=np.random.default_rng(seed)).image / 255


def hairy(seed: int) -> np.ndarray:
    cover = artefacts.draw_hair(DRAWN, np.random.default_rng(seed))
    return eight_bits(artefacts.paint(clear(seed), cover, 0.1 * artefacts.BROWN))


def dark_corners(seed: int) -> np.ndarray:
    through = artefacts.draw_dark_corner(DRAWN, np.random.default_rng(seed))
    return eight_bits(clear(seed) * through[..., None])


def tinted(seed: int, light: Sequence[float]) -> np.ndarray:
    """The lesion in light of another colour."""
    return eight_bits(clear(seed) * light)


def wide(seed: int) -> np.ndarray:
    """The lesion in a picture of 4:3."""
    return eight_bits(clear(seed)[DRAWN // 8 : DRAWN - DRAWN // 8])


def cropped(image: np.ndarray) -> np.ndarray:
    inside = Image.fromarray(crop_border(image))
    return np.asarray(inside.resize((DRAWN, DRAWN), Image.Resampling.BILINEAR))


def gray_light(image: np.ndarray) -> np.ndarray:
    return shades_of_gray(image, p=Cleaning().minkowski_p)


def fitted(fit: Fit) -> Callable[[np.ndarray], np.ndarray]:
    return lambda image: to_square(image, DRAWN, fit=fit)


def eight_bits(photo: np.ndarray) -> np.ndarray:
    return np.round(np.clip(photo, 0, 1) * 255).astype(np.uint8)


if __name__ == "__main__":
    main()
