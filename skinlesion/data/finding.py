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
        DataError: If a glob matches nothing.
    """
    for item in given:
        if item == STDIN:
            yield from (text for line in lines if (text := line.rstrip("\r\n")))
        elif os.path.isdir(item):
            yield from _below(item)
        elif os.path.exists(item) or not glob.has_magic(item):
            yield item
        else:
            matches = sorted(glob.iglob(item, recursive=True))
            if not matches:
                raise DataError(f"nothing matches {item}", expected="image files or folders")
            for match in matches:
                yield from _below(match) if os.path.isdir(match) else [match]


def _below(folder: str) -> Iterator[str]:
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if Path(name).suffix.lower() in IMAGE_SUFFIXES and not name.startswith("."):
                yield os.path.join(root, name)
