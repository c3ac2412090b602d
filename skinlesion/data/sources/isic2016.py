"""The ISIC 2016 challenge, Part 3: benign or malignant, no diagnoses."""

from __future__ import annotations

import csv
from pathlib import Path

from skinlesion.data.sources.parts import Part, read_parts, recognizes_parts
from skinlesion.data.sources.records import Reader, Record, Source
from skinlesion.errors import DataError

PARTS = tuple(
    Part(
        split,
        (f"ISBI2016_ISIC_Part3_{name}_Data",),
        (f"ISBI2016_ISIC_Part3_{name}_GroundTruth.csv",),
    )
    for name, split in {"Training": "train", "Test": "isic2016-test"}.items()
)


def recognizes(path: Path) -> bool:
    """Whether ``path`` is a folder with a file or folder of one of the two parts."""
    return recognizes_parts(path, PARTS)


def read(path: Path) -> Source:
    """Read the parts that are there.

    Raises:
        DataError: As ``read_parts``, or if a row is not an id and a label.
    """
    return read_parts(path, PARTS, _labels, name="isic2016")


def _labels(table: Path) -> list[Record]:
    """Rows like ``ISIC_0000000,benign`` or, in the test set, ``ISIC_0000003,0.0``; no header."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file, strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table} is not a readable CSV file: {error}") from error
    wrong = [f"row {number}" for number, row in enumerate(rows, 1) if len(row) != 2]
    if wrong:
        raise DataError(
            f"{table} has rows of other than two cells",
            expected="image id and label, as in ISIC_0000000,benign",
            which=wrong,
        )
    return [Record(image_id.strip(), "", word.strip()) for image_id, word in rows]


READER = Reader(
    "ISIC 2016: ISBI2016_ISIC_Part3_Training_Data/ (or Test) with its"
    " ISBI2016_ISIC_Part3_Training_GroundTruth.csv",
    recognizes,
    read,
)
