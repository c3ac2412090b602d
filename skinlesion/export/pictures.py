"""Which images an export is compared on: the run's own, the user's, or drawn ones."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skinlesion.bundle import Preprocessing
from skinlesion.data.finding import image_paths
from skinlesion.data.images import decode
from skinlesion.data.sampling import Images
from skinlesion.data.store import open_dataset
from skinlesion.data.synthetic import draw_lesion
from skinlesion.errors import DataError, SkinlesionError
from skinlesion.inference.resampling import resampled
from skinlesion.runs import RunDir
from skinlesion.tables import TRAIN, VAL
from skinlesion.training.examples import Examples, dataset_of, fold_of, held_out

COMPARED = 64
DRAWN = 16
REPRESENTATIVE = 128  # training images; more change the ranges of int8 little
SEED = 0


@dataclass(frozen=True)
class Pictures:
    """Images as ``preprocess`` stores them.

    Attributes:
        pixels: Shape (n, S, S, 3), uint8.
        source: What they are, for people.
    """

    pixels: np.ndarray
    source: str


def comparison(run: RunDir | None, how: Preprocessing, folder: Path | None) -> Pictures:
    """At most ``COMPARED`` of the images in ``folder``, else of the run's val, else drawn ones.

    Raises:
        DataError: If no image in ``folder`` can be read.
    """
    if folder:
        return _from_folder(folder, how)
    if run:
        try:
            images = examples_of(run).images(VAL)
        except (SkinlesionError, OSError):
            images = None
        if images is not None and len(images.rows) and images.pixels.image_size == how.stored_size:
            rows = spread(images.rows, COMPARED)
            return Pictures(images.pixels.read(rows), f"{len(rows)} images of val")
    drawn = [
        draw_lesion(number % 2, size=how.stored_size, rng=np.random.default_rng((SEED, number)))
        for number in range(DRAWN)
    ]
    return Pictures(np.stack([one.image for one in drawn]), f"{DRAWN} synthetic images")


def examples_of(run: RunDir) -> Examples:
    """The images that ``run`` learnt from and was validated on.

    Raises:
        DataError: If the data set is not where it was, or is another one.
    """
    dataset = open_dataset(dataset_of(run))
    if run.record().get("dataset") != dataset.fingerprint:
        raise DataError(f"{dataset.path} is not what {run.path} was trained on")
    fold = fold_of(run, dataset)
    target = run.record()["target"]
    chosen = held_out(dataset, fold, target=target) if fold else dataset
    return Examples(chosen, target, chosen.manifest.rows(TRAIN))


def representative(images: Images, image_size: int) -> Iterator[np.ndarray]:
    """Training images for int8, each of shape (1, s, s, 3), float32."""
    for row in spread(images.rows, REPRESENTATIVE):
        yield resampled(images.pixels.read(np.array([row])), image_size)


def spread(rows: np.ndarray, count: int) -> np.ndarray:
    """At most ``count`` of ``rows``, evenly from the first to the last."""
    if len(rows) <= count:
        return rows
    return rows[np.linspace(0, len(rows) - 1, count).round().astype(int)]


def _from_folder(folder: Path, how: Preprocessing) -> Pictures:
    squares: list[np.ndarray] = []
    for path in itertools.islice(image_paths([str(folder)]), COMPARED):
        try:
            squares.append(decode(Path(path), how.stored_size, fit=how.fit, cleaning=how.cleaning))
        except DataError:
            continue
    if not squares:
        raise DataError(
            f"{folder} holds no image that can be read",
            expected="JPEG, PNG, BMP or TIFF files",
            fix="pass --images FOLDER with some, or leave it out",
        )
    return Pictures(np.stack(squares), f"{len(squares)} images of {folder.name}")
