"""The ISIC 2017 challenge, Part 3, in its own layout and with its official splits."""

from __future__ import annotations

from pathlib import Path

from skinlesion.data.sources.parts import (
    Part,
    details,
    first_existing,
    one_hot,
    read_parts,
    recognizes_parts,
    with_details,
)
from skinlesion.data.sources.records import Reader, Record, Source

SPLITS = {"Training": "train", "Validation": "val", "Test_v2": "isic2017-test"}
PARTS = tuple(
    Part(split, (f"ISIC-2017_{name}_Data",), (f"ISIC-2017_{name}_Part3_GroundTruth.csv",))
    for name, split in SPLITS.items()
)
WORDS = {"melanoma": "melanoma", "seborrheic_keratosis": "seborrheic keratosis"}
MORE = {"sex": "sex", "age": "age_approximate"}


def recognizes(path: Path) -> bool:
    """Whether ``path`` is a folder with a file or folder of one of the three parts."""
    return recognizes_parts(path, PARTS)


def read(path: Path) -> Source:
    """Read the parts that are there; neither flag is a nevus, superpixel files are skipped.

    Raises:
        DataError: As ``read_parts``, or if a row is both melanoma and seborrheic keratosis.
    """
    return read_parts(path, PARTS, _labels, name="isic2017")


def _labels(table: Path) -> list[Record]:
    words = one_hot(table, ids="image_id", words=WORDS, neither="nevus")
    metadata = table.name.replace("Part3_GroundTruth", "Data_metadata")
    file = first_existing(table.parent, (metadata,))
    return with_details(words, details(file, MORE, ids="image_id", optional=True))


READER = Reader(
    "ISIC 2017: ISIC-2017_Training_Data/ (or Validation, Test_v2) with its"
    " ISIC-2017_Training_Part3_GroundTruth.csv",
    recognizes,
    read,
)
