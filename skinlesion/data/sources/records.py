"""What every reader returns, and the rules for file names that readers share."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from skinlesion.data.finding import IMAGE_SUFFIXES
from skinlesion.errors import DataError
from skinlesion.tables import refuse_duplicates
from skinlesion.wording import counted

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
# Masks that a challenge's archive holds beside the images.
MASKS = ("_superpixels", "_segmentation")
_ISIC_ID = re.compile(r"(?:^|/)(ISIC_\d{7})(?:_downsampled)?$", re.IGNORECASE)
_SPLIT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Record(NamedTuple):
    """One image as its source describes it.

    Attributes:
        image_id: Unique in the source.
        path: Relative to the source's root, with ``/``.
        diagnosis: The source's word.
        patient: Or whatever else a source calls a group of images that belong together; "" if it
            does not say, like all that follow.
        lesion: Images of one lesion share it.
        split: The official split.
        sex: The source's word.
        age: In years, as the source writes it.
        site: Where on the body, the source's word.
    """

    image_id: str
    path: str
    diagnosis: str
    patient: str = ""
    lesion: str = ""
    split: str = ""
    sex: str = ""
    age: str = ""
    site: str = ""


@dataclass(frozen=True)
class Source:
    """One dataset as it lies on disk.

    Attributes:
        name: Short and unique among the sources read together.
        layout: A key of ``READERS``.
        root: The folder that the records' paths start from.
        records: One an image with a label.
        unlabelled: Paths of images without a label; they are not used.
    """

    name: str
    layout: str
    root: Path
    records: tuple[Record, ...]
    unlabelled: tuple[str, ...] = ()


class Reader(NamedTuple):
    """How one layout is recognized and read.

    Attributes:
        describes: The layout, for the error message.
        recognizes: Whether a path is such a layout.
        read: All its records.
        generic: Other layouts may look like this one; they are asked first.
    """

    describes: str
    recognizes: Callable[[Path], bool]
    read: Callable[[Path], Source]
    generic: bool = False


def is_image(path: PurePosixPath | Path) -> bool:
    """Whether the name is that of an image, by its suffix, and not hidden."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def images_below(folder: Path) -> Iterator[Path]:
    """All images in ``folder`` and its sub-folders, sorted, without hidden ones."""
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(names) if is_image(Path(name)))


def visible_folders(folder: Path) -> list[Path]:
    """The sub-folders of ``folder``, sorted, without hidden ones."""
    return sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )


def files_by_id(folder: Path, *, root: Path) -> dict[str, str]:
    """The images below ``folder`` without masks: from file names to paths relative to ``root``.

    Raises:
        DataError: If two files have one name.
    """
    files = [file for file in images_below(folder) if not file.stem.casefold().endswith(MASKS)]
    refuse_duplicates([file.stem for file in files], where=f"{folder} (two files with one name)")
    return {file.stem: file.relative_to(root).as_posix() for file in files}


def name_images(paths: Sequence[str]) -> list[str]:
    """An image_id for each relative path.

    The file name without its suffix where that is unique or is an ISIC id (which names one image
    all over the world, so that a second file is a duplicate); else the path without its suffix.
    """
    stems = [PurePosixPath(path).stem for path in paths]
    counts = Counter(stems)
    return [
        stem
        if counts[stem] == 1 or isic_id(stem)
        else PurePosixPath(path).with_suffix("").as_posix()
        for stem, path in zip(stems, paths, strict=True)
    ]


def isic_id(image_id: str) -> str:
    """The ISIC Archive's id in ``image_id``, also of a ``_downsampled`` copy; "" if it has none."""
    match = _ISIC_ID.search(image_id)
    return match[1].upper() if match else ""


def split_name(word: str) -> str:
    """The split that ``word`` names: train, val, test, or a benchmark's name as it stands.

    Raises:
        DataError: If it could not be a file's name.
    """
    if word and not _SPLIT_NAME.fullmatch(word):
        raise DataError(
            f"{word!r} cannot be the name of a split",
            expected="train, val, test, or a name of letters, digits, '.', '_' and '-'",
        )
    return SPLIT_WORDS.get(word.casefold(), word)


def refuse_missing(missing: Sequence[str], *, table: Path, place: str) -> None:
    """Raise DataError if ``table`` has images that are not on disk."""
    if missing:
        raise DataError(
            f"{table} lists {counted(len(missing), 'image')} missing in {place}",
            expected="a file for every row",
            fix="download the images again, or remove their rows",
            which=sorted(missing),
        )


def has_columns(path: Path, names: Sequence[str]) -> bool:
    """Whether ``path`` is a file whose first line has these columns, as far as it can be read."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = [cell.strip() for cell in next(csv.reader(file), [])]
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    return set(names) <= set(header)
