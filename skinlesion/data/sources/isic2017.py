"""The ISIC 2017 challenge, Part 3, in its own layout and with its official splits."""

from __future__ import annotations

from pathlib import Path

from skinlesion.data.sources.records import Reader, Record, Source, is_image, refuse_missing
from skinlesion.errors import DataError
from skinlesion.tables import floats, read_columns, refuse_duplicates

PARTS = {"Training": "train", "Validation": "val", "Test_v2": "isic2017-test"}


def recognizes(path: Path) -> bool:
    """Whether ``path`` is a folder with a file or folder of one of the three parts."""
    return path.is_dir() and any(
        _images(path, p).is_dir() or _truth(path, p).is_file() for p in PARTS
    )


def read(path: Path) -> Source:
    """Read the parts that are there; neither flag is a nevus, superpixel files are skipped.

    Raises:
        DataError: If a part lacks its table or its folder, a row lacks its image, or a row is
            both melanoma and seborrheic keratosis.
    """
    records: list[Record] = []
    unlabelled: list[str] = []
    for part, split in PARTS.items():
        if _images(path, part).is_dir() or _truth(path, part).is_file():
            labelled, others = _read_part(path, part, split)
            records += labelled
            unlabelled += others
    refuse_duplicates([record.image_id for record in records], where=str(path))
    return Source("isic2017", "isic2017", path, tuple(records), tuple(unlabelled))


def _read_part(path: Path, part: str, split: str) -> tuple[list[Record], list[str]]:
    folder, truth = _images(path, part), _truth(path, part)
    if not folder.is_dir():
        raise DataError(f"{folder} is missing", expected=f"the images of {truth.name}")
    table = read_columns(truth, required=["image_id", "melanoma", "seborrheic_keratosis"])
    flags = zip(
        floats(truth, "melanoma", table["melanoma"]),
        floats(truth, "seborrheic_keratosis", table["seborrheic_keratosis"]),
        strict=True,
    )
    words = {(1, 0): "melanoma", (0, 1): "seborrheic keratosis", (0, 0): "nevus"}
    ids = table["image_id"]
    diagnoses = [words.get(pair, "") for pair in flags]
    wrong = [image_id for image_id, word in zip(ids, diagnoses, strict=True) if not word]
    if wrong:
        raise DataError(f"{truth}: flags other than 1,0 or 0,1 or 0,0", which=wrong)
    files = {
        file.stem: file.relative_to(path).as_posix()
        for file in sorted(folder.iterdir())
        if is_image(file) and not file.stem.endswith("_superpixels")
    }
    refuse_missing([name for name in ids if name not in files], table=truth, place=str(folder))
    records = [
        Record(image_id, files[image_id], word, split=split)
        for image_id, word in zip(ids, diagnoses, strict=True)
    ]
    labelled = set(ids)
    return records, [file for name, file in files.items() if name not in labelled]


def _images(path: Path, part: str) -> Path:
    return path / f"ISIC-2017_{part}_Data"


def _truth(path: Path, part: str) -> Path:
    return path / f"ISIC-2017_{part}_Part3_GroundTruth.csv"


READER = Reader(
    "ISIC 2017: ISIC-2017_Training_Data/ (or Validation, Test_v2) with its"
    " ISIC-2017_Training_Part3_GroundTruth.csv",
    recognizes,
    read,
)
