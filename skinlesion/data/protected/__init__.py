"""Benchmarks whose test images may never be learnt from, whether they are at hand or not."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

import numpy as np

from skinlesion.tables import read_columns

NAMES = ("isic2017-test",)


@dataclass(frozen=True)
class Protected:
    """A benchmark's test images.

    Attributes:
        split: Its name as a split.
        image_id: Shape (m,).
        signature: As ``duplicates.signature``, uint8, shape (m, *SIGNATURE_SHAPE).
    """

    split: str
    image_id: np.ndarray
    signature: np.ndarray


def load(name: str) -> Protected:
    """The benchmark called ``name``, one of ``NAMES``, from the tables that ship with the package.

    ``isic2017-test``: the 600 ids of ISIC 2017's public ground truth of Part 3 (CC-0), and the
    signatures of its images; ``benchmarks/protected_tables.py`` makes both.
    """
    with resources.as_file(resources.files(__package__)) as folder:
        ids = read_columns(folder / f"{name}.csv", required=["image_id"])["image_id"]
        with np.load(folder / f"{name}.npz", allow_pickle=False) as arrays:
            signature = arrays["signature"]
    return Protected(name, np.array(ids, dtype=np.str_), signature)
