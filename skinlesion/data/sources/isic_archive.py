"""Images of the ISIC Archive, as ``skinlesion download-isic`` or ``isic-cli`` puts them on disk."""

from __future__ import annotations

from pathlib import Path

from skinlesion.data.labels import deepest_words
from skinlesion.data.sources.parts import details, place, with_details
from skinlesion.data.sources.records import Reader, Source, has_columns
from skinlesion.errors import DataError
from skinlesion.tables import read_columns, refuse_duplicates

TABLE = "metadata.csv"
IMAGES = "images"  # isic-cli puts the table among the images instead
MORE = {
    "patient": "patient_id",
    "lesion": "lesion_id",
    "sex": "sex",
    "age": "age_approx",
    "site": "anatom_site_general",
}
LEVELS = tuple(f"diagnosis_{level}" for level in range(1, 6))


def recognizes(path: Path) -> bool:
    """Whether ``path`` is a folder with a ``metadata.csv`` of ISIC ids."""
    return path.is_dir() and has_columns(path / TABLE, ["isic_id"])


def read(path: Path) -> Source:
    """Read it, with the deepest diagnosis that we know; images without any are unlabelled.

    Raises:
        DataError: If the diagnoses are missing or of the archive's older form, contradict each
            other, or a row lacks its image.
    """
    table = path / TABLE
    columns = read_columns(table, required=["isic_id"])
    ids = columns["isic_id"]
    if LEVELS[0] not in columns:
        old = [name for name in ("benign_malignant", "diagnosis") if name in columns]
        raise DataError(
            f"{table} lacks the column {LEVELS[0]}",
            expected="the diagnoses of the archive's tree, diagnosis_1 to diagnosis_5",
            fix=f"download it again: {' and '.join(old)} of the archive's older form"
            " do not fit the tree"
            if old
            else "download it again with the images' metadata",
        )
    refuse_duplicates(ids, where=str(table))
    present = [columns[name] for name in LEVELS if name in columns]
    words = deepest_words(list(zip(*present, strict=True)), ids, where=str(table))
    more = details(table, MORE, ids="isic_id", optional=True)
    folder = path / IMAGES if (path / IMAGES).is_dir() else path
    records = with_details(dict(zip(ids, words, strict=True)), more)
    placed, others = place(records, folder, root=path, table=table)
    return Source(path.resolve().name, "isic archive", path, tuple(placed), tuple(others))


READER = Reader(
    "the output of download-isic: images/ with metadata.csv (isic_id, diagnosis_1, ...)",
    recognizes,
    read,
    generic=True,
)
