"""What preprocess has found out beside the data set itself, kept in its folder for the audit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skinlesion.data.store import PixelStore, sha256, write_pixels
from skinlesion.errors import DataError, IntegrityError
from skinlesion.tables import read_columns, write_rows

METADATA, SIGNATURES, COPIES = "metadata.csv", "signatures.npy", "copies.csv"
DROPPED, DROPPED_PIXELS = "dropped.csv", "dropped.npy"
FILES = (METADATA, SIGNATURES, COPIES, DROPPED, DROPPED_PIXELS)

METADATA_COLUMNS = (
    *("image_id", "patient", "lesion", "sex", "age", "site"),
    *("width", "height", "sha256"),
)
COPIES_COLUMNS = (
    *("first", "second", "kind", "similarity", "symmetry"),
    *("first_split", "second_split"),
)
DROPPED_COLUMNS = ("image_id", "split", "diagnosis", "source", "reason")


@dataclass(frozen=True)
class Evidence:
    """What ``write_evidence`` wrote, read again.

    Attributes:
        metadata: Columns ``METADATA_COLUMNS`` as text, a row for each row of the manifest.
        signatures: uint8, as many rows, memory-mapped; see ``duplicates.signature``.
        copies: Columns ``COPIES_COLUMNS`` as text, a row a pair; splits are the official ones.
        dropped: Columns ``DROPPED_COLUMNS``, a row for each image left out as it would leak.
        dropped_pixels: As many images.
    """

    metadata: Mapping[str, list[str]]
    signatures: np.ndarray
    copies: Mapping[str, list[str]]
    dropped: Mapping[str, list[str]]
    dropped_pixels: PixelStore


def write_evidence(
    folder: Path,
    *,
    metadata: Mapping[str, np.ndarray],
    signatures: np.ndarray,
    copies: Sequence[Mapping[str, object]],
    dropped: Sequence[Mapping[str, object]],
    dropped_pixels: Iterable[np.ndarray],
    size: int,
) -> dict[str, str]:
    """Write the five files into ``folder``; see ``Evidence``.

    Args:
        folder: Of the data set.
        metadata: Columns ``METADATA_COLUMNS``.
        signatures: uint8, as many rows.
        copies: Rows with ``COPIES_COLUMNS``.
        dropped: Rows with ``DROPPED_COLUMNS``.
        dropped_pixels: As many arrays of shape (size, size, 3), uint8.
        size: Pixels a side.

    Returns:
        The SHA-256 of each file.
    """
    columns = [metadata[name] for name in METADATA_COLUMNS]
    write_rows(folder / METADATA, METADATA_COLUMNS, zip(*columns, strict=True))
    np.save(folder / SIGNATURES, signatures, allow_pickle=False)
    for name, header, rows in (
        (COPIES, COPIES_COLUMNS, copies),
        (DROPPED, DROPPED_COLUMNS, dropped),
    ):
        write_rows(folder / name, header, ([row[key] for key in header] for row in rows))
    write_pixels(folder / DROPPED_PIXELS, dropped_pixels, count=len(dropped), size=size)
    return {name: sha256(folder / name) for name in FILES}


def read_evidence(folder: Path) -> Evidence:
    """The evidence in a data set's folder.

    Raises:
        DataError: If a table is missing or broken.
        IntegrityError: If the files do not belong together.
    """
    try:
        signatures = np.load(folder / SIGNATURES, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(
            f"{folder / SIGNATURES} cannot be read: {error}", fix="run skinlesion preprocess again"
        ) from error
    evidence = Evidence(
        metadata=_read(folder / METADATA, METADATA_COLUMNS),
        signatures=signatures,
        copies=_read(folder / COPIES, COPIES_COLUMNS),
        dropped=_read(folder / DROPPED, DROPPED_COLUMNS),
        dropped_pixels=PixelStore(folder / DROPPED_PIXELS),
    )
    rows = {len(evidence.metadata["image_id"]), len(signatures)}
    dropped = {len(evidence.dropped["image_id"]), len(evidence.dropped_pixels)}
    if len(rows) > 1 or len(dropped) > 1:
        raise IntegrityError(
            f"the tables in {folder} do not belong together", fix="run skinlesion preprocess again"
        )
    return evidence


def _read(path: Path, columns: Sequence[str]) -> dict[str, list[str]]:
    return read_columns(path, required=columns, may_be_empty=True)
