"""Decoded images in shards on disk, so that an interrupted preprocessing goes on where it was."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skinlesion.config import Cleaning, Fit
from skinlesion.data.duplicates import SIGNATURE_SHAPE, signature
from skinlesion.data.images import decode, raise_broken, stored_size
from skinlesion.data.parallel import ordered_map
from skinlesion.errors import DataError
from skinlesion.folders import atomic_path, write_text

KEY = "key.json"
SHARD_IMAGES = 256
SIGNED_SIZE = 256  # pixels a side of the squashed, uncleaned image that a signature is taken of


@dataclass(frozen=True)
class Decoded:
    """What opening n images has told, their pixels apart.

    Attributes:
        digest: SHA-256 of each file, shape (n,).
        width: Of the file's image, in pixels, shape (n,).
        height: Likewise.
        signature: As ``duplicates.signature``, uint8, shape (n, *SIGNATURE_SHAPE).
    """

    digest: np.ndarray
    width: np.ndarray
    height: np.ndarray
    signature: np.ndarray


def decode_shards(
    folder: Path,
    files: Sequence[Path],
    size: int,
    *,
    fit: Fit = "squash",
    cleaning: Cleaning | None = None,
    workers: int = 0,
    shard_images: int,
    progress: Callable[[int, int], None] | None = None,
) -> Decoded:
    """Decode ``files`` into ``folder``; shards that stand there from the same job are kept.

    A shard is written whole or not at all, and is a function of its files and settings alone: a
    run in one thread, in several, or in several attempts leaves the same bytes.

    Args:
        folder: Made as needed. Shards of another job, or of files that have changed since, go.
        files: Images, in the order of rows.
        size: Pixels a side.
        fit: As ``images.decode``.
        cleaning: As ``images.decode``.
        workers: Threads; 0: one a core.
        shard_images: Images a shard.
        progress: Called with (images decoded, images in all).

    Raises:
        DataError: After the last image, if any was broken; it lists all of them.
    """
    cleaned = cleaning.model_dump(mode="json") if cleaning else {}
    _begin(folder, _key(files, [size, fit, cleaned, shard_images]))
    starts = range(0, len(files), shard_images)
    lacking = [start for start in starts if not _shard(folder, start).exists()]
    done = len(files) - sum(min(shard_images, len(files) - start) for start in lacking)
    if done and progress:
        progress(done, len(files))
    todo = [file for start in lacking for file in files[start : start + shard_images]]
    broken: list[DataError] = []

    def attempt(file: Path) -> _Image | DataError:
        try:
            return _decode(file, size, fit, cleaning)
        except DataError as error:
            return error

    with contextlib.closing(ordered_map(attempt, todo, workers=workers)) as results:
        for start in lacking:
            images = []
            for result in itertools.islice(results, min(shard_images, len(files) - start)):
                done += 1
                if isinstance(result, DataError):
                    broken.append(result)
                else:
                    images.append(result)
                if progress:
                    progress(done, len(files))
            if not broken:
                _write(_shard(folder, start), images)
    raise_broken(broken, total=len(files))
    parts = [_facts(_shard(folder, start)) for start in starts]
    return Decoded(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def read_pixels(folder: Path, rows: np.ndarray, *, shard_images: int) -> Iterator[np.ndarray]:
    """Pixels of ``rows``, ascending, one image at a time; one shard is in memory.

    Args:
        folder: What ``decode_shards`` filled.
        rows: Row numbers among its files, ascending.
        shard_images: As given there.
    """
    for start, members in itertools.groupby(
        rows.tolist(), key=lambda row: row // shard_images * shard_images
    ):
        with np.load(_shard(folder, start), allow_pickle=False) as arrays:
            pixels = arrays["pixels"]
        for row in members:
            yield pixels[row - start]


@dataclass(frozen=True)
class _Image:
    pixels: np.ndarray
    digest: str
    width: int
    height: int
    signature: np.ndarray


def _decode(file: Path, size: int, fit: Fit, cleaning: Cleaning | None) -> _Image:
    pixels = decode(file, size, fit=fit, cleaning=cleaning)
    try:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        width, height = stored_size(file)
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from error
    # A copy is known by the photograph itself, whatever the data set makes of it.
    plain = fit == "squash" and (cleaning is None or cleaning == Cleaning())
    signed = pixels if plain and size == SIGNED_SIZE else decode(file, SIGNED_SIZE)
    return _Image(pixels, digest, width, height, signature(signed))


def _shard(folder: Path, start: int) -> Path:
    return folder / f"{start:08d}.npz"


def _key(files: Sequence[Path], settings: list[Any]) -> str:
    """Names the job: its settings, and the files as they are now."""
    try:
        facts = [
            (str(file.resolve()), status.st_size, status.st_mtime_ns)
            for file, status in ((file, file.stat()) for file in files)
        ]
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error
    content = json.dumps([settings, SIGNATURE_SHAPE, facts]).encode()
    return json.dumps({"job": hashlib.sha256(content).hexdigest()}) + "\n"


def _begin(folder: Path, key: str) -> None:
    """Make ``folder`` that of the job ``key``, empty unless it was that already."""
    file = folder / KEY
    if file.is_file() and file.read_text(encoding="utf-8") == key:
        return
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    write_text(file, key)


def _write(path: Path, images: Sequence[_Image]) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            allow_pickle=False,
            pixels=np.stack([image.pixels for image in images]),
            digest=np.array([image.digest for image in images]),
            width=np.array([image.width for image in images], dtype=np.int32),
            height=np.array([image.height for image in images], dtype=np.int32),
            signature=np.stack([image.signature for image in images]),
        )


def _facts(path: Path) -> tuple[np.ndarray, ...]:
    with np.load(path, allow_pickle=False) as arrays:
        return tuple(arrays[name] for name in ("digest", "width", "height", "signature"))
