"""Readers of dataset layouts: from a folder or a CSV to records, without opening an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from skinlesion.data.sources import (
    class_folders,
    csv_table,
    ham10000,
    isic2016,
    isic2017,
    isic2018,
    isic2019,
    isic2020,
    isic_archive,
)
from skinlesion.data.sources.diagnoses import with_diagnoses
from skinlesion.data.sources.records import Reader, Record, Source, isic_id
from skinlesion.errors import ConfigError, DataError
from skinlesion.wording import counted

__all__ = [
    "READERS",
    "Record",
    "Source",
    "detect",
    "isic_id",
    "read_source",
    "read_sources",
    "with_diagnoses",
]

# The generic ones are asked last, and in this order, whether a path is theirs.
READERS: dict[str, Reader] = {
    "csv": csv_table.READER,
    "isic2016": isic2016.READER,
    "isic2017": isic2017.READER,
    "isic2018": isic2018.READER,
    "isic2019": isic2019.READER,
    "isic2020": isic2020.READER,
    "ham10000": ham10000.READER,
    "isic archive": isic_archive.READER,
    "class folders": class_folders.READER,
}


def detect(path: Path) -> str:
    """The name in ``READERS`` of the layout of ``path``.

    Raises:
        DataError: If ``path`` is missing, is none of the layouts, or is several at once.
    """
    if not path.exists():
        raise DataError(f"the source {path} does not exist", expected="a folder or a CSV file")
    special = [name for name, r in READERS.items() if not r.generic and r.recognizes(path)]
    if len(special) > 1:
        raise DataError(
            f"{path} holds several datasets: {', '.join(special)}",
            expected="one in each folder",
            fix="move them to folders of their own, and name each as a source",
        )
    generic = (name for name, r in READERS.items() if r.generic and r.recognizes(path))
    name = special[0] if special else next(generic, "")
    if name:
        return name
    layouts = "".join(f"\n      - {reader.describes}" for reader in READERS.values())
    raise DataError(f"{path} is not a dataset that can be read", expected=f"one of{layouts}")


def read_source(path: Path) -> Source:
    """All records of one source.

    Raises:
        DataError: If the layout is unknown, a file is missing, or a table breaks its rules.
    """
    layout = detect(path)
    try:
        source = READERS[layout].read(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    if not source.records:
        raise DataError(
            f"{path} has no images with a label",
            expected=f"some; it has {len(source.unlabelled)} without" if source.unlabelled else "",
        )
    return source


def read_sources(paths: Sequence[Path]) -> list[Source]:
    """Several sources; one with a name that is taken gets a number appended.

    Raises:
        ConfigError: If there is none.
        DataError: As ``read_source``, and if an image_id occurs in two sources.
    """
    if not paths:
        raise ConfigError("there is no source", fix="pass --source DIR, or set sources: [DIR]")
    sources: list[Source] = []
    for path in paths:
        source = read_source(path)
        taken = {other.name for other in sources}
        numbered = (f"{source.name}-{number}" for number in range(2, len(paths) + 1))
        name = (
            source.name if source.name not in taken else next(n for n in numbered if n not in taken)
        )
        sources.append(replace(source, name=name))
    _refuse_shared_ids(sources)
    return sources


def _refuse_shared_ids(sources: Sequence[Source]) -> None:
    """An ISIC id names one image all over the world: of two the leak guard keeps one."""
    owner: dict[str, str] = {}
    shared = []
    for source in sources:
        for record in source.records:
            other = owner.setdefault(record.image_id, source.name)
            if other != source.name and not isic_id(record.image_id):
                shared.append(f"{record.image_id} ({other}, {source.name})")
    if shared:
        raise DataError(
            f"{counted(len(shared), 'image id')} in two sources",
            expected="every image once: a copy in another split would leak",
            fix="remove the images from one of the sources; if they differ, rename them",
            which=shared,
        )
