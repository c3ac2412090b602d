"""What ``predict`` wrote of files, seen as predictions on the images of a data set."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePath

from skinlesion.errors import DataError
from skinlesion.tables import Manifest, read_columns
from skinlesion.wording import counted

PATH, PROBABILITY, ERROR = "path", "probability", "error"


def is_of_predict(path: Path) -> bool:
    """Whether a CSV names files, as that of ``predict`` does, instead of image ids."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    return {PATH, PROBABILITY} <= {*header} and "image_id" not in header


def read_answers(path: Path, manifest: Manifest, *, column: str) -> dict[str, list[str]]:
    """``image_id`` and ``column`` of what ``predict`` wrote, without files the data set lacks.

    A file is that image of the data set whose path ends as the file's does, as far as the shorter
    of the two goes: ``Test/a.jpg`` of the data set is ``isic/Test/a.jpg`` and ``a.jpg``.

    Raises:
        DataError: If a file may be several images, or an image of the data set was not readable.
    """
    columns = read_columns(path, required=[PATH, PROBABILITY, column])
    ids = _ids(columns[PATH], manifest)
    several = [file for file, found in zip(columns[PATH], ids, strict=True) if len(found) > 1]
    if several:
        raise DataError(
            f"{path} names {counted(len(several), 'file')} that may be any of several images",
            expected="paths as long as those of the data set's manifest.csv",
            fix="predict from the folder above the images",
            which=several,
        )
    kept = [row for row, found in enumerate(ids) if found]
    broken = [columns[PATH][row] for row in kept if not columns[PROBABILITY][row]]
    if broken:
        raise DataError(
            f"{path} has no answer for {counted(len(broken), 'image')} of the data set",
            expected="a probability for each",
            fix=f"see the column {ERROR}; mend the files and predict them anew",
            which=broken,
        )
    return {
        "image_id": [ids[row][0] for row in kept],
        column: [columns[column][row] for row in kept],
    }


def _ids(files: Sequence[str], manifest: Manifest) -> list[list[str]]:
    """By file, the images that it may be."""
    ending = defaultdict(list)  # from the last parts of a path to images, and whether it is all
    for image_id, named in zip(manifest.image_id.tolist(), manifest.path.tolist(), strict=True):
        parts = PurePath(named).parts
        for length in range(1, len(parts) + 1):
            ending[parts[-length:]].append((image_id, length == len(parts)))
    longest = max(map(len, ending), default=0)
    found = []
    for file in files:
        parts = PurePath(file).parts
        images: dict[str, None] = {}
        for length in range(min(len(parts), longest), 0, -1):
            for image_id, is_all in ending.get(parts[-length:], ()):
                if is_all or length == len(parts):
                    images[image_id] = None
        found.append([*images])
    return found
