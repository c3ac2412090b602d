"""Write a folder of synthetic lesions with labels, groups and splits, the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from skinlesion.data.synthetic.drawing import Lesion, draw_lesion, draw_view
from skinlesion.data.synthetic.traits import draw_traits
from skinlesion.errors import DataError
from skinlesion.folders import new_folder, write_text
from skinlesion.tables import TEST, TRAIN, VAL, write_rows

IMAGES_PER_BLOCK = 5  # of each 5 images, the first two show the same lesion
SPLIT_CYCLE = (TRAIN, VAL, TEST, TRAIN, TRAIN)
GOLDEN_RATIO = (5**0.5 - 1) / 2
LABEL_NAMES = ("benign", "malignant")
JPEG_QUALITY = 92
README = """Synthetic images: no clinical meaning.

Drawn by skinlesion.data.synthetic to try the program without downloading anything.
{count} images of {size} x {size} pixels, seed {seed}. The columns of labels.csv: path, label
(benign, malignant), group (the lesion; some have two images), split (train, val, test).
Scores on these images say nothing about skin lesions.
"""


def write_synthetic(
    folder: Path,
    *,
    count: int = 480,
    size: int = 128,
    seed: int = 0,
    malignant_fraction: float = 0.35,
) -> Path:
    """Write ``images/*.jpg``, ``labels.csv`` and ``README.txt``: same arguments, same bytes.

    Args:
        folder: Made here.
        count: Number of images.
        size: Pixels a side.
        seed: Image ``i`` depends on its label and ``(seed, i)`` only.
        malignant_fraction: Of the lesions, in (0, 1).

    Returns:
        ``folder``.

    Raises:
        DataError: If ``folder`` exists, or ``count`` is too small for both labels in all splits.
    """
    lesions = _first_views(count)
    labels = _labels(lesions, malignant_fraction)
    splits = _splits(labels)
    _refuse_poor_splits(labels, splits, count)
    of_image = np.searchsorted(lesions, np.arange(count), side="right") - 1
    rows = []
    with new_folder(folder) as partial:
        (partial / "images").mkdir()
        for index in range(count):
            lesion = of_image[index]
            name = f"images/synthetic_{index:05d}.jpg"
            drawn = draw_image(int(labels[lesion]), index=index, seed=seed, size=size)
            Image.fromarray(drawn.image).save(partial / name, quality=JPEG_QUALITY)
            group = f"lesion_{lesions[lesion]:05d}"
            rows.append((name, LABEL_NAMES[labels[lesion]], group, splits[lesion]))
        write_rows(partial / "labels.csv", ["path", "label", "group", "split"], rows)
        write_text(partial / "README.txt", README.format(count=count, size=size, seed=seed))
    return folder


def draw_image(label: int, *, index: int, seed: int, size: int) -> Lesion:
    """Image ``index`` of the set ``seed``: a new lesion, or another view of the one before."""
    rng = np.random.default_rng((seed, index))
    if index % IMAGES_PER_BLOCK != 1:
        return draw_lesion(label, size=size, rng=rng)
    traits = draw_traits(label, rng=np.random.default_rng((seed, index - 1)))
    return draw_view(traits, size=size, rng=rng)


def _first_views(count: int) -> np.ndarray:
    """Indices below ``count`` of the images that show a new lesion, ascending."""
    index = np.arange(count)
    return index[index % IMAGES_PER_BLOCK != 1]


def _labels(lesions: np.ndarray, malignant_fraction: float) -> np.ndarray:
    """Labels in the wanted proportion among any run of lesions: the golden-ratio sequence."""
    return (np.arange(len(lesions)) * GOLDEN_RATIO % 1 < malignant_fraction).astype(np.int64)


def _splits(labels: np.ndarray) -> np.ndarray:
    """Deal the lesions of each label to the splits in turn."""
    splits = np.empty(len(labels), dtype="<U8")
    for label in (0, 1):
        rows = np.flatnonzero(labels == label)
        splits[rows] = np.resize(SPLIT_CYCLE, len(rows))
    return splits


def _refuse_poor_splits(labels: np.ndarray, splits: np.ndarray, count: int) -> None:
    missing = [
        f"{LABEL_NAMES[label]} in {split}"
        for split in (TRAIN, VAL, TEST)
        for label in (0, 1)
        if not ((labels == label) & (splits == split)).any()
    ]
    if missing:
        raise DataError(
            f"{count} synthetic images are too few for both labels in every split",
            expected="at least 3 benign and 3 malignant lesions",
            fix="ask for more images, or for a malignant fraction nearer to 0.5",
            which=missing,
        )
