"""The ISIC 2019 challenge, grouped by lesion; ids keep the suffix ``_downsampled``."""

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

PARTS = tuple(
    Part(split, (f"ISIC_2019_{name}_Input",), (f"ISIC_2019_{name}_GroundTruth.csv",))
    for name, split in {"Training": "train", "Test": "isic2019-test"}.items()
)
CLASSES = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")
# None of those in the training set: no diagnosis at all.
WORDS = {**{name: name for name in CLASSES}, "UNK": ""}
MORE = {"sex": "sex", "age": "age_approx", "site": "anatom_site_general"}


def recognizes(path: Path) -> bool:
    """Whether ``path`` is a folder with a file or folder of one of the two parts."""
    return recognizes_parts(path, PARTS)


def read(path: Path) -> Source:
    """Read the parts that are there; an image of class UNK is unlabelled.

    Raises:
        DataError: As ``read_parts``; if a row has other than one class; or if the lesions of the
            training images are missing.
    """
    return read_parts(path, PARTS, _labels, name="isic2019")


def _labels(table: Path) -> list[Record]:
    words = one_hot(table, ids="image", words=WORDS)
    metadata = table.name.replace("GroundTruth", "Metadata")
    file = first_existing(table.parent, (metadata,))
    if "Training" not in table.name:
        return with_details(words, details(file, MORE, ids="image", optional=True))
    if file is None:
        raise DataError(
            f"{table.with_name(metadata)} is missing",
            expected="the lesion of each training image: images of one lesion must stay together",
            fix="download it from the challenge's page",
        )
    return with_details(words, details(file, {**MORE, "lesion": "lesion_id"}, ids="image"))


READER = Reader(
    "ISIC 2019: ISIC_2019_Training_Input/ (or Test) with its ISIC_2019_Training_GroundTruth.csv"
    " and ISIC_2019_Training_Metadata.csv",
    recognizes,
    read,
)
