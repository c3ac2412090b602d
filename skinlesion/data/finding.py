"""Image files meant by files, folders, globs and a list, one after the other."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from skinlesion.errors import DataError

STDIN = "-"
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")


def image_paths(given: Sequence[str], lines: Iterable[str] = ()) -> Iterator[str]:
    """Paths in the order given, those of a folder sorted; found as they are asked for.

    Args:
        given: A folder means all images in it and below, by suffix; a glob (``**`` too) what it
            matches; ``-`` means ``lines``; anything else is taken for a file, there or not.
        lines: A path each; empty ones are left out.

    Raises:
        DataError: If a glob matches nothing; at once, before any path is asked for.
    """
    for item in given:
        if _is_glob(item) and next(glob.iglob(item, recursive=True), None) is None:
            raise DataError(f"nothing matches {item}", expected="image files or folders")
    return _paths(given, lines)


def refuse_missing(folder: Path | None) -> None:
    """Raise DataError, before any work, if ``folder`` is given and not there."""
    if folder and not folder.exists():
        raise DataError(f"there is no folder {folder}", expected="a folder of images")


def _is_glob(item: str) -> bool:
    return item != STDIN and glob.has_magic(item) and not os.path.exists(item)


def _paths(given: Sequence[str], lines: Iterable[str]) -> Iterator[str]:
    for item in given:
        if item == STDIN:
            yield from (text for line in lines if (text := line.rstrip("\r\n")))
        elif os.path.isdir(item):
            yield from _below(item)
        elif _is_glob(item):
            for match in sorted(glob.iglob(item, recursive=True)):
                yield from _below(match) if os.path.isdir(match) else [match]
        else:
            yield item


def _below(folder: str) -> Iterator[str]:
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if Path(name).suffix.lower() in IMAGE_SUFFIXES and not name.startswith("."):
                yield os.path.join(root, name)
