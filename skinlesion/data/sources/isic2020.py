"""The ISIC 2020 challenge, grouped by patient, as of ISIC or of Kaggle; its test has no labels."""

from __future__ import annotations

from pathlib import Path

from skinlesion.data.labels import deepest_words
from skinlesion.data.sources.parts import Part, details, first_existing, read_parts, with_details
from skinlesion.data.sources.records import Reader, Record, Source, has_columns
from skinlesion.tables import read_columns

# The second version adds the lesions; Kaggle's table is the first one.
TABLES = (
    "ISIC_2020_Training_GroundTruth_v2.csv",
    "ISIC_2020_Training_GroundTruth.csv",
    "train.csv",
)
MORE = {
    "patient": "patient_id",
    "lesion": "lesion_id",
    "sex": "sex",
    "age": "age_approx",
    "site": "anatom_site_general_challenge",
}
COLUMNS = ("image_name", "patient_id", "benign_malignant", "diagnosis")
PARTS = (
    Part("train", ("ISIC_2020_Training_JPEG", "jpeg/train", "train"), TABLES),
    Part(
        "isic2020-test",
        ("ISIC_2020_Test_JPEG", "ISIC_2020_Test_Input", "jpeg/test", "test"),
        ("ISIC_2020_Test_GroundTruth.csv",),
    ),
)


def recognizes(path: Path) -> bool:
    """Whether ``path`` is a folder with ISIC's folders or tables, or with Kaggle's table."""
    if not path.is_dir():
        return False
    own = (*TABLES[:-1], *(name for part in PARTS for name in part.images if name[:5] == "ISIC_"))
    return first_existing(path, own) is not None or has_columns(path / TABLES[-1], COLUMNS)


def read(path: Path) -> Source:
    """Read the training images; those of the test set are unlabelled.

    Raises:
        DataError: As ``read_parts``, or if a diagnosis contradicts ``benign_malignant``.
    """
    return read_parts(path, PARTS, _labels, name="isic2020")


def _labels(table: Path) -> list[Record]:
    columns = read_columns(table, required=COLUMNS)
    ids = columns["image_name"]
    levels = list(zip(columns["benign_malignant"], columns["diagnosis"], strict=True))
    # The diagnosis is "unknown" for four of five, all of them benign.
    words = deepest_words(levels, ids, where=str(table), binary=True)
    more = details(table, MORE, ids="image_name", optional=True)
    return with_details(dict(zip(ids, words, strict=True)), more)


READER = Reader(
    "ISIC 2020: ISIC_2020_Training_JPEG/ with ISIC_2020_Training_GroundTruth_v2.csv (or Kaggle's"
    " train.csv with jpeg/train/ or train/)",
    recognizes,
    read,
)
