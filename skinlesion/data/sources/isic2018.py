"""The ISIC 2018 challenge, Task 3: HAM10000 for training, grouped by lesion."""

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
from skinlesion.errors import DataError

SPLITS = {"Training": "train", "Validation": "val", "Test": "isic2018-test"}
PARTS = tuple(
    Part(
        split,
        (f"ISIC2018_Task3_{name}_Input",),
        # The archive unpacks to a folder.
        (
            f"ISIC2018_Task3_{name}_GroundTruth/ISIC2018_Task3_{name}_GroundTruth.csv",
            f"ISIC2018_Task3_{name}_GroundTruth.csv",
        ),
    )
    for name, split in SPLITS.items()
)
CLASSES = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
LESIONS = "ISIC2018_Task3_Training_LesionGroupings.csv"


def recognizes(path: Path) -> bool:
    """Whether ``path`` is a folder with a file or folder of training or validation, or the test's.

    HAM10000's own archive holds the test set's table too, in another form.
    """
    test = PARTS[-1]._replace(labels=())
    return recognizes_parts(path, (*PARTS[:-1], test))


def read(path: Path) -> Source:
    """Read the parts that are there.

    Raises:
        DataError: As ``read_parts``; if a row has other than one class; or if the lesions of the
            training images are missing.
    """
    return read_parts(path, PARTS, _labels, name="isic2018")


def _labels(table: Path) -> list[Record]:
    words = one_hot(table, ids="image", words={name: name for name in CLASSES})
    if "Training" not in table.name:
        return with_details(words, {})
    folders = (table.parent, table.parent.parent)
    found = [file for folder in folders if (file := first_existing(folder, (LESIONS,)))]
    if not found:
        raise DataError(
            f"{LESIONS} is missing beside {table.name}",
            expected="the lesion of each training image: images of one lesion must stay together",
            fix="download it from the challenge's page, or read HAM10000, which has the lesions",
        )
    return with_details(words, details(found[0], {"lesion": "lesion_id"}, ids="image"))


READER = Reader(
    "ISIC 2018: ISIC2018_Task3_Training_Input/ (or Validation, Test) with its"
    f" ISIC2018_Task3_Training_GroundTruth/ and {LESIONS}",
    recognizes,
    read,
)
