"""A folder with a sub-folder for each class, below train/, val/ and test/ if you like."""

from __future__ import annotations

from pathlib import Path

from skinlesion.data.sources.records import (
    SPLIT_WORDS,
    Reader,
    Record,
    Source,
    images_below,
    is_image,
    name_images,
    visible_folders,
)
from skinlesion.errors import DataError
from skinlesion.tables import refuse_duplicates
from skinlesion.wording import counted


def recognizes(path: Path) -> bool:
    """Whether ``path`` is a folder with images in its sub-folders."""
    return path.is_dir() and any(
        next(images_below(folder), None) is not None for folder in visible_folders(path)
    )


def read(path: Path) -> Source:
    """Read it; a class's images may lie in deeper folders, image ids are as in ``name_images``.

    Sub-folders without an image are ignored.

    Raises:
        DataError: If a split's folder has images outside the class folders, splits and classes
            lie side by side, or one ISIC id has two files.
    """
    folders = [f for f in visible_folders(path) if next(images_below(f), None) is not None]
    splits = [folder for folder in folders if folder.name.casefold() in SPLIT_WORDS]
    if splits and len(splits) < len(folders):
        others = [folder.name for folder in folders if folder not in splits]
        raise DataError(
            f"{path} has folders of splits beside folders of something else",
            expected="only train, val and test, or only classes",
            which=others,
        )
    classes = [
        (folder, SPLIT_WORDS[split.name.casefold()])
        for split in splits
        for folder in _class_folders(split)
    ] or [(folder, "") for folder in folders]
    found = [
        (file.relative_to(path).as_posix(), folder.name, split)
        for folder, split in classes
        for file in images_below(folder)
    ]
    ids = name_images([file for file, _, _ in found])
    refuse_duplicates(ids, where=f"{path} (two files with one name)")
    records = tuple(
        Record(image_id, file, word, split=split)
        for image_id, (file, word, split) in zip(ids, found, strict=True)
    )
    loose = tuple(file.name for file in sorted(path.iterdir()) if is_image(file))
    return Source(path.resolve().name, "class folders", path, records, loose)


def _class_folders(split: Path) -> list[Path]:
    loose = [file.name for file in sorted(split.iterdir()) if is_image(file)]
    if loose:
        raise DataError(
            f"{split} has {counted(len(loose), 'image')} in no class folder",
            expected=f"such as {split.name}/benign/ and {split.name}/malignant/",
            which=loose,
        )
    return visible_folders(split)


READER = Reader(
    "a folder for each class: benign/ and malignant/, or diagnoses; below train/, val/ and test/"
    " if they are split already",
    recognizes,
    read,
    generic=True,
)
