"""HAM10000 (Tschandl et al. 2018), grouped by lesion; it has no official split."""

from __future__ import annotations

from pathlib import Path

from skinlesion.data.sources.parts import details
from skinlesion.data.sources.records import (
    Reader,
    Record,
    Source,
    is_image,
    refuse_missing,
    visible_folders,
)
from skinlesion.errors import DataError
from skinlesion.tables import read_columns, refuse_duplicates

TABLES = ("HAM10000_metadata.csv", "HAM10000_metadata")  # Kaggle's name, Harvard Dataverse's name
IMAGES = "ham10000_images"
MORE = {"lesion": "lesion_id", "sex": "sex", "age": "age", "site": "localization"}


def recognizes(path: Path) -> bool:
    """Whether ``path`` is a folder with the table or a folder of images of HAM10000."""
    return path.is_dir() and (
        any((path / name).is_file() for name in TABLES) or bool(_image_folders(path))
    )


def read(path: Path) -> Source:
    """Read the table, and the images of ``HAM10000_images*`` or, without those, of ``path``.

    Raises:
        DataError: If the table is missing or lacks a column, or a row lacks its image.
    """
    table_file = next((path / name for name in TABLES if (path / name).is_file()), None)
    if table_file is None:
        raise DataError(f"{path / TABLES[0]} is missing", expected="the labels of HAM10000")
    table = read_columns(table_file, required=["lesion_id", "image_id", "dx"])
    refuse_duplicates(table["image_id"], where=str(table_file))
    # Kaggle's archive holds the images twice (HAM10000_images_part_1 and ham10000_images_part_1).
    files = {
        file.stem: file.relative_to(path).as_posix()
        for folder in reversed(_image_folders(path) or [path])
        for file in sorted(folder.iterdir())
        if is_image(file)
    }
    missing = [image_id for image_id in table["image_id"] if image_id not in files]
    refuse_missing(missing, table=table_file, place=f"{path}/HAM10000_images*")
    more = details(table_file, MORE, ids="image_id", optional=True)
    records = tuple(
        Record(image_id, files[image_id], word, **more[image_id])
        for image_id, word in zip(table["image_id"], table["dx"], strict=True)
    )
    unlabelled = sorted(set(files.values()) - {record.path for record in records})
    return Source("ham10000", "ham10000", path, records, tuple(unlabelled))


def _image_folders(path: Path) -> list[Path]:
    return [folder for folder in visible_folders(path) if folder.name.lower().startswith(IMAGES)]


READER = Reader(
    "HAM10000: HAM10000_metadata.csv with HAM10000_images/ (or HAM10000_images_part_1/, _part_2/)",
    recognizes,
    read,
)
