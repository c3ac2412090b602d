"""A CSV that lists images with their labels: path, label, and optionally more about each."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from skinlesion.data.sources.records import (
    IMAGE_SUFFIXES,
    Reader,
    Record,
    Source,
    is_image,
    name_images,
    refuse_missing,
    split_name,
)
from skinlesion.errors import DataError
from skinlesion.tables import read_columns, refuse_duplicates
from skinlesion.wording import counted

# Fields of Record, and the columns that they may be in.
OPTIONAL = {
    "patient": "group",
    "lesion": "lesion",
    "split": "split",
    "sex": "sex",
    "age": "age",
    "site": "site",
}


def recognizes(path: Path) -> bool:
    """Whether ``path`` is a CSV file."""
    return path.is_file() and path.suffix.lower() == ".csv"


def read(path: Path) -> Source:
    """Read it; paths are relative to the CSV's folder, an empty split is to be chosen.

    Raises:
        DataError: If a column is missing, a path or an image_id occurs twice, an image is missing
            on disk or has another suffix than an image's, or a split's name is not usable.
    """
    table = read_columns(path, required=["path", "label"])
    paths = [PurePosixPath(cell).as_posix() for cell in table["path"]]
    refuse_duplicates(paths, where=f"column path of {path}")
    ids = table.get("image_id") or name_images(paths)
    _refuse_empty(path, "image_id", ids)
    refuse_duplicates(ids, where=str(path))
    others = [cell for cell in paths if not is_image(PurePosixPath(cell))]
    if others:
        raise DataError(
            f"{path}: {counted(len(others), 'path')} not of images",
            expected=f"files named {', '.join(IMAGE_SUFFIXES)}",
            which=others,
        )
    missing = [cell for cell in paths if not (path.parent / cell).is_file()]
    refuse_missing(missing, table=path, place=str(path.parent))
    records = [
        Record(image_id, file, word)
        for image_id, file, word in zip(ids, paths, table["label"], strict=True)
    ]
    for field, column in OPTIONAL.items():
        if column in table:
            cells = [split_name(c) for c in table[column]] if field == "split" else table[column]
            records = [
                record._replace(**{field: cell})
                for record, cell in zip(records, cells, strict=True)
            ]
    return Source(path.stem, "csv", path.parent, tuple(records))


def _refuse_empty(path: Path, column: str, cells: list[str]) -> None:
    empty = [f"row {number}" for number, cell in enumerate(cells, 1) if not cell]
    if empty:
        raise DataError(f"{path}: {len(empty)} cells of {column} are empty", which=empty)


READER = Reader(
    f"a CSV file with columns path,label[,image_id,{','.join(OPTIONAL.values())}]", recognizes, read
)
