"""The dataset folder: manifest.csv, pixels.npy and dataset.json, written once and checked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skinlesion.errors import DataError, IntegrityError
from skinlesion.runs import read_json, write_json
from skinlesion.tables import Manifest

MANIFEST, PIXELS, INFO = "manifest.csv", "pixels.npy", "dataset.json"
VERSION = 2
_CHUNK = 1 << 22


class PixelStore:
    """Read-only pixels on disk: row ``i`` is row ``i`` of the manifest.

    Args:
        path: A ``.npy`` file of uint8, shape (n, size, size, 3).

    Raises:
        IntegrityError: If it is cut short or is something else.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._pixels = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise IntegrityError(
                f"{path} is not a pixel store: {error}", fix="run skinlesion preprocess again"
            ) from error
        shape = self._pixels.shape
        square = len(shape) == 4 and shape[1] == shape[2] and shape[3] == 3
        if not square or self._pixels.dtype != np.uint8:
            raise IntegrityError(
                f"{path} is not a pixel store: {self._pixels.dtype} {shape}",
                expected="uint8 (n, size, size, 3)",
                fix="run skinlesion preprocess again",
            )

    def __len__(self) -> int:
        return len(self._pixels)

    @property
    def image_size(self) -> int:
        """Pixels a side."""
        return int(self._pixels.shape[1])

    def read(self, rows: np.ndarray) -> np.ndarray:
        """A copy of the pixels of ``rows``, shape (len(rows), size, size, 3), uint8."""
        return np.array(self._pixels[rows])


@dataclass(frozen=True)
class Dataset:
    """What ``skinlesion preprocess`` made.

    Attributes:
        path: Its folder.
        manifest: One row an image.
        pixels: As many rows, in the same order.
        info: The content of ``dataset.json``.
    """

    path: Path
    manifest: Manifest
    pixels: PixelStore
    info: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        """Names the content: equal for equal manifests and pixels."""
        return str(self.info["fingerprint"])


def write_dataset(
    folder: Path,
    manifest: Manifest,
    pixels: Iterable[np.ndarray],
    *,
    size: int,
    description: Mapping[str, Any],
) -> None:
    """Write the three files.

    Args:
        folder: An empty folder.
        manifest: One row an image.
        pixels: As many arrays of shape (size, size, 3), uint8, in the same order.
        size: Pixels a side.
        description: More to say in ``dataset.json``.

    Raises:
        IntegrityError: If ``pixels`` do not fit the manifest.
    """
    manifest.write_csv(folder / MANIFEST)
    manifest_hash = sha256(folder / MANIFEST)
    pixels_hash = write_pixels(folder / PIXELS, pixels, count=len(manifest), size=size)
    info = {
        "version": VERSION,
        "fingerprint": fingerprint(manifest_hash, pixels_hash),
        "manifest_sha256": manifest_hash,
        "pixels_sha256": pixels_hash,
        "image_size": size,
        **description,
    }
    write_json(folder / INFO, info)


def write_pixels(path: Path, rows: Iterable[np.ndarray], *, count: int, size: int) -> str:
    """Write ``rows`` one after the other and return the file's SHA-256.

    Written, not memory-mapped: on a full disk a write raises OSError, a mapped page kills the
    process.

    Args:
        path: The new file.
        rows: ``count`` arrays of shape (size, size, 3), uint8.
        count: Number of images.
        size: Pixels a side.

    Raises:
        IntegrityError: If ``rows`` are not ``count`` arrays of that shape.
    """
    written = 0
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (count, size, size, 3)}
        np.lib.format.write_array_header_1_0(file, header)
        for row in rows:
            if row.shape != (size, size, 3) or row.dtype != np.uint8:
                raise IntegrityError(
                    f"row {written} of {path} would be {row.dtype} {row.shape}",
                    expected=f"uint8 ({size}, {size}, 3)",
                )
            file.write(row.tobytes())
            written += 1
    if written != count:
        raise IntegrityError(f"{path} would have {written} rows", expected=f"{count}")
    return sha256(path)


def sha256(path: Path) -> str:
    """SHA-256 of the file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def fingerprint(manifest_sha256: str, pixels_sha256: str) -> str:
    """SHA-256 of the two hexadecimal digests, one after the other."""
    return hashlib.sha256((manifest_sha256 + pixels_sha256).encode()).hexdigest()


def is_dataset(path: Path) -> bool:
    """Whether ``path`` is a folder that ``skinlesion preprocess`` made."""
    return (path / INFO).is_file() and (path / MANIFEST).is_file()


def open_dataset(path: Path, *, verify: bool = False) -> Dataset:
    """Open a dataset folder, its pixels unread.

    Args:
        path: The folder.
        verify: Also compare every byte of the pixels with the recorded SHA-256.

    Raises:
        DataError: If there is no dataset, or its tables cannot be read.
        IntegrityError: If its files do not belong together or were changed.
    """
    if not (path / INFO).is_file():
        raise DataError(
            f"there is no dataset at {path}",
            expected=f"a folder with {MANIFEST}, {PIXELS} and {INFO}",
            fix=f"skinlesion preprocess --source DIR --out {path}",
        )
    info = read_json(path / INFO)
    _refuse_version(path, info)
    manifest = Manifest.read_csv(path / MANIFEST)
    pixels = PixelStore(path / PIXELS)
    if len(pixels) != len(manifest):
        raise _changed(path, f"has {len(manifest)} rows but {len(pixels)} images")
    found = sha256(path / MANIFEST)
    if found != info["manifest_sha256"]:
        raise _changed(path / MANIFEST, "was changed after it was written")
    if info["fingerprint"] != fingerprint(found, info["pixels_sha256"]):
        raise _changed(path / INFO, "was changed after it was written")
    if verify and sha256(path / PIXELS) != info["pixels_sha256"]:
        raise _changed(path / PIXELS, "was changed after it was written")
    return Dataset(path, manifest, pixels, info)


def _refuse_version(path: Path, info: dict[str, Any]) -> None:
    keys = ("fingerprint", "manifest_sha256", "pixels_sha256")
    missing = [key for key in keys if not isinstance(info.get(key), str)]
    if info.get("version") != VERSION or missing:
        raise IntegrityError(
            f"{path / INFO} was written by another version of skinlesion, or changed",
            expected=f"version {VERSION} with {', '.join(keys)}",
            fix="run skinlesion preprocess again",
        )


def _changed(path: Path, how: str) -> IntegrityError:
    return IntegrityError(f"{path} {how}", fix="run skinlesion preprocess again")
