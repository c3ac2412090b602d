"""Side tables: better diagnoses for some images than their source gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from skinlesion.data.labels import canonical
from skinlesion.data.sources.records import Source
from skinlesion.errors import DataError
from skinlesion.tables import read_columns, refuse_duplicates
from skinlesion.wording import counted


def with_diagnoses(sources: Sequence[Source], tables: Sequence[Path]) -> list[Source]:
    """``sources`` with the words of ``tables`` in place of their own.

    Args:
        sources: All that are read together.
        tables: CSV files with the columns ``image_id`` and ``diagnosis``; a table of two columns
            may call the second as it likes.

    Raises:
        DataError: If a table is missing or unclear, two of them disagree about an image, or no
            source has an image of theirs with a label.
    """
    words: dict[str, tuple[str, Path]] = {}
    disagreed: list[str] = []
    for table in tables:
        for image_id, word in _read(table).items():
            other, where = words.setdefault(image_id, (word, table))
            if canonical(other) != canonical(word):
                disagreed.append(f"{image_id} ({other} in {where.name}, {word} in {table.name})")
    if disagreed:
        raise DataError(
            f"the tables of diagnoses disagree about {counted(len(disagreed), 'image')}",
            expected="one diagnosis for each image",
            fix="remove those rows from one of the tables",
            which=disagreed,
        )
    known = {record.image_id for source in sources for record in source.records}
    strange = sorted(words.keys() - known)
    if strange:
        raise DataError(
            f"the tables of diagnoses list {counted(len(strange), 'image')}"
            " that no source has with a label",
            expected="the image ids of the sources",
            fix="add their source, or remove those rows or the table from diagnoses in the config",
            which=strange,
        )
    return [
        replace(
            source,
            records=tuple(
                record._replace(diagnosis=words[record.image_id][0])
                if record.image_id in words
                else record
                for record in source.records
            ),
        )
        for source in sources
    ]


def _read(table: Path) -> dict[str, str]:
    columns = read_columns(table, required=["image_id"])
    others = [name for name in columns if name != "image_id"]
    if "diagnosis" not in columns and len(others) != 1:
        raise DataError(
            f"{table} does not say which column is the diagnosis",
            expected="columns image_id and diagnosis",
            fix=f"it has {', '.join(columns)}",
        )
    refuse_duplicates(columns["image_id"], where=str(table))
    cells = columns["diagnosis" if "diagnosis" in columns else others[0]]
    empty = [name for name, cell in zip(columns["image_id"], cells, strict=True) if not cell]
    if empty:
        raise DataError(f"{table}: {counted(len(empty), 'image')} without a diagnosis", which=empty)
    return dict(zip(columns["image_id"], cells, strict=True))
