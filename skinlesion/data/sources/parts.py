"""Challenges lie in parts: for each split a folder of images and a table of their labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from skinlesion.data.sources.records import Record, Source, files_by_id, refuse_missing
from skinlesion.errors import DataError
from skinlesion.tables import TRAIN, VAL, floats, read_columns, refuse_duplicates


class Part(NamedTuple):
    """One split of a challenge.

    Attributes:
        split: Its name in our data set.
        images: Where its images may lie, relative to the source's root.
        labels: Where its labels may lie.
    """

    split: str
    images: tuple[str, ...]
    labels: tuple[str, ...]


def recognizes_parts(path: Path, parts: Sequence[Part]) -> bool:
    """Whether ``path`` is a folder with the images or the labels of one of ``parts``."""
    return path.is_dir() and any(
        first_existing(path, (*part.images, *part.labels)) for part in parts
    )


def read_parts(
    path: Path, parts: Sequence[Part], read: Callable[[Path], list[Record]], *, name: str
) -> Source:
    """The source of the parts that are there.

    The images of a test set without labels, and those without a row or a word, are unlabelled.

    Args:
        path: The source's root.
        parts: Its splits.
        read: From a table of labels to records without a path.
        name: Of the source and of its layout.

    Raises:
        DataError: If a part lacks its folder, or one for training its table; if a row lacks its
            image, or an id occurs twice.
    """
    records: list[Record] = []
    unlabelled: list[str] = []
    for part in parts:
        folder, table = first_existing(path, part.images), first_existing(path, part.labels)
        if folder is None and table is None:
            continue
        if folder is None:
            raise DataError(
                f"{path / part.images[0]} is missing",
                expected=f"the images of {table}",
                fix="download them, or move the table elsewhere to do without that part",
            )
        if table is None and part.split in (TRAIN, VAL):
            raise DataError(
                f"{path / part.labels[0]} does not exist", expected=f"the labels of {folder}"
            )
        labelled = read(table) if table else []
        found, others = place(labelled, folder, root=path, table=table or folder)
        records += [record._replace(split=part.split) for record in found]
        unlabelled += others
    refuse_duplicates([record.image_id for record in records], where=str(path))
    return Source(name, name, path, tuple(records), tuple(unlabelled))


def place(
    records: Sequence[Record], folder: Path, *, root: Path, table: Path
) -> tuple[list[Record], list[str]]:
    """Give each of ``records`` its file below ``folder``.

    Returns:
        The records that have a diagnosis, and the paths of all other images.

    Raises:
        DataError: If a record lacks its image, or two files or two records have one id.
    """
    files = files_by_id(folder, root=root)
    refuse_duplicates([record.image_id for record in records], where=str(table))
    missing = [record.image_id for record in records if record.image_id not in files]
    refuse_missing(missing, table=table, place=str(folder))
    placed = [
        record._replace(path=files[record.image_id]) for record in records if record.diagnosis
    ]
    used = {record.path for record in placed}
    return placed, [file for file in files.values() if file not in used]


def one_hot(
    path: Path, *, ids: str, words: Mapping[str, str], neither: str | None = None
) -> dict[str, str]:
    """The word of each image in a table with one column of 0 and 1 for each class.

    Args:
        path: The table.
        ids: The column of image ids.
        words: From columns to words; "" for a class that is no diagnosis.
        neither: The word of a row of zeros; None if there must be no such row.

    Raises:
        DataError: If a column is missing, an id occurs twice, or a row has other than one 1.
    """
    table = read_columns(path, required=[ids, *words])
    refuse_duplicates(table[ids], where=str(path))
    flags = np.stack([floats(path, name, table[name]) for name in words], axis=1)
    total = flags.sum(axis=1)
    right = np.isin(flags, (0, 1)).all(axis=1) & (
        (total == 1) | (total == 0) & (neither is not None)
    )
    if not right.all():
        raise DataError(
            f"{path}: flags other than 0 and 1 with at most one 1"
            if neither is not None
            else f"{path}: flags other than one 1 and zeros",
            expected=f"one class of {', '.join(words)} for each image",
            which=[name for name, good in zip(table[ids], right.tolist(), strict=True) if not good],
        )
    names = np.array([*words.values(), neither or ""], dtype=object)
    chosen = names[np.where(total == 1, flags.argmax(axis=1), len(words))]
    return dict(zip(table[ids], chosen.tolist(), strict=True))


def details(
    path: Path | None, columns: Mapping[str, str], *, ids: str, optional: bool = False
) -> dict[str, dict[str, str]]:
    """More about each image: fields of ``Record``, by image_id, from a second table.

    Args:
        path: The table; nothing is known if it is None.
        columns: From fields of ``Record`` to columns.
        ids: The column of image ids.
        optional: A column that is missing is left out.

    Raises:
        DataError: If a column is missing or an id occurs twice.
    """
    if path is None:
        return {}
    table = read_columns(path, required=[ids] if optional else [ids, *columns.values()])
    refuse_duplicates(table[ids], where=str(path))
    known = {field: table[column] for field, column in columns.items() if column in table}
    return {
        image_id: {field: cells[row] for field, cells in known.items()}
        for row, image_id in enumerate(table[ids])
    }


def with_details(words: Mapping[str, str], more: Mapping[str, dict[str, str]]) -> list[Record]:
    """Records without a path, from a word for each image and what else is known of it."""
    return [
        Record(image_id, "", word, **more.get(image_id, {})) for image_id, word in words.items()
    ]


def first_existing(root: Path, names: Sequence[str]) -> Path | None:
    """The first of ``names`` that is a file or a folder in ``root``."""
    return next((root / name for name in names if (root / name).exists()), None)
